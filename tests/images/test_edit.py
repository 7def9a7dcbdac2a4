"""Boxes, crops, mirrors and turns take the pixels that they say, and change no picture."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import UsageError
from app.images.edit import apply_edit, crop, mirror, rotate
from app.values import Box, Edit
from tests.images.scenes import PICTURES, SCENE


@pytest.mark.parametrize(
    "edges",
    [
        *((-0.1, 0, 1, 1), (0, 0, 1.01, 1), (0.5, 0, 0.5, 1), (0.6, 0, 0.4, 1), (0, 1, 1, 1)),
        *((math.nan, 0, 1, 1), (0, 0, math.inf, 1), (0, -1e-9, 1, 1)),
    ],
)
def test_a_box_outside_the_picture_is_refused_and_named(
    edges: tuple[float, float, float, float],
) -> None:
    with pytest.raises(UsageError, match=r"The box \(.*" + str(edges[0])):
        Box(*edges)


def test_a_crop_is_what_the_box_says() -> None:
    assert np.array_equal(crop(SCENE, Box(0, 0, 1, 1)), SCENE)
    part = crop(SCENE, Box(0.25, 0.5, 0.75, 1))
    assert np.array_equal(part, SCENE[48:96, 40:120])
    assert part.flags.c_contiguous


def test_edges_go_to_the_nearest_border() -> None:
    row = np.arange(30, dtype=np.uint8).reshape(1, 10, 3)
    assert crop(row, Box(0.14, 0, 0.86, 1))[0, :, 0].tolist() == [3, 6, 9, 12, 15, 18, 21, 24]
    assert crop(row, Box(0.15, 0, 0.85, 1))[0, :, 0].tolist() == [6, 9, 12, 15, 18, 21, 24]
    assert crop(row, Box(0.31, 0, 0.32, 1))[0, :, 0].tolist() == [9]
    assert crop(row, Box(0.999, 0, 1, 1))[0, :, 0].tolist() == [27]


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    part = st.floats(0, 1)
    left, right = draw(st.tuples(part, part).filter(lambda pair: pair[0] < pair[1]))
    top, bottom = draw(st.tuples(part, part).filter(lambda pair: pair[0] < pair[1]))
    return Box(left, top, right, bottom)


@settings(deadline=None)
@given(PICTURES, boxes())
def test_a_crop_is_never_empty_and_within_half_a_pixel(image: NDArray[np.uint8], box: Box) -> None:
    part = crop(image, box)
    assert abs(part.shape[1] - (box.right - box.left) * image.shape[1]) <= 1
    assert abs(part.shape[0] - (box.bottom - box.top) * image.shape[0]) <= 1
    assert part.size > 0


@settings(deadline=None)
@given(PICTURES, st.integers(-9, 9))
def test_mirrors_and_turns_undo_themselves(image: NDArray[np.uint8], turns: int) -> None:
    before = image.copy()
    assert np.array_equal(mirror(mirror(image)), image)
    assert np.array_equal(rotate(rotate(image, turns), -turns), image)
    assert np.array_equal(rotate(image, turns), rotate(image, turns % 4))
    assert np.array_equal(image, before)
    assert rotate(image, turns).flags.c_contiguous
    assert mirror(image).flags.c_contiguous


def test_a_turn_is_clockwise_and_a_mirror_exchanges_left_and_right() -> None:
    red, green, blue, white = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]
    image = np.array([[red, green], [blue, white]], dtype=np.uint8)
    assert rotate(image, 1).tolist() == [[blue, red], [white, green]]
    assert mirror(image).tolist() == [[green, red], [white, blue]]


def test_an_edit_rotates_then_mirrors_then_crops() -> None:
    box = Box(0, 0, 0.5, 1)
    expected = crop(mirror(rotate(SCENE, 1)), box)
    assert np.array_equal(apply_edit(SCENE, Edit(1, mirrored=True, box=box)), expected)
    assert apply_edit(SCENE, Edit()) is SCENE
