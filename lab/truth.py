"""Vectors and queries → the exact nearest neighbours, in blocks, so that memory stays bounded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lab.measures import distances_of, worst_distance
from lab.methods.method import Metric, Rows, Vectors

_SCORES_A_BLOCK = 32_000_000  # 128 MB of float32
_UNIT_ROUNDOFF = float(np.finfo(np.float32).eps) / 2  # the relative error of one rounding


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

    A float32 matrix product is fast and slightly wrong, by an error that is bounded (Higham,
    Accuracy and Stability of Numerical Algorithms, 2002, section 3.1): rows that it places farther
    than that from the k nearest cannot be among them. Only the others are compared in float64,
    since a neighbour that rounding puts one place off would count as an index's mistake.
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
    query_squares = np.einsum("ij,ij->i", queries, queries, dtype=np.float64)
    for start in range(0, len(vectors), block_rows):
        block = vectors[start : start + block_rows]
        closeness = queries @ block.T
        squares = np.einsum("ij,ij->i", block, block)
        if metric == "l2":
            # <q, x> - |x|² / 2 = (|q|² - |q - x|²) / 2: the order of the distances, without the
            # |q|² that all rows share and whose size would only cost digits.
            closeness -= squares / 2
        if leave_out is not None:
            _hide(closeness, leave_out - start)
        error = _rounding_error(query_squares, float(squares.max()), block.shape[1], metric)
        # Twice: the row may look farther by one error, and the k-th one nearer by another.
        least = _least_closeness(closeness, distances[:, -1], query_squares, k, metric) - 2 * error
        for some, candidates in _candidates(closeness, least, block.shape[1]):
            found = distances_of(block, queries[some], candidates[:, None], metric)[:, 0]
            _merge(rows, distances, some, candidates + start, found, metric)
    return rows, distances


def _rounding_error(
    query_squares: NDArray[np.float64], largest_square: float, dim: int, metric: Metric
) -> NDArray[np.float64]:
    """Return the (q,) most that float32 can put the closeness of any row of a block off by.

    A sum of `dim` products is off by at most about `dim` roundings of |q| |x| (Cauchy-Schwarz), in
    whatever order it is added up. For `l2` |x|² / 2 is such a sum again, and subtracting it rounds
    once more. The few roundings beyond `dim` cover what the bound leaves out.
    """
    error = _UNIT_ROUNDOFF * (2 + dim) * np.sqrt(query_squares * largest_square)
    if metric == "l2":
        error += _UNIT_ROUNDOFF * (4 + dim) * largest_square
    return error


def _hide(closeness: NDArray[np.float32], rows: Rows) -> None:
    """Make (q,) rows the farthest of all; those outside the block are hidden in another."""
    queries = np.flatnonzero((rows >= 0) & (rows < closeness.shape[1]))
    closeness[queries, rows[queries]] = -np.inf


def _least_closeness(
    closeness: NDArray[np.float32],
    kth: NDArray[np.float32],
    query_squares: NDArray[np.float64],
    k: int,
    metric: Metric,
) -> NDArray[np.float64]:
    """Return how close a row must be to each query to come among its k nearest of those seen."""
    known = kth.astype(np.float64)
    if metric == "l2":
        known = (query_squares - known**2) / 2
    # The blocks before have given k rows already, mostly: their k-th is a bound that costs nothing.
    # Where they have not, the k-th of this block is one, too; finding it takes longer.
    if np.isinf(known).any() and closeness.shape[1] >= k:
        place = closeness.shape[1] - k
        here = np.partition(closeness, place, axis=1)[:, place]
        known = np.maximum(known, here)
    return known


def _candidates(
    closeness: NDArray[np.float32], least: NDArray[np.float64], dim: int
) -> Iterator[tuple[Rows, Rows]]:
    """Yield (c,) queries and (c,) rows that may be neighbours, some at a time."""
    # Hidden rows must not come back where no bound is known yet, which is -inf as well.
    possible = (closeness >= least[:, None].astype(np.float32)) & (closeness > -np.inf)
    queries, rows = np.nonzero(possible)
    # Equal vectors may all be candidates, of every query: their float64 copies are bounded, too.
    step = max(1, _SCORES_A_BLOCK // (4 * dim))
    for start in range(0, len(queries), step):
        yield queries[start : start + step], rows[start : start + step]


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
    changed = np.unique(queries)
    query_of = np.concatenate([np.repeat(changed, k), queries])
    all_rows = np.concatenate([rows[changed].ravel(), found])
    all_distances = np.concatenate([distances[changed].ravel(), found_distances])
    # One sort for all queries, by query, then distance, then row, instead of a loop over queries in
    # Python: they have different numbers of candidates, most of them few.
    keys = all_distances if metric == "l2" else -all_distances
    # An empty place is the worst, but -1 would come first among equals.
    tie = np.where(all_rows < 0, np.iinfo(np.int64).max, all_rows)
    order = np.lexsort((tie, keys, query_of))
    firsts = np.searchsorted(query_of[order], changed)
    best = order[firsts[:, None] + np.arange(k)]
    rows[changed], distances[changed] = all_rows[best], all_distances[best]
