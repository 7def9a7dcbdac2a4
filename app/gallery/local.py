"""A gallery on disk, opened, verified and asked: the Store over its segments."""

import difflib
import json
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, NotFoundError
from app.gallery import files
from app.gallery.known import Known
from app.gallery.manifest import (
    DRAFT,
    Folders,
    identity_of,
    manifest_path,
    mending_command,
    read_manifest,
)
from app.gallery.seen import Place, Seen, read_seen
from app.gallery.segment import Ids, OpenSegment, Rows, verify
from app.gallery.views import View, merged, views_of
from app.index import LocalMatches, Neighbours
from app.index.neighbours import in_order
from app.values import ImageRecord, Skipped
from app.values.features import DESCRIPTOR, PHASH, POINT, PHashes, Points
from app.values.gallery import Segment
from app.values.vectors import unit

Vectors = NDArray[np.float32]
_CHUNK_IDS = 4_096
_FEW = 500  # images: with fewer, comparing them one by one is the faster way
_GREATEST_ID = 2**63 - 1
_NOTHING_LEFT_OUT: Rows = np.zeros(0, np.int64)


class Gallery:
    """An open gallery: a snapshot that no change disturbs. For any number of threads."""

    def __init__(
        self, folders: Folders, *, before: "Gallery | None" = None, hashed: bool = True
    ) -> None:
        """Open and verify; GalleryError names the wrong file and the command that mends it.

        Segments that `before` has open are shared with it. Without `hashed` only the sizes of the
        files are compared: for writers, which must be quick.
        """
        self.folders = folders
        self._hashed = hashed
        while True:
            self._identity = identity_of(folders)
            try:
                self._open(before)
                break
            except GalleryError:
                if not self.replaced():  # a change that has just ended takes old files away
                    raise

    def replaced(self) -> bool:
        """Return whether the gallery has changed since it was opened, or is gone."""
        return identity_of(self.folders) != self._identity

    def close(self) -> None:
        """Close the databases, those that are shared too."""
        for segment in self._segments:
            segment.close()

    # --- facts -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The gallery's name, which is its folder's."""
        return self.folders.indexes.name

    @property
    def rows(self) -> int:
        """How many images there are."""
        return self.manifest.images

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self.manifest.dim

    @property
    def approximate(self) -> bool:
        """True where `features/` is not here: the index's own order and scores are all there is."""
        return not self._with_vectors

    @property
    def exact_only(self) -> bool:
        """True where every search compares every vector."""
        return all(view.index.exact_only for view in self._views)

    @property
    def projection_path(self) -> Path | None:
        """The projection of the model's vectors; None where the gallery keeps those themselves."""
        file = self.manifest.files.get("projection")
        return self.folders.path_of("projection", file) if file else None

    @property
    def network_path(self) -> Path | None:
        """The gallery's own INT8 network; None where it was built with the model's."""
        file = self.manifest.files.get("network")
        return self.folders.path_of("network", file) if file else None

    @cached_property
    def known(self) -> Known:
        """What is known of its images besides their looks."""
        return Known(self._views)

    @property
    def segments(self) -> tuple[OpenSegment, ...]:
        """The open segments, in the order of the manifest: for compaction."""
        return self._segments

    # --- searching -------------------------------------------------------------------------------

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the min(k, rows) nearest ids of each of (q, dim) unit vectors; see Store."""
        k = min(k, self.rows)
        found = [view.search(queries, k, exact=exact) for view in self._views]
        return found[0] if len(found) == 1 else merged(found, len(queries), k)

    def search_codes(self, queries: Vectors, k: int) -> Neighbours:
        """Return the k nearest ids as the indexes order them; see Store."""
        found = []
        for view in self._views:
            each = view.index.search_codes(queries, k)
            ids = np.where(each.rows < 0, -1, view.segment.ids_of(each.rows))
            found.append(Neighbours(ids, each.scores, each.candidates))
        return merged(found, len(queries), k)

    def search_among(self, query: Vectors, k: int, among: Ids) -> Neighbours:
        """Return the min(k, n) nearest of (n,) ids to one (dim,) unit vector; each is compared."""
        k = min(k, len(among))
        if len(among) > _FEW and not self.approximate:
            # A scan that skips the others: reading so many vectors back takes ten times as long.
            found = [view.search_among(query, k, rows) for view, _, rows in self._places(among)]
            return merged(found, 1, k)
        # In parts: the vectors of all images of a label may be more than fit in memory.
        parts = np.array_split(among, 1 + len(among) // _CHUNK_IDS)
        scores = np.concatenate([self.scores(query, part) for part in parts])
        return in_order(among[None], scores[None], k, candidates=len(among))

    def scores(self, query: Vectors, ids: Ids) -> Vectors:
        """Return the (n,) cosines of a (dim,) query to (n,) ids."""
        scores = np.zeros(len(ids), np.float32)
        for view, at, rows in self._places(ids):
            scores[at] = view.index.scores(query, rows)
        return scores

    def vectors(self, ids: Ids) -> Vectors:
        """Return the (n, dim) vectors of (n,) ids, as stored."""
        vectors = np.zeros((len(ids), self.dim), np.float32)
        for view, at, rows in self._places(ids):
            vectors[at] = view.index.vectors(rows)
        return vectors

    def vector(self, image: int) -> Vectors:
        """Return the (dim,) vector of an image, of norm 1."""
        vector: Vectors = unit(self.vectors(self._asked([image])))[0]
        return vector

    # --- local features --------------------------------------------------------------------------

    @property
    def has_local(self) -> bool:
        """Whether it keeps local features, by which copies are found."""
        return any(view.segment.local is not None for view in self._views)

    def local_matches(self, descriptors: Vectors, k: int) -> LocalMatches:
        """Return the k features nearest to each of (n, 128) descriptors; see Store."""
        found = [
            view.local_matches(descriptors, k)
            for view in self._views
            if view.segment.local is not None
        ]
        return LocalMatches.together(found, k)

    def local_features(self, ids: Ids) -> list[tuple[Points, Vectors]]:
        """Return the places and (n, 128) descriptors of images' features; see Store."""
        features: list[tuple[Points, Vectors] | None] = [None] * len(ids)
        for view, at, rows in self._places(ids):
            if view.segment.local is not None:
                for place, found in zip(at, view.segment.local.of_rows(rows), strict=True):
                    features[place] = found
        nothing = np.zeros(0, POINT), np.zeros((0, DESCRIPTOR), np.float32)
        return [each or nothing for each in features]

    def phash_matches(self, phash: PHashes, most: int, k: int) -> Ids:
        """Return the k images whose perceptual hashes differ in fewest bits; see Store."""
        found = [
            view.phash_matches(phash, most)
            for view in self._views
            if view.segment.local is not None
        ]
        ids = np.concatenate([_NOTHING_LEFT_OUT, *found])
        bits = np.bitwise_count(self.phashes(ids) ^ phash).sum(axis=1)
        return ids[np.lexsort([ids, bits])[:k]]

    def phashes(self, ids: Ids) -> PHashes:
        """Return the (n, 8) perceptual hashes of images; 0 of one that was added without."""
        phashes = np.zeros((len(ids), PHASH), np.uint8)
        for view, at, rows in self._places(ids):
            if view.segment.local is not None:
                phashes[at] = view.segment.local.phashes(rows)
        return phashes

    # --- images ----------------------------------------------------------------------------------

    def ids(self) -> Ids:
        """Return the (rows,) ids of all images, ascending."""
        return self._ids

    def ids_in(self, places: Iterable[int]) -> Ids:
        """Return the ids of the images that segments, by their places, hold; ascending."""
        chosen = [self._segments[place] for place in places]
        ids = [view.ids() for view in self._views if view.segment in chosen]
        return np.sort(np.concatenate([_NOTHING_LEFT_OUT, *ids]))

    def rows_gone(self) -> list[int]:
        """Return how many rows of each segment, by its place, the gallery does not have."""
        found = {view.segment.facts.name: view.index.found_rows for view in self._views}
        return [each.facts.rows - found.get(each.facts.name, 0) for each in self._segments]

    def has(self, image: int) -> bool:
        """Return whether there is an image of this id."""
        asked = np.array([image])
        return any(view.rows_of(asked)[0] >= 0 for view in self._views)

    def images(self, ids: Sequence[int]) -> list[ImageRecord]:
        """Return the images of these ids, in their order; NotFoundError if one does not exist."""
        records: dict[int, ImageRecord] = {}
        asked = self._asked(ids)
        for view, at, _ in self._places(asked):
            records |= view.segment.items.images(asked[at].tolist())
        return [records[image] for image in ids]

    def thumbnail(self, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none of that id."""
        return self.thumbnails([image])[0]

    def thumbnails(self, ids: Sequence[int]) -> list[bytes]:
        """Return the small WebP pictures of these ids, in their order."""
        found: dict[int, bytes] = {}
        asked = self._asked(ids)
        for view, at, _ in self._places(asked):
            found |= view.segment.items.thumbnails(asked[at].tolist())
        return [found[image] for image in ids]

    def ids_of_content(self, sha256: str) -> list[int]:
        """Return the ids of the images whose file has this SHA-256 (hex); none for '' (unknown)."""
        if not sha256:
            return []
        return self._found(lambda segment: segment.items.ids_of_content(sha256))

    @cached_property
    def has_keys(self) -> bool:
        """Whether its images are known by keys, as those of a list are: the oldest has one.

        One that was added with a key to images without does not make it so.
        """
        if not self.rows:
            return False
        oldest = min(int(view.ids()[0]) for view in self._views)
        return bool(self.images([oldest])[0].key)

    @cached_property
    def _has_keys(self) -> bool:
        return any(
            (view.rows_of(np.array(ids)) >= 0).any()  # not those that were removed
            for view in self._views
            for ids in view.segment.items.ids_with_keys()
        )

    def ids_of_key(self, key: str) -> list[int]:
        """Return the id of the image with this key, if there is one."""
        return self._found(lambda segment: segment.items.ids_of_key(key))

    def ids_of_path(self, path: str) -> list[int]:
        """Return the ids of the images with this path, ascending."""
        return self._found(lambda segment: segment.items.ids_of_path(path))

    def copies(self, ids: Iterable[int]) -> list[list[int]]:
        """Return the ids of all images with a content that one of `ids` shares; see Store."""
        sharing = self._sharing_content(ids)
        groups: dict[int, list[int]] = {}
        for image in sharing:
            if image not in groups:
                same = self.ids_of_content(self.images([image])[0].sha256)
                groups |= dict.fromkeys(sharing.intersection(same), same)
        different = {same[0]: same for same in groups.values() if len(same) > 1}.values()
        return list(different)

    def one_of_each_content(self) -> list[int]:
        """Return the lowest id of each content, ascending; every id whose content is unknown."""
        return self._one_of_each

    def id_of(self, public_id: str) -> int:
        """Return the id of the image with this key or id; NotFoundError if there is none.

        It is its key where it has one, and its id where it has none.
        """
        found = self.ids_of_key(public_id)
        if not found and re.fullmatch("0|[1-9][0-9]{0,17}", public_id):
            found = [int(public_id)]
            if not self._has_keys:
                self._check(found)
            elif not self.has(found[0]) or self.images(found)[0].key:
                found = []
        if not found:
            raise NotFoundError(f"The gallery {self.name} has no image {public_id!r}.")
        return found[0]

    def ids_of_label(self, label: str) -> list[int]:
        """Return the ids of the images with this label, ascending; NotFoundError if it is none.

        Its accents may be written in either way (NFC and NFD), as they may be in older galleries.
        """
        forms = {label, *(unicodedata.normalize(form, label) for form in ("NFC", "NFD"))}
        found = self._found(
            lambda segment: sorted(
                {image for each in forms for image in segment.items.ids_of_label(each)}
            )
        )
        if not found:
            names = {name for each in self._segments for name in each.items.label_names()}
            near = difflib.get_close_matches(label, names, 3, 0.5)
            mend = f"perhaps {' or '.join(near)} is meant." if near else "leave the label out."
            raise NotFoundError(f"No image of {self.name} has the label {label!r}: {mend}")
        return found

    def random_ids(self, count: int) -> list[int]:
        """Return up to `count` different ids, drawn afresh at each call."""
        places = random.sample(range(self.rows), min(count, self.rows))
        drawn: list[int] = self._ids[places].tolist()
        return drawn

    def labels(self) -> list[tuple[str, ...]]:
        """Return the labels of every image in the order of `ids`."""
        labels: dict[int, list[str]] = defaultdict(list)
        for view in self._views:
            named = view.segment.items.labels()
            ids = np.array([image for image, _ in named], np.int64)
            kept = view.rows_of(ids) >= 0
            for (image, name), here in zip(named, kept.tolist(), strict=True):
                if here:
                    labels[image].append(name)
        return [tuple(labels.get(image, ())) for image in self._ids.tolist()]

    def skipped(self) -> list[Skipped]:
        """Return the files that could not be read, by path."""
        if self._skipped is None:
            return [skip for each in self._segments for skip in each.items.skipped()]
        return [Skipped(*entry) for entry in json.loads(self._skipped)]

    def seen(self) -> dict[Place, Seen]:
        """Return the files of its folders as they were when the gallery was last updated.

        One that keeps none, as format 1, knows their sizes, and no times.
        """
        file = self.manifest.files.get("seen")
        if file:
            return read_seen(self.folders.path_of("seen", file))
        return {
            (each.source, each.path): Seen((each.bytes, 0), each.id)
            for each in self.images(self._ids.tolist())
            if each.source >= 0
        }

    # --- opening ---------------------------------------------------------------------------------

    def _open(self, before: "Gallery | None") -> None:
        try:
            self.manifest = read_manifest(self.folders)
            self._with_vectors = not self._may_do_without_vectors()
            shared = {}
            if before and before._with_vectors == self._with_vectors:
                shared = {each.facts.name: each for each in before.segments}
            self._verify(shared)
            self._segments = tuple(self._opened(shared))
            # All that may be asked later is read or open now: a change takes old files away.
            self._removed = self._read_removed()
            self._skipped = self._read_skipped()
        except OSError as exc:
            path = exc.filename or self.folders.indexes
            raise GalleryError(f"{path} cannot be read ({exc.strerror}).") from exc
        self._views = list(views_of(self._segments, self._removed))
        found = sum(view.index.found_rows for view in self._views)
        dims = {segment.index.dim for segment in self._segments}
        if found != self.manifest.images or dims - {self.manifest.dim}:
            raise GalleryError(
                f"The index of {self.name} does not belong to its database. {self._mend()}"
            )

    def _opened(self, shared: dict[str, OpenSegment]) -> Iterator[OpenSegment]:
        for facts in self.manifest.segments:
            if _is_shared(facts, shared):
                yield shared[facts.name]
            else:
                yield OpenSegment(
                    facts,
                    self.folders,
                    with_vectors=self._with_vectors,
                    mend=self._mend(),
                    dim=self.manifest.dim if self.manifest.store else None,
                )

    def removed_ids(self) -> Ids:
        """Return the ids that are gone and that some segment holds still."""
        return self._removed

    def _read_removed(self) -> Ids:
        file = self.manifest.files.get("removed")
        if file is None:
            return np.zeros(0, np.int64)
        removed: Ids = np.load(self.folders.path_of("removed", file))
        return removed

    def _read_skipped(self) -> str | None:
        file = self.manifest.files.get("skipped")
        return self.folders.path_of("skipped", file).read_text(encoding="utf-8") if file else None

    def _verify(self, shared: dict[str, OpenSegment]) -> None:
        try:
            for kind, file in self.manifest.files.items():
                path = self.folders.path_of(kind, file)
                files.verify_file(path, file, self._mend(), hashed=self._hashed)
            for facts in self.manifest.segments:
                if not _is_shared(facts, shared):
                    verify(
                        facts,
                        self.folders,
                        with_vectors=self._with_vectors,
                        hashed=self._hashed,
                        mend=self._mend(),
                    )
        except GalleryError as exc:
            if self.manifest.name == self.name:
                raise
            raise GalleryError(
                f"{manifest_path(self.folders)} is that of the gallery {self.manifest.name}, and "
                f"other files of {self.folders.indexes} do not belong to it. {self._mend()}"
            ) from exc

    def _may_do_without_vectors(self) -> bool:
        """Whether the features folder is not here, or only as the place of a draft."""
        features = self.folders.features
        absent = not features.is_dir() or [path.name for path in features.iterdir()] == [DRAFT]
        searched = all("shortlist" in each.files for each in self.manifest.segments)
        return absent and (searched or self.manifest.store is not None)

    def _mend(self) -> str:
        own = self.manifest.name == self.name
        return mending_command(self.name, self.manifest.command if own else None)

    # --- contents --------------------------------------------------------------------------------

    def _sharing_content(self, ids: Iterable[int]) -> set[int]:
        """Return those of `ids` whose content another image may have too: none in most galleries.

        Asking the databases about the results of each search would make all of them a tenth slower.
        """
        asked = np.fromiter(ids, np.int64)
        contents = np.zeros(len(asked), np.uint64)
        for view, at, rows in self._places(asked):
            contents[at] = view.segment.contents.of_rows(rows)
        counts = np.zeros(len(asked), np.int64)
        for segment in self._segments:
            counts += segment.contents.count(contents)
        return set(asked[counts > 1].tolist())

    @cached_property
    def _one_of_each(self) -> list[int]:
        first: dict[bytes, int] = {}
        unknown: list[int] = []
        for view in self._views:
            digests = view.segment.items.digests()
            for image in view.ids().tolist():
                digest = digests[image]
                if digest:
                    first[digest] = min(image, first.get(digest, image))
                else:
                    unknown.append(image)
        return sorted([*first.values(), *unknown])

    # --- ids and rows ----------------------------------------------------------------------------

    @cached_property
    def _ids(self) -> Ids:
        # Each segment's ascend, and a stable sort takes no longer than a merge of them.
        ids = [_NOTHING_LEFT_OUT, *(view.ids() for view in self._views)]
        return np.sort(np.concatenate(ids), kind="stable")

    def _places(self, ids: Ids) -> Iterator[tuple[View, NDArray[np.int64], Rows]]:
        """Yield the segments that hold some of (n,) ids, with their places among them and rows.

        NotFoundError if an id is in none.
        """
        missing = np.ones(len(ids), bool)
        places = []
        for view in self._views:
            rows = view.rows_of(ids)
            at = np.flatnonzero(rows >= 0)
            if len(at):
                missing[at] = False
                places.append((view, at, rows[at]))
        if missing.any():
            self._refuse(int(ids[missing][0]))
        yield from places

    def _check(self, ids: Sequence[int]) -> None:
        """Raise NotFoundError unless there are images of these ids."""
        for _ in self._places(self._asked(ids)):
            pass

    def _asked(self, ids: Sequence[int]) -> Ids:
        """Return (n,) ids as an array; NotFoundError for a number that no id can be."""
        try:
            return np.array(ids, np.int64)
        except OverflowError:
            self._refuse(next(image for image in ids if abs(image) > _GREATEST_ID))

    def _refuse(self, image: int) -> NoReturn:
        least, greatest = self._ids[[0, -1]].tolist() if self.rows else (0, -1)
        why = f"its ids go from {least} to {greatest}"
        if least <= image <= greatest:
            why = "it was removed"
        raise NotFoundError(f"The gallery {self.name} has no image {image}: {why}.")

    def _found(self, ask: Callable[[OpenSegment], list[int]]) -> list[int]:
        """Return the ids that segments give for a question, of images that the gallery has."""
        found: list[int] = []
        for view in self._views:
            ids = ask(view.segment)
            if ids and len(view.left_out):
                ids = [
                    i for i, row in zip(ids, view.rows_of(np.array(ids)), strict=True) if row >= 0
                ]
            found += ids
        return found if len(self._views) == 1 else sorted(found)


def _is_shared(facts: Segment, shared: dict[str, OpenSegment]) -> bool:
    return facts.name in shared and shared[facts.name].facts == facts
