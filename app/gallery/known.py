"""What is known of a gallery's images besides their looks: asked by conditions, columns and words.

Labels, paths, sizes and metadata of all segments, less what is gone.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial, reduce

import numpy as np
from numpy.typing import NDArray

from app.gallery.segment import OpenSegment
from app.gallery.views import View
from app.values import MetadataValue
from app.values.columns import OWN_COLUMNS, order_of
from app.values.conditions import Condition

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
_NONE: Ids = np.zeros(0, np.int64)
_LEAST_BEGUN = 3  # letters of a word that stands for longer ones too: "dog" for "dogs"


class Known:
    """What is known of the images of some views. For many threads."""

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views

    def columns(self) -> list[str]:
        """Return what conditions may be put on: the program's own columns, then the metadata's."""
        names = (name for view in self._views for name in view.segment.columns.names)
        return [*OWN_COLUMNS, *sorted(set(names) - set(OWN_COLUMNS), key=str.casefold)]

    def ids_where(self, conditions: Iterable[Condition]) -> Ids:
        """Return the ids of the images that all conditions, at least one, hold for, ascending.

        Of a column that the gallery does not have, no image has a value.
        """
        conditions = [replace(each, name=self.column(each.name)) for each in conditions]
        return self._found(
            lambda segment: in_all([segment.columns.where(each) for each in conditions])
        )

    def counts(self, column: str, among: Ids) -> list[tuple[MetadataValue, int]]:
        """Return how many of some images have each value of a column, the most frequent first."""
        name = self.column(column)
        total: dict[tuple[bool, MetadataValue], int] = defaultdict(int)
        for view, here in self._parts(among):
            for value, count in view.segment.columns.column(name).counts(here):
                total[isinstance(value, str), value] += count
        ordered = sorted(total.items(), key=lambda each: (-each[1], order_of(each[0][1])))
        return [(value, count) for (_, value), count in ordered]

    def in_order_of(self, column: str, ids: Ids, *, descending: bool = False) -> Ids:
        """Return (n,) ids sorted by what they have in a column; those that have nothing come last.

        Of several values the least counts; of equal images, the lower id comes first.
        """
        name = self.column(column)
        values: dict[int, MetadataValue] = {}
        for view, here in self._parts(ids):
            values |= view.segment.columns.column(name).first_of(here)
        ascending = sorted(ids.tolist())
        known = [image for image in ascending if image in values]
        known.sort(key=lambda image: order_of(values[image]), reverse=descending)
        rest = [image for image in ascending if image not in values]
        return np.array([*known, *rest], np.int64)

    def ids_of_words(self, words: Sequence[str]) -> tuple[Ids, Scores]:
        """Return the images of which some words are written, best first, and their (n,) scores.

        A score is the share of the words that is there, a rare one counting more (by the logarithm
        of how rare it is): 1 for an image of which all are written. A word of three letters or
        more stands for longer ones too; images with the very word come first among equals.
        """
        scores: dict[int, float] = defaultdict(float)
        exact: dict[int, int] = defaultdict(int)
        every = 0.0
        rows = sum(view.segment.facts.rows for view in self._views)
        for word in words:
            ids = self._found(_with_word(word, begun=len(word) >= _LEAST_BEGUN))
            weight = math.log(1 + rows / (1 + len(ids)))
            every += weight
            for image in ids.tolist():
                scores[image] += weight
            for image in self._found(_with_word(word, begun=False)).tolist():
                exact[image] += 1
        shares = {image: round(score / every, 6) for image, score in scores.items()}
        ordered = sorted(shares, key=lambda image: (-shares[image], -exact[image], image))
        return np.array(ordered, np.int64), np.array([shares[i] for i in ordered], np.float32)

    def column(self, name: str) -> str:
        """Return a column's own name, which may be given in other letters; the same if it is none.

        Capital and small letters are equal there.
        """
        columns = self.columns()
        if name in columns:
            return name
        return next((each for each in columns if each.casefold() == name.casefold()), name)

    def _found(self, ask: Callable[[OpenSegment], Ids]) -> Ids:
        """Return the ids that segments give for a question, of images that the gallery has."""
        found = [_NONE]
        for view in self._views:
            ids = ask(view.segment)
            found.append(ids[view.rows_of(ids) >= 0] if len(view.left_out) else ids)
        return np.sort(np.concatenate(found))

    def _parts(self, ids: Ids) -> Iterable[tuple[View, Ids]]:
        for view in self._views:
            yield view, ids[view.rows_of(ids) >= 0]


def _with_word(word: str, *, begun: bool) -> Callable[[OpenSegment], Ids]:
    return lambda segment: np.array(segment.items.ids_of_word(word, begun=begun), np.int64)


def in_all(parts: Sequence[Ids]) -> Ids:
    """Return the ids that are in all of some parts, at least one; each ascends, without repeats."""
    return reduce(partial(np.intersect1d, assume_unique=True), parts)
