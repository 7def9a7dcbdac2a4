"""Vectors → how long the paper's IVFPQ takes to train, fill and ask, and what it finds: a table."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import faiss
import numpy as np

from app.values.vectors import without_own
from lab.clustering import CLUSTERINGS
from lab.ivfpq import ITERATIONS, IVFPQ, Rows, Vectors
from lab.measures import distances_of, recall_at_k
from lab.truth import exact_neighbours
from lab.vectors import VectorSet

K = 10
_W, _CANDIDATES = 16, 200


@dataclass(frozen=True)
class Timing:
    """One line of the table; seconds of the clock, and of all processors together (CPU)."""

    what: str
    train: float
    train_cpu: float
    add: float
    query_milliseconds: float
    recall_raw: float
    recall_reranked: float


def synthetic(rows: int, dim: int, *, queries: int, seed: int = 0) -> VectorSet:
    """Return unit vectors around 200 centres, drawn at random, and queries drawn alike."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, dim))
    near = centres[rng.integers(0, 200, rows + queries)]
    vectors = (near + 0.7 * rng.normal(size=near.shape)).astype(np.float32)
    name = f"{rows:,} × {dim}, drawn around 200 centres"
    return VectorSet(name, vectors[:rows], vectors[rows:], drawn=rows).unit()


def measure(given: VectorSet, *, cells: int, m: int) -> Iterator[Timing]:
    """Yield the figures of both clusterings, and of FAISS's own index as a yardstick.

    The metric is the inner product of unit vectors. Re-ranked: the 200 best of 16 cells, compared
    exactly.
    """
    truth = exact_neighbours(given.vectors, given.queries, K, metric="ip", leave_out=given.own_rows)
    for clustering in CLUSTERINGS:
        started = time.perf_counter(), time.process_time()
        index = IVFPQ.train(given.vectors, cells=cells, m=m, metric="ip", clustering=clustering)
        trained = _since(*started)
        yield _timed(
            f"NumPy, k-means of {clustering}", given, truth[1], trained, index, index.search
        )
    started = time.perf_counter(), time.process_time()
    other: Any = faiss.index_factory(given.dim, f"IVF{cells},PQ{m}", faiss.METRIC_INNER_PRODUCT)
    other.cp.min_points_per_centroid = other.pq.cp.min_points_per_centroid = 1
    other.pq.cp.niter, other.do_polysemous_training = ITERATIONS, False
    other.train(given.vectors)
    trained = _since(*started)

    parameters: Any = faiss.SearchParametersIVF

    def search(queries: Vectors, k: int, *, w: int) -> Any:
        return other.search(queries, k, params=parameters(nprobe=w))

    yield _timed("FAISS", given, truth[1], trained, other, search)


def as_table(timings: list[Timing]) -> str:
    """Return the figures as a Markdown table."""
    columns = (
        *("index", "train (s)", "of CPU (s)", "add (s)", "query (ms)"),
        *("recall@10, codes alone", "re-ranked"),
    )
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for timing in timings:
        values = [getattr(timing, field.name) for field in fields(timing)]
        shown = [str(values[0])] + [f"{value:.2f}" for value in values[1:5]]
        lines.append(f"| {' | '.join([*shown, *(f'{value:.3f}' for value in values[5:])])} |")
    return "\n".join(lines)


def _timed(
    what: str,
    given: VectorSet,
    true: Vectors,
    trained: tuple[float, float],
    index: Any,
    search: Callable[..., tuple[Vectors, Rows]],
) -> Timing:
    started = time.perf_counter()
    index.add(given.vectors)
    added = time.perf_counter() - started
    started = time.perf_counter()
    # One at a time, as a gallery is asked.
    rows = np.concatenate([search(query[None], _CANDIDATES, w=_W)[1] for query in given.queries])
    asked = (time.perf_counter() - started) / len(given.queries)
    if given.own_rows is not None:
        rows = without_own(rows, given.own_rows, rows.shape[1] - 1)
    similar = distances_of(given.vectors, given.queries, rows, "ip")
    best = np.take_along_axis(similar, np.argsort(-similar, axis=1, kind="stable"), axis=1)
    recalls = [recall_at_k(true, found[:, :K], K, "ip") for found in (similar, best)]
    return Timing(what, *trained, added, 1000 * asked, *recalls)


def _since(clock: float, cpu: float) -> tuple[float, float]:
    return time.perf_counter() - clock, time.process_time() - cpu
