"""An index → the least effort that finds nearly all true neighbours, and its recall."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.index.expansion import Expansion, expanded
from app.index.plugins import Rows, Vectors
from app.index.search import CALIBRATION_K, SearchEffort, VectorIndex
from app.values.vectors import SCORE_TOLERANCE, kept_first, without_own

TARGET_RECALL = 0.97
_MAX_CANDIDATES = 2_000  # bounds what one query reads from the disk
_MOST_TIES = 50  # copies of one picture: any of them is a right answer in place of another
_FEW_ROWS = 20  # half of fewer would choose by chance
_FLOOR_PERCENT = 5  # of a gallery's images are unlike all others; their scores are no standard
_MORE_COPIES = 8  # times as many rows are listed where all that are listed are copies
_CHUNK_ROWS = 4_096
_NO_ROW = -2  # not FAISS's -1, which is not to be found either
# Doubling: each is a search of all sampled rows, and the cheapest that is enough is looked for.
_PROBES_TRIED = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class Calibration:
    """What was measured when a gallery was built, on rows that did not choose the effort."""

    effort: SearchEffort
    recall_raw: float
    recall_reranked: float
    queries: int
    floor: float | None = None  # below it a best score says that nothing similar is there


def calibrate(
    index: VectorIndex,
    *,
    expansion: Expansion | None = None,
    sample: int = 2_000,
    seed: int = 0,
) -> Calibration:
    """Choose the least effort that reaches recall@10 ≥ 0.97, and measure it on other rows.

    Of rows with equal vectors one at most is sampled: else a picture that is there a thousand times
    would ask, and be found, a thousand times. Half of the sampled rows choose: a true neighbour
    that the shortlist holds at place p is found by exact re-ranking exactly when at least p
    candidates are taken, so one search gives the recall of every number of candidates. The mean
    less two standard errors has to reach the target, so that the other half, which is what gets
    reported, mostly does too. Each row is left out of its own answer. With an `expansion` the
    queries are the rows expanded, by exact search as the effort is not chosen yet.
    """
    rows = distinct_rows(index, np.random.default_rng(seed).permutation(index.rows), sample)
    k = min(CALIBRATION_K, index.rows - 1)
    if k < 1:
        return Calibration(SearchEffort(0, 0), 1.0, 1.0, 0)
    few = len(rows) < _FEW_ROWS
    choosing, reporting = (rows, rows) if few else (rows[::2], rows[1::2])
    own = _OwnQueries(index, expansion)
    floor = None if few else _floor(own, reporting)
    if index.exact_only:
        return Calibration(SearchEffort(0, 0), 1.0, 1.0, len(reporting), floor)
    effort = _least_effort(own, choosing, k)
    truth = _Truth.of(index, reporting, own.queries(reporting), k)
    shortlisted = index.shortlist(truth.queries, effort)
    return Calibration(
        effort,
        recall_raw=truth.recall(without_own(shortlisted[:, : k + 1], reporting, k)),
        recall_reranked=truth.recall(shortlisted),
        queries=len(reporting),
        floor=floor,
    )


def distinct_rows(index: VectorIndex, rows: Rows, most: int) -> Rows:
    """Return the first `most` of (n,) rows, without those whose vector an earlier one has.

    Only as many vectors are read as that takes.
    """
    seen: set[bytes] = set()
    distinct: list[int] = []
    for part in np.array_split(rows, 1 + len(rows) // _CHUNK_ROWS):
        for row, vector in zip(part, index.vectors(part), strict=True):
            content = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
            if content not in seen:
                seen.add(content)
                distinct.append(row)
        if len(distinct) >= most:
            break
    return np.array(distinct[:most], np.int64)


def recall(truth: Rows, found: Rows, k: int | None = None) -> float:
    """Return the mean share of the k nearest rows that are among (q, c) found rows.

    `truth` holds the (q, k) true rows, or more where rows tie with the k-th: any k of them do.
    """
    k = k or truth.shape[1]
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2)
    return float((np.minimum(hits.sum(axis=1), k) / k).mean())


@dataclass(frozen=True)
class _OwnQueries:
    """An index, and its own rows as queries."""

    index: VectorIndex
    expansion: Expansion | None

    def queries(self, rows: Rows) -> Vectors:
        vectors = self.index.vectors(rows)
        if self.expansion is None:
            return vectors
        itself = rows[:, None].tolist()
        return expanded(self.index, vectors, self.expansion, without=itself, exact=True)


def _floor(own: _OwnQueries, rows: Rows) -> float | None:
    """Return the score that all but a few of the gallery's own images reach with another one.

    Another image is one with another vector: all copies have the query's own score. None if there
    is no other.
    """
    index, queries = own.index, own.queries(rows)
    own_scores = np.array(
        [index.scores(query, row)[0] for query, row in zip(queries, rows[:, None], strict=True)]
    )
    best_other = np.full(len(rows), np.nan)
    left, k = np.arange(len(rows)), 2
    while len(left) and k // _MORE_COPIES < index.rows:
        scores = index.search(queries[left], k, exact=True).scores
        other = np.abs(scores - own_scores[left, None]) > SCORE_TOLERANCE
        found = other.any(axis=1)
        best_other[left[found]] = scores[found, other[found].argmax(axis=1)]
        left, k = left[~found], k * _MORE_COPIES
    known = best_other[~np.isnan(best_other)]
    return round(float(np.percentile(known, _FLOOR_PERCENT)), 4) if len(known) else None


def _least_effort(own: _OwnQueries, rows: Rows, k: int) -> SearchEffort:
    index = own.index
    truth = _Truth.of(index, rows, own.queries(rows), k)
    most = min(index.rows, _MAX_CANDIDATES)
    steps = list(_steps(k, most))
    cells = index.cells
    tried = sorted({min(p, cells) for p in _PROBES_TRIED if p <= 2 * cells}) if cells else [0]
    enough = []
    for probes in tried:
        reaches_target = _target_test(truth, SearchEffort(probes, most))
        step = bisect_left(steps, True, key=reaches_target)
        if step < len(steps):
            enough.append(SearchEffort(probes, steps[step]))
    if not enough:
        return SearchEffort(tried[-1], most)
    return min(enough, key=lambda effort: _cost(index, effort))


def _target_test(truth: "_Truth", effort: SearchEffort) -> Callable[[int], bool]:
    """Return the test whether a number of candidates up to `effort.candidates` is enough."""
    index, queries = truth.index, truth.queries
    # A graph is walked farther for more candidates, so that a short list is not the start of a
    # long one: each number is a search.
    at_most = None if index.is_graph else truth.places(index.shortlist(queries, effort))

    def reaches_target(candidates: int) -> bool:
        places = at_most
        if places is None:
            shortlisted = index.shortlist(queries, SearchEffort(effort.probes, candidates))
            places = truth.places(shortlisted)
        hits = truth.share(places < candidates)
        # A sample's mean is above the true one as often as below; less two standard errors it
        # rarely is, and so the rows that report mostly reach the target too.
        return bool(hits.mean() - 2 * hits.std() / np.sqrt(len(hits)) >= TARGET_RECALL)

    return reaches_target


def _steps(k: int, most: int) -> Iterator[int]:
    """Yield numbers of candidates from k + 1 to `most`, about 5 % apart: a search's time is too."""
    step = k + 1
    while step < most:
        yield step
        step += max(1, step // 20)
    yield most


def _cost(index: VectorIndex, effort: SearchEffort) -> float:
    """Return a query's additions; a code takes about four times as long as a vector's number.

    Only their ratio matters, so that the cheapest of the efforts that are enough is taken.
    """
    scanned = effort.probes * index.rows / index.cells if index.cells else 0
    return float(4 * scanned * index.code_bytes + effort.candidates * index.dim)


@dataclass(frozen=True)
class _Truth:
    """Queries, each a row's, and their true neighbours: the k nearest and all that tie with those.

    `rows` are (q, k or more) rows, then _NO_ROW; `more` marks the queries with which still more
    rows tie, copies of one picture: for those a row of a score of `least` or more is right.
    """

    index: VectorIndex
    k: int
    own: Rows
    queries: Vectors
    rows: Rows
    least: Vectors
    more: NDArray[np.bool_]

    @classmethod
    def of(cls, index: VectorIndex, own: Rows, queries: Vectors, k: int) -> "_Truth":
        """Find the true neighbours by exact search."""
        neighbours = index.search(queries, k + 1 + _MOST_TIES, exact=True)
        order = kept_first(neighbours.rows == own[:, None])
        ordered = np.take_along_axis(neighbours.rows, order, axis=1)
        scores = np.take_along_axis(neighbours.scores, order, axis=1)
        tying = scores >= scores[:, k - 1 : k]
        tying[:, -1] = False  # the query itself, or the last of more than enough
        rows = np.where(tying, ordered, _NO_ROW)[:, : int(tying.sum(axis=1).max())]
        more = tying[:, :-1].all(axis=1) & (neighbours.rows.shape[1] < index.rows)
        return cls(index, k, own, queries, rows, scores[:, k - 1], more)

    def places(self, shortlisted: Rows) -> NDArray[np.int64]:
        """Return the places of (q, t) true rows in (q, c) shortlisted rows; c for one not there."""
        places: NDArray[np.int64] = np.full(self.rows.shape, shortlisted.shape[1], np.int64)
        for query, (true_rows, row_list) in enumerate(zip(self.rows, shortlisted, strict=True)):
            if self.more[query]:
                found = self._tying(query, row_list)[: places.shape[1]]
                places[query, : len(found)] = found
                continue
            _, at_true, at_list = np.intersect1d(true_rows, row_list, return_indices=True)
            places[query, at_true] = at_list
        return places

    def _tying(self, query: int, row_list: Rows) -> NDArray[np.int64]:
        """Return the places of the rows that are as near to a query as its k nearest."""
        scores = self.index.scores(self.queries[query], np.maximum(row_list, 0))
        near = scores >= self.least[query] - SCORE_TOLERANCE
        return np.flatnonzero(near & (row_list >= 0) & (row_list != self.own[query]))

    def share(self, found: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the (q,) shares of the k nearest, of (q, t) true rows that are found or not."""
        shares: NDArray[np.float64] = np.minimum(found.sum(axis=1), self.k) / self.k
        return shares

    def recall(self, shortlisted: Rows) -> float:
        """Return the mean share of the k nearest that are among (q, c) shortlisted rows."""
        return float(self.share(self.places(shortlisted) < shortlisted.shape[1]).mean())
