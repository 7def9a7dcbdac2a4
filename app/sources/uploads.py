"""Uploaded pictures, or a ZIP of them, turned into a folder that a gallery can be built from.

What comes is never trusted: no name leads out of the folder, and the folder gets its name in one
step at the end, so that it is there whole or not at all. What was uploaded stays where it is.
"""

import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import TypeVar

from app.errors import DatasetError, UsageError
from app.sources.folder import check_free_space, new_folder, relative

MOST_UNPACKED_BYTES = 20_000_000_000
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, general purpose bit flag
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what nearly every ZIP is packed with
# All that a damaged archive makes `zipfile` raise.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError)

_File = TypeVar("_File")
Tell = Callable[[str, int, int], None]


def gather(
    files: Sequence[tuple[Path, str]], folder: Path, *, suffixes: frozenset[str], tell: Tell
) -> None:
    """Make `folder` of files, each with the name that it gets there, sub-folders included.

    Hidden files and those without one of the `suffixes` are left out. UsageError for a name that
    leads elsewhere or comes twice, or a `folder` with other pictures; DatasetError if nothing is
    left; StorageError if the disk cannot take it.
    """
    named = _named(((name, file) for file, name in files), "What was chosen", suffixes)
    with new_folder(folder) as made:
        for done, (name, file) in enumerate(named.items()):
            tell("collect", done, len(named))
            place = made / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)  # on one disk it takes no room and no time
            except FileNotFoundError as exc:
                raise UsageError(f"{name} is not here any more: choose it again.") from exc
            except OSError:
                shutil.copyfile(file, place)
        tell("collect", len(named), len(named))


def unpack(
    archive: Path,
    called: str,
    folder: Path,
    *,
    suffixes: frozenset[str],
    tell: Tell,
    most_bytes: int = MOST_UNPACKED_BYTES,
) -> None:
    """Make `folder` of the pictures in a ZIP, which messages call `called`.

    Hidden files, those that macOS adds, and those without one of the `suffixes` are left out.
    DatasetError for a file that is no whole ZIP, is encrypted, or holds a link or a name that leads
    elsewhere, too many bytes or no picture; UsageError for a `folder` with other pictures;
    StorageError if the disk cannot take it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            named = _members(opened, called, suffixes)
            total = _check_room(named.values(), called, folder, most_bytes)
            with new_folder(folder) as made:
                done = 0
                for name, member in named.items():
                    done = _unpack_one(opened, member, made / name, done, total, tell)
    except FileNotFoundError as exc:
        raise UsageError(f"{called} is not here any more: choose it again.") from exc
    except NotImplementedError as exc:
        raise DatasetError(
            f"{called} is packed in a way that cannot be read ({exc}): pack it as a plain ZIP."
        ) from exc
    except _DAMAGED as exc:
        raise DatasetError(
            f"{called} is not a ZIP archive, or a damaged one: pack it anew."
        ) from exc


def _members(
    opened: zipfile.ZipFile, called: str, suffixes: frozenset[str]
) -> dict[str, zipfile.ZipInfo]:
    """Return what is to be unpacked, by the path that it gets."""
    files = []
    for member in opened.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not packed on Unix
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetError(
                f"{called} holds {shortened(member.filename)}, which is a link or a device and no "
                "file: pack it without those."
            )
        if not member.filename.endswith("/"):
            files.append((member.filename, member))
    named = _named(files, called, suffixes)
    if any(member.flag_bits & _ENCRYPTED for member in named.values()):
        raise DatasetError(f"{called} is encrypted: pack it without a password.")
    if any(member.compress_type not in _METHODS for member in named.values()):
        raise NotImplementedError("neither stored nor deflated")
    return named


def _check_room(
    members: Iterable[zipfile.ZipInfo], called: str, folder: Path, most_bytes: int
) -> int:
    """Return how many bytes there will be, if there may be so many."""
    total = sum(member.file_size for member in members)
    if total > most_bytes:
        raise DatasetError(
            f"{called} would unpack to {total / 1e9:,.1f} GB, and {most_bytes / 1e9:g} GB are the "
            "most: pack fewer pictures, or unpack it yourself and give the folder."
        )
    check_free_space(folder, total)
    return total


def _unpack_one(
    opened: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    place: Path,
    done: int,
    total: int,
    tell: Tell,
) -> int:
    """Write one picture; return how many bytes there are now, never more than were announced."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        for chunk in _chunks(opened, member):
            tell("unpack", done, total)
            done += len(chunk)
            if done > total:
                raise zipfile.BadZipFile("it holds more than it says")
            file.write(chunk)
    return done


def _chunks(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with opened.open(member) as packed:
            while chunk := packed.read(_CHUNK_BYTES):
                yield chunk
    except OSError as exc:  # told to begin at a place that no file has
        raise zipfile.BadZipFile(str(exc)) from exc


def _named(
    files: Iterable[tuple[str, _File]], called: str, suffixes: frozenset[str]
) -> dict[str, _File]:
    """Return the pictures among (name, file) by relative path, in the order of the paths.

    A folder that everything lies in tells nothing, and would be a label of every picture: it is
    left out.
    """
    named: dict[PurePosixPath, _File] = {}
    for name, file in files:
        path = relative(name, called)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        if hidden or path.suffix.lower() not in suffixes:
            continue
        if path in named:
            raise UsageError(f"{called} holds {path} twice: rename one of them.")
        named[path] = file
    if not named:
        raise DatasetError(
            f"{called} holds no picture (a file named {' '.join(sorted(suffixes))})."
        )
    for path in named:
        if any(parent in named for parent in path.parents):
            raise UsageError(f"{called} holds {path.parent} as a file and as a folder: rename one.")
    first = {path.parts[0] for path in named}
    inside = 1 if len(first) == 1 and all(len(path.parts) > 1 for path in named) else 0
    return {str(PurePosixPath(*path.parts[inside:])): file for path, file in sorted(named.items())}
