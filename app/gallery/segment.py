"""A segment's files → its rows: vectors that can be searched, items and thumbnails."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.gallery import files
from app.gallery.columns import Columns
from app.gallery.items import Items
from app.gallery.manifest import DATABASE, VECTORS, Folders
from app.index import LocalIndex, RowsOnly, SearchEffort, VectorIndex
from app.values.gallery import Segment

Ids = NDArray[np.int64]
Rows = NDArray[np.int64]


class Contents:
    """How many images of a segment have a content: by the first 8 bytes of its SHA-256.

    So few bytes may agree by chance: who asks looks at the whole.
    """

    def __init__(self, by_row: NDArray[np.uint64]) -> None:
        self._by_row = by_row
        self._sorted = np.sort(by_row)

    def of_rows(self, rows: Rows) -> NDArray[np.uint64]:
        """Return what (n,) rows have; 0 where it is not known."""
        return self._by_row[rows]

    def count(self, contents: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return how many images have each of (n,) contents."""
        first, end = (np.searchsorted(self._sorted, contents, side) for side in ("left", "right"))
        counts: NDArray[np.int64] = end - first
        return counts


class OpenSegment:
    """An open segment. It never changes, so that galleries before and after a commit share it."""

    def __init__(
        self,
        facts: Segment,
        folders: Folders,
        *,
        with_vectors: bool,
        mend: str,
        dim: int | None = None,
    ) -> None:
        """Open the files; GalleryError if they do not belong together.

        `dim` is that of vectors which another store has: then neither they nor a shortlist need be
        here.
        """
        self.facts = facts
        place = folders.below(facts.name)
        paths = {kind: place.path_of(kind, file) for kind, file in facts.files.items()}
        vectors = paths.get(VECTORS) if with_vectors else None
        shortlist = paths.get("shortlist")
        if dim is not None and not (vectors or shortlist):
            self.index: VectorIndex = RowsOnly(facts.rows, dim)
        else:
            self.index = VectorIndex(
                vectors=vectors,
                shortlist=shortlist,
                effort=SearchEffort(facts.probes, facts.candidates),
            )
        if self.index.rows != facts.rows:
            raise GalleryError(f"The index in {place.indexes} does not belong to it. {mend}")
        # In format 1 the items are beside the manifest, in one database.
        self.local: LocalIndex | None = None
        if "local" in paths:
            self.local = LocalIndex(
                paths["local"], paths["points"], paths["firsts"], paths.get("phashes")
            )
            if self.local.rows != facts.rows:
                raise GalleryError(f"The features in {place.indexes} do not belong to it. {mend}")
        items = paths.get("items", place.indexes / DATABASE)
        self.items = Items(items, paths["thumbnails"], mend=mend)
        self.columns = Columns(self.items)

    @cached_property
    def ids(self) -> Ids:
        """The (rows,) ids, ascending."""
        first = self.facts.first_id
        if first is not None:
            return np.arange(first, first + self.facts.rows)
        return self.items.ids()

    @cached_property
    def contents(self) -> Contents:
        """How many of its images have a content; found once, in a second for 1,000,000."""
        return Contents(self.items.content_starts())

    @property
    def least_id(self) -> int:
        """The least id."""
        first = self.facts.first_id
        return int(self.ids[0]) if first is None else first

    @property
    def greatest_id(self) -> int:
        """The greatest id."""
        first = self.facts.first_id
        return int(self.ids[-1]) if first is None else first + self.facts.rows - 1

    def ids_of(self, rows: Rows) -> Ids:
        """Return the ids of rows, in the same shape."""
        first = self.facts.first_id
        return self.ids[rows] if first is None else rows + first

    def rows_of(self, ids: Ids) -> Rows:
        """Return the (n,) rows of (n,) ids; -1 for an id that is not here."""
        first, rows = self.facts.first_id, self.facts.rows
        if first is not None:
            return np.where((ids >= first) & (ids < first + rows), ids - first, -1)
        places = np.minimum(np.searchsorted(self.ids, ids), rows - 1)
        return np.where(self.ids[places] == ids, places, -1)

    def close(self) -> None:
        """Close the databases."""
        self.items.close()


def verify(
    facts: Segment, folders: Folders, *, with_vectors: bool, hashed: bool, mend: str
) -> None:
    """Raise a GalleryError, ending with `mend`, unless the files are those that were stored."""
    place = folders.below(facts.name)
    for kind, file in facts.files.items():
        if kind != VECTORS or with_vectors:
            files.verify_file(place.path_of(kind, file), file, mend, hashed=hashed)
