"""An index of local features finds, among all, those that look most like a query's."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import GalleryError
from app.index import LocalIndex, LocalMatches, write_local_index
from app.values.features import POINT, pack
from tests.index.vectors import unit

FILES = {"index": "local.faiss", "points": "points.npy", "firsts": "firsts.npy"}
Features = list[tuple[np.ndarray, np.ndarray]]


def features(counts: list[int]) -> Features:
    """Return the places and descriptors of images with so many features each."""
    rng = np.random.default_rng(0)
    return [
        (pack(rng.uniform(0, 1, (count, 4))), unit(rng.uniform(0, 1, (count, 128)) ** 4))
        for count in counts
    ]


def paths(folder: Path) -> dict[str, Path]:
    return {kind: folder / name for kind, name in FILES.items()}


def written(folder: Path, of: Features) -> LocalIndex:
    training = np.concatenate([vectors for _, vectors in of])
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
    for row, (_, vectors) in enumerate(of):
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
        np.testing.assert_array_equal(points, of[row][0])
        assert vectors.shape == of[row][1].shape
        if len(vectors):
            assert np.median((vectors * of[row][1]).sum(axis=1)) > 0.85  # 16 bytes of 512


def test_more_than_there_are_cannot_be_found(tmp_path):
    of = features([2, 1])
    found = written(tmp_path, of).search(of[0][1], 8)
    assert found.images.shape == (2, 3)
    assert sorted(found.images[0].tolist()) == [0, 0, 1]


def test_without_any_feature_nothing_is_found(tmp_path):
    of = features([0, 0])
    index = written(tmp_path, of)
    found = index.search(features([4])[0][1], 8)
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
        [[2 - 2 * np.concatenate([v for _, v in of]) @ each] for each in query], axis=2
    )[:, 0, :5]
    assert together.images.shape == (15, 5)
    np.testing.assert_allclose(together.distances, nearest, atol=0.02)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    written(tmp_path, features([3, 4]))
    np.save(tmp_path / "short.npy", np.zeros(6, POINT))
    with pytest.raises(GalleryError, match=r"short\.npy"):
        LocalIndex(tmp_path / "local.faiss", tmp_path / "short.npy", tmp_path / "firsts.npy")
