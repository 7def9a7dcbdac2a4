"""A data set's pictures with their labels, and the protocol of the layouts that list them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    path
        Relative to the layout's `folder`, with forward slashes on every system.
    labels
        Sorted, each once; empty when nothing is known about the image.
    key
        Its id in the list of pictures; '' if it comes from no list.
    missing
        Why a listed picture is not in the folder, in one sentence; '' where it is.
    """

    path: str
    labels: tuple[str, ...]
    # Not in the text that a build's recipe is made of, so that older drafts of folders still match.
    key: str = field(default="", repr=False)
    missing: str = field(default="", repr=False)
    source: int = field(default=0, repr=False)
    size: int = field(default=-1, repr=False)
    mtime_ns: int = field(default=0, repr=False)


class Layout(Protocol):
    """A folder whose structure gives pictures and labels."""

    name: str
    folder: Path

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that the pictures lie in; `folder` is the first."""

    def pictures(self) -> list[Picture]:
        """Return every image of `folder` in a fixed order, so that rows never move.

        They are sorted by path (code points), or in the order of the list that names them.
        """
        ...


def in_order(pictures: Iterable[Picture]) -> list[Picture]:
    """Return the pictures sorted by path, in the order of code points."""
    return sorted(pictures, key=lambda picture: picture.path)


def labels_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as labels: sorted, each once, none blank."""
    return tuple(sorted({name.strip() for name in names} - {""}))
