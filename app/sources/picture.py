"""A data set's pictures with their labels, and the protocol of the layouts that list them."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.values.names import path_of


@dataclass(frozen=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    path
        Relative to the folder that it lies in, with forward slashes on every system, as UTF-8 text
        (`app.values.names`). `file_of` gives the file.
    labels
        Sorted, each once; empty when nothing is known about the image.
    key
        Its id in the list of pictures; '' if it comes from no list.
    missing
        Why a listed picture cannot be had, and what to do, in one sentence; '' where it can.
    source
        Which of the layout's `folders` it lies in, from 0.
    size, mtime_ns
        The file's bytes, and its time in nanoseconds, when it was listed; -1 and 0 where the
        listing did not ask. They describe the file, not the picture: two that differ in nothing
        else are equal.
    """

    path: str
    labels: tuple[str, ...]
    # Not in the text that a build's recipe is made of, so that older drafts of folders still match.
    key: str = field(default="", repr=False)
    missing: str = field(default="", repr=False)
    source: int = field(default=0, repr=False)
    size: int = field(default=-1, repr=False, compare=False)
    mtime_ns: int = field(default=0, repr=False, compare=False)


class Layout(Protocol):
    """Folders whose structure gives pictures and labels."""

    name: str

    @property
    def folder(self) -> Path:
        """The first of `folders`."""
        ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the paths of its pictures start; at least one."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """Why files and folders were passed over, in few words → how many; after `pictures()`."""
        ...

    def pictures(self) -> list[Picture]:
        """Return every image of `folders` in a fixed order, so that rows never move.

        They are sorted by folder and path (code points), or in the order of the list that names
        them.
        """
        ...


class OneFolder:
    """What every layout of one folder shares: nothing of it is passed over without a word."""

    folder: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folder alone."""
        return (self.folder,)

    @property
    def left_out(self) -> Mapping[str, int]:
        """Nothing."""
        return {}


def file_of(folders: Sequence[Path], picture: Picture) -> Path:
    """Return where a picture of a layout with these `folders` is.

    UnicodeEncodeError for a path that no file can have.
    """
    return folders[picture.source] / path_of(picture.path)


def in_order(pictures: Iterable[Picture]) -> list[Picture]:
    """Return the pictures sorted by folder and path, in the order of code points."""
    return sorted(pictures, key=lambda picture: (picture.source, picture.path))


def labels_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as labels: sorted, each once, none blank, in Unicode's form NFC.

    So the two ways to write é, as one character and as e with an accent (as macOS names files),
    are one label.

    >>> labels_of(["cafe\u0301", "caf\u00e9", " "])
    ('café',)
    """
    return tuple(sorted({unicodedata.normalize("NFC", name).strip() for name in names} - {""}))
