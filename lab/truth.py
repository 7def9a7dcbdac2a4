"""Vectors and queries → the exact nearest neighbours, in blocks, so that memory stays bounded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lab.measures import distances_of, worst_distance
from lab.methods.method import Metric, Rows, Vectors

_SCORES_A_BLOCK = 32_000_000  # 128 MB of float32
_UNIT_ROUNDOFF = float(np.finfo(np.float32).eps) / 2


def exact_neighbours(
    vectors: Vectors,
    queries: Vectors,
    k: int,
    *,
    metric: Metric,
    leave_out: Rows | None = None,
    block_rows: int = 65_536,
) -> tuple[Rows, NDArray[np.float32]]:
    """Return the (q, k) int64 rows of (n, dim) vectors nearest to (q, dim) queries, and distances.

    Distances are (q, k) float32: for `l2` the Euclidean distance, ascending, for `ip` the inner
    product, descending; those that are equal as float32 come in the order of their rows.
    `leave_out` (q,) is a row that each query must not get. Where there are fewer than k rows, -1
    with an infinitely bad distance fills the rest.

    A matrix product tells, with the error that it can have at most (Higham, Accuracy and Stability
    of Numerical Algorithms, 2002, section 3.1), which rows may be among the k nearest; only those
    are compared in float64.
    """
    block_queries = max(1, _SCORES_A_BLOCK // min(block_rows, len(vectors)))
    best = [
        _nearest(
            vectors,
            queries[start : start + block_queries],
            k,
            metric,
            None if leave_out is None else leave_out[start : start + block_queries],
            block_rows,
        )
        for start in range(0, len(queries), block_queries)
    ]
    return np.concatenate([rows for rows, _ in best]), np.concatenate([near for _, near in best])


def _nearest(
    vectors: Vectors,
    queries: Vectors,
    k: int,
    metric: Metric,
    leave_out: Rows | None,
    block_rows: int,
) -> tuple[Rows, NDArray[np.float32]]:
    """Return the neighbours of a block of queries."""
    worst = worst_distance(metric)
    rows = np.full((len(queries), k), -1, np.int64)
    distances = np.full((len(queries), k), worst, np.float32)
    lengths = np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
    for start in range(0, len(vectors), block_rows):
        block = vectors[start : start + block_rows]
        closeness = queries @ block.T
        squares = np.einsum("ij,ij->i", block, block)
        if metric == "l2":
            closeness -= squares / 2  # (|q|² - |q - x|²) / 2
        if leave_out is not None:
            _hide(closeness, leave_out - start)
        # What the products and the subtraction may be wrong by, together.
        error = _UNIT_ROUNDOFF * (2 + block.shape[1]) * (np.sqrt(lengths * squares.max()))
        if metric == "l2":
            error += _UNIT_ROUNDOFF * (4 + block.shape[1]) * squares.max()
        least = _least_closeness(closeness, distances[:, -1], lengths, k, metric) - 2 * error
        for some, candidates in _candidates(closeness, least, block.shape[1]):
            found = distances_of(block, queries[some], candidates[:, None], metric)[:, 0]
            _merge(rows, distances, some, candidates + start, found, metric)
    return rows, distances


def _hide(closeness: NDArray[np.float32], rows: Rows) -> None:
    queries = np.flatnonzero((rows >= 0) & (rows < closeness.shape[1]))
    closeness[queries, rows[queries]] = -np.inf


def _least_closeness(
    closeness: NDArray[np.float32],
    kth: NDArray[np.float32],
    lengths: NDArray[np.float64],
    k: int,
    metric: Metric,
) -> NDArray[np.float64]:
    """Return how close a row must be to each query to come among its k nearest of those seen."""
    known = kth.astype(np.float64)
    if metric == "l2":
        known = (lengths - known**2) / 2
    if np.isinf(known).any() and closeness.shape[1] >= k:
        place = closeness.shape[1] - k
        here = np.partition(closeness, place, axis=1)[:, place]
        known = np.maximum(known, here)
    return known


def _candidates(
    closeness: NDArray[np.float32], least: NDArray[np.float64], dim: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield (c,) queries and (c,) rows that may be neighbours, some at a time."""
    possible = (closeness >= least[:, None].astype(np.float32)) & (closeness > -np.inf)
    queries, rows = np.nonzero(possible)
    a_time = max(1, _SCORES_A_BLOCK // (4 * dim))
    for start in range(0, len(queries), a_time):
        yield queries[start : start + a_time], rows[start : start + a_time]


def _merge(
    rows: Rows,
    distances: NDArray[np.float32],
    queries: Rows,
    found: Rows,
    found_distances: NDArray[np.float32],
    metric: Metric,
) -> None:
    """Put (c,) rows found for (c,) queries in their places among the best of each query."""
    k = rows.shape[1]
    asked = np.unique(queries)
    of = np.concatenate([np.repeat(asked, k), queries])
    all_rows = np.concatenate([rows[asked].ravel(), found])
    all_distances = np.concatenate([distances[asked].ravel(), found_distances])
    keys = all_distances if metric == "l2" else -all_distances
    # An empty place is the worst, but -1 would come first among equals.
    tie = np.where(all_rows < 0, np.iinfo(np.int64).max, all_rows)
    order = np.lexsort((tie, keys, of))
    firsts = np.searchsorted(of[order], asked)
    taken = order[firsts[:, None] + np.arange(k)]
    rows[asked], distances[asked] = all_rows[taken], all_distances[taken]
