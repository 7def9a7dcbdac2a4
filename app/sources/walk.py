"""Folders → the pictures in them and below, each with its size and time, and what was left out."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from app.errors import DatasetError, printable
from app.images.formats import HEAD_BYTES, RAW, SUFFIXES, recognise
from app.sources import passed_over
from app.sources.listing import unreadable
from app.sources.patterns import IGNORE_FILE, Exclusions
from app.sources.picture import Picture, labels_of
from app.values.names import text_of

_ANNEX = "annex/objects/"  # where git-annex keeps the content that its links lead to
_JPEG = frozenset((".jpg", ".jpeg", ".jpe"))
_LONGEST_SUFFIX = 11  # in characters, with the dot: what is longer is no suffix but a name


class _Folder(NamedTuple):
    """A folder to list: `way` are the names that lead to it, as text; `place` is its path.

    `real` is the path without links.
    """

    source: int
    way: tuple[str, ...]
    place: Path
    real: Path
    exclusions: Exclusions

    @property
    def prefix(self) -> str:
        """What the paths in it begin with: '' or 'a/b/'."""
        return "".join(f"{name}/" for name in self.way)


class Walk:
    """One pass over folders and all below them.

    Links are followed, and each real folder is listed once: under its own path if that lies in one
    of the folders, else under the first link to it. Folders are told apart by their paths without
    links, never by inode numbers, which some file systems give to all folders alike (mergerfs,
    rclone, SMB). Each file costs one system call, and none whose suffix is known is opened.
    """

    def __init__(self, folders: Sequence[Path], exclusions: Exclusions) -> None:
        self._folders = folders
        self._exclusions = exclusions
        self._visited: set[Path] = set()
        self._links: list[_Folder] = []
        self._left_out: Counter[str] = Counter()
        self._not_pictures: Counter[str] = Counter()  # by suffix

    def pictures(self) -> Iterator[Picture]:
        """Yield the pictures in no order, and as `missing` ones the rest that should be seen.

        These are links to nothing that are named like pictures, files that the system does not
        show, and folders that may not be listed.

        Raises
        ------
        DatasetError
            One of the folders, or an ignore file, cannot be read.
        UsageError
            An ignore file holds a pattern that can match nothing.
        """
        for source, folder in enumerate(self._folders):
            real = Path(os.path.realpath(folder))
            yield from self._below(_Folder(source, (), folder, real, self._exclusions))
        # A link never takes the place of the folder that it leads to: all real ones were first.
        while self._links:
            links, self._links = sorted(self._links, key=lambda link: link[:2]), []
            for link in links:
                yield from self._below(link)

    def left_out(self) -> dict[str, int]:
        """Return how many files and folders were passed over, by the reason in few words."""
        named = {
            passed_over.not_a_picture(suffix): number
            for suffix, number in self._not_pictures.most_common(passed_over.MOST_SUFFIXES)
            if not suffix or (suffix[1:].isalnum() and len(suffix) <= _LONGEST_SUFFIX)
        }
        others = self._not_pictures.total() - sum(named.values())
        rest = {passed_over.not_a_picture("other suffixes"): others} if others else {}
        return {**self._left_out, **named, **rest}

    def _below(self, top: _Folder) -> Iterator[Picture]:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if folder.real in self._visited:
                continue
            self._visited.add(folder.real)
            try:
                with os.scandir(folder.place) as found:
                    entries = list(found)
                yield from self._inside(folder, entries, waiting)
            except OSError as exc:
                why = _why_not_listed(exc)
                if not folder.way:
                    raise DatasetError(f"{text_of(folder.place)} {why}.") from exc
                # Listed like a picture: the build then skips it, with the reason.
                yield Picture(
                    "/".join(folder.way),
                    labels_of(folder.way[:-1]),
                    missing=f"This folder {why}, or exclude it.",
                    source=folder.source,
                )

    def _inside(
        self, folder: _Folder, entries: Sequence["os.DirEntry[str]"], waiting: list[_Folder]
    ) -> list[Picture]:
        """Return the pictures of one folder, and add the folders in it to those that wait.

        OSError if the folder itself may not be entered.
        """
        folder = _with_ignore_file(folder, entries)
        prefix, labels = folder.prefix, labels_of(folder.way)
        in_library = passed_over.is_photo_library(folder.real.name)
        pictures: list[Picture] = []
        inner: list[_Folder] = []
        for entry in entries:
            name = text_of(entry.name)
            if name == IGNORE_FILE:
                continue
            status, missing = None, ""
            try:
                is_folder = entry.is_dir()
                reason = passed_over.why_passed_over(name, in_photo_library=in_library)
                if not reason and folder.exclusions.exclude(prefix + name, is_folder=is_folder):
                    reason = passed_over.EXCLUDED
                if reason:
                    self._left_out[reason] += 1
                elif is_folder:
                    self._add(folder, entry, name, inner)
                else:
                    status = self._status_of_picture(entry, name)
            except OSError as exc:
                missing = self._why_missing(folder, entry, name, exc)
            if status or missing:
                size, time = (status.st_size, status.st_mtime_ns) if status else (-1, 0)
                pictures.append(
                    Picture(prefix + name, labels, "", missing, folder.source, size, time)
                )
        waiting += inner
        return self._without_pairs(pictures)

    def _without_pairs(self, pictures: list[Picture]) -> list[Picture]:
        """Return one folder's pictures without the raw files whose JPEG lies beside them.

        They are counted. Their names differ in the suffix alone, in any case.
        """
        jpegs = {
            _stem_of(each.path)
            for each in pictures
            if not each.missing and _suffix_of(each.path) in _JPEG
        }
        kept = [
            each
            for each in pictures
            if _suffix_of(each.path) not in RAW.suffixes or _stem_of(each.path) not in jpegs
        ]
        if len(kept) < len(pictures):
            self._left_out[passed_over.PAIRED] += len(pictures) - len(kept)
        return kept

    def _add(
        self, folder: _Folder, entry: "os.DirEntry[str]", name: str, inner: list[_Folder]
    ) -> None:
        """Add a folder in `folder` to `inner`, or to the links that are followed last."""
        way, place = (*folder.way, name), Path(entry.path)
        if _is_link(entry):
            real = Path(os.path.realpath(place))
            self._links.append(folder._replace(way=way, place=place, real=real))
        else:
            inner.append(folder._replace(way=way, place=place, real=folder.real / entry.name))

    def _status_of_picture(self, entry: "os.DirEntry[str]", name: str) -> os.stat_result | None:
        """Return the status of a file that is a picture by its suffix, or without one by its bytes.

        None where it is none, which is counted; OSError for a link to nothing.
        """
        suffix = _suffix_of(name)
        if suffix and suffix not in SUFFIXES:
            self._not_pictures[suffix] += 1
            return None
        status = entry.stat()
        if not stat.S_ISREG(status.st_mode):
            self._left_out[passed_over.NOT_A_FILE] += 1
        elif suffix or _begins_like_a_picture(Path(entry.path)):
            return status
        else:
            self._not_pictures[suffix] += 1
        return None

    def _why_missing(
        self, folder: _Folder, entry: "os.DirEntry[str]", name: str, exc: OSError
    ) -> str:
        """Return why a file or folder that is there by its name cannot be had, in a sentence.

        '' for one that is gone by now, and for a link to nothing that is not named like a picture,
        which is counted. OSError if the whole folder may not be entered.
        """
        gone = isinstance(exc, FileNotFoundError | NotADirectoryError)
        if _is_link(entry) and (gone or exc.errno == errno.ELOOP):
            if _suffix_of(name) in SUFFIXES:
                return _why_dangling(entry)
            self._left_out[passed_over.DANGLING] += 1
            return ""
        _check_entered(folder)
        if gone:
            return ""
        return f"It cannot be read ({exc.strerror}): allow that, or exclude it."


def _with_ignore_file(folder: _Folder, entries: Iterable["os.DirEntry[str]"]) -> _Folder:
    """Return a folder with the patterns of the ignore file in it, if it holds one."""
    for entry in entries:
        if entry.name == IGNORE_FILE and entry.is_file():
            file = Path(entry.path)
            try:
                text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
            except OSError as exc:
                _check_entered(folder)
                raise unreadable(file, exc) from exc
            exclusions = folder.exclusions.with_file(
                text.split("\n"), prefix=folder.prefix, file=text_of(file)
            )
            return folder._replace(exclusions=exclusions)
    return folder


def _is_link(entry: "os.DirEntry[str]") -> bool:
    is_junction = getattr(entry, "is_junction", None)  # from Python 3.12 on, for Windows
    return entry.is_symlink() or (is_junction is not None and is_junction())


def _suffix_of(name: str) -> str:
    """Return a name's suffix in lower case with the dot, '' where it has none."""
    stem, _, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if stem and suffix else ""


def _stem_of(path: str) -> str:
    """Return a path without its suffix, in lower case."""
    return path.rpartition(".")[0].lower()


def _begins_like_a_picture(path: Path) -> bool:
    """Return whether a file's first bytes are a picture's; False where it cannot be opened."""
    try:
        with path.open("rb") as file:
            return recognise(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _check_entered(folder: _Folder) -> None:
    """Raise OSError if a folder may be listed, but nothing in it be asked for (mode 444)."""
    os.stat(f"{folder.place}/.")  # noqa: PTH116 (a Path would lose the dot)


def _why_not_listed(exc: OSError) -> str:
    """Return the end of a sentence about a folder that the system refuses to list."""
    if isinstance(exc, PermissionError):
        return f"may not be entered ({exc.strerror}): give yourself the right to list and enter it"
    return f"cannot be listed ({exc.strerror}): see that it can be read"


def _why_dangling(entry: "os.DirEntry[str]") -> str:
    """Return what to do about a link to nothing, in a sentence."""
    try:
        target = text_of(Path(entry.path).readlink())
    except OSError:
        return "It is a link that cannot be read: delete it, or exclude it."
    if _ANNEX in target.replace("\\", "/"):
        return "Its content is not in this clone of a git-annex: run git annex get there."
    return (
        f"It is a link to {printable(target)}, which is not there: put that back, or delete the "
        "link."
    )
