"""What is known of a segment's images, by column: the values there are, and which image has which.

A column is read once, when it is first asked for; filters, counts and orders are then a matter of
NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.gallery.items import Items
from app.values import MetadataValue
from app.values.columns import folder_of, name_of, order_of
from app.values.conditions import Condition

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """Pairs of an image and a value: `ids[i]` has `values[codes[i]]`; an image may have several."""

    values: list[MetadataValue]
    ids: Ids
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, MetadataValue]]) -> "Column":
        """Return the column of pairs of an id and a value."""
        codes: dict[tuple[type, MetadataValue], int] = {}  # 1 and 1.0 are one key, "1" is another
        ids, coded = [], []
        for image, value in pairs:
            ids.append(image)
            coded.append(
                codes.setdefault((str if isinstance(value, str) else int, value), len(codes))
            )
        values = [value for _, value in codes]
        return cls(values, np.array(ids, np.int64), np.array(coded, np.int64))

    def where(self, condition: Condition) -> Ids:
        """Return the ids of which a value is so, ascending, each once.

        Of a negative condition, those that it does not hold for.
        """
        if not len(self.codes):
            return self.ids
        if condition.numbers is not None and self._numbers is not None:
            chosen = condition.numbers.has(self._numbers)
        else:
            wanted = not condition.is_negative
            holding = (condition.holds(value) == wanted for value in self.values)
            chosen = np.fromiter(holding, bool, len(self.values))
        ids = self.ids[chosen[self.codes]]
        # Ascending mostly; those of labels, of which an image may have several, are not.
        return ids if (ids[1:] > ids[:-1]).all() else np.unique(ids)

    @cached_property
    def _numbers(self) -> NDArray[np.float64] | None:
        """The values, where they are all numbers."""
        if any(isinstance(value, str) for value in self.values):
            return None
        return np.array(self.values, np.float64)

    def counts(self, among: Ids) -> list[tuple[MetadataValue, int]]:
        """Return how many of some images have each value, of those that any has."""
        here = np.isin(self.ids, among)
        counts = np.bincount(self.codes[here], minlength=len(self.values)).tolist()
        return [(value, n) for value, n in zip(self.values, counts, strict=True) if n]

    def first_of(self, among: Ids) -> dict[int, MetadataValue]:
        """Return the value of each of some images, the least of several; not of those without."""
        here = np.isin(self.ids, among)
        found: dict[int, MetadataValue] = {}
        for image, code in zip(self.ids[here].tolist(), self.codes[here].tolist(), strict=True):
            value = self.values[code]
            if image not in found or order_of(value) < order_of(found[image]):
                found[image] = value
        return found


class Columns:
    """The columns of a segment. For many threads."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._read: dict[str, Column] = {}

    @cached_property
    def names(self) -> list[str]:
        """The columns of its metadata."""
        return self._items.metadata_names()

    def column(self, name: str) -> Column:
        """Return a column; one without images if it is not known here."""
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = Column.of(self._pairs(name))
        return found

    def where(self, condition: Condition) -> Ids:
        """Return the ids of the images that a condition holds for, ascending."""
        column = self.column(condition.name)
        found = column.where(condition)
        # Of several labels none may be so, and what has none is not so either.
        return np.setdiff1d(self._ids, found) if condition.is_negative else found

    @cached_property
    def _ids(self) -> Ids:
        return self._items.ids()

    def _pairs(self, name: str) -> Iterable[tuple[int, MetadataValue]]:
        ids = self._ids.tolist()
        match name:
            case "path" | "width" | "height" | "bytes":
                return zip(ids, self._items.column(name), strict=True)
            case "name":
                return zip(ids, map(name_of, self._items.column("path")), strict=True)
            case "folder":
                return zip(ids, map(folder_of, self._items.column("path")), strict=True)
            case "label":
                return self._items.labels()
            case "key":
                return self._items.keys()
        return self._items.metadata(name)
