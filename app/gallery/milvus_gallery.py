"""A gallery that Milvus searches: its images from the segments, its nearest ones from a collection.

Milvus gives candidates, which are compared exactly with the stored vectors: those of the segments
where `features/` is here, else those that Milvus keeps, which are the same numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from app.gallery.expressions import expression_of
from app.gallery.known import Ids, Known, in_all
from app.gallery.local import Gallery, Vectors
from app.gallery.manifest import Folders
from app.gallery.milvus import MOST_AT_ONCE, Collection
from app.gallery.milvus_index import MilvusIndex
from app.gallery.views import View, merged
from app.index import Neighbours
from app.index.neighbours import in_order
from app.values.conditions import Condition

_CHUNK_IDS = 4_096


class MilvusGallery(Gallery):
    """An open gallery whose manifest names a collection. For any number of threads.

    Opening it asks Milvus for nothing; each question raises GalleryError, in one sentence, where
    the server or the collection is not as it should be, and the next one tries again.
    """

    def __init__(
        self, folders: Folders, *, before: Gallery | None = None, hashed: bool = True
    ) -> None:
        """Open the segments; see Gallery."""
        super().__init__(folders, before=before, hashed=hashed)
        self._in_step = False

    @property
    def approximate(self) -> bool:
        """False: where the segments' vectors are not here, Milvus has them."""
        return False

    @property
    def exact_only(self) -> bool:
        """Whether Milvus compares every vector itself."""
        return self._index.kind == "FLAT"

    @cached_property
    def known(self) -> Known:
        """What is known of its images besides their looks."""
        return _KnownToMilvus(self._views, self)

    @property
    def collection(self) -> Collection:
        """The collection, which has all images of the gallery; GalleryError if it has not."""
        if not self._in_step:
            self._collection.check(self.manifest.generation)
            self._in_step = True
        return self._collection

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the min(k, rows) nearest ids of each of (q, dim) unit vectors; see Store."""
        k = min(k, self.rows)
        taken = min(self._index.taken(k), self.rows)
        if not k or exact or taken >= MOST_AT_ONCE:
            return self._compare_all(queries, k)
        found = self.collection.search(queries, taken, self._index.parameters(taken + 1))
        ids = np.where(self._are_here(found.ids), found.ids, -1)
        scores = np.stack([self._cosines(*each) for each in zip(queries, ids, strict=True)])
        neighbours = in_order(ids, scores, k, candidates=taken)
        # A search promises k: where Milvus gives fewer that are still here, all are compared.
        dry = (neighbours.rows < 0).any(axis=1)
        if dry.any():
            again = self._compare_all(queries[dry], k)
            neighbours.rows[dry], neighbours.scores[dry] = again.rows, again.scores
        return neighbours

    def search_codes(self, queries: Vectors, k: int) -> Neighbours:
        """Return the k nearest ids as Milvus orders them; see Store."""
        taken = min(k, MOST_AT_ONCE - 1)
        found = self.collection.search(queries, taken, self._index.parameters(taken + 1))
        ids = np.where(self._are_here(found.ids), found.ids, -1)
        return in_order(ids, found.scores, k, candidates=taken)

    def search_among(self, query: Vectors, k: int, among: Ids) -> Neighbours:
        """Return the min(k, n) nearest of (n,) ids to one (dim,) unit vector; each is compared."""
        if self._with_vectors:
            return super().search_among(query, k, among)
        k = min(k, len(among))
        return in_order(among[None], self.scores(query, among)[None], k, candidates=len(among))

    def scores(self, query: Vectors, ids: Ids) -> Vectors:
        """Return the (n,) cosines of a (dim,) query to (n,) ids."""
        parts = np.array_split(ids, 1 + len(ids) // _CHUNK_IDS)
        return np.concatenate([self._cosines(query, part) for part in parts])

    def vectors(self, ids: Ids) -> Vectors:
        """Return the (n, dim) vectors of (n,) ids, as stored."""
        if self._with_vectors:
            return super().vectors(ids)
        for _ in self._places(ids):  # NotFoundError for one that is not here
            pass
        return self.collection.vectors(ids)

    def _compare_all(self, queries: Vectors, k: int) -> Neighbours:
        if self._with_vectors:
            return super().search(queries, k, exact=True)
        best = merged([], len(queries), k)
        for start in range(0, self.rows, _CHUNK_IDS):
            ids = self.ids()[start : start + _CHUNK_IDS]
            vectors = self.vectors(ids)
            scores = np.stack([_cosines_of(vectors, query) for query in queries])
            found = Neighbours(np.tile(ids, (len(queries), 1)), scores, len(ids))
            best = merged([best, found], len(queries), k)
        return best

    def _cosines(self, query: Vectors, ids: Ids) -> Vectors:
        """Return the (n,) cosines of (n,) ids; 0 for -1."""
        scores = np.zeros(len(ids), np.float32)
        here = np.flatnonzero(ids >= 0)
        scores[here] = _cosines_of(self.vectors(ids[here]), query)
        return scores

    def _are_here(self, ids: Ids) -> np.ndarray:
        """Return of ids in any shape whether the gallery has them: Milvus may be ahead of it."""
        flat = ids.ravel()
        here = np.zeros(len(flat), bool)
        for view in self._views:
            here |= view.rows_of(flat) >= 0
        return here.reshape(ids.shape)

    @cached_property
    def _index(self) -> MilvusIndex:
        assert self.manifest.store is not None
        return MilvusIndex.of(self.manifest.store.index, rows=self.rows, dim=self.dim)

    @cached_property
    def _collection(self) -> Collection:
        assert self.manifest.store is not None
        return Collection(self.manifest.store, self.name, self.dim)


def _cosines_of(vectors: Vectors, query: Vectors) -> Vectors:
    """Return the cosines of (n, d) vectors with a unit vector; equal vectors get equal ones."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    lengths[lengths == 0] = 1
    cosines: Vectors = np.einsum("nd,d->n", vectors, query) / lengths
    return np.clip(cosines, -1, 1)


class _KnownToMilvus(Known):
    """What is known of images, of which Milvus is asked the conditions that it understands."""

    def __init__(self, views: list[View], gallery: MilvusGallery) -> None:
        super().__init__(views)
        self._gallery = gallery

    def ids_where(self, conditions: Iterable[Condition]) -> Ids:
        """Return the ids of the images that all conditions, at least one, hold for, ascending."""
        named = [replace(each, name=self.column(each.name)) for each in conditions]
        expression, others = expression_of(named)
        return in_all(list(self._parts_of(expression, others)))

    def _parts_of(self, expression: str, others: list[Condition]) -> Iterator[Ids]:
        if expression:
            yield self._gallery.collection.ids_where(expression, self._gallery.ids())
        if others:
            yield super().ids_where(others)
