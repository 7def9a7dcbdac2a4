"""Arithmetic of vectors that every stage shares: unit length, scores, the own row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORE_TOLERANCE = 1e-6
"""How far rounding moves a cosine that is calculated with 32 bits."""


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return (..., dim) float32 vectors of length 1; zeros stay zeros, and NaN stays NaN.

    >>> unit(np.array([[3, 4], [0, 0]], np.float32))
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units.astype(np.float32, copy=False)


def reaches(score: float, least: float) -> bool:
    """Return whether a cosine is `least` or more, but for rounding.

    >>> reaches(0.9999998807907104, 1)
    True
    """
    return score >= least - SCORE_TOLERANCE


def without_own(found: NDArray[np.int64], own: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the first k of (q, c) found rows without each query's own row; k < c.

    >>> without_own(np.array([[7, 2, 0], [3, 2, 0]]), np.array([7, 9]), 2)
    array([[2, 0],
           [3, 2]])
    """
    return np.take_along_axis(found, kept_first(found == own[:, None]), axis=1)[:, :k]


def kept_first(dropped: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (q, c) places, those that are not dropped first, otherwise in their order."""
    return np.argsort(dropped, axis=1, kind="stable")
