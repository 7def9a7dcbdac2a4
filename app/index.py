"""Unit vectors → the nearest rows: train a shortlist, search it, re-rank exactly.

The only file that names FAISS.
Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011, in the words
used below: a shortlist index cuts the space into `nlist` cells (inverted lists), visits the
`nprobe` cells nearest to the query ("probes") and compares short codes there: `m` sub-vectors of
`nbits` bits, each naming one of 2^nbits centroids. The best "candidates" of that are then compared
exactly, with the fp16 vectors themselves, which stay on disk and are memory-mapped.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import contextlib
import os
import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, StorageError, UsageError

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

CALIBRATION_K = 10
TARGET_RECALL = 0.97
_MIN_ROWS_A_CELL = 39  # below that FAISS's k-means warns that centroids are badly placed
_MAX_TRAINING_ROWS = 65_536
_MAX_CANDIDATES = 2_000
_CHUNK_ROWS = 4_096
# The part of FAISS's language that is tried and tested here. Of the rest it makes some, and then
# cannot search them memory-mapped, read a vector back, or ends the process (HNSW1, IVF0, PQ8x4fs).
_REDUCED = r"(OPQ|PCAR?)[1-9]\d{0,4}(_[1-9]\d{0,4})?,"
_CELLS = r"IVF[1-9]\d{0,5}"
_GRAPH = r"HNSW([2-9]|[1-9]\d{1,2})"
_NUMBERS = r"(Flat|SQ(4|6|8|fp16))"
_CODES = r"PQ[1-9]\d{0,4}(x([1-9]|1[0-6]))?(np)?"
_FACTORY = re.compile(
    f"({_REDUCED})?(({_CELLS}(_{_GRAPH})?,)?({_NUMBERS}|{_CODES})"
    f"|{_CELLS},RaBitQ|{_GRAPH}([,_]{_NUMBERS})?)",
    re.ASCII,
)
_PROBES_TRIED = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class SearchEffort:
    """How far a search looks: cells visited and candidates re-ranked (for k = 10)."""

    probes: int
    candidates: int


@dataclass(frozen=True)
class Calibration:
    """What was measured when a gallery was built, on rows that did not choose the effort."""

    effort: SearchEffort
    recall_raw: float
    recall_reranked: float
    queries: int


@dataclass(frozen=True)
class Neighbours:
    """The answer for a batch of q queries, best first, equal scores in the order of the rows."""

    rows: Rows  # (q, k) int64
    scores: Vectors  # (q, k) float32, cosine; of the codes only, when the index is approximate
    candidates: int  # how many vectors were compared exactly for each query


def write_vectors(vectors: NDArray[np.float16], path: Path) -> None:
    """Write (n, dim) fp16 vectors as the flat index that exact search and re-ranking read."""
    rows, dim = vectors.shape
    index = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    for start in range(0, rows, _CHUNK_ROWS):
        index.add(vectors[start : start + _CHUNK_ROWS].astype(np.float32))
    _write(index, path)


def check_factory(factory: str, dim: int) -> None:
    """Raise UsageError unless `factory` names a shortlist index for `dim` numbers a vector."""
    try:
        possible = bool(_FACTORY.fullmatch(factory))
        if possible:  # but for the dimension
            index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
            possible = bool(_inner(index).d <= dim)
    except (RuntimeError, MemoryError):
        possible = False
    if not possible:
        raise UsageError(
            f"The index {factory!r} cannot be made for vectors of {dim} numbers: use a FAISS "
            "factory string such as IVF100,PQ8, IVF100,SQ8, HNSW32 or Flat."
        )


def fit_factory(factory: str, rows: int, dim: int) -> tuple[str, str]:
    """Return the factory string that `rows` vectors can train, and why it differs ('' if not).

    Cells are cut down to one for every 39 rows; without enough rows for the centroids of the
    codes the search is exact ("Flat"), which is as fast for so few.
    """
    inner = _inner(faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT))
    if isinstance(inner, faiss.IndexFlat):
        return "Flat", ""
    codes = getattr(inner, "pq", None)
    centroids = 2**codes.nbits if codes is not None else 1
    most_cells = rows // _MIN_ROWS_A_CELL
    cells = inner.nlist if isinstance(inner, faiss.IndexIVF) else 0
    transformed = factory.startswith(("OPQ", "PCA"))
    least_rows = max(centroids, dim if transformed else 1, _MIN_ROWS_A_CELL if cells else 1)
    if rows < least_rows:
        return "Flat", f"{rows} images are too few for {factory}: they are searched exactly"
    if cells > most_cells:
        fitted = re.sub(r"IVF\d+", f"IVF{most_cells}", factory)
        return fitted, f"{rows} images fill {most_cells} cells, not {cells}: the index is {fitted}"
    return factory, ""


def train_shortlist(vectors: Path, factory: str, path: Path) -> tuple[str, str]:
    """Train and fill `factory` from the flat index at `vectors`, write it to `path`.

    Returns the factory string used and a note ('' if all is as asked). No file is written for
    "Flat": the vectors themselves are searched.
    """
    path.unlink(missing_ok=True)
    flat = _read(vectors)
    factory, note = fit_factory(factory, flat.ntotal, flat.d)
    if factory == "Flat":
        return factory, note
    index = faiss.index_factory(flat.d, factory, faiss.METRIC_INNER_PRODUCT)
    inner = _inner(index)
    for owner in (inner, getattr(inner, "pq", None)):
        if owner is not None and hasattr(owner, "cp"):
            # It would warn below 39 rows a centroid, once for each sub-vector.
            owner.cp.min_points_per_centroid = 1
    if hasattr(inner, "do_polysemous_training"):
        # It only renumbers the centroids, for a filter that is not used here, and takes 85 % of
        # the training time (https://github.com/facebookresearch/faiss/wiki/Polysemous-codes).
        inner.do_polysemous_training = False
    sample = np.arange(flat.ntotal)
    if flat.ntotal > _MAX_TRAINING_ROWS:
        sample = np.sort(
            np.random.default_rng(0).choice(flat.ntotal, _MAX_TRAINING_ROWS, replace=False)
        )
    try:
        with _native_output_hidden():
            index.train(flat.reconstruct_batch(sample))
    except RuntimeError:
        return "Flat", f"{flat.ntotal} images could not train {factory}: they are searched exactly"
    for start in range(0, flat.ntotal, _CHUNK_ROWS):
        index.add(flat.reconstruct_n(start, min(_CHUNK_ROWS, flat.ntotal - start)))
    _write(index, path)
    codes = getattr(inner, "pq", None)
    if codes is not None and flat.ntotal < _MIN_ROWS_A_CELL * 2**codes.nbits and not note:
        note = (
            f"{flat.ntotal} images train {2**codes.nbits} centroids with fewer than the "
            f"{_MIN_ROWS_A_CELL} each that k-means likes; exact re-ranking makes up for it"
        )
    return factory, note


class VectorIndex:
    """An open index. Searches may run from several threads at once; nothing is changed by them."""

    def __init__(
        self, *, vectors: Path | None, shortlist: Path | None, effort: SearchEffort
    ) -> None:
        """Open both files, or `vectors` alone (exact), or `shortlist` alone (approximate).

        GalleryError if a file is not an index or the two do not belong together.
        """
        if vectors is None and shortlist is None:
            raise GalleryError("There is neither a shortlist nor a vectors file to search.")
        self.effort = effort
        self._flat: Any = _read(vectors) if vectors else None
        self._short: Any = _read(shortlist) if shortlist else None
        if self._flat and self._short:
            if (self._flat.ntotal, self._flat.d) != (self._short.ntotal, self._short.d):
                raise GalleryError(
                    f"The vectors ({self._flat.ntotal} × {self._flat.d}) and the shortlist "
                    f"({self._short.ntotal} × {self._short.d}) do not belong together."
                )
            self._refined = faiss.IndexRefine(self._short, self._flat)
            # They are only read, and take a tenth of a search's time to make.
            self._refine_parameters = lru_cache(self._make_refine_parameters)
        some = self._flat or self._short
        self.rows: int = some.ntotal
        self.dim: int = some.d
        if self._flat is None and isinstance(_inner(self._short), faiss.IndexIVF):
            _inner(self._short).make_direct_map()  # so that `vector` finds a row

    @property
    def approximate(self) -> bool:
        """True without the vectors: the shortlist's own order and scores are all there is."""
        return self._flat is None

    @property
    def exact_only(self) -> bool:
        """True without a shortlist: every search compares every vector."""
        return self._short is None

    def vector(self, row: int) -> Vectors:
        """Return the stored (dim,) float32 vector of a row, of norm 1."""
        vector: Vectors = (self._flat or self._short).reconstruct(row)
        unit: Vectors = vector / np.maximum(np.linalg.norm(vector), np.float32(1e-12))
        return unit

    def vectors(self, rows: Rows) -> Vectors:
        """Return the stored (n, dim) float32 vectors of (n,) rows, as stored."""
        stored: Vectors = (self._flat or self._short).reconstruct_batch(rows)
        return stored

    def scores(self, query: Vectors, rows: Rows) -> Vectors:
        """Return the (n,) cosines of a (dim,) query to (n,) rows."""
        scores: Vectors = np.clip(self.vectors(rows) @ query, -1, 1)
        return scores

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the min(k, rows) nearest rows of each of (q, dim) unit vectors.

        Every row is real and there once: a query whose cells hold too few rows is searched
        exactly. More candidates are taken in proportion for k above 10.
        """
        k = min(k, self.rows)
        if exact and self._flat is not None:
            return self._search_flat(queries, k)
        if self._short is None:
            return self._search_flat(queries, k)
        wanted = self.effort.candidates * max(1.0, k / CALIBRATION_K)
        candidates = min(self.rows, max(k, int(np.ceil(wanted))))
        if self._flat is None:
            return self._search_codes(queries, k, SearchEffort(self.effort.probes, candidates))
        parameters = self._refine_parameters(candidates)
        scores, rows = self._refined.search(queries, candidates, params=parameters)
        found = _in_order(rows, scores, k)
        if found.rows.min(initial=0) < 0:
            dry = (found.rows < 0).any(axis=1)
            again = self._search_flat(queries[dry], k)
            found.rows[dry], found.scores[dry] = again.rows, again.scores
        return found

    def _make_refine_parameters(self, candidates: int) -> Any:
        effort = SearchEffort(self.effort.probes, candidates)
        return faiss.IndexRefineSearchParameters(
            k_factor=1, base_index_params=_parameters(self._short, effort)
        )

    def shortlist(self, queries: Vectors, effort: SearchEffort) -> Rows:
        """Return the (q, candidates) rows in the shortlist's own order; -1 where cells ran dry."""
        _, rows = self._short.search(
            queries, min(effort.candidates, self.rows), params=_parameters(self._short, effort)
        )
        result: Rows = rows
        return result

    def _search_flat(self, queries: Vectors, k: int) -> Neighbours:
        # Rows that tie with the last one asked for must all be seen before the lowest are taken.
        asked = min(self.rows, k + 16)
        while True:
            scores, rows = self._flat.search(queries, asked)
            ends = np.minimum(scores[:, [k - 1, asked - 1]], 1)  # as `_in_order` compares them
            if asked == self.rows or (ends[:, 0] > ends[:, 1]).all():
                return _in_order(rows, scores, k)
            asked = min(self.rows, 4 * asked)

    def _search_codes(self, queries: Vectors, k: int, effort: SearchEffort) -> Neighbours:
        scores, rows = self._short.search(
            queries, effort.candidates, params=_parameters(self._short, effort)
        )
        found = _in_order(rows, scores, k)
        dry = (found.rows < 0).any(axis=1)
        if dry.any():
            again = self._search_every_code(queries[dry], k)
            found.rows[dry], found.scores[dry] = again.rows, again.scores
        return Neighbours(found.rows, found.scores, 0)

    def _search_every_code(self, queries: Vectors, k: int) -> Neighbours:
        cells = _cells(self._short)
        if cells:
            every = _parameters(self._short, SearchEffort(cells, k))
            scores, rows = self._short.search(queries, k, params=every)
            return _in_order(rows, scores, k)
        # A graph may have parts that no walk reaches: many equal vectors make such.
        chunks = np.array_split(np.arange(self.rows), 1 + self.rows // _CHUNK_ROWS)
        scores = np.concatenate([queries @ self.vectors(rows).T for rows in chunks], axis=1)
        return _in_order(np.broadcast_to(np.arange(self.rows), scores.shape), scores, k)


def calibrate(index: VectorIndex, *, sample: int = 2_000, seed: int = 0) -> Calibration:
    """Choose the least effort that reaches recall@10 ≥ 0.97, and measure it on other rows.

    Half of the sampled rows choose: a true neighbour that the shortlist holds at place p is found
    by exact re-ranking exactly when at least p candidates are taken, so one search tells the
    recall of every number of candidates. The mean less two standard errors has to reach the
    target, so that the other half, which is what gets reported, mostly does too. Each row is left
    out of its own answer.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(index.rows)[:sample]
    k = min(CALIBRATION_K, index.rows - 1)
    if k < 1:
        return Calibration(SearchEffort(0, 0), 1.0, 1.0, 0)
    choosing, reporting = (rows, rows) if len(rows) < 20 else (rows[::2], rows[1::2])
    if index.exact_only:
        return Calibration(SearchEffort(0, 0), 1.0, 1.0, len(reporting))
    effort = _least_effort(index, choosing, k)
    queries = index.vectors(reporting)
    truth = _true_neighbours(index, reporting, queries, k)
    listed = index.shortlist(queries, effort)
    return Calibration(
        effort,
        recall_raw=recall(truth, _without_self(listed[:, : k + 1], reporting, k)),
        recall_reranked=recall(truth, listed),
        queries=len(reporting),
    )


def recall(truth: Rows, found: Rows) -> float:
    """Return the mean share of (q, k) true rows that are among (q, c) found rows."""
    return float((truth[:, :, None] == found[:, None, :]).any(axis=2).mean())


def _least_effort(index: VectorIndex, rows: Rows, k: int) -> SearchEffort:
    queries = index.vectors(rows)
    truth = _true_neighbours(index, rows, queries, k)
    most = min(index.rows, _MAX_CANDIDATES)
    steps = list(_steps(k, most))
    cells = _cells(index._short)
    tried = sorted({min(p, cells) for p in _PROBES_TRIED if p <= 2 * cells}) if cells else [0]
    enough = []
    for probes in tried:
        reaches_target = _target_test(index, queries, truth, SearchEffort(probes, most))
        step = bisect_left(steps, True, key=reaches_target)
        if step < len(steps):
            enough.append(SearchEffort(probes, steps[step]))
    if not enough:
        return SearchEffort(tried[-1], most)
    return min(enough, key=lambda effort: _cost(index, effort))


def _target_test(
    index: VectorIndex, queries: Vectors, truth: Rows, effort: SearchEffort
) -> Callable[[int], bool]:
    """Return the test whether a number of candidates up to `effort.candidates` is enough."""
    # How far a graph is walked depends on the candidates asked for: each number is a search.
    is_graph = isinstance(_inner(index._short), faiss.IndexHNSW)
    at_most = None if is_graph else _places(truth, index.shortlist(queries, effort))

    def reaches_target(candidates: int) -> bool:
        places = at_most
        if places is None:
            listed = index.shortlist(queries, SearchEffort(effort.probes, candidates))
            places = _places(truth, listed)
        hits = (places < candidates).mean(axis=1)
        return bool(hits.mean() - 2 * hits.std() / np.sqrt(len(hits)) >= TARGET_RECALL)

    return reaches_target


def _steps(k: int, most: int) -> Iterator[int]:
    """Numbers of candidates worth trying: about 5 % apart."""
    step = k + 1
    while step < most:
        yield step
        step += max(1, step // 20)
    yield most


def _cost(index: VectorIndex, effort: SearchEffort) -> float:
    """Additions for one query; a code takes about four times as long as a number of a vector."""
    inner = _inner(index._short)
    scanned = effort.probes * index.rows / inner.nlist if effort.probes else 0
    return float(4 * scanned * getattr(inner, "code_size", 8) + effort.candidates * index.dim)


def _true_neighbours(index: VectorIndex, rows: Rows, queries: Vectors, k: int) -> Rows:
    return _without_self(index.search(queries, k + 1, exact=True).rows, rows, k)


def _without_self(found: Rows, own: Rows, k: int) -> Rows:
    """Drop each query's own row from (q, k + 1) rows, or the last one where it is not there."""
    order = np.argsort(found == own[:, None], axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)[:, :k]


def _places(truth: Rows, listed: Rows) -> NDArray[np.int64]:
    """Return where each of (q, k) true rows stands in (q, c) listed rows; c where it does not."""
    places = np.full(truth.shape, listed.shape[1], np.int64)
    for place, (true_rows, row_list) in enumerate(zip(truth, listed, strict=True)):
        _, at_true, at_list = np.intersect1d(true_rows, row_list, return_indices=True)
        places[place, at_true] = at_list
    return places


def _in_order(rows: Rows, scores: Vectors, k: int) -> Neighbours:
    """Sort by score, then row; empty places (-1) last; cut to k."""
    # Plain ufuncs and indices: `clip`, `where` and `take_along_axis` take twice as long, for one
    # query a fifth of the whole search.
    keys = np.maximum(np.minimum(scores, 1), -1)
    keys[rows < 0] = -np.inf
    order = np.lexsort((rows, -keys))[:, :k]
    queries = np.arange(len(rows))[:, None]
    return Neighbours(rows[queries, order], keys[queries, order], rows.shape[1])


def _parameters(index: Any, effort: SearchEffort) -> Any:
    """Return FAISS's parameters for one search: they go with the call, not into the index."""
    inner = _inner(index)
    if isinstance(inner, faiss.IndexIVF):
        parameters = faiss.SearchParametersIVF(nprobe=max(1, min(effort.probes, inner.nlist)))
    elif isinstance(inner, faiss.IndexHNSW):
        parameters = faiss.SearchParametersHNSW(efSearch=max(16, effort.candidates))
    else:
        return None
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=parameters)
    return parameters


def _inner(index: Any) -> Any:
    """Return the index under a pre-transform; UsageError for kinds that cannot be a shortlist."""
    inner = index
    if isinstance(index, faiss.IndexPreTransform):
        inner = faiss.downcast_index(index.index)
    kinds = (
        faiss.IndexIVF,
        faiss.IndexHNSW,
        faiss.IndexFlat,
        faiss.IndexPQ,
        faiss.IndexScalarQuantizer,
    )
    if not isinstance(inner, kinds):
        raise UsageError(f"{type(inner).__name__} is no shortlist.")
    return inner


def _cells(index: Any) -> int:
    inner = _inner(index)
    return int(inner.nlist) if isinstance(inner, faiss.IndexIVF) else 0


def _write(index: Any, path: Path) -> None:
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as exc:
        raise StorageError(
            f"{path} cannot be written: make room, then run the same command again; what is done "
            "is kept."
        ) from exc


def _read(path: Path) -> Any:
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as exc:
        raise GalleryError(f"{path} is not a FAISS index, or is cut short.") from exc


@contextlib.contextmanager
def _native_output_hidden() -> Iterator[None]:
    """Keep FAISS's C++ warnings about small training sets off the terminal: we say it ourselves."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
