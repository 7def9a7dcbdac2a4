"""Every vector compared, by NumPy's matrix product, a block of rows at a time."""

import numpy as np

from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import searching

_BLOCK_ROWS = 16_384


class NumpySearcher(Searcher):
    """The vectors, and for `l2` their squared lengths."""

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        self._vectors = vectors
        self._halves = np.einsum("ij,ij->i", vectors, vectors) / 2 if metric == "l2" else None

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Compare every vector; `effort` is empty."""
        with searching():
            return self._search(queries, k)

    def _search(self, queries: Vectors, k: int) -> Rows:
        best = np.empty((len(queries), 0), np.float32)
        rows = np.empty((len(queries), 0), np.int64)
        for start in range(0, len(self._vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            closeness = queries @ self._vectors[block].T
            if self._halves is not None:
                closeness -= self._halves[block]
            here = _largest(closeness, k)
            best = np.concatenate([best, np.take_along_axis(closeness, here, 1)], axis=1)
            rows = np.concatenate([rows, here + start], axis=1)
            kept = _largest(best, k)
            best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
        order = np.lexsort((rows, -best))
        found = np.full((len(queries), k), -1, np.int64)
        found[:, : rows.shape[1]] = np.take_along_axis(rows, order, 1)
        return found

    def memory_bytes(self) -> int:
        """Return the bytes of the vectors and of their lengths."""
        return self._vectors.nbytes + (0 if self._halves is None else self._halves.nbytes)


def _largest(values: Vectors, k: int) -> Rows:
    """Return where the k largest of each row stand, in any order."""
    if values.shape[1] <= k:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, -k, axis=1)[:, -k:]


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    return NumpySearcher(vectors, metric)


METHOD = Method(
    name="numpy-brute",
    what="every vector compared: NumPy's matrix product and argpartition",
    library="numpy",
    metrics=frozenset({"l2", "ip"}),
    exact=True,
    builds=lambda rows, dim: [{}],
    efforts=lambda rows, build: [{}],
    build=_build,
)
