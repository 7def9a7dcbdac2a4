"""A change of a gallery that Milvus searches → the rows of its collection.

The segments stay the record of what there is. New rows reach the collection before the manifest is
renamed, so that it never lacks an image that a reader knows of; what is gone leaves it afterwards.
Where it is not as the last change left it, a new one is filled from the segments.
"""

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.errors import AppError
from app.gallery.expressions import facts_of
from app.gallery.manifest import Folders, mending_command
from app.gallery.milvus import Collection, Row, State
from app.gallery.milvus_index import MilvusIndex
from app.gallery.segment import Ids, OpenSegment
from app.gallery.views import View, views_of
from app.values.gallery import Manifest, StoredElsewhere

_CHUNK_ROWS = 2_048
_NONE: Ids = np.zeros(0, np.int64)
_logger = logging.getLogger(__name__)

OnRows = Callable[[int, int], None]


class Publication:
    """A change under way: what has to be in the collection before, and what must go after."""

    def __init__(self, folders: Folders, before: Manifest | None, on_rows: OnRows) -> None:
        self._folders = folders
        self._before = before
        self._on_rows = on_rows
        self._collection: Collection | None = None
        self._gone: list[int] = []
        self._state: State | None = None

    def begin(self, after: Manifest) -> Manifest:
        """Put the rows of a manifest that is to be written into its collection.

        Return the manifest, with the name of the collection. GalleryError if Milvus does not take
        them: then nothing has happened.
        """
        if after.store is None:
            return after
        before = self._before
        if before is not None and before.store is not None and self._goes_on(before, after):
            collection = Collection(before.store, after.name, after.dim)
            if collection.is_at(before.generation):
                return self._change(collection, before, replace(after, store=before.store))
        return self._fill(after, after.store)

    def end(self, after: Manifest) -> None:
        """Take out what is gone, once the manifest is written; what fails can wait."""
        try:
            if self._collection is not None and self._state is not None:
                self._collection.delete(self._gone)
                self._collection.mark(replace(self._state, whole=True))
        except AppError as exc:
            _logger.warning("The collection of %s keeps what is gone: %s", after.name, exc)
        old = self._before.store if self._before else None
        if old is not None and (after.store is None or after.store.collection != old.collection):
            drop(after.name, old, after.dim)

    def _goes_on(self, before: Manifest, after: Manifest) -> bool:
        """Whether the collection of before can take the change."""
        assert before.store is not None
        assert after.store is not None
        same = (before.store.uri, before.store.index) == (after.store.uri, after.store.index)
        return same and (before.created, before.dim) == (after.created, after.dim)

    def _change(self, collection: Collection, before: Manifest, after: Manifest) -> Manifest:
        state = State(after.name, after.generation, whole=False)
        known = {each.name: each for each in before.segments}
        new = [each.name for each in after.segments if known.get(each.name) != each]
        views = _views(self._folders, after, with_vectors=bool(new))
        earlier = _views(self._folders, before, with_vectors=False)
        try:
            kept = _ids(views)
            self._gone = np.setdiff1d(_ids(earlier), kept, assume_unique=True).tolist()
            written = _ids(view for view in views if view.segment.facts.name in new)
            if self._is_compaction(before, after):
                written = _NONE
            if len(written):
                # Until it is whole again, the next change fills a new one.
                marked = replace(state, generation=before.generation)
                collection.mark(marked)
                chosen = [each for each in views if each.segment.facts.name in new]
                collection.upsert(self._rows(chosen, len(written)))
            collection.mark(state)
        finally:
            _close([*views, *earlier])
        self._collection, self._state = collection, state
        return after

    @staticmethod
    def _is_compaction(before: Manifest, after: Manifest) -> bool:
        """Whether segments were folded, and no image is another: what it is known by stays."""
        facts = ("images", "next_id", "changed", "sources", "joined", "joined_stamp", "skipped")
        same = all(getattr(before, each) == getattr(after, each) for each in facts)
        return (
            same
            and len(after.segments) <= len(before.segments)
            and not (
                {each.name for each in before.segments} >= {each.name for each in after.segments}
            )
        )

    def _fill(self, after: Manifest, store: StoredElsewhere) -> Manifest:
        views = _views(self._folders, after, with_vectors=True)
        try:
            index = MilvusIndex.of(store.index, rows=after.images, dim=after.dim)
            named = replace(store, collection=_new_name(after.name), index=index.words)
            collection = Collection(named, after.name, after.dim)
            collection.create()
            try:
                collection.insert(self._rows(views, after.images))
                state = State(after.name, after.generation, whole=False)
                collection.mark(state)
                collection.build(index, after.images)
            except BaseException:
                drop(after.name, named, after.dim)
                raise
        finally:
            _close(views)
        self._collection, self._state = collection, state
        return replace(after, store=named)

    def _rows(self, views: Sequence[View], expected: int) -> Iterator[Row]:
        done = 0
        for view in views:
            ids = view.ids()
            for start in range(0, len(ids), _CHUNK_ROWS):
                self._on_rows(done, expected)
                part = ids[start : start + _CHUNK_ROWS]
                vectors = view.index.vectors(view.segment.rows_of(part))
                records = view.segment.items.images(part.tolist())
                for image, vector in zip(part.tolist(), vectors, strict=True):
                    yield Row(image, facts_of(records[image]), vector)
                done += len(part)


def drop(name: str, store: StoredElsewhere, dim: int) -> None:
    """Drop a gallery's collection; where that fails, say so and leave it."""
    try:
        Collection(store, name, dim).drop()
    except AppError as exc:
        _logger.warning("The collection %s stays in Milvus: %s", store.collection, exc)


def is_in_step(manifest: Manifest) -> bool:
    """Return whether a gallery's collection is as its last change left it.

    True of a gallery without one; GalleryError where the server does not answer.
    """
    if manifest.store is None:
        return True
    collection = Collection(manifest.store, manifest.name, manifest.dim)
    return collection.is_at(manifest.generation)


def _views(folders: Folders, manifest: Manifest, *, with_vectors: bool) -> list[View]:
    mend = mending_command(manifest.name, manifest.command)
    segments = tuple(
        OpenSegment(each, folders, with_vectors=with_vectors, mend=mend, dim=manifest.dim)
        for each in manifest.segments
    )
    removed = manifest.files.get("removed")
    gone = _NONE if removed is None else np.load(folders.path_of("removed", removed))
    return list(views_of(segments, gone))


def _ids(views: Iterator[View] | Sequence[View]) -> Ids:
    return np.concatenate([_NONE, *(view.ids() for view in views)])


def _close(views: Sequence[View]) -> None:
    for view in views:
        view.segment.close()


def _new_name(gallery: str) -> str:
    """Return a collection's name that no other has: Milvus takes letters, digits and _."""
    plain = re.sub("[^A-Za-z0-9_]", "_", gallery)[:100]
    unlike = hashlib.sha256(gallery.encode() + secrets.token_bytes(8)).hexdigest()[:12]
    return f"ris_{plain}_{unlike}"
