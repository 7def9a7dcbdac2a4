"""The flat index of stored vectors → exact cosines.

The score of a row is the cosine, so the inner product that FAISS gives is divided by the stored
vector's length: rounded to 16 bits, a vector of length 1 has 0.9999 to 1.0001, and an image would
score less than 1 with itself.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from app.index import threads
from app.index.neighbours import Neighbours, in_order
from app.index.plugins import Rows, Vectors
from app.index.selection import Selection
from app.index.shortlist import read_index

_MORE = 16  # rows listed beyond k at first: seldom do more of them tie with the k-th


class FlatVectors:
    """All vectors of a gallery, memory-mapped. For many threads."""

    def __init__(self, path: Path) -> None:
        """Open the file; GalleryError if it is no index."""
        self.index = read_index(path)
        # To find lengths with, and opened now: a change may have taken the file away by then.
        self._by_length: Any = read_index(path)
        self._by_length.metric_type = faiss.METRIC_L2
        self._finding_lengths = threading.Lock()
        self._found_lengths: Vectors | None = None
        self.rows = int(self.index.ntotal)
        self.dim = int(self.index.d)

    def vectors(self, rows: Rows) -> Vectors:
        """Return the (n, dim) float32 vectors of (n,) rows, as stored."""
        stored: Vectors = self.index.reconstruct_batch(rows)
        return stored

    def cosines(self, products: Vectors, rows: Rows) -> Vectors:
        """Return the cosines of (q, c) inner products with (q, c) rows; any value for row -1."""
        cosines: Vectors = products / self._lengths[rows]
        return cosines

    def search(self, queries: Vectors, k: int, among: Selection | None = None) -> Neighbours:
        """Return the k nearest rows of each of (q, dim) unit vectors; every row is compared.

        With a selection those rows alone; k is at most their number.
        """
        among = among or Selection.of_all(self.rows)
        return self._search(queries, k, among, compared=min(among.count, k + _MORE))

    def _search(self, queries: Vectors, k: int, among: Selection, *, compared: int) -> Neighbours:
        """Return them of the rows with the `compared` largest products, or of more as need be."""
        selected = None if among.is_all else faiss.SearchParameters(sel=among.selector)
        products, rows = threads.search(self.index, queries, compared, selected)
        neighbours = in_order(rows, self.cosines(products, rows), k, candidates=among.count)
        if compared == among.count:
            return neighbours
        # A row beyond them has no larger product than the last of them. If it is short
        # enough it may still be nearer than the k-th, or tie with it and come before.
        least = products[:, -1]
        shortest, longest = self._extremes
        best_other = np.clip(np.where(least > 0, least / shortest, least / longest), -1, 1)
        unsure = neighbours.scores[:, -1] <= best_other
        if unsure.any():
            at_most = min(among.count, 4 * compared)
            more = self._search(queries[unsure], k, among, compared=at_most)
            neighbours.rows[unsure], neighbours.scores[unsure] = more.rows, more.scores
        return neighbours

    @cached_property
    def _lengths(self) -> Vectors:
        """The (rows + 1,) lengths of the stored vectors; 1 for a vector of zeros, which scores 0.

        The last, 2, is found for row -1: beside that stands FAISS's lowest float, which a length
        below 1 would take beyond any.

        Found at the first search, so that opening stays quick. FAISS's squared distances from 0
        take half the time of reading the vectors back: 0.3 s for 1,000,000 × 256. They are found
        in a mapping of the file that is then given up: else all of it would count as memory that
        this process holds.
        """
        with self._finding_lengths:
            if self._found_lengths is None:
                self._found_lengths = self._find_lengths()
                self._by_length = None
            return self._found_lengths

    def _find_lengths(self) -> Vectors:
        nowhere = np.zeros((1, self.dim), np.float32)
        squares, rows = self._by_length.search(nowhere, self.rows)
        lengths = np.full(self.rows + 1, 2, np.float32)
        lengths[rows[0]] = np.sqrt(squares[0])
        lengths[lengths == 0] = 1
        return lengths

    @cached_property
    def _extremes(self) -> tuple[np.float32, np.float32]:
        """The least and the greatest length."""
        return self._lengths[:-1].min(), self._lengths[:-1].max()
