"""Your own named vectors → the nearest of them; in memory, no gallery needed."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.errors import UsageError
from app.values.vectors import unit

Vectors = NDArray[np.float32]


class VectorStore:
    """Named vectors, compared exactly by their cosine.

    >>> store = VectorStore([[1, 0], [0, 2]], ids=["east", "north"])
    >>> store.search([3, 1], k=1)
    [('east', 0.9486833...)]
    """

    def __init__(self, vectors: ArrayLike = (), ids: Sequence[Hashable] | None = None) -> None:
        """Take (n, dim) vectors and their n names, by default 0 … n - 1; both may be none yet."""
        self._index: Any = None
        self._ids: list[Hashable] = []
        if np.size(vectors):
            self.add(vectors, ids)

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._ids)

    @property
    def ids(self) -> list[Hashable]:
        """The names, in the order in which they were added."""
        return list(self._ids)

    @property
    def dim(self) -> int:
        """The dimension of a vector; 0 while there is none."""
        return 0 if self._index is None else int(self._index.d)

    def add(self, vectors: ArrayLike, ids: Sequence[Hashable] | None = None) -> None:
        """Add (n, dim) vectors, brought to length 1, and their names.

        UsageError, and nothing is added, if their shape or number is wrong, a name is there
        already, or a vector has no direction (zeros, NaN).
        """
        units = self._units(vectors)
        first = len(self)
        names = list(range(first, first + len(units))) if ids is None else list(ids)
        if len(names) != len(units):
            raise UsageError(f"{len(units)} vectors need as many ids, not {len(names)}.")
        self._check_new(names)
        if self._index is None:
            self._index = faiss.IndexFlatIP(units.shape[1])
        self._index.add(units)
        self._ids += names

    def search(self, query: ArrayLike, k: int = 10) -> list[tuple[Hashable, float]]:
        """Return the min(k, n) nearest to one (dim,) vector: name and cosine, best first."""
        return self.search_many(np.atleast_2d(np.asarray(query, np.float32)), k)[0]

    def search_many(self, queries: ArrayLike, k: int = 10) -> list[list[tuple[Hashable, float]]]:
        """Return for each of (q, dim) vectors the list that `search` returns."""
        if k < 1:
            raise UsageError(f"k must be 1 or more, not {k}.")
        units = self._units(queries)
        if self._index is None:
            return [[] for _ in units]
        scores, rows = self._index.search(units, min(k, len(self)))
        return [
            [(self._ids[row], score) for row, score in zip(*pair, strict=True)]
            for pair in zip(rows.tolist(), np.clip(scores, -1, 1).tolist(), strict=True)
        ]

    def vectors(self) -> Vectors:
        """Return the (n, dim) float32 unit vectors, in the order in which they were added."""
        if self._index is None:
            return np.empty((0, 0), np.float32)
        stored: Vectors = self._index.reconstruct_n(0, len(self))
        return stored

    def _units(self, vectors: ArrayLike) -> Vectors:
        array = np.asarray(vectors, np.float32)
        if array.ndim != 2 or (self.dim and array.shape[1] != self.dim):
            shape = f"(n, {self.dim or 'dim'})"
            raise UsageError(f"Vectors must be an array of shape {shape}, not {array.shape}.")
        lengths = np.linalg.norm(array, axis=1)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise UsageError("A vector of zeros, or of what is no number, is like nothing at all.")
        return unit(array)

    def _check_new(self, names: Iterable[Hashable]) -> None:
        taken = set(self._ids)
        for name in names:
            if name in taken:
                raise UsageError(f"The id {name!r} is there already: every vector has its own.")
            taken.add(name)
