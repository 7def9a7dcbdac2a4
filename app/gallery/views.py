"""A gallery's segments → those of their rows that it has, searched and merged."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.gallery.segment import Ids, OpenSegment, Rows
from app.index import LocalMatches, Neighbours, VectorIndex
from app.index.neighbours import in_order
from app.values.features import PHashes

Vectors = NDArray[np.float32]
_NOTHING_LEFT_OUT: Rows = np.zeros(0, np.int64)


class View:
    """A segment, and the index of those of its rows that the gallery has.

    The others were removed, or a later segment has an image of the same id.
    """

    def __init__(self, segment: OpenSegment, left_out: Rows) -> None:
        self.segment = segment
        self.left_out = left_out
        self.index: VectorIndex = segment.index.without(left_out)

    def rows_of(self, ids: Ids) -> Rows:
        """Return the (n,) rows of (n,) ids; -1 for an id that the gallery does not have here."""
        return self.index.found_of(self.segment.rows_of(ids))

    def search(self, queries: Vectors, k: int, *, exact: bool) -> Neighbours:
        """Return the nearest ids."""
        found = self.index.search(queries, k, exact=exact)
        return Neighbours(self.segment.ids_of(found.rows), found.scores, found.candidates)

    def search_among(self, query: Vectors, k: int, rows: Rows) -> Neighbours:
        """Return the min(k, n) nearest ids of (n,) rows to one (dim,) vector; each is compared."""
        others = np.ones(self.index.rows, bool)
        others[rows] = False
        index = self.segment.index.without(np.flatnonzero(others))
        found = index.search(query[None], min(k, len(rows)), exact=True)
        return Neighbours(self.segment.ids_of(found.rows), found.scores, found.candidates)

    def local_matches(self, descriptors: Vectors, k: int) -> LocalMatches:
        """Return the nearest features of the segment's images that the gallery has."""
        assert self.segment.local is not None
        found = self.segment.local.search(descriptors, k)
        rows = self.index.found_of(found.images)
        ids = np.where(rows < 0, -1, self.segment.ids_of(rows))
        # What is gone must not be nearer than the same image in another segment.
        distances = np.where(rows < 0, np.float32(np.inf), found.distances)
        return replace(found, images=ids, distances=distances)

    def phash_matches(self, phash: PHashes, most: int) -> Ids:
        """Return the ids of images that the gallery has with nearly this hash, best first."""
        assert self.segment.local is not None
        rows = self.index.found_of(self.segment.local.search_phashes(phash, most))
        return self.segment.ids_of(rows[rows >= 0])

    def ids(self) -> Ids:
        """Return the ids that the gallery has here, ascending."""
        return np.delete(self.segment.ids, self.left_out)


def views_of(segments: Sequence[OpenSegment], removed: Ids) -> Iterator[View]:
    """Yield the segments of which some rows are left, in their order."""
    for place, segment in enumerate(segments):
        left_out = segment.rows_of(removed)
        for later in segments[place + 1 :]:
            if later.least_id <= segment.greatest_id and later.greatest_id >= segment.least_id:
                left_out = np.concatenate([left_out, segment.rows_of(later.ids)])
        left_out = np.unique(left_out[left_out >= 0]) if len(left_out) else _NOTHING_LEFT_OUT
        if len(left_out) < segment.facts.rows:
            yield View(segment, left_out)


def merged(found: Sequence[Neighbours], queries: int, k: int) -> Neighbours:
    """Return the k best of what several segments found, by score, then id."""
    none = np.zeros((queries, 0))
    ids = np.concatenate([none.astype(np.int64), *(each.rows for each in found)], axis=1)
    scores = np.concatenate([none.astype(np.float32), *(each.scores for each in found)], axis=1)
    return in_order(ids, scores, k, candidates=sum(each.candidates for each in found))
