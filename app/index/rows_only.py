"""Rows whose vectors are kept elsewhere: which of them there are, and nothing to search."""

from functools import lru_cache

from app.index.search import SearchEffort, VectorIndex
from app.index.selection import Selection


class RowsOnly(VectorIndex):
    """Stands for the index of a segment that another program searches."""

    def __init__(self, rows: int, dim: int) -> None:
        self.effort = SearchEffort(1, 1)
        self.rows = rows
        self.dim = dim
        self._flat = None
        self._short = None
        self._refined = None
        self._selection = Selection.of_all(rows)
        self._refine_parameters = lru_cache(self._make_refine_parameters)
