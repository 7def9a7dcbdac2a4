"""Thumbnails stay small and true; a PNG keeps every pixel."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from PIL import Image

from app.images.decode import decode, read
from app.images.encode import encode_png, thumbnail
from tests.images.scenes import PICTURES, mean_difference, real_pictures


def size_of(data: bytes) -> tuple[int, int]:
    return read(data, min_side=8).size


@settings(deadline=None)
@given(PICTURES)
def test_a_png_brings_every_pixel_back(image: NDArray[np.uint8]) -> None:
    assert np.array_equal(decode(encode_png(image)), image)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((200, 300), (160, 107)),
        ((300, 200), (107, 160)),
        ((2000, 10), (1, 160)),
        ((20, 30), (30, 20)),
        ((160, 160), (160, 160)),
    ],
)
def test_a_thumbnail_fits_and_keeps_its_shape(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    image = np.stack([rows % 256, columns % 256, rows * 0 + 90], -1).astype(np.uint8)
    small = thumbnail(image)
    assert small[:4] + small[8:12] == b"RIFFWEBP"
    assert size_of(small) == size
    with Image.fromarray(image).resize(size, Image.Resampling.BOX) as expected:
        assert mean_difference(decode(small), np.asarray(expected)) < 20
    assert max(size_of(thumbnail(image, longer_side=16))) == 16


@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA names no folder of pictures")
def test_the_thumbnails_of_caltech101_stay_small() -> None:
    sizes = [len(thumbnail(decode(data, min_side=256))) for data in real_pictures()]
    assert len(sizes) > 300
    assert np.mean(sizes) * 9144 < 30_000_000
