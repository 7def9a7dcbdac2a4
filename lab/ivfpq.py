"""Vectors → inverted lists of short codes → the nearest rows: IVFADC, from the paper, in NumPy.

Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search", IEEE TPAMI 33(1), 2011.
The paper's letters, as they are used below:

| letter | is | here |
|---|---|---|
| x, y | a query, a vector that is kept; of D numbers | `queries`, `vectors` |
| q_c | the coarse quantiser: y → the nearest of k' centroids, its cell | `coarse` (k', D) |
| r(y) | the residual y - q_c(y): where in its cell y lies | |
| u_j(y) | the j-th of m sub-vectors of y, D* = D / m numbers each | `[:, j]` of (n, m, D*) |
| q_j | the quantiser of the u_j: each → one of k* = 2^nbits centroids | `codebooks[j]` |
| q_p | the product quantiser (q_1 … q_m): k*^m centroids; m · k* are stored | `codebooks` |
| w | the cells that a search visits | `w` |

What is kept of y (section IV-B): its row in the inverted list of its cell, with m numbers below k*
that say q_p(r(y)). From these it comes back as ŷ = q_c(y) + q_p(r(y)). A search compares the query
itself, not quantised ("asymmetric", section III-A), with every ŷ of the w nearest cells, and adds
m numbers of a look-up table for each.

A code takes m bytes, whatever nbits is: FAISS packs m · nbits bits instead.
"""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from lab.clustering import Clustering, k_means

Metric = Literal["l2", "ip"]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Codes = NDArray[np.uint8]

ITERATIONS = 10  # FAISS makes 25 for codes: twice the time, and the recall is the same
_BLOCK_ROWS = 16_384
_FORMAT = "ivfpq/1"


class IVFPQ:
    """An inverted file with asymmetric distance computation (IVFADC).

    `metric` is "l2" (the paper's) or "ip". By "l2" a search estimates ‖x - y‖² by ‖x - ŷ‖². By
    "ip" it estimates <x, y> by <x, ŷ> = <x, q_c(y)> + Σ_j <u_j(x), q_j(u_j(r(y)))>, and the
    nearest cells are those of the largest <x, c>; FAISS's `IndexIVFPQ` with `by_residual` gives
    the same. For vectors of length 1, ‖x - ŷ‖² = 1 + ‖ŷ‖² - 2 <x, ŷ>: the two orders differ by
    the lengths of the ŷ alone, which quantising makes shorter, the more so the worse it fits.

    Any number of threads may search; nothing is changed by it. `add` is for one thread alone.
    """

    def __init__(self, coarse: Vectors, codebooks: Vectors, *, metric: Metric = "l2") -> None:
        """Take (k', D) coarse centroids and (m, k*, D / m) codebooks, float32; k* is at most 256.

        UsageError if they do not fit each other, or the metric is unknown.
        """
        _check_metric(metric)
        m, k_star, d_star = codebooks.shape
        if coarse.shape[1] != m * d_star or k_star > 256:
            raise UsageError(
                f"Codebooks of shape {codebooks.shape} do not belong to centroids of shape "
                f"{coarse.shape}."
            )
        self.coarse = np.ascontiguousarray(coarse, np.float32)
        self.codebooks = np.ascontiguousarray(codebooks, np.float32)
        self.metric: Metric = metric
        # The inverted lists, end to end: list i is codes[starts[i] : starts[i + 1]].
        self.starts: Rows = np.zeros(len(coarse) + 1, np.int64)
        self.ids: Rows = np.empty(0, np.int64)
        self.codes: Codes = np.empty((0, m), np.uint8)
        self._places: Rows = np.empty(0, np.int64)  # of each row: where it stands in the lists

    @classmethod
    def train(
        cls,
        vectors: Vectors,
        *,
        cells: int,
        m: int,
        nbits: int = 8,
        metric: Metric = "l2",
        clustering: Clustering = "faiss",
    ) -> "IVFPQ":
        """Return an index with k' = `cells` and k* = 2^`nbits`, learnt from (n, D) vectors; empty.

        First q_c is learnt from the vectors, then, a sub-vector at a time, q_1 … q_m from all
        residuals: one product quantiser serves all cells (section IV-A). UsageError for numbers
        that do not fit, for too few vectors and for those that are not finite.
        """
        _check_metric(metric)
        vectors = _checked(vectors)
        dim = vectors.shape[1]
        if not 1 <= nbits <= 8:
            raise UsageError(f"A code has 1 to 8 bits a sub-vector, not {nbits}.")
        if m < 1 or dim % m:
            raise UsageError(
                f"Vectors of {dim} numbers cannot be cut into {m} equal parts: choose a divisor."
            )
        coarse = k_means(
            vectors,
            cells,
            clustering=clustering,
            iterations=ITERATIONS,
            # By inner product a longer centroid would draw more vectors than are near it.
            spherical=metric == "ip",
        )
        residuals = vectors - coarse[_assign(vectors, coarse, metric)]
        parts = residuals.reshape(len(vectors), m, dim // m)
        codebooks = np.stack(
            [
                k_means(parts[:, j], 2**nbits, clustering=clustering, iterations=ITERATIONS)
                for j in range(m)
            ]
        )
        return cls(coarse, codebooks, metric=metric)

    @property
    def dim(self) -> int:
        """D, the numbers of a vector."""
        return int(self.coarse.shape[1])

    @property
    def cells(self) -> int:
        """k', the inverted lists."""
        return len(self.coarse)

    @property
    def m(self) -> int:
        """The sub-vectors, and the bytes of a code."""
        return int(self.codebooks.shape[0])

    @property
    def rows(self) -> int:
        """n, the vectors that were added."""
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays: 4 k' D + 4 k* D for the centroids; n (m + 16) for the lists.

        For k' = 100, m = 8 and 9,144 × 1280: 2.04 MB, beside 46.8 MB of vectors.
        """
        arrays = (self.coarse, self.codebooks, self.starts, self.ids, self.codes, self._places)
        return sum(array.nbytes for array in arrays)

    def encode(self, vectors: Vectors) -> tuple[Rows, Codes]:
        """Return the (n,) cells of (n, D) vectors, and the (n, m) uint8 codes of their residuals.

        q_c by the metric, q_1 … q_m always by the smallest Euclidean distance.
        """
        vectors = _checked(vectors, self.dim)
        cells = np.empty(len(vectors), np.int64)
        codes = np.empty((len(vectors), self.m), np.uint8)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            cells[block] = _assign(vectors[block], self.coarse, self.metric)
            residuals = vectors[block] - self.coarse[cells[block]]
            parts = residuals.reshape(len(residuals), self.m, -1)
            for j in range(self.m):
                codes[block, j] = _assign(parts[:, j], self.codebooks[j], "l2")
        return cells, codes

    def add(self, vectors: Vectors) -> None:
        """Append (n, D) vectors to the lists of their cells; their rows follow those there are."""
        cells, codes = self.encode(vectors)
        rows = np.arange(self.rows, self.rows + len(codes))
        before = np.repeat(np.arange(self.cells), np.diff(self.starts))
        every_cell = np.concatenate([before, cells])
        order = np.argsort(every_cell, kind="stable")  # within a list the rows rise
        self._keep(
            np.concatenate([self.ids, rows])[order],
            np.concatenate([self.codes, codes])[order],
            np.bincount(every_cell, minlength=self.cells),
        )

    def reconstruct(self, rows: Rows) -> Vectors:
        """Return the (n, D) ŷ = q_c(y) + q_p(r(y)) of (n,) rows."""
        places = self._places[rows]
        cells = np.searchsorted(self.starts, places, side="right") - 1
        parts = self.codebooks[np.arange(self.m), self.codes[places]]
        restored: Vectors = self.coarse[cells] + parts.reshape(len(places), self.dim)
        return restored

    def place_of(self, row: int) -> tuple[int, Codes]:
        """Return the cell of a row, and its (m,) code."""
        place = self._places[row]
        return int(np.searchsorted(self.starts, place, side="right") - 1), self.codes[place]

    def search(self, queries: Vectors, k: int, *, w: int) -> tuple[Vectors, Rows]:
        """Return the (q, k) estimates and rows of the nearest to each of (q, D) queries.

        Best first, equal ones in the order of the rows: for "l2" the smallest squared distances,
        for "ip" the largest inner products. Where the w cells hold fewer than k rows, row -1 with
        an infinite estimate stands for those that are missing.
        """
        queries = _checked(queries, self.dim)
        worst = np.inf if self.metric == "l2" else -np.inf
        estimates = np.full((len(queries), k), worst, np.float32)
        rows = np.full((len(queries), k), -1, np.int64)
        for place, query in enumerate(queries):
            values, found = self._search_one(query, k, min(max(w, 1), self.cells))
            estimates[place, : len(found)], rows[place, : len(found)] = values, found
        return estimates, rows

    def _search_one(self, query: Vectors, k: int, w: int) -> tuple[Vectors, Rows]:
        """Visit the w nearest cells (section IV-C, figure 5) and return the best of them."""
        visited = self.nearest_cells(query, w)
        values, ids = [], []
        for place, (base, table) in zip(visited, self.look_up_tables(query, visited), strict=True):
            inside = slice(self.starts[place], self.starts[place + 1])
            # Σ_j table[j, code_j]: m look-ups and additions for each row, no multiplication.
            values.append(base + table[np.arange(self.m), self.codes[inside]].sum(axis=1))
            ids.append(self.ids[inside])
        return _best(np.concatenate(values), np.concatenate(ids), k, self.metric)

    def nearest_cells(self, query: Vectors, w: int) -> Rows:
        """Return the (w,) cells that a search of a (D,) query visits, the nearest first."""
        return np.argsort(_gaps(query[None], self.coarse, self.metric)[0], kind="stable")[:w]

    def look_up_tables(self, query: Vectors, cells: Rows) -> Iterator[tuple[np.float32, Vectors]]:
        """Yield for each cell a number and the (m, k*) table, of which an estimate is the sum.

        By "l2" a cell has its own table: the squared distances of u_j(x - c) to the centroids of
        q_j, c being that of the cell. By "ip" all share one, of the products of u_j(x), and the
        cell gives <x, c>.
        """
        if self.metric == "ip":
            table = (self.codebooks @ query.reshape(self.m, -1, 1))[..., 0]
            for product in self.coarse[cells] @ query:
                yield product, table
            return
        residuals = (query - self.coarse[cells]).reshape(len(cells), self.m, -1)
        squares = (residuals**2).sum(axis=2)[..., None] + (self.codebooks**2).sum(axis=2)
        # (m, k*, D*) @ (m, D*, w): the products of all cells at once.
        products = self.codebooks @ residuals.transpose(1, 2, 0)
        for table in squares - 2 * products.transpose(2, 0, 1):
            yield np.float32(0), table

    def save(self, file: BinaryIO) -> None:
        """Write all arrays to an open binary file, as .npz; `nbytes` and some hundred more."""
        np.savez(
            file,
            format=_FORMAT,
            metric=self.metric,
            coarse=self.coarse,
            codebooks=self.codebooks,
            starts=self.starts,
            ids=self.ids,
            codes=self.codes,
        )

    @classmethod
    def load(cls, file: BinaryIO) -> "IVFPQ":
        """Return the index that `save` wrote; ValueError if it is anything else, or cut short."""
        try:
            with np.load(file, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in kept.files}
            if str(arrays["format"]) != _FORMAT:
                raise ValueError(f"the format is {arrays['format']}")
            index = cls(arrays["coarse"], arrays["codebooks"], metric=str(arrays["metric"]))  # type: ignore[arg-type]
            starts, ids, codes = arrays["starts"], arrays["ids"], arrays["codes"]
            index._check_lists(starts, ids, codes)
            index._keep(ids, codes, np.diff(starts))
        except (
            *(ValueError, KeyError, AttributeError, UsageError),
            *(OSError, EOFError, zipfile.BadZipFile),
        ) as exc:
            raise ValueError(f"It is no index of the format {_FORMAT}: {exc}") from exc
        return index

    def _check_lists(self, starts: Rows, ids: Rows, codes: Codes) -> None:
        """Raise ValueError unless these lists can be those of these codebooks."""
        rows, rises = len(ids), bool((np.diff(starts) >= 0).all())
        if not (
            rises and starts.shape == self.starts.shape and (starts[0], starts[-1]) == (0, rows)
        ):
            raise ValueError("the lists do not hold together")
        if codes.shape != (rows, self.m) or codes.max(initial=0) >= self.codebooks.shape[1]:
            raise ValueError("the codes are not of these codebooks")
        if not np.array_equal(np.sort(ids), np.arange(rows)):
            raise ValueError("a row is missing, or there twice")

    def _keep(self, ids: Rows, codes: Codes, lengths: Rows) -> None:
        self.ids, self.codes = ids, codes
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        self._places = np.argsort(ids)


def _assign(vectors: Vectors, centroids: Vectors, metric: Metric) -> Rows:
    """Return the (n,) nearest of (k, d) centroids to each of (n, d) vectors."""
    nearest: Rows = _gaps(vectors, centroids, metric).argmin(axis=1)
    return nearest


def _gaps(vectors: Vectors, centroids: Vectors, metric: Metric) -> Vectors:
    """Return (n, k) numbers, the smaller the nearer.

    ‖x - c‖² = ‖x‖² - 2 <x, c> + ‖c‖², and ‖x‖² is the same for all centroids: it is left out.
    """
    products = vectors @ centroids.T
    gaps: Vectors = -products if metric == "ip" else (centroids**2).sum(axis=1) - 2 * products
    return gaps


def _best(values: Vectors, ids: Rows, k: int, metric: Metric) -> tuple[Vectors, Rows]:
    """Return the k best and their rows, best first, equal ones in the order of the rows."""
    gaps = -values if metric == "ip" else values
    if len(gaps) > k:  # those that tie with the k-th stay in, until rows decide
        near = np.flatnonzero(gaps <= np.partition(gaps, k - 1)[k - 1])
        values, ids, gaps = values[near], ids[near], gaps[near]
    order = np.lexsort((ids, gaps))[:k]
    return values[order], ids[order]


def _checked(vectors: Vectors, dim: int | None = None) -> Vectors:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or dim not in (None, vectors.shape[1]):
        raise UsageError(
            f"Vectors must be an array of shape (n, {dim or 'dim'}), not {vectors.shape}."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise UsageError(f"Row {int(finite.argmin())} of the vectors holds what is no number.")
    return vectors


def _check_metric(metric: str) -> None:
    if metric not in ("l2", "ip"):
        raise UsageError(f"There is no metric {metric!r}: use l2 or ip.")
