"""A small gallery that is changed, and the dictionary that says what it must hold."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.build.additions import AddReport, NewImage, add_images, remove_images
from app.build.compact import compact
from app.build.layouts import OpenList
from app.build.manage import merge_galleries
from app.build.update import UpdateReport, update_gallery
from app.embed import Embedder
from app.gallery import COMPACTION, Folders, Gallery, read_manifest
from app.images import decode, encode
from app.index import SearchEffort
from app.sources.picture import Layout
from app.values.gallery import Manifest
from app.values.vectors import unit
from tests.conftest import Home, encoded, mean_colour, picture

DIM = 48
MOST_OF_A_SEGMENT = 5
"""Vectors, shortlist, items, thumbnails, and the journal of a database that is being written."""
MOST_OF_A_CHANGE = MOST_OF_A_SEGMENT + 4
"""A segment; the removed ids, the seen files, the skipped ones, and one that is being written."""
EMBEDDER = mean_colour()


@cache
def jpeg(seed: int) -> bytes:
    """Return a picture's file: few of them, so that contents come again."""
    return encoded(picture(seed, size=(16, 12)), quality=90)


@cache
def embedded(data: bytes) -> tuple[NDArray[np.float32], bytes]:
    """Return the vector of a picture's file as it is stored, and its thumbnail."""
    pixels = decode.decode(data, min_side=EMBEDDER.decoded_side)
    [vector] = EMBEDDER.embed([pixels])
    return as_stored(vector), encode.thumbnail(pixels)


def as_stored(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector.astype(np.float16).astype(np.float32)


def direction(seed: int) -> NDArray[np.float32]:
    """Return a unit vector; few of them, so that scores tie."""
    drawn = np.random.default_rng(seed).normal(size=(1, DIM)).astype(np.float32)
    one: NDArray[np.float32] = unit(drawn)[0]
    return one


def _no_list(request: object) -> Layout:
    raise AssertionError("There is no list.")


@dataclass(frozen=True)
class Item:
    """What a gallery must say of an image; its `place` is the file of a folder that it is."""

    content: str
    vector: tuple[float, ...]
    thumbnail: bytes
    labels: tuple[str, ...] = ()
    key: str = ""
    place: tuple[int, str] | None = None

    @classmethod
    def of(cls, data: bytes, **facts: object) -> "Item":
        vector, thumbnail = embedded(data)
        content = hashlib.sha256(data).hexdigest()
        return cls(content, tuple(vector.tolist()), thumbnail, **facts)  # type: ignore[arg-type]

    @classmethod
    def of_vector(cls, vector: NDArray[np.float32], **facts: object) -> "Item":
        stored = tuple(as_stored(unit(vector[None])[0]).tolist())
        return cls("", stored, encode.no_picture(), **facts)  # type: ignore[arg-type]


Items = dict[int, Item]


@dataclass
class World:
    """A home with a gallery `mine` of the folder `pictures`, and what may be done to it."""

    home: Home
    name: str = "mine"
    embedder: Embedder = field(default_factory=mean_colour)
    clock: int = 1_000_000_000

    @property
    def folders(self) -> Folders:
        return self.home.folders(self.name)

    @property
    def pictures(self) -> Path:
        return self.home.path / "pictures"

    @property
    def dirs(self) -> dict[str, Path]:
        return {
            "features_dir": self.home.path / "features",
            "indexes_dir": self.home.path / "indexes",
        }

    def write(self, path: str, data: bytes) -> None:
        """Write a picture, its time later than that of all before."""
        file = self.pictures / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.touch(path)

    def touch(self, path: str) -> None:
        self.clock += 1
        os.utime(self.pictures / path, (self.clock, self.clock))

    def build(self, index: str = "Flat") -> Manifest:
        return self.home.build(
            self.pictures,
            self.name,
            index=index,
            workers=1,
            request={"images": str(self.pictures.resolve()), "name": self.name},
        ).manifest

    def build_other(self, name: str, seeds: Sequence[int]) -> Manifest:
        folder = self.home.path / name
        for seed in seeds:
            file = folder / f"given/{seed}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(jpeg(seed))
        return self.home.build(
            folder,
            name,
            index="Flat",
            workers=1,
            request={"images": str(folder.resolve()), "name": name},
        ).manifest

    def open(self) -> Gallery:
        return Gallery(self.folders)

    def add(self, *new: NewImage) -> AddReport:
        gallery = Gallery(self.folders, hashed=False)
        try:
            return add_images(
                gallery,
                new,
                load_embedder=lambda name, **_: self.embedder,
                datasets_dir=self.home.path / "datasets",
            )
        finally:
            gallery.close()

    def remove(self, *ids: int) -> Manifest:
        gallery = Gallery(self.folders, hashed=False)
        try:
            return remove_images(gallery, ids)
        finally:
            gallery.close()

    def update(self, open_list: OpenList = _no_list) -> UpdateReport:
        return update_gallery(
            self.name,
            datasets_dir=self.home.path / "datasets",
            **self.dirs,
            load_embedder=lambda name, **_: self.embedder,
            open_list=open_list,
            workers=1,
            accept_removals=True,
            on_progress=lambda *_: None,
        )

    def compact(self, *, everything: bool = True) -> bool:
        return compact(self.folders, everything=everything)

    def merge(self, other: str) -> tuple[Manifest, int, int]:
        return merge_galleries(
            self.folders, self.home.folders(other), datasets_dir=self.home.path / "datasets"
        )


def seen_items(gallery: Gallery) -> Items:
    """Return what a gallery holds, asked in every way that there is; each must say the same."""
    ids = gallery.ids().tolist()
    assert ids == sorted(set(ids)), "an id is there twice"
    assert len(ids) == gallery.rows == gallery.manifest.images
    assert not ids or ids[-1] < gallery.manifest.next_id
    records = gallery.images(ids)
    assert [each.id for each in records] == ids
    assert gallery.labels() == [each.labels for each in records]
    vectors = gallery.vectors(np.array(ids, np.int64))
    items = {}
    thumbnails = gallery.thumbnails(ids)
    for record, vector, thumbnail in zip(records, vectors, thumbnails, strict=True):
        items[record.id] = Item(
            record.sha256,
            tuple(vector.tolist()),
            thumbnail,
            record.labels,
            record.key,
            (record.source, record.path) if record.source >= 0 else None,
        )
    return items


def check(gallery: Gallery, expected: Items, gone: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Check that a gallery holds what it must and finds it, and nothing that is gone."""
    assert seen_items(gallery) == expected
    contents, labels = Counter(), Counter()  # type: ignore[var-annotated]
    for item in expected.values():
        contents[item.content] += 1
        labels.update(item.labels)
    for content in contents.keys() - {""}:
        same = [image for image, item in sorted(expected.items()) if item.content == content]
        assert gallery.ids_of_content(content) == same
    for label in labels:
        same = [image for image, item in sorted(expected.items()) if label in item.labels]
        assert gallery.ids_of_label(label) == same
    for image, item in expected.items():
        assert gallery.id_of(item.key or str(image)) == image
        assert gallery.has(image)
    for image in gone:
        assert not gallery.has(image)
    check_searches(gallery, expected)


def check_searches(gallery: Gallery, expected: Items, queries: int = 3) -> None:
    """Check exact searches, and those through the indexes with all of their effort, by hand."""
    ids = np.array(sorted(expected), np.int64)
    vectors = np.array([expected[image].vector for image in ids.tolist()], np.float32)
    vectors = vectors.reshape(len(ids), DIM)
    asked = np.stack([direction(seed) for seed in range(queries)])
    if len(ids):
        asked = np.concatenate([asked, unit(vectors[[0, -1]])])
    by_hand = asked @ unit(vectors).T if len(ids) else np.zeros((len(asked), 0), np.float32)
    for k in {1, 5, len(ids) + 3}:
        for exact in (True, False):
            found = gallery.search(asked, k, exact=exact)
            check_found(found.rows, found.scores, ids, by_hand, k, complete=exact)
        with_all_effort(gallery)
        found = gallery.search(asked, k)
        check_found(found.rows, found.scores, ids, by_hand, k, complete=True)


def with_all_effort(gallery: Gallery) -> None:
    for segment in gallery.segments:
        segment.index.effort = SearchEffort(1_000, 1_000_000)
    for view in gallery._views:
        view.index.effort = SearchEffort(1_000, 1_000_000)
        view.index._refine_parameters.cache_clear()


def check_found(
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    ids: NDArray[np.int64],
    by_hand: NDArray[np.float32],
    k: int,
    *,
    complete: bool,
) -> None:
    """Check found ids and scores against all scores; `complete` says that the best are there."""
    assert rows.shape == (len(by_hand), min(k, len(ids)))
    for found, given, all_scores in zip(rows, scores, by_hand, strict=True):
        assert len(set(found.tolist())) == len(found), "an id was found twice"
        places = np.searchsorted(ids, found)
        assert (np.append(ids, -1)[places] == found).all(), "an id was found that is not there"
        np.testing.assert_allclose(given, all_scores[places], atol=2e-6)
        assert (np.diff(given) <= 0).all()
        if complete:  # ties may be broken by rounding
            best = np.sort(all_scores)[::-1][: len(given)]
            np.testing.assert_allclose(given, best, atol=2e-6)


def stray_files(world: World) -> list[str]:
    """Return a gallery's files that belong to nothing: no manifest names them, no draft."""
    manifest = read_manifest(world.folders)
    own = {world.folders.indexes / "manifest.json"}
    own |= {world.folders.path_of(kind, file) for kind, file in manifest.files.items()}
    for segment in manifest.segments:
        place = world.folders.below(segment.name)
        own |= {place.path_of(kind, file) for kind, file in segment.files.items()}
    return sorted(
        path.as_posix()
        for folder in (world.folders.features, world.folders.indexes)
        for path in folder.rglob("*")
        if path.is_file() and path not in own and "building" not in path.parts
        if path.name != "lock" and path.suffix != ".lock"
    )


class Change(NamedTuple):
    """The kind of a change, and how many stray files may be there once it was killed."""

    kind: str
    most_left: int


def stray_parts(world: World) -> tuple[list[str], list[str]]:
    """Return the stray files of a compaction in its scratch folder, and all others."""
    stray = stray_files(world)
    compaction = [path for path in stray if COMPACTION in Path(path).parts]
    return compaction, [path for path in stray if path not in compaction]


def most_left(world: World) -> int:
    """Return how many stray files, beside a compaction's, there may be if a change is killed.

    What others left goes before it writes anything into its place. So there are those still, or
    else its own, and once it has happened those of the state before, which go last.
    """
    manifest = read_manifest(world.folders)
    named = len(manifest.files) + sum(len(segment.files) for segment in manifest.segments)
    return max(len(stray_parts(world)[1]), named + MOST_OF_A_CHANGE)
