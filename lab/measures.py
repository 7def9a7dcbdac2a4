"""Found and true neighbours → recall, precision, mean average precision, CMC."""

import numpy as np
from numpy.typing import NDArray

from app.values.measures import average_precision
from lab.methods.method import Metric, Rows, Vectors

Right = NDArray[np.bool_]

EPSILON = 1e-5
"""By which part of itself a distance may be worse than the k-th true one and count as its tie."""

NUMBERS_A_BLOCK = 8_000_000


def worst_distance(metric: Metric) -> float:
    """Return the distance that stands where no row was found.

    >>> worst_distance("l2"), worst_distance("ip")
    (inf, -inf)
    """
    return float(np.inf if metric == "l2" else -np.inf)


def distances_of(
    vectors: Vectors, queries: Vectors, rows: Rows, metric: Metric
) -> NDArray[np.float32]:
    """Return the (q, k) float32 distances of (q, dim) queries to (q, k) rows of (n, dim) vectors.

    Euclidean for `l2`, the inner product for `ip`; computed in float64. Row -1 is infinitely bad.

    >>> vectors = np.array([[0, 0], [3, 4]], np.float32)
    >>> distances_of(vectors, vectors[:1], np.array([[0, 1, -1]]), "l2")
    array([[ 0.,  5., inf]], dtype=float32)
    """
    distances = np.empty(rows.shape, np.float32)
    step = max(1, NUMBERS_A_BLOCK // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(rows), step):
        asked = queries[start : start + step, None, :].astype(np.float64)
        found = vectors[rows[start : start + step]].astype(np.float64)
        if metric == "l2":
            found -= asked
            near = np.sqrt(np.einsum("qkd,qkd->qk", found, found))
        else:
            near = np.einsum("qkd,qkd->qk", found, np.broadcast_to(asked, found.shape))
        distances[start : start + step] = near
    distances[rows < 0] = worst_distance(metric)
    return distances


def recall_at_k(
    true_distances: NDArray[np.float32],
    found_distances: NDArray[np.float32],
    k: int,
    metric: Metric,
    *,
    epsilon: float = EPSILON,
) -> float:
    """Return the mean share of the k true neighbours that were found, ties counting by distance.

    As ann-benchmarks defines it (https://github.com/erikbern/ann-benchmarks,
    `ann_benchmarks/plotting/metrics.py`): of the first k found, those no farther than the k-th true
    neighbour, and `epsilon` times that distance. Distances are (q, k or more) float32, best first,
    as `distances_of` gives them. ann-benchmarks adds an `epsilon` of 1e-3 whatever the distance,
    which on vectors of length 1 counts rows that are no neighbours; the default here is that of
    ties alone.

    >>> true = np.array([[1.0, 2.0, 2.0]], np.float32)
    >>> recall_at_k(true, np.array([[2.0, 1.0, 3.0]], np.float32), 2, "l2")
    1.0
    >>> recall_at_k(true, np.array([[1.0, 2.5, np.inf]], np.float32), 2, "l2")
    0.5
    """
    kth = true_distances[:, k - 1 : k].astype(np.float64)
    found = found_distances[:, :k].astype(np.float64)
    slack = epsilon * np.abs(kth)
    near = found <= kth + slack if metric == "l2" else found >= kth - slack
    return float((near & np.isfinite(found)).sum(axis=1).mean() / k)


def right_rows(rows: Rows, labels: Rows, query_labels: Rows) -> Right:
    """Return (q, k) bool: which of (q, k) rows have the label of their query; row -1 has none.

    >>> right_rows(np.array([[0, 1, -1]]), np.array([5, 6]), np.array([6]))
    array([[False,  True, False]])
    """
    right: Right = (labels[rows] == query_labels[:, None]) & (rows >= 0)
    return right & (query_labels >= 0)[:, None]


def precision_at_k(right: Right, k: int) -> float:
    """Return the mean share of the first k of (q, n) found rows that are right.

    A place where nothing was found is a wrong one.

    >>> precision_at_k(np.array([[True, False, True, True]]), 2)
    0.5
    """
    return float(right[:, :k].sum(axis=1).mean() / k)


def mean_average_precision(right: Right) -> float:
    """Return the mean over queries of the mean precision at each right one of (q, n) rankings.

    The rankings hold all rows that count, best first (Manning, Raghavan, Schütze, Introduction to
    Information Retrieval, 2008, section 8.4). Queries for which no row is right are left out; NaN
    if all are.

    >>> round(mean_average_precision(np.array([[True, False, True], [False, False, False]])), 3)
    0.833
    """
    answerable = right[right.any(axis=1)]
    return float(average_precision(answerable).mean()) if len(answerable) else float("nan")


def cmc(right: Right, ranks: int) -> NDArray[np.float64]:
    """Return (ranks,) float64: the share of queries with a right one among the first 1, 2, … rows.

    The cumulative match characteristic of Market-1501 (Zheng et al., Scalable Person
    Re-identification, ICCV 2015); its first value is rank-1. `right` is as for
    `mean_average_precision`, and queries for which no row is right are left out, too.

    >>> cmc(np.array([[False, True, True], [True, False, False]]), 2)
    array([0.5, 1. ])
    """
    answerable = right[right.any(axis=1)]
    if not len(answerable):
        return np.full(ranks, np.nan)
    reached = np.logical_or.accumulate(answerable, axis=1)
    padded = np.pad(reached, ((0, 0), (0, max(0, ranks - reached.shape[1]))), mode="edge")
    shares: NDArray[np.float64] = padded[:, :ranks].mean(axis=0)
    return shares
