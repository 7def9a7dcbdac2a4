"""Local features come back from their bytes; mirrored, they are the mirrored picture's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.features import of_query
from app.values.features import POINT, LocalFeatures, comparable, pack, unpack
from tests.conftest import PHOTOGRAPHS

A_TURN = 2 * np.pi
shares = st.floats(0, 1, width=32)
places = st.lists(
    st.tuples(shares, shares, st.floats(2**-10, 1, width=32), st.floats(0, 6.25, width=32)),
    max_size=20,
)


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far angles are apart, the short way round."""
    return np.abs((a - b + np.pi) % A_TURN - np.pi)


def features(count: int) -> LocalFeatures:
    rng = np.random.default_rng(count)
    placed = rng.uniform(0.1, 0.9, (count, 4)).astype(np.float32)
    descriptors = rng.integers(0, 256, (count, 128)).astype(np.uint8)
    return LocalFeatures(placed, descriptors, rng.integers(0, 256, 8).astype(np.uint8))


@given(places)
def test_a_place_comes_back_as_exactly_as_its_six_bytes_can_tell(given_places):
    before = np.array(given_places, np.float32).reshape(-1, 4)
    points = pack(before)
    after = unpack(points)
    assert points.nbytes == 6 * len(before)
    assert np.abs(after[:, :2] - before[:, :2]).max(initial=0) <= 0.51 / 65535
    assert np.abs(np.log2(after[:, 2] / before[:, 2])).max(initial=0) <= 0.51 / 24
    assert apart(after[:, 3], before[:, 3]).max(initial=0) <= 0.51 * A_TURN / 256


def test_what_lies_outside_is_kept_at_the_border():
    outside = np.array([[-0.2, 1.3, 1e-9, -np.pi / 2], [0.5, 0.5, 1e9, 3 * A_TURN]], np.float32)
    x, y, size, angle = unpack(pack(outside)).T
    assert (x[0], y[0]) == (0, 1)
    assert size[0] == 2.0**-10
    assert size[1] > 1
    np.testing.assert_allclose(angle, [1.5 * np.pi, 0], atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 200])
def test_features_come_back_from_their_bytes(count):
    before = features(count)
    packed = before.packed()
    assert len(packed) == 8 + count * (POINT.itemsize + 128)
    after = LocalFeatures.unpacked(packed)
    np.testing.assert_array_equal(after.descriptors, before.descriptors)
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.phash, before.phash)
    assert after.packed() == packed


def test_of_a_picture_that_was_kept_without_there_are_none():
    nothing = LocalFeatures.unpacked(b"")
    assert len(nothing) == 0
    assert not nothing.phash.any()


def test_mirrored_twice_they_are_as_before():
    before = features(50)
    after = before.mirrored().mirrored()
    np.testing.assert_array_equal(after.descriptors, before.descriptors)
    np.testing.assert_allclose(after.places, before.places, atol=1e-6)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_mirrored_they_are_those_of_the_mirrored_picture(photograph):
    image = Image.open(photograph).convert("RGB")
    image.thumbnail((280, 280))  # so small that hardly any feature is left out
    pixels = np.asarray(image)
    ours = of_query(pixels).mirrored()
    theirs = of_query(np.ascontiguousarray(pixels[:, ::-1]))
    far = np.abs(ours.places[:, None, :2] - theirs.places[None, :, :2]).max(axis=2) > 0.003
    far |= apart(ours.places[:, None, 3], theirs.places[None, :, 3]) > 0.2
    products = comparable(ours.descriptors) @ comparable(theirs.descriptors).T
    best = np.where(far, -1, products).max(axis=1)
    found = best > -1
    assert found.mean() > 0.9, "they lie elsewhere, or look the other way"
    assert np.median(best[found]) > 0.999
    assert np.quantile(best[found], 0.1) > 0.98


def test_descriptors_are_compared_by_the_roots_of_their_shares():
    descriptors = np.zeros((3, 128), np.uint8)
    descriptors[0, :4] = 100
    descriptors[1, 0] = 1
    compared = comparable(descriptors)
    assert compared.dtype == np.float32
    np.testing.assert_allclose(compared[0, :4], 0.5)
    np.testing.assert_allclose(compared @ compared[1], [0.5, 1, 0])
