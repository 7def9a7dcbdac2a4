"""What a search is for, as doors are given it: a picture's bytes, its address, or an image's id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from reprlib import repr as shortened

from app.errors import UsageError

PublicId = int | str
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class File:
    """A picture's bytes."""

    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Url:
    """The address of a picture."""

    url: str


@dataclass(frozen=True)
class Item:
    """An image of the gallery itself, by its public id."""

    id: PublicId


Query = File | Url | Item
Example = PublicId | File
"""A further picture: an id of the gallery, an address where no id is so, or a picture's bytes."""


def one_query(
    file: bytes | None = None, url: str | None = None, id: PublicId | None = None
) -> Query:
    """Return the picture that was given; UsageError unless it is exactly one.

    >>> one_query(id=17)
    Item(id=17)
    """
    check_only_one(("file", file), ("url", url), ("id", id))
    if file is not None:
        return File(file)
    if url is not None:
        return Url(url)
    assert id is not None
    check_id(id)
    return Item(id)


def check_only_one(*given: tuple[str, object]) -> None:
    """Raise UsageError unless exactly one of some values, each with its name, is not None."""
    present = [name for name, value in given if value is not None]
    if len(present) != 1:
        mistake = f"not {in_words(present)}" if present else "none of them is given"
        accepted = in_words([name for name, _ in given])
        raise UsageError(f"Give exactly one of {accepted}: {mistake}.")


def is_address(text: str) -> bool:
    """Return whether a text is a URL, of whatever scheme, and not a path."""
    return _ADDRESS.match(text) is not None


def is_id(value: object) -> bool:
    """Return whether a value can be an image's id: a whole number, or a text that is not empty."""
    if isinstance(value, str):
        return bool(value) and is_unicode(value)
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_example(value: object) -> bool:
    """Return whether a value can be a further picture of a search: an id, an address or a file."""
    return isinstance(value, File) or is_id(value)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_id(value: object) -> None:
    """Raise UsageError for what cannot be an image's id."""
    if not is_id(value):
        raise UsageError(f"An image's id is a whole number or a text, not {shortened(value)}.")


def in_words(names: Sequence[str]) -> str:
    """Return "file, url and id"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
