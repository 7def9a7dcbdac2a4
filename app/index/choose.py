"""Vectors → the shortlist that answers them soonest, of a few that are tried: `--index auto`.

Which are tried follows from the studies (docs/studies/): a graph is fastest while it fits in
memory, short codes of rotated vectors are as fast for few and take a fiftieth of the bytes, and one
bit a number is what is left for the largest. Which is best for these very vectors is measured.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.errors import UsageError
from app.index.calibrate import TARGET_RECALL, Calibration, calibrate
from app.index.expansion import Expansion
from app.index.factory import AUTO, check_factory
from app.index.search import CALIBRATION_K, SearchEffort, VectorIndex
from app.index.shortlist import read_index
from app.index.train import train_shortlist

FEW_ROWS = 2_000
"""Below that nothing is tried: comparing all of 2,000 × 1280 takes 0.4 ms, an index 0.2 ms."""
_SHORT_CODES_UP_TO = 200_000  # rows; beyond, twice as many candidates are needed and more
_MOST_GRAPH_BYTES = 2 * 10**9  # it is walked all over, and slow once it is not in memory
_GRAPH = "HNSW32"
_LINKS_BYTES = 272  # of a graph, for each row
_AS_FAST = 1.1  # times the least; the smallest of those so near is taken
_TIMED_QUERIES = 200
_NOT_TIMED = 20  # the first, which bring the files into memory


@dataclass(frozen=True)
class Trained:
    """A shortlist's string and file, what was measured of it, and the milliseconds of a query."""

    factory: str
    path: Path
    calibration: Calibration
    milliseconds: float = 0.0

    @property
    def bytes(self) -> int:
        """The size of its file."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class Choice:
    """The string that was chosen, a sentence on how, and what was measured of it."""

    factory: str
    note: str
    calibration: Calibration


def choose_shortlist(vectors: Path, path: Path, expansion: Expansion | None = None) -> Choice:
    """Train what suits the flat index at `vectors`, and write the best of it to `path`.

    No file is written for "Flat". With an `expansion` the recall is that of expanded queries.
    """
    path.unlink(missing_ok=True)
    flat = read_index(vectors)
    rows, dim = int(flat.ntotal), int(flat.d)
    tried = tried_for(rows, dim)
    places = [path.with_name(f"{path.name}.{number}") for number in range(len(tried))]
    try:
        trained = []
        for factory, place in zip(tried, places, strict=True):
            used, _ = train_shortlist(vectors, factory, place)
            if used != "Flat":
                trained.append(Trained(used, place, _calibrated(vectors, place, expansion)))
        if not trained:
            note = f"{AUTO} chose Flat: {rows} images are compared exactly in no time"
            return Choice("Flat", note, _calibrated(vectors, None, expansion))
        timed = measured_milliseconds(vectors, trained)
        best = best_of(timed)
        note = _sentence(best, timed, rows, dim)
        best.path.rename(path)
    finally:
        for place in places:
            place.unlink(missing_ok=True)
    return Choice(best.factory, note, best.calibration)


def tried_for(rows: int, dim: int) -> tuple[str, ...]:
    """Return the strings that "auto" tries for so many vectors; none for few, compared exactly."""
    if rows < FEW_ROWS:
        return ()
    cells = math.isqrt(rows)
    tried = [f"IVF{cells},RaBitQ"]
    if rows <= _SHORT_CODES_UP_TO:
        tried.append(f"OPQ16_64,IVF{cells},PQ16")
    if rows * (4 * dim + _LINKS_BYTES) <= _MOST_GRAPH_BYTES:
        tried.append(_GRAPH)
    return tuple(each for each in reversed(tried) if _is_possible(each, dim))


def _is_possible(factory: str, dim: int) -> bool:
    try:
        check_factory(factory, dim)
    except UsageError:  # too few numbers to be rotated to 64
        return False
    return True


def best_of(timed: Sequence[Trained]) -> Trained:
    """Return the fastest that reaches the target recall, of those nearly as fast the smallest.

    Where none reaches it, the one of the best recall.
    """
    enough = [each for each in timed if each.calibration.recall_reranked >= TARGET_RECALL]
    if not enough:
        return max(timed, key=lambda each: each.calibration.recall_reranked)
    least = min(each.milliseconds for each in enough)
    near = [each for each in enough if each.milliseconds <= _AS_FAST * least]
    return min(near, key=lambda each: each.bytes)


def measured_milliseconds(vectors: Path, trained: Sequence[Trained]) -> list[Trained]:
    """Return the same with the median milliseconds of a query, asked alone and on one thread.

    All answer the same queries by turns, so that other work of the machine slows all alike.
    """
    indexes = [
        VectorIndex(vectors=vectors, shortlist=each.path, effort=each.calibration.effort)
        for each in trained
    ]
    rows = np.random.default_rng(1).permutation(indexes[0].rows)[: _NOT_TIMED + _TIMED_QUERIES]
    seconds = np.zeros((len(rows), len(indexes)))
    for turn, query in enumerate(indexes[0].vectors(rows)):
        for place, index in enumerate(indexes):
            started = time.perf_counter()
            index.search(query[None], CALIBRATION_K)
            seconds[turn, place] = time.perf_counter() - started
    medians = 1e3 * np.median(seconds[_NOT_TIMED:], axis=0)
    return [
        replace(each, milliseconds=float(median))
        for each, median in zip(trained, medians, strict=True)
    ]


def _calibrated(vectors: Path, shortlist: Path | None, expansion: Expansion | None) -> Calibration:
    index = VectorIndex(vectors=vectors, shortlist=shortlist, effort=SearchEffort(1, 1))
    return calibrate(index, expansion=expansion)


def _sentence(best: Trained, timed: Sequence[Trained], rows: int, dim: int) -> str:
    others = ", ".join(_figures(each) for each in timed if each is not best)
    why = "the smallest of the fastest" if len(timed) > 1 else "the only one that fits"
    beside = f", beside {others}" if others else ""
    return (
        f"{AUTO} chose {_figures(best)} for {rows} images of {dim} numbers: {why} at recall@"
        f"{CALIBRATION_K} ≥ {TARGET_RECALL:g}{beside}"
    )


def _figures(each: Trained) -> str:
    """Return a shortlist in words: string, milliseconds a query, megabytes, recall if it lacks."""
    lacks = each.calibration.recall_reranked < TARGET_RECALL
    recall = f", recall {each.calibration.recall_reranked:.3f}" if lacks else ""
    return f"{each.factory} ({each.milliseconds:.2g} ms a query, {each.bytes / 1e6:.1f} MB{recall})"
