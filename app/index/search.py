"""An open index → the nearest rows of a query, compared exactly."""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import copy
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from app.errors import GalleryError
from app.index import threads
from app.index.flat import FlatVectors
from app.index.neighbours import Neighbours, in_order
from app.index.plugins import Rows, Shortlist, Vectors
from app.index.selection import Selection
from app.index.shortlist import FaissShortlist, open_shortlist
from app.values.vectors import kept_first, unit

CALIBRATION_K = 10
_CHUNK_ROWS = 4_096
_SURPLUS = 1.5  # candidates beyond the share that is left out, which the nearest may exceed


@dataclass(frozen=True)
class SearchEffort:
    """How far a search looks: cells visited and candidates re-ranked (for k = 10)."""

    probes: int
    candidates: int


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
        self._flat = FlatVectors(vectors) if vectors else None
        self._short: Shortlist | None = open_shortlist(shortlist) if shortlist else None
        self._refined: Any = None  # FAISS's own re-ranking, where the shortlist is FAISS's too
        # They are only read, and take a tenth of a search's time to make.
        self._refine_parameters = lru_cache(self._make_refine_parameters)
        sizes = [(self._flat.rows, self._flat.dim)] if self._flat else []
        if self._short:
            sizes.append((self._short.rows, self._short.dim))
        self.rows: int = sizes[0][0]
        self.dim: int = sizes[0][1]
        self._selection = Selection.of_all(self.rows)
        if len(set(sizes)) > 1:
            raise GalleryError(
                "The vectors ({} × {}) and the shortlist ({} × {}) do not belong together.".format(
                    *sizes[0], *sizes[1]
                )
            )
        if isinstance(self._short, FaissShortlist):
            if self._flat:
                self._refined = faiss.IndexRefine(self._short.index, self._flat.index)
            else:
                self._short.find_rows_quickly()  # so that `vector` finds a row

    def without(self, rows: Rows) -> "VectorIndex":
        """Return the same index, of the same open files, that never finds the (n,) `rows`."""
        view = copy.copy(self)
        view._selection = Selection.without(rows, self.rows)
        view._refine_parameters = lru_cache(view._make_refine_parameters)
        return view

    def found_of(self, rows: Rows) -> Rows:
        """Return (n,) rows with -1 for those that a search does not find; -1 stays."""
        return self._selection.of(rows)

    @property
    def found_rows(self) -> int:
        """How many rows a search can find: all but those that `without` left out."""
        return self._selection.count

    @property
    def approximate(self) -> bool:
        """True without the vectors: the shortlist's own order and scores are all there is."""
        return self._flat is None

    @property
    def exact_only(self) -> bool:
        """True without a shortlist: every search compares every vector."""
        return self._short is None

    @property
    def cells(self) -> int:
        """The shortlist's inverted lists; 0 if it has none."""
        return self._short.cells if self._short else 0

    @property
    def code_bytes(self) -> int:
        """Bytes that the shortlist reads for each row that it compares."""
        return self._short.code_bytes if self._short else 0

    @property
    def is_graph(self) -> bool:
        """True where the number of candidates decides how far the shortlist is walked."""
        if isinstance(self._short, FaissShortlist):
            return self._short.is_graph
        return not self.cells  # how another package's works is not known

    def vector(self, row: int) -> Vectors:
        """Return the stored (dim,) float32 vector of a row, of norm 1."""
        vector: Vectors = unit(self.vectors(np.array([row])))[0]
        return vector

    def vectors(self, rows: Rows) -> Vectors:
        """Return the stored (n, dim) float32 vectors of (n,) rows, as stored."""
        if self._flat is None:
            return self._required_shortlist.reconstruct(rows)
        return self._flat.vectors(rows)

    def scores(self, query: Vectors, rows: Rows) -> Vectors:
        """Return the (n,) cosines of a (dim,) query to (n,) rows."""
        scores: Vectors = self.vectors(rows) @ query
        if self._flat is not None:
            scores = self._flat.cosines(scores, rows)
        return np.maximum(np.minimum(scores, 1), -1)

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the min(k, found_rows) nearest rows of each of (q, dim) unit vectors.

        Every row is real and there once: a query whose cells hold too few rows is searched
        exactly. More candidates are taken in proportion for k above 10.
        """
        k = min(k, self.found_rows)
        if not k:
            return _nothing_for(queries)
        candidates = self._candidates(k)
        if self._flat is None:
            return self._search_codes(queries, k, SearchEffort(self.effort.probes, candidates))
        if exact or self._short is None:
            return self._flat.search(queries, k, self._selection)
        neighbours = self._search_refined(self._flat, queries, k, candidates)
        # The cells visited may hold fewer rows than k. A search promises k: compare every vector,
        # for these queries alone.
        last = neighbours.rows[
            :, -1
        ]  # empty places come last; of one query, an item is read soonest
        if (last.item() if len(last) == 1 else last.min(initial=0)) < 0:
            dry = (neighbours.rows < 0).any(axis=1)
            again = self._flat.search(queries[dry], k, self._selection)
            neighbours.rows[dry], neighbours.scores[dry] = again.rows, again.scores
        return neighbours

    def _search_refined(
        self, flat: FlatVectors, queries: Vectors, k: int, candidates: int
    ) -> Neighbours:
        """Return the k best of the candidates, compared exactly; -1 where there are too few."""
        if self._refined is not None:
            # In one call of FAISS: reading so many vectors back to compare them here takes ten
            # times as long as the whole search.
            taken, parameters = self._refine_parameters(candidates)
            products, rows = threads.search(self._refined, queries, taken, parameters)
            rows = self._selection.of(rows)
            return in_order(rows, flat.cosines(products, rows), k, candidates=candidates)
        _, rows = self._shortlisted(queries, candidates, self.effort.probes)
        products = np.zeros(rows.shape, np.float32)
        for query, candidate_rows, into in zip(queries, rows, products, strict=True):
            filled = candidate_rows >= 0
            # Not `@`: it may give equal vectors unequal scores, by where they stand, and the order
            # of equal pictures would change with the batch.
            into[filled] = np.einsum("nd,d->n", flat.vectors(candidate_rows[filled]), query)
        return in_order(rows, flat.cosines(products, rows), k, candidates=candidates)

    def _make_refine_parameters(self, candidates: int) -> Any:
        short = self._required_shortlist
        assert isinstance(short, FaissShortlist)
        taken, selector = self._selecting(candidates)
        base = short.parameters(taken, self.effort.probes, selector)
        return taken, faiss.IndexRefineSearchParameters(k_factor=1, base_index_params=base)

    def _selecting(self, candidates: int) -> tuple[int, Any]:
        """Return how many candidates to take of the shortlist, and the selector that it is given.

        One that cannot select finds rows that are left out, too: more are taken to make up for it.
        """
        if self._selects:
            return candidates, self._selection.selector
        share = self.rows / max(1, self.found_rows)
        return min(self.rows, math.ceil(candidates * share * _SURPLUS)), None

    @property
    def _selects(self) -> bool:
        """Whether the shortlist itself finds no row that is left out."""
        faiss_selects = isinstance(self._short, FaissShortlist) and self._short.selects
        return self._selection.is_all or faiss_selects

    def _shortlisted(self, queries: Vectors, candidates: int, probes: int) -> tuple[Vectors, Rows]:
        """Return (q, candidates or more) scores and rows; -1 for what is not to be found."""
        taken, selector = self._selecting(candidates)
        short = self._required_shortlist
        if isinstance(short, FaissShortlist):
            scores, rows = short.search(queries, taken, probes, selector)
        else:
            scores, rows = short.search(queries, taken, probes)
        return scores, self._selection.of(rows)

    @property
    def _required_shortlist(self) -> Shortlist:
        """The shortlist, for callers that know that there is one."""
        assert self._short is not None
        return self._short

    def shortlist(self, queries: Vectors, effort: SearchEffort) -> Rows:
        """Return the (q, candidates) rows in the shortlist's own order; -1 where cells ran dry."""
        wanted = min(effort.candidates, self.found_rows)
        _, rows = self._shortlisted(queries, wanted, effort.probes)
        left_out = rows < 0
        if rows.shape[1] > wanted:
            rows = np.take_along_axis(rows, kept_first(left_out), axis=1)[:, :wanted]
        return rows

    def search_codes(self, queries: Vectors, k: int) -> Neighbours:
        """Return the k nearest rows by the shortlist's own scores; -1 where cells ran dry.

        Without a shortlist by the vectors themselves.
        """
        k = min(k, self.found_rows)
        if not k:
            return _nothing_for(queries)
        if self._short is None:
            return self.search(queries, k)
        scores, rows = self._shortlisted(queries, k, self.effort.probes)
        return in_order(rows, scores, k, candidates=0)

    def _candidates(self, k: int) -> int:
        # They were calibrated for k = 10; recall stays about the same with the same ratio.
        in_proportion = self.effort.candidates * max(1.0, k / CALIBRATION_K)
        return min(self.found_rows, max(k, math.ceil(in_proportion)))

    def _search_codes(self, queries: Vectors, k: int, effort: SearchEffort) -> Neighbours:
        scores, rows = self._shortlisted(queries, effort.candidates, effort.probes)
        neighbours = in_order(rows, scores, k, candidates=0)
        dry = (neighbours.rows < 0).any(axis=1)
        if dry.any():
            again = self._search_every_code(queries[dry], k)
            neighbours.rows[dry], neighbours.scores[dry] = again.rows, again.scores
        return neighbours

    def _search_every_code(self, queries: Vectors, k: int) -> Neighbours:
        cells = self.cells
        if cells:
            # Of one that cannot select, all rows: the nearest may be those that are left out.
            wanted = k if self._selects else self.rows
            scores, rows = self._shortlisted(queries, wanted, cells)
            return in_order(rows, scores, k, candidates=0)
        # A graph may have parts that no walk reaches: many equal vectors make such.
        chunks = np.array_split(np.arange(self.rows), 1 + self.rows // _CHUNK_ROWS)
        scores = np.concatenate([queries @ self.vectors(rows).T for rows in chunks], axis=1)
        everything = self._selection.of(np.tile(np.arange(self.rows), (len(queries), 1)))
        return in_order(everything, scores, k, candidates=0)


def _nothing_for(queries: Vectors) -> Neighbours:
    """Return the answer of an index all of whose rows are left out."""
    none = np.zeros((len(queries), 0))
    return Neighbours(none.astype(np.int64), none.astype(np.float32), 0)
