"""An index → the least effort that finds nearly all true neighbours, and its recall."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.index.expansion import Expansion, expanded
from app.index.plugins import Rows, Vectors
from app.index.search import CALIBRATION_K, SearchEffort, VectorIndex
from app.values.vectors import kept_first, without_own

TARGET_RECALL = 0.97
_MAX_CANDIDATES = 2_000  # bounds what one query reads from the disk
_MOST_TIES = 50  # copies of one picture: any of them is a right answer in place of another
_FEW_ROWS = 20  # half of fewer would choose by chance
_FLOOR_PERCENT = 5  # of a gallery's images are unlike all others; their scores are no standard
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

    Half of the sampled rows choose: a true neighbour that the shortlist holds at place p is found
    by exact re-ranking exactly when at least p candidates are taken, so one search gives the
    recall of every number of candidates. The mean less two standard errors has to reach the
    target, so that the other half, which is what gets reported, mostly does too. Each row is left
    out of its own answer. With an `expansion` the queries are the rows expanded, by exact search
    as the effort is not chosen yet.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(index.rows)[:sample]
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
    queries = own.queries(reporting)
    truth = _true_neighbours(index, reporting, queries, k)
    shortlisted = index.shortlist(queries, effort)
    return Calibration(
        effort,
        recall_raw=recall(truth, without_own(shortlisted[:, : k + 1], reporting, k), k),
        recall_reranked=recall(truth, shortlisted, k),
        queries=len(reporting),
        floor=floor,
    )


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


def _floor(own: _OwnQueries, rows: Rows) -> float:
    """Return the score that all but a few of the gallery's own images reach with another one."""
    found = own.index.search(own.queries(rows), 2, exact=True)
    # The first row is the image itself, unless a copy of it stands before.
    best_other = np.where(found.rows[:, 0] == rows, found.scores[:, 1], found.scores[:, 0])
    return round(float(np.percentile(best_other, _FLOOR_PERCENT)), 4)


def _least_effort(own: _OwnQueries, rows: Rows, k: int) -> SearchEffort:
    index, queries = own.index, own.queries(rows)
    truth = _true_neighbours(index, rows, queries, k)
    most = min(index.rows, _MAX_CANDIDATES)
    steps = list(_steps(k, most))
    cells = index.cells
    tried = sorted({min(p, cells) for p in _PROBES_TRIED if p <= 2 * cells}) if cells else [0]
    enough = []
    for probes in tried:
        reaches_target = _target_test(index, queries, truth, k, SearchEffort(probes, most))
        step = bisect_left(steps, True, key=reaches_target)
        if step < len(steps):
            enough.append(SearchEffort(probes, steps[step]))
    if not enough:
        return SearchEffort(tried[-1], most)
    return min(enough, key=lambda effort: _cost(index, effort))


def _target_test(
    index: VectorIndex, queries: Vectors, truth: Rows, k: int, effort: SearchEffort
) -> Callable[[int], bool]:
    """Return the test whether a number of candidates up to `effort.candidates` is enough."""
    # A graph is walked farther for more candidates, so that a short list is not the start of a
    # long one: each number is a search.
    at_most = None if index.is_graph else _places(truth, index.shortlist(queries, effort))

    def reaches_target(candidates: int) -> bool:
        places = at_most
        if places is None:
            shortlisted = index.shortlist(queries, SearchEffort(effort.probes, candidates))
            places = _places(truth, shortlisted)
        hits = np.minimum((places < candidates).sum(axis=1), k) / k
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


def _true_neighbours(index: VectorIndex, rows: Rows, queries: Vectors, k: int) -> Rows:
    """Return (q, k or more) rows: the k nearest and those that tie with the k-th; then _NO_ROW."""
    neighbours = index.search(queries, k + 1 + _MOST_TIES, exact=True)
    order = kept_first(neighbours.rows == rows[:, None])
    ordered = np.take_along_axis(neighbours.rows, order, axis=1)
    scores = np.take_along_axis(neighbours.scores, order, axis=1)
    tying = scores >= scores[:, k - 1 : k]
    tying[:, -1] = False  # the query itself, or the last of more than enough
    return np.where(tying, ordered, _NO_ROW)[:, : int(tying.sum(axis=1).max())]


def _places(truth: Rows, shortlisted: Rows) -> NDArray[np.int64]:
    """Return the place of each of (q, k) true rows in (q, c) shortlisted rows; c if it has none."""
    places = np.full(truth.shape, shortlisted.shape[1], np.int64)
    for place, (true_rows, row_list) in enumerate(zip(truth, shortlisted, strict=True)):
        _, at_true, at_list = np.intersect1d(true_rows, row_list, return_indices=True)
        places[place, at_true] = at_list
    return places
