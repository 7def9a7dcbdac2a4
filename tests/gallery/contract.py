"""What holds of every store that searches a gallery: the tests, and the images they ask for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from app.errors import NotFoundError
from app.gallery import Folders, Gallery
from app.index import SearchEffort
from app.values import ImageRecord
from app.values.columns import folder_of, name_of, value_of
from app.values.conditions import Condition
from tests.gallery.segments import change, record_of, thumbnail_of
from tests.index.vectors import clustered, cosines, stored

VECTORS = "vectors/tiny_imagenet_100k.npz"
PROBES, CANDIDATES = 16, 200
CONDITIONS = [
    ["label=kind 1"],
    ["label=KIND 1", "label!=version 2"],
    ["label!=kind 0"],
    ["label=nothing"],
    ["label!=nothing"],
    ["label~nd 2"],
    ["key"],
    ["key=image-7"],
    ["name=0000012.jpg"],
    ["folder=a"],
    ["folder=A/b"],
    ["folder!=a/b"],
    ["folder=/"],
    ["path=a/b/0000012.jpg"],
    ["path~12.jpg"],
    ["width>=800"],
    ["width=100..200", "height<50"],
    ["width!=40"],
    ["bytes>2000", "label=kind 1", "folder=a"],
    ["city=Malmö"],
    ["city=MALMÖ", "width>=100"],
    ["city!=malmö"],
    ['city=O"Fallon\\'],
    ["taken=2021-05"],
    ["taken>=2021-06"],
    ["weight=7"],
    ["weight>=3", "label=kind 2"],
    ["year=2021"],
    ["year"],
]
_CITIES = ("Malmö", "malmo\u0308", "Oslo", 'O"Fallon\\', "2021")
_FOLDERS = ("", "a", "a/b", "ab", "Ä")


def real_vectors(rows: int) -> np.ndarray:
    """Return unit vectors of photographs where there are some, else vectors in clusters."""
    path = Path(os.environ.get("REAL_DATA", "")) / VECTORS
    if not path.is_file():
        return clustered(rows, 64, clusters=200)
    with np.load(path) as file:
        vectors = file["codes"][:rows] * file["scale"]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def image_of(image: int, version: int) -> ImageRecord:
    """Return an image with facts of all kinds; some have none of some kind."""
    metadata: dict[str, str | float] = {"city": _CITIES[image % 5], "weight": image % 11}
    if image % 4:
        metadata["taken"] = f"2021-{1 + image % 12:02}-03T10:00:00"
    if image % 7 == 0:
        metadata["year"] = 2021 if image % 2 else "2021"
    folder = _FOLDERS[image % 5]
    made = record_of(
        image,
        version=version,
        path=f"{folder}/{image:07}.jpg".lstrip("/"),
        sha256=f"{image - image % 50 if image % 50 < 2 else image:032x}{0:032x}",
        key=f"image-{image}" if image % 3 == 1 else "",
        metadata=metadata,
    )
    return ImageRecord(**(vars(made) | {"width": 40 + image % 1000, "height": 30 + image % 90}))


@dataclass
class Images:
    """What a gallery should hold, and the gallery: built, added to, changed, and some removed."""

    folders: Folders
    vectors: np.ndarray
    kept: dict[int, tuple[ImageRecord, np.ndarray]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    version: int = 0

    def put(self, ids: Sequence[int], vectors: np.ndarray, *, index: str) -> None:
        self.version += 1
        records = [image_of(image, self.version) for image in ids]
        self.kept |= {
            record.id: (record, vector) for record, vector in zip(records, vectors, strict=True)
        }
        change(
            self.folders,
            records=records,
            vectors=vectors,
            images=len(self.kept),
            index=index,
            effort=SearchEffort(PROBES, CANDIDATES),
        )

    def remove(self, ids: set[int]) -> None:
        self.gone |= ids
        self.kept = {image: each for image, each in self.kept.items() if image not in ids}
        change(self.folders, removed=self.gone, images=len(self.kept))

    def begin(self, *, index: str) -> None:
        """Build it of nine tenths of the vectors."""
        rows = len(self.vectors) * 9 // 10
        self.put(range(rows), self.vectors[:rows], index=index)

    def go_on(self) -> None:
        """Add the others, give some a new vector and new facts, and remove some of both kinds."""
        rows = len(self.vectors) * 9 // 10
        self.put(range(rows, len(self.vectors)), self.vectors[rows:], index="Flat")
        again = range(0, rows, rows // 100)
        self.put(again, self.vectors[::-1][: len(again)], index="Flat")
        self.remove({*range(5, rows, rows // 50), rows + 3, *list(again)[3:9]})

    @property
    def ids(self) -> np.ndarray:
        return np.array(sorted(self.kept), np.int64)

    @property
    def all_vectors(self) -> np.ndarray:
        return np.stack([self.kept[image][1] for image in self.ids.tolist()])

    def queries(self, count: int = 40) -> np.ndarray:
        """Return unit vectors: of images of the gallery, a little changed, and of images gone."""
        every = self.vectors[:: max(1, len(self.vectors) // count)][:count]
        noise = np.random.default_rng(3).normal(size=every.shape) * 0.01
        changed = every + noise * (np.arange(len(every)) % 2)[:, None]
        return (changed / np.linalg.norm(changed, axis=1, keepdims=True)).astype(np.float32)

    def holding(self, written: Sequence[str]) -> list[int]:
        """Return the images that conditions hold for, each asked of each."""
        conditions = [Condition.of(each) for each in written]
        return [
            image
            for image in self.ids.tolist()
            if all(_holds(each, self.kept[image][0]) for each in conditions)
        ]


def _holds(condition: Condition, record: ImageRecord) -> bool:
    values = list(record.labels) if condition.name == "label" else None
    if values is None:
        value = {"folder": folder_of(record.path), "name": name_of(record.path)}.get(
            condition.name, value_of(record, condition.name)
        )
        values = [] if value is None else [value]
    if condition.is_negative:
        return all(condition.holds(value) for value in values)
    return any(condition.holds(value) for value in values)


def assert_same(ids: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> None:
    """Assert that (k,) ids are the nearest of (n,) true scores by place, the scores to 1e-5."""
    best = np.sort(truth)[::-1][: len(ids)]
    assert np.abs(scores - best).max(initial=0) <= 1e-5
    assert np.abs(truth[ids] - best).max(initial=0) <= 1e-5
    assert len(set(ids.tolist())) == len(ids)


class Contract:
    """The tests. A class below it has the fixtures `images` and `store`."""

    def test_an_exact_search_gives_the_nearest_of_all(self, images: Images, store: Gallery) -> None:
        queries = images.queries()
        found = store.search(queries, 12, exact=True)
        truth = cosines(queries, images.all_vectors)
        for ids, scores, true in zip(found.rows, found.scores, truth, strict=True):
            assert_same(np.searchsorted(images.ids, ids), scores, true)

    def test_a_search_by_the_shortlist_finds_nearly_all_of_the_nearest(
        self, images: Images, store: Gallery
    ) -> None:
        queries = images.queries(200)
        found = store.search(queries, 10)
        truth = cosines(queries, images.all_vectors)
        recall = []
        for ids, scores, true in zip(found.rows, found.scores, truth, strict=True):
            places = np.searchsorted(images.ids, ids)
            assert (images.ids[places] == ids).all()
            assert np.abs(true[places] - scores).max() <= 1e-5, "scores are not exact"
            assert (np.diff(scores) <= 0).all()
            recall.append((true[places] >= np.sort(true)[-10] - 1e-6).mean())
        assert np.mean(recall) >= 0.9

    def test_candidates_of_the_index_are_images_of_the_gallery(
        self, images: Images, store: Gallery
    ) -> None:
        found = store.search_codes(images.queries(), 10).rows
        assert np.isin(found[found >= 0], images.ids).all()
        assert (found >= 0).mean() > 0.9

    def test_more_are_asked_for_than_there_are(self, images: Images, store: Gallery) -> None:
        [query] = images.queries(1)
        found = store.search(query[None], len(images.vectors) + 7)
        assert sorted(found.rows[0].tolist()) == images.ids.tolist()
        assert (np.diff(found.scores[0]) <= 0).all()
        assert store.search(query[None], 0).rows.shape == (1, 0)

    @pytest.mark.parametrize("count", [1, 30, 700, None])
    def test_a_search_among_some_compares_each(
        self, images: Images, store: Gallery, count: int | None
    ) -> None:
        [query] = images.queries(1)
        among = np.sort(np.random.default_rng(1).permutation(images.ids)[:count])
        found = store.search_among(query, 9, among)
        places = np.searchsorted(images.ids, among)
        truth = cosines(query[None], images.all_vectors[places])[0]
        assert_same(np.searchsorted(among, found.rows[0]), found.scores[0], truth)
        assert np.abs(store.scores(query, among) - truth).max() <= 1e-5

    def test_vectors_are_those_that_were_stored(self, images: Images, store: Gallery) -> None:
        some = np.random.default_rng(2).permutation(images.ids)[:50]
        places = np.searchsorted(images.ids, some)
        np.testing.assert_array_equal(store.vectors(some), stored(images.all_vectors[places]))
        assert np.linalg.norm(store.vector(int(some[0]))) == pytest.approx(1, abs=1e-6)

    def test_what_is_gone_is_found_by_nobody(self, images: Images, store: Gallery) -> None:
        gone = sorted(images.gone)[:10]
        for image in gone:
            assert image not in store.search(images.vectors[[image]], 10).rows
            assert image not in store.search(images.vectors[[image]], 10, exact=True).rows
        with pytest.raises(NotFoundError):
            store.vectors(np.array(gone[:1]))
        with pytest.raises(NotFoundError):
            store.scores(images.vectors[0], np.array(gone[:1]))

    def test_an_image_is_found_by_its_new_vector(self, images: Images, store: Gallery) -> None:
        changed = [image for image, (record, _) in images.kept.items() if _version(record) == 3]
        assert changed
        for image in changed[:10]:
            vector = images.kept[image][1]
            found = store.search(vector[None], 3, exact=True)
            assert found.scores[0][0] >= 1 - 1e-5
            assert image in found.rows[0]

    @pytest.mark.parametrize("written", CONDITIONS, ids=" ".join)
    def test_conditions_hold_for_the_same_images(
        self, images: Images, store: Gallery, written: list[str]
    ) -> None:
        found = store.known.ids_where(map(Condition.of, written))
        assert found.tolist() == images.holding(written)

    def test_values_are_counted_and_put_in_order(self, images: Images, store: Gallery) -> None:
        among = images.ids[::3]
        counts = dict(store.known.counts("label", among))
        kinds = [images.kept[image][0].labels for image in among.tolist()]
        assert counts["kind 1"] == sum("kind 1" in each for each in kinds)
        ordered = store.known.in_order_of("width", among).tolist()
        assert ordered == sorted(among.tolist(), key=lambda i: (images.kept[i][0].width, i))
        assert "city" in store.known.columns()

    def test_words_are_found_in_what_is_written(self, images: Images, store: Gallery) -> None:
        ids, scores = store.known.ids_of_words(["oslo"])
        oslo = [i for i in images.ids.tolist() if images.kept[i][0].metadata["city"] == "Oslo"]
        assert sorted(ids.tolist()) == oslo
        assert (scores == 1).all()

    def test_images_are_as_they_were_put_in(self, images: Images, store: Gallery) -> None:
        some = images.ids[::37].tolist()
        records = [images.kept[image][0] for image in some]
        assert store.images(some) == records
        assert store.thumbnails(some) == [thumbnail_of(each) for each in records]
        assert store.ids().tolist() == images.ids.tolist()
        assert store.rows == len(images.kept)
        assert store.labels() == [images.kept[image][0].labels for image in images.ids.tolist()]

    def test_copies_are_known_by_their_content(self, images: Images, store: Gallery) -> None:
        pair = next(i for i in images.ids.tolist() if i % 50 == 0 and i + 1 in images.kept)
        sha256 = images.kept[pair][0].sha256
        assert store.ids_of_content(sha256) == [pair, pair + 1]
        assert store.copies([pair + 1, pair + 2]) == [[pair, pair + 1]]
        assert pair + 1 not in store.one_of_each_content()

    def test_an_image_is_found_by_its_key_and_label(self, images: Images, store: Gallery) -> None:
        keyed = next(i for i in images.ids.tolist() if images.kept[i][0].key)
        assert store.id_of(f"image-{keyed}") == keyed
        labelled = [i for i in images.ids.tolist() if "kind 2" in images.kept[i][0].labels]
        assert store.ids_of_label("kind 2") == labelled
        with pytest.raises(NotFoundError):
            store.id_of("image-x")
        drawn = store.random_ids(5)
        assert len(set(drawn)) == 5
        assert np.isin(drawn, images.ids).all()


def _version(record: ImageRecord) -> int:
    return int(next(each for each in record.labels if each.startswith("version"))[8:])
