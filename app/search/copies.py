"""The nearest images → one of each content: the same file in many places is one answer."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.gallery import Store

# Where copies take the places of others, more images are asked for: as many as would do if there
# were as many copies among them, and some; but no more than so many times as before.
_SOME_MORE, _GROWTH = 1.25, 4


@dataclass(frozen=True)
class Nearest:
    """The images nearest to a query, best first: cosines by id, and how many were compared."""

    scores: dict[int, float]
    candidates: int


class Copies:
    """Which images of a gallery share their content, as far as one search has looked it up.

    The lowest id stands for all with its content: the lowest of `among`, where only those are
    searched.
    """

    def __init__(self, stored: Store, among: Sequence[int] | None = None) -> None:
        self._stored = stored
        self._searched = among
        self._looked_up: set[int] = set()
        self._first: dict[int, int] = {}
        self._same: dict[int, list[int]] = {}

    def __bool__(self) -> bool:
        """Return whether any image is known to have copies."""
        return bool(self._same)

    def add(self, same: list[int]) -> None:
        """Learn that these ids, ascending, are all images of one content."""
        if len(same) < 2:
            return
        searched = same if self._among is None else [each for each in same if each in self._among]
        if searched:
            self._looked_up.update(searched)
            self._same[searched[0]] = same
            self._first |= dict.fromkeys(searched, searched[0])

    def look_up(self, ids: Iterable[int]) -> None:
        """Learn which of these images have copies."""
        new = [each for each in ids if each not in self._looked_up]
        self._looked_up.update(new)
        for same in self._stored.copies(new):
            self.add(same)

    def firsts(self, ids: Iterable[int]) -> list[int]:
        """Return the ids that stand for the images' contents, each once, in the same order."""
        if not self._first:
            return list(ids)
        return list(dict.fromkeys(self._first.get(each, each) for each in ids))

    def others(self, firsts: Iterable[int]) -> dict[int, list[int]]:
        """Return the other ids with the content of each, ascending, where there are any."""
        same = {first: self._same[first] for first in firsts if first in self._same}
        return {first: [each for each in ids if each != first] for first, ids in same.items()}

    def count(self, firsts: Iterable[int]) -> int:
        """Return how many copies of these there are, themselves not counted."""
        return sum(len(self._same[first]) - 1 for first in firsts if first in self._same)

    @cached_property
    def _among(self) -> frozenset[int] | None:
        return None if self._searched is None else frozenset(self._searched)


def one_of_each(
    nearest: Callable[[int], Nearest],
    k: int,
    copies: Copies,
    *,
    at_first: int,
    without: Collection[int],
) -> tuple[list[int], Nearest]:
    """Return the images that stand for the k nearest contents, or more, best first; and all found.

    ``nearest(n)`` gives n images, fewer where there are no more: `at_first` are asked for, and more
    as long as copies, or the ids `without`, take the places of others.
    """
    asked = at_first
    while True:
        found = nearest(asked)
        copies.look_up(found.scores)
        known = firsts = copies.firsts(found.scores)
        if without:
            firsts = [each for each in known if each not in without]
        if len(firsts) >= k or len(found.scores) < asked:
            return firsts, found
        likely = math.ceil(_SOME_MORE * asked * k / max(len(firsts), 1))
        asked = max(k + copies.count(known), min(likely, _GROWTH * asked))
