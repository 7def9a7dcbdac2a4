"""What every layout answers: a data set's pictures, in a fixed order, with their labels."""

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
        The id that a list of pictures gave it; '' where there was no such list.
    missing
        Why a listed picture is not in the folder, in one sentence; '' where it is.
    """

    path: str
    labels: tuple[str, ...]
    # No part of the text from which a build's recipe is made: drafts of folders go on as before.
    key: str = field(default="", repr=False)
    missing: str = field(default="", repr=False)


class Layout(Protocol):
    """What every layout answers."""

    name: str
    folder: Path

    def pictures(self) -> list[Picture]:
        """Every image of `folder` in an order that stays, so that rows never move.

        That is by path (code points), or the order of the list that names them.
        """
        ...


def in_order(pictures: Iterable[Picture]) -> list[Picture]:
    """Return pictures by path, in the order of code points."""
    return sorted(pictures, key=lambda picture: picture.path)


def labels_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as labels: sorted, each once, none blank."""
    return tuple(sorted({name.strip() for name in names} - {""}))
