"""Every vector compared, or a tree of balls searched, by scikit-learn's NearestNeighbors."""

import pickle
from typing import Any

import numpy as np

from app.errors import UsageError
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import searching

_TOLERANCE = 1e-3


class SklearnSearcher(Searcher):
    """A fitted NearestNeighbors."""

    def __init__(self, fitted: Any, rows: int) -> None:
        self._fitted = fitted
        self._rows = rows

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Search; `effort` is empty."""
        kept = min(k, self._rows)
        found = np.full((len(queries), k), -1, np.int64)
        with searching():
            found[:, :kept] = self._fitted.kneighbors(queries, kept, return_distance=False)
        return found

    def memory_bytes(self) -> int:
        """Return the size that it has when pickled."""
        return len(pickle.dumps(self._fitted))


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    from sklearn.neighbors import NearestNeighbors

    if metric == "ip":  # the order of the distances is that of the products for length 1 alone
        lengths = np.linalg.norm(vectors, axis=1)
        wrong = np.flatnonzero(np.abs(lengths - 1) > _TOLERANCE)
        if len(wrong):
            raise UsageError(
                "scikit-learn has no inner product but for vectors of length 1, and the vector "
                f"{wrong[0]} has the length {lengths[wrong[0]]:.3g}: use l2 or the cosine."
            )
    fitted = NearestNeighbors(algorithm=build["algorithm"], metric="euclidean", n_jobs=1)
    return SklearnSearcher(fitted.fit(vectors), len(vectors))


METHOD = Method(
    name="sklearn-neighbours",
    what="every vector compared, or a tree of balls searched: scikit-learn's NearestNeighbors",
    library="sklearn.neighbors",
    metrics=frozenset({"l2", "ip"}),
    exact=True,
    builds=lambda rows, dim: [{"algorithm": "brute"}, {"algorithm": "ball_tree"}],
    efforts=lambda rows, build: [{}],
    build=_build,
)
