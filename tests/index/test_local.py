"""An index of local features finds, among all, those that look most like a query's."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import GalleryError
from app.index import LocalIndex, LocalMatches, write_local_index
from app.values.features import POINT, pack
from tests.index.vectors import unit

FILES = {"index": "local.faiss"} | {kind: f"{kind}.npy" for kind in ("points", "firsts", "phashes")}
Features = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def features(counts: list[int]) -> Features:
    """Return hashes, and places and descriptors of images with so many features each."""
    rng = np.random.default_rng(0)
    return [
        (
            np.append(np.uint8(128), rng.integers(0, 256, 7)).astype(np.uint8),
            pack(rng.uniform(0, 1, (count, 4))),
            unit(rng.uniform(0, 1, (count, 128)) ** 4),
        )
        for count in counts
    ]


def paths(folder: Path) -> dict[str, Path]:
    return {kind: folder / name for kind, name in FILES.items()}


def written(folder: Path, of: Features) -> LocalIndex:
    training = np.concatenate([vectors for *_, vectors in of])
    write_local_index(training, of, len(training), **paths(folder))
    return LocalIndex(*paths(folder).values())


# Compared one by one, in cells of whole descriptors, in cells of codes.
SIZES = [[30, 0, 70, 1], [200] * 20 + [0], [200] * 105]


@pytest.mark.parametrize("counts", SIZES, ids=["few", "some", "many"])
def test_each_feature_finds_its_own_image(tmp_path, counts):
    of = features(counts)
    index = written(tmp_path, of)
    assert index.rows == len(counts)
    right = total = 0
    for row, (*_, vectors) in enumerate(of):
        found = index.search(vectors, 3)
        for name in ("images", "distances", "counts"):
            assert getattr(found, name).shape[:1] == (len(vectors),)
        if len(vectors):
            there = found.images[:, 0] == row
            right, total = right + int(there.sum()), total + len(vectors)
            assert (np.diff(found.distances, axis=1) >= 0).all()
            there = found.images >= 0
            assert (found.counts[there] == np.array(counts)[found.images[there]]).all()
    assert right >= 0.99 * total


@pytest.mark.parametrize("counts", SIZES, ids=["few", "some", "many"])
def test_an_images_features_come_back_as_they_are_kept(tmp_path, counts):
    of = features(counts)
    rows = np.array([2, 0, 2, len(counts) - 1])
    for (points, vectors), row in zip(written(tmp_path, of).of_rows(rows), rows, strict=True):
        np.testing.assert_array_equal(points, of[row][1])
        assert vectors.shape == of[row][2].shape
        if len(vectors):
            assert np.median((vectors * of[row][2]).sum(axis=1)) > 0.85  # 16 bytes of 512


def test_more_than_there_are_cannot_be_found(tmp_path):
    of = features([2, 1])
    found = written(tmp_path, of).search(of[0][2], 8)
    assert found.images.shape == (2, 3)
    assert sorted(found.images[0].tolist()) == [0, 0, 1]


def test_without_any_feature_nothing_is_found(tmp_path):
    of = features([0, 0])
    index = written(tmp_path, of)
    found = index.search(features([4])[0][2], 8)
    assert index.rows == 2
    assert (found.images == -1).all()
    assert np.isinf(found.distances).all()
    assert [len(points) for points, _ in index.of_rows(np.array([1, 0]))] == [0, 0]


def test_several_indexes_together_find_what_one_of_all_does(tmp_path):
    of = features([40, 30, 20, 10])
    query = unit(np.random.default_rng(1).uniform(0, 1, (15, 128)) ** 4)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = written(tmp_path / "a", of[:2]), written(tmp_path / "b", of[2:])
    together = LocalMatches.together([a.search(query, 5), b.search(query, 5)], 5)
    # Each is measured against what is kept of it, which depends on what it is kept with.
    nearest = np.sort(
        [[2 - 2 * np.concatenate([v for *_, v in of]) @ each] for each in query], axis=2
    )[:, 0, :5]
    assert together.images.shape == (15, 5)
    np.testing.assert_allclose(together.distances, nearest, atol=0.02)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    written(tmp_path, features([3, 4]))
    np.save(tmp_path / "short.npy", np.zeros(6, POINT))
    with pytest.raises(GalleryError, match=r"short\.npy"):
        LocalIndex(tmp_path / "local.faiss", tmp_path / "short.npy", tmp_path / "firsts.npy", None)
    np.save(tmp_path / "few.npy", np.zeros((1, 8), np.uint8))
    names = ("local.faiss", "points.npy", "firsts.npy", "few.npy")
    with pytest.raises(GalleryError, match="do not belong together"):
        LocalIndex(*(tmp_path / name for name in names))


def test_hashes_that_differ_in_few_bits_are_found_the_nearest_first(tmp_path):
    of = features([1] * 60)
    index = written(tmp_path, of)
    asked = of[7][0].copy()
    asked[3] ^= 0b101
    bits = np.array([int(np.bitwise_count(each ^ asked).sum()) for each, *_ in of])
    assert index.search_phashes(asked, 2).tolist() == [7]
    found = index.search_phashes(asked, 30)
    assert set(found.tolist()) == set(np.flatnonzero(bits <= 30).tolist())
    assert (np.diff(bits[found]) >= 0).all()
    np.testing.assert_array_equal(index.phashes(np.array([7, 3])), [of[7][0], of[3][0]])


def test_what_was_kept_without_hashes_is_not_found_by_them(tmp_path):
    of = features([3, 4])
    written(tmp_path, of)
    names = ("local.faiss", "points.npy", "firsts.npy")
    older = LocalIndex(*(tmp_path / name for name in names), None)
    assert not len(older.search_phashes(np.zeros(8, np.uint8), 64))
    assert not older.phashes(np.array([0, 1])).any()
