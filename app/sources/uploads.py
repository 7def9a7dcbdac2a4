"""Uploaded pictures, or a ZIP of them → a folder that a gallery can be built from.

Uploads are not trusted: no name leads out of the folder, and the folder gets its name in one step
at the end, so that it appears complete or not at all. The uploads stay where they are.
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
from app.sources.folder import MOST_UNPACKED_BYTES, check_free_space, new_folder, relative

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4, general purpose bit flag
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what nearly every ZIP uses
# Everything that `zipfile` raises for a damaged archive.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError)

_File = TypeVar("_File")
OnProgress = Callable[[str, int, int], None]


def gather(
    files: Sequence[tuple[Path, str]],
    folder: Path,
    *,
    suffixes: frozenset[str],
    on_progress: OnProgress,
) -> None:
    """Fill `folder` with files, each under its given name, which may have sub-folders.

    Hidden files and those without one of the `suffixes` are left out.

    Raises
    ------
    UsageError
        A name leads out of the folder or occurs twice, or the folder holds other pictures.
    DatasetError
        No picture is left.
    StorageError
        The folder cannot be written.
    """
    pictures = _pictures(((name, file) for file, name in files), "The upload", suffixes)
    with new_folder(folder) as made:
        for done, (name, file) in enumerate(pictures.items()):
            on_progress("collect", done, len(pictures))
            place = made / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, place)  # on the same disk it takes no room and no time
            except FileNotFoundError as exc:
                raise UsageError(f"{name} is no longer there: choose it again.") from exc
            except OSError:
                shutil.copyfile(file, place)
        on_progress("collect", len(pictures), len(pictures))


def unpack(
    archive: Path,
    name: str,
    folder: Path,
    *,
    suffixes: frozenset[str],
    on_progress: OnProgress,
    most_bytes: int = MOST_UNPACKED_BYTES,
) -> None:
    """Unpack the pictures of a ZIP, which messages call `name`, into `folder`.

    Hidden files, those that macOS adds, and those without one of the `suffixes` are left out.

    Raises
    ------
    DatasetError
        The file is not a whole ZIP, is encrypted, or holds a link, a name that leads out of the
        folder, too many bytes or no picture.
    UsageError
        The folder holds other pictures.
    StorageError
        It cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            pictures = _members(packed, name, suffixes)
            total = _check_room(pictures.values(), name, folder, most_bytes)
            with new_folder(folder) as made:
                done = 0
                for path, member in pictures.items():
                    done = _unpack_one(packed, member, made / path, done, total, on_progress)
    except FileNotFoundError as exc:
        raise UsageError(f"{name} is no longer there: choose it again.") from exc
    except NotImplementedError as exc:
        raise DatasetError(
            f"{name} is packed in a way that cannot be read ({exc}): pack it as a plain ZIP."
        ) from exc
    except _DAMAGED as exc:
        raise DatasetError(f"{name} is not a ZIP archive, or a damaged one: pack it anew.") from exc


def _members(
    packed: zipfile.ZipFile, archive: str, suffixes: frozenset[str]
) -> dict[str, zipfile.ZipInfo]:
    """Return the members to unpack, by the path where they go."""
    files = []
    for member in packed.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 if it was not packed on Unix
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DatasetError(
                f"{archive} holds {shortened(member.filename)}, which is a link or a device and no "
                "file: pack it without those."
            )
        if not member.filename.endswith("/"):
            files.append((member.filename, member))
    pictures = _pictures(files, archive, suffixes)
    if any(member.flag_bits & _ENCRYPTED for member in pictures.values()):
        raise DatasetError(f"{archive} is encrypted: pack it without a password.")
    if any(member.compress_type not in _METHODS for member in pictures.values()):
        raise NotImplementedError("neither stored nor deflated")
    return pictures


def _check_room(
    members: Iterable[zipfile.ZipInfo], archive: str, folder: Path, most_bytes: int
) -> int:
    """Return the members' size in bytes; DatasetError or StorageError if it is too large."""
    total = sum(member.file_size for member in members)
    if total > most_bytes:
        raise DatasetError(
            f"{archive} would unpack to {total / 1e9:,.1f} GB, and {most_bytes / 1e9:g} GB are the "
            "limit: pack fewer pictures, or unpack it yourself and give the folder."
        )
    check_free_space(folder, total)
    return total


def _unpack_one(
    packed: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    place: Path,
    done: int,
    total: int,
    on_progress: OnProgress,
) -> int:
    """Write one picture; return the bytes written so far, never more than the announced total."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        for chunk in _chunks(packed, member):
            on_progress("unpack", done, total)
            done += len(chunk)
            if done > total:
                raise zipfile.BadZipFile("it holds more than it says")
            file.write(chunk)
    return done


def _chunks(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with packed.open(member) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as exc:  # its entry points to a place outside the file
        raise zipfile.BadZipFile(str(exc)) from exc


def _pictures(
    files: Iterable[tuple[str, _File]], source: str, suffixes: frozenset[str]
) -> dict[str, _File]:
    """Return the pictures among (name, file) by relative path, in the order of the paths.

    A folder that holds everything would be a label of every picture: it is left out.
    """
    pictures: dict[PurePosixPath, _File] = {}
    for name, file in files:
        path = relative(name, source)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        if hidden or path.suffix.lower() not in suffixes:
            continue
        if path in pictures:
            raise UsageError(f"{source} holds {path} twice: rename one of them.")
        pictures[path] = file
    if not pictures:
        raise DatasetError(
            f"{source} holds no picture (a file named {' '.join(sorted(suffixes))})."
        )
    for path in pictures:
        if any(parent in pictures for parent in path.parents):
            raise UsageError(f"{source} holds {path.parent} as a file and as a folder: rename one.")
    first = {path.parts[0] for path in pictures}
    inside = 1 if len(first) == 1 and all(len(path.parts) > 1 for path in pictures) else 0
    return {
        str(PurePosixPath(*path.parts[inside:])): file for path, file in sorted(pictures.items())
    }
