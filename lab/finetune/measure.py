"""Vectors and labels → how well the images of a label find each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.measures import mean_average_precision, precision_at_k, right_rows

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

K = 5
_QUERIES_A_BLOCK = 500


@dataclass(frozen=True)
class Figures:
    """What was measured, over so many queries; None where no image has another of its label."""

    queries: int
    mean_average_precision: float | None
    precision_at_5: float | None


def measure(vectors: Vectors, labels: Rows) -> Figures:
    """Return the figures of (n, dim) unit vectors with (n,) labels, each asking all the others.

    An image is left out of its own answer; scores are exact cosines, ties in the order of the rows.
    Images whose label no other one here has do not ask, but are ranked. mAP is over the whole
    ranking; precision@5 counts a place that cannot be filled as a wrong one.

    >>> measure(np.eye(3, dtype=np.float32)[[0, 0, 1]], np.array([4, 4, 5])).queries
    2
    """
    ranked = [
        _right(vectors, labels, np.arange(start, min(start + _QUERIES_A_BLOCK, len(labels))))
        for start in range(0, len(labels), _QUERIES_A_BLOCK)
    ]
    right = np.concatenate(ranked) if ranked else np.empty((0, 0), bool)
    right = right[right.any(axis=1)]
    if not len(right):
        return Figures(0, None, None)
    return Figures(len(right), mean_average_precision(right), precision_at_k(right, K))


def _right(vectors: Vectors, labels: Rows, rows: Rows) -> NDArray[np.bool_]:
    """Return which places of the ranking of all others are right, for the queries `rows`."""
    scores = vectors[rows] @ vectors.T
    scores[np.arange(len(rows)), rows] = -np.inf  # its own place is the last
    found = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    return right_rows(found, labels, labels[rows])
