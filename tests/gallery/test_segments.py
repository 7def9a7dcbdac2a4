"""A gallery of several segments, some images removed or given anew, answers as one list."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import GalleryError, NotFoundError
from app.gallery import Folders, Gallery, SegmentWriter
from app.gallery.segment import OpenSegment
from app.index import write_vectors
from app.values import ImageRecord
from tests.gallery.segments import change, record_of, thumbnail_of
from tests.index.vectors import unit

DIM = 16


@dataclass
class Model:
    """What a gallery should hold: a dictionary by id, kept beside one on disk."""

    folders: Folders
    seed: int = 0
    images: dict[int, tuple[ImageRecord, np.ndarray]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    written: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def put(self, ids: list[int], *, index: str = "Flat", equal: bool = False) -> None:
        """Add images, or give some anew, as a segment."""
        self.written += 1
        vectors = unit(self.random.normal(size=(len(ids), DIM)))
        if equal:
            vectors[:] = vectors[0]
        records = [record_of(image, version=self.written) for image in sorted(ids)]
        for record, vector in zip(records, vectors, strict=True):
            self.images[record.id] = record, vector
        change(self.folders, records=records, vectors=vectors, images=len(self.images), index=index)

    def remove(self, ids: set[int]) -> None:
        """Take images out; all ids that are gone are kept together."""
        self.gone |= ids
        self.images = {image: kept for image, kept in self.images.items() if image not in ids}
        change(self.folders, removed=self.gone, images=len(self.images))

    @property
    def ids(self) -> list[int]:
        return sorted(self.images)

    @property
    def records(self) -> list[ImageRecord]:
        return [self.images[image][0] for image in self.ids]

    def stored(self) -> np.ndarray:
        """Return the (n, DIM) vectors as files keep them, in the order of the ids."""
        vectors = [self.images[image][1] for image in self.ids]
        return np.array(vectors, np.float32).reshape(-1, DIM).astype(np.float16).astype(np.float32)

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids and cosines that comparing everything gives."""
        vectors = self.stored().astype(np.float64)
        scores = queries @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T
        order = np.argsort(-scores.round(6), axis=1, kind="stable")[:, :k]
        return np.array(self.ids, np.int64)[order], np.take_along_axis(scores, order, axis=1)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.of("made", tmp_path / "features", tmp_path / "indexes")


@pytest.fixture
def changed(folders: Folders) -> Iterator[tuple[Model, Gallery]]:
    """A gallery of 150 images in three segments, some of them removed, some given anew."""
    model = Model(folders)
    model.put(list(range(120)), index="IVF3,SQ8")
    model.put([*range(120, 160), 7, 50])  # with gaps among its ids
    model.remove({0, 60, 119, 159})
    model.put([8, 121, 300])
    model.remove({300, 7})
    gallery = Gallery(folders)
    yield model, gallery
    gallery.close()


def assert_answers_as(model: Model, gallery: Gallery, queries: np.ndarray, k: int) -> None:
    expected_ids, expected = model.nearest(queries, k)
    for exact in (True, False):
        found = gallery.search(queries, k, exact=exact)
        assert found.rows.shape == (len(queries), min(k, len(model.ids)))
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)
        # Scores that are nearer than a float can distinguish may change their places.
        differ = found.rows != expected_ids
        assert np.all(np.abs(found.scores - expected)[differ] < 1e-6)
        assert all(len(set(rows)) == len(rows) for rows in found.rows.tolist())
        assert np.isin(found.rows, model.ids).all()


@pytest.mark.parametrize("k", [1, 10, 149, 1000])
def test_a_search_is_that_of_the_images_that_are_there(changed, k):
    model, gallery = changed
    queries = np.concatenate([model.stored()[::20], unit(model.random.normal(size=(5, DIM)))])
    assert_answers_as(model, gallery, unit(queries), k)


def test_an_image_that_was_removed_or_given_anew_is_not_found_as_it_was(folders):
    model = Model(folders)
    model.put(list(range(100)), index="IVF2,SQ8")
    before = model.stored()
    model.put([3])
    model.remove({4})
    gallery = Gallery(folders)
    for image in (3, 4):
        found = gallery.search(unit(before[image][None]), 99)
        assert 4 not in found.rows
        assert found.scores[0, 0] < 0.999
    assert gallery.search(gallery.vector(3)[None], 1).rows.tolist() == [[3]]
    gallery.close()


def test_the_codes_of_several_segments_are_one_list(changed):
    model, gallery = changed
    queries = unit(model.random.normal(size=(6, DIM)))
    found = gallery.search_codes(queries, 20)
    ids = found.rows[found.rows >= 0]
    assert len(ids) > 60
    assert np.isin(ids, model.ids).all()
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_some_ids_are_compared_whatever_segments_they_are_in(changed):
    model, gallery = changed
    query = unit(model.random.normal(size=(1, DIM)))[0]
    among = np.array([158, 1, 121, 8, 50, 2])
    found = gallery.search_among(query, 4, among)
    expected = [image for image in model.nearest(query[None], 1000)[0][0] if image in among]
    assert found.rows.tolist() == [expected[:4]]
    assert found.candidates == 6
    scores = gallery.scores(query, np.array(expected))
    np.testing.assert_allclose(scores[:4], found.scores[0], atol=1e-6)
    assert (np.diff(scores) <= 0).all()


def test_many_ids_are_compared_in_parts(tmp_path):
    folders = Folders.of("made", tmp_path / "features", tmp_path / "indexes")
    model = Model(folders)
    model.put(list(range(9_000)))
    gallery = Gallery(folders)
    query = unit(model.random.normal(size=(1, DIM)))[0]
    among = np.arange(1, 9_000)
    expected = [image for image in model.nearest(query[None], 51)[0][0].tolist() if image][:50]
    assert gallery.search_among(query, 50, among).rows[0].tolist() == expected
    gallery.close()


def test_vectors_images_and_thumbnails_come_in_the_order_that_is_asked(changed):
    model, gallery = changed
    assert (gallery.rows, gallery.ids().tolist()) == (len(model.ids), model.ids)
    np.testing.assert_array_equal(gallery.vectors(gallery.ids()), model.stored())
    assert gallery.images(model.ids) == model.records
    asked = [158, 8, 1, 8, 121]
    assert gallery.images(asked) == [model.images[image][0] for image in asked]
    pictures = [thumbnail_of(model.images[image][0]) for image in asked]
    assert gallery.thumbnails(asked) == pictures
    assert [gallery.thumbnail(image) for image in asked] == pictures
    np.testing.assert_allclose(np.linalg.norm(gallery.vector(121)), 1, atol=1e-6)
    assert (gallery.images([]), gallery.thumbnails([])) == ([], [])
    assert gallery.vectors(np.zeros(0, np.int64)).shape == (0, DIM)


def test_images_are_found_by_content_path_and_label_as_they_are_now(changed):
    model, gallery = changed
    for image in (1, 8, 50, 121, 158):
        record = model.images[image][0]
        assert gallery.ids_of_content(record.sha256) == [image]
        assert gallery.ids_of_path(record.path) == [image]
        assert gallery.id_of(str(image)) == image
        assert gallery.has(image)
    for image, version in ((8, 1), (121, 2), (7, 2), (0, 1)):
        old = record_of(image, version=version)
        assert gallery.ids_of_content(old.sha256) == gallery.ids_of_path(old.path) == []
    assert gallery.ids_of_label("version 3") == [8, 121]
    assert gallery.ids_of_label("kind 1") == [image for image in model.ids if image % 3 == 1]
    assert gallery.labels() == [record.labels for record in model.records]
    assert gallery.ids_of_content("") == []


def test_a_label_that_only_removed_images_have_is_none(folders):
    model = Model(folders)
    model.put([0, 1, 2])
    model.put([3])
    model.remove({3})
    gallery = Gallery(folders)
    with pytest.raises(NotFoundError, match="No image of made has the label 'version 2'"):
        gallery.ids_of_label("version 2")
    gallery.close()


@pytest.mark.parametrize("image", [0, 7, 60, 159, 300, 301, -1, 2**70])
def test_an_image_that_is_not_there_any_more_is_not_found(changed, image):
    _, gallery = changed
    for ask in (
        lambda: gallery.images([1, image]),
        lambda: gallery.thumbnail(image),
        lambda: gallery.vector(image),
        lambda: gallery.id_of(str(image)),
    ):
        with pytest.raises(NotFoundError, match=str(image)):
            ask()
    if abs(image) < 2**63:
        with pytest.raises(NotFoundError, match=str(image)):
            gallery.vectors(np.array([1, image]))
        with pytest.raises(NotFoundError, match=str(image)):
            gallery.scores(np.ones(DIM, np.float32), np.array([image]))
        assert not gallery.has(image)


def test_a_removed_image_is_said_to_be_removed(changed):
    _, gallery = changed
    with pytest.raises(NotFoundError, match="has no image 60: it was removed"):
        gallery.images([60])
    with pytest.raises(NotFoundError, match="has no image 300: its ids go from 1 to 158"):
        gallery.images([300])


def test_random_images_are_those_that_are_there(changed):
    model, gallery = changed
    assert sorted(gallery.random_ids(1000)) == model.ids
    assert len({tuple(gallery.random_ids(20)) for _ in range(5)}) == 5


def test_a_gallery_of_which_every_image_is_removed_answers_nothing(folders):
    model = Model(folders)
    model.put(list(range(50)), index="IVF1,SQ8")
    model.put([50, 52])
    model.remove({*range(51), 52})
    gallery = Gallery(folders)
    assert (gallery.rows, gallery.ids().tolist(), gallery.labels()) == (0, [], [])
    for found in (
        gallery.search(np.ones((3, DIM), np.float32), 5),
        gallery.search(np.ones((3, DIM), np.float32), 5, exact=True),
        gallery.search_codes(np.ones((3, DIM), np.float32), 5),
    ):
        assert found.rows.shape == (3, 0)
    assert gallery.random_ids(3) == gallery.images([]) == []
    with pytest.raises(NotFoundError, match="no image 0"):
        gallery.images([0])
    gallery.close()


# Snapshots


def test_a_gallery_that_is_open_answers_as_before_a_change(changed):
    model, before = changed
    queries = unit(model.random.normal(size=(5, DIM)))
    expected, images = before.search(queries, 20), before.images(before.ids().tolist())
    assert not before.replaced()
    model.put([400, 401, 2])
    model.remove({3, 150})
    assert before.replaced()
    np.testing.assert_array_equal(before.search(queries, 20).rows, expected.rows)
    assert before.images(before.ids().tolist()) == images
    after = Gallery(model.folders, before=before)
    assert_answers_as(model, after, queries, 20)
    after.close()


def test_what_has_not_changed_is_shared_with_the_gallery_before(changed):
    model, before = changed
    model.put([400])
    after = Gallery(model.folders, before=before)
    assert [each in before.segments for each in after.segments] == [True, True, True, False]
    after.close()


def test_without_the_vectors_the_segments_that_can_are_searched_by_their_codes(folders):
    model = Model(folders)
    model.put(list(range(80)), index="IVF2,SQ8")
    model.put(list(range(80, 160)), index="IVF2,SQ8")
    model.remove({5, 90})
    (folders.features).rename(folders.features.with_name("away"))
    gallery = Gallery(folders)
    assert gallery.approximate
    found = gallery.search(model.stored()[:3], 158)
    assert sorted(found.rows[0].tolist()) == model.ids
    assert found.rows[:, 0].tolist() == [0, 1, 2]
    gallery.close()


# Damage


def test_a_segment_whose_index_is_of_other_rows_is_refused(folders, tmp_path):
    writer = SegmentWriter(Folders(tmp_path / "f", tmp_path / "i"))
    write_vectors(unit(np.ones((3, DIM))).astype(np.float16), writer.vectors_path)
    records = [record_of(image) for image in range(2)]
    writer.write_images(records, [(record.id, b"webp") for record in records])
    with pytest.raises(GalleryError, match=r"does not belong to it\. Mend it"):
        OpenSegment(writer.finish(), writer.place, with_vectors=True, mend="Mend it.")


@pytest.mark.parametrize("images", [149, 151])
def test_a_manifest_that_counts_other_images_is_refused(changed, images):
    model, _ = changed
    change(model.folders, images=images)
    with pytest.raises(GalleryError, match="does not belong"):
        Gallery(model.folders)


def test_a_segment_knows_the_ids_of_its_rows_with_gaps_and_without(folders):
    model = Model(folders)
    model.put([5, 6, 7])
    model.put([9, 11, 30])
    gallery = Gallery(folders)
    gapless, gaps = gallery.segments
    assert (gapless.facts.first_id, gaps.facts.first_id) == (5, None)
    for segment, ids in ((gapless, [5, 6, 7]), (gaps, [9, 11, 30])):
        assert segment.ids.tolist() == ids
        assert (segment.least_id, segment.greatest_id) == (ids[0], ids[-1])
        assert segment.ids_of(np.array([[2, 0]])).tolist() == [[ids[2], ids[0]]]
        asked = np.array([-1, *ids, 8, 10, 31, 2**40])
        assert segment.rows_of(asked).tolist() == [-1, 0, 1, 2, -1, -1, -1, -1]
    gallery.close()


# Any changes


IDS = st.integers(0, 70)
CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sets(IDS, min_size=1, max_size=60),
            st.sampled_from(["Flat", "SQ8", "IVF1,PQ4x4", "HNSW8"]),
            st.booleans(),
        ),
        st.tuples(st.just("remove"), st.sets(IDS, max_size=40)),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, seed=st.integers(0, 1000), k=st.integers(1, 80))
def test_after_any_changes_a_gallery_equals_a_dictionary(tmp_path_factory, changes, seed, k):
    place = tmp_path_factory.mktemp("made")
    model = Model(Folders.of("made", place / "features", place / "indexes"), seed)
    model.put([0])
    for kind, ids, *how in changes:
        if kind == "put":
            # An id is never another image's: what is gone stays gone.
            ids = ids - model.gone
            if ids:
                model.put(list(ids), index=how[0], equal=how[1])
        else:
            model.remove(ids & set(model.ids))
    gallery = Gallery(model.folders)
    assert gallery.ids().tolist() == model.ids
    assert gallery.images(model.ids) == model.records
    assert gallery.labels() == [record.labels for record in model.records]
    np.testing.assert_array_equal(gallery.vectors(gallery.ids()), model.stored())
    if model.ids:
        queries = np.concatenate(
            [unit(model.stored()[:2]), unit(model.random.normal(size=(2, DIM)))]
        )
        expected = model.nearest(queries, k)[1]
        found = gallery.search(queries, k, exact=True)
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)
        assert all(
            np.isin(each.rows, model.ids).all() for each in (found, gallery.search(queries, k))
        )
    gallery.close()


def test_searches_from_many_threads_see_their_own_snapshot(changed):
    model, gallery = changed
    queries = unit(model.random.normal(size=(40, DIM)))
    expected = gallery.search(queries, 10).rows

    def search(turn: int) -> None:
        found = gallery.search(queries[turn % 40][None], 10)
        np.testing.assert_array_equal(found.rows[0], expected[turn % 40])
        images = gallery.images(found.rows[0].tolist())
        assert [image.id for image in images] == found.rows[0].tolist()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(search, range(400)))
