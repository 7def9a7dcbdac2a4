"""Rows that are left out → what a search is given to find the others alone."""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined, arg-type"

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from app.index.plugins import Rows


@dataclass(frozen=True)
class Selection:
    """The rows of an index that may be found; `kept` is None where they are all."""

    count: int
    kept: NDArray[np.bool_] | None = None
    selector: Any = None

    @classmethod
    def of_all(cls, rows: int) -> "Selection":
        """Return the selection of every row."""
        return cls(rows)

    @classmethod
    def without(cls, left_out: Rows, rows: int) -> "Selection":
        """Return the selection of all of `rows` rows but some."""
        if not len(left_out):
            return cls.of_all(rows)
        kept = np.ones(rows, bool)
        kept[left_out] = False
        # FAISS asks for eight rows a byte, the first in the lowest bit.
        selector = faiss.IDSelectorBitmap(np.packbits(kept, bitorder="little"))
        return cls(int(kept.sum()), kept, selector)

    @property
    def is_all(self) -> bool:
        """True where no row is left out."""
        return self.kept is None

    def of(self, rows: Rows) -> Rows:
        """Return found rows with -1 for those that are left out."""
        if self.kept is None:
            return rows
        return np.where(self.kept[rows] & (rows >= 0), rows, -1)
