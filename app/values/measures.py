"""How good rankings are."""

import numpy as np
from numpy.typing import NDArray


def average_precision(right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the (q,) average precision of (q, n) rankings: the mean precision at the right ones.

    >>> average_precision(np.array([[True, False, True]])).round(3)
    array([0.833])
    """
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    average: NDArray[np.float64] = (precision * right).sum(axis=1) / right.sum(axis=1)
    return average
