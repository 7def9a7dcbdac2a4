"""Rows of facts → the images of a gallery that they are about.

A path in a table was often written elsewhere: with backslashes, from another folder on, or as the
name of the file alone. The stricter of two ways to match counts, and what could be one of several
images is joined to none.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.sources.metadata import Fact, Metadata

MOST_NAMED = 20
"""How many of the values that found no image are named."""

_BY_ID = frozenset(("id", "key"))

Image = tuple[int, str, str]
"""An image's number in its gallery, its path, and its id in a list, or ''."""

_Index = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Joined:
    """What a table says of a gallery's images.

    Attributes
    ----------
    facts
        An image's number → its facts, by column.
    unmatched, unmatched_rows
        The values of the first rows that are about no image, each once; and how many rows are.
    ambiguous, ambiguous_rows
        The same of the rows that could be about several images, or whose file's name alone fits an
        image as well as another row's does.
    duplicate_rows
        How many rows a later one about the same image has replaced.
    by_name_rows
        How many rows were joined by the name of the file alone, their folders being others.
    """

    facts: Mapping[int, Mapping[str, Fact]]
    unmatched: tuple[str, ...] = ()
    unmatched_rows: int = 0
    ambiguous: tuple[str, ...] = ()
    ambiguous_rows: int = 0
    duplicate_rows: int = 0
    by_name_rows: int = 0


def join(metadata: Metadata, images: Iterable[Image]) -> Joined:
    """Return which image each row is about; where several are about one, the last counts.

    A column named id or key is compared with the images' ids, or with their numbers where they have
    none. Any other is compared with the paths, then with the paths in one spelling (slashes,
    Unicode's NFC, no `./`), then with their last parts and names, and then with the ids.
    """
    matching = _Matching(row.join for row in metadata.rows)
    images = list(images)
    ids = _index((key, number) for number, _, key in images if key)
    if metadata.column.casefold() in _BY_ID:
        matching.by(ids, str)
        matching.by(_index((str(number), number) for number, _, key in images if not key), str)
    else:
        matching.by(_index((path, number) for number, path, _ in images), str)
        matching.by(_index((spelt(path), number) for number, path, _ in images), spelt)
        matching.by_end([(number, spelt(path)) for number, path, _ in images])
        matching.by(ids, str)
    return _joined(metadata, matching)


def spelt(path: str) -> str:
    r"""Return a path in the one spelling in which paths are compared.

    >>> spelt(" .\\a\\b.jpg")
    'a/b.jpg'
    """
    path = path.strip().replace("\\", "/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return unicodedata.normalize("NFC", path)


def _index(pairs: Iterable[tuple[str, int]]) -> _Index:
    index = defaultdict(list)
    for text, number in pairs:
        index[text].append(number)
    return index


class _Matching:
    """The distinct values of a table, each with its image once that is found."""

    def __init__(self, values: Iterable[str]) -> None:
        self.found: dict[str, int] = {}
        self.ambiguous: set[str] = set()
        self.by_name_alone: set[str] = set()
        self._open = dict.fromkeys(values)

    def by(self, index: _Index, form: Callable[[str], str]) -> None:
        """Match the values that have no image yet, each in a form."""
        for value in list(self._open):
            numbers = index.get(form(value), ())
            if numbers:
                self._settle(value, numbers)

    def by_end(self, paths: Sequence[tuple[int, str]]) -> None:
        """Match values that end as a path does, one of the two whole; then those whose name does.

        These are guesses: an image that is matched already stays with that, and of several values
        for one image none counts.
        """
        named = defaultdict(list)
        wanted = {_name_of(spelt(value)) for value in self._open}
        for number, path in paths:
            if _name_of(path) in wanted:
                named[_name_of(path)].append((number, path))
        ends: dict[str, list[int]] = {}
        names: dict[str, list[int]] = {}
        for value in self._open:
            path = spelt(value)
            alike = named.get(_name_of(path), ())
            same_end = [number for number, other in alike if _end_alike(path, other)]
            (ends if same_end else names)[value] = same_end or [number for number, _ in alike]
        self._guess(ends)
        self.by_name_alone = self._guess(names)

    def _guess(self, numbers_of: Mapping[str, Sequence[int]]) -> set[str]:
        """Match each value that is the only one to have one image alone; return those matched."""
        taken = set(self.found.values())
        values_of = defaultdict(list)
        for value, numbers in numbers_of.items():
            if len(numbers) > 1:
                self._settle(value, numbers)
            elif numbers and numbers[0] not in taken:
                values_of[numbers[0]].append(value)
        matched: set[str] = set()
        for number, values in values_of.items():
            is_one = len(set(map(spelt, values))) == 1
            for value in values:
                self._settle(value, [number] if is_one else ())
            matched.update(values if is_one else ())
        return matched

    def _settle(self, value: str, numbers: Sequence[int]) -> None:
        del self._open[value]
        if len(numbers) == 1:
            self.found[value] = numbers[0]
        else:
            self.ambiguous.add(value)


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _end_alike(path: str, other: str) -> bool:
    """Return whether one path is the end of the other."""
    path, other = f"/{path.lstrip('/')}", f"/{other.lstrip('/')}"
    return path.endswith(other) or other.endswith(path)


def _joined(metadata: Metadata, matching: _Matching) -> Joined:
    facts: dict[int, Mapping[str, Fact]] = {}
    unmatched, ambiguous = [], []
    duplicate_rows = by_name_rows = 0
    for row in metadata.rows:
        number = matching.found.get(row.join)
        if number is not None:
            duplicate_rows += number in facts
            by_name_rows += row.join in matching.by_name_alone
            facts[number] = row.facts
        elif row.join in matching.ambiguous:
            ambiguous.append(row.join)
        else:
            unmatched.append(row.join)
    return Joined(
        facts,
        *(tuple(dict.fromkeys(unmatched))[:MOST_NAMED], len(unmatched)),
        *(tuple(dict.fromkeys(ambiguous))[:MOST_NAMED], len(ambiguous)),
        duplicate_rows,
        by_name_rows,
    )
