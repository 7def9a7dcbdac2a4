"""The direct way from a JPEG to its pixels gives Pillow's own, or leaves the picture to Pillow."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import DecodeError
from app.images import jpeg
from app.images.decode import JpegFile, decode
from tests.conftest import PHOTOGRAPHS
from tests.images.scenes import IMAGE, P3_PRIMARIES, encode, matrix_profile

PHOTOGRAPH = Image.open(PHOTOGRAPHS[0]).convert("RGB")


def opened(data: bytes, side: int | None = None) -> JpegFile:
    image = JpegFile(io.BytesIO(data))
    if side is not None:
        image.draft(None, (side, side))
    return image


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    mode=st.sampled_from(["RGB", "L"]),
    side=st.one_of(st.none(), st.integers(1, 80)),
    options=st.fixed_dictionaries(
        {
            "quality": st.integers(1, 100),
            "subsampling": st.sampled_from([0, 1, 2]),
            "progressive": st.booleans(),
            "keep_rgb": st.booleans(),
            "restart_marker_blocks": st.integers(0, 3),
        }
    ),
)
def test_every_pixel_is_the_one_that_pillow_gives(size, mode, side, options):
    if mode == "L" or options["subsampling"]:
        options = options | {"keep_rgb": False}
    data = encode(PHOTOGRAPH.resize(size).convert(mode), "JPEG", **options)
    pixels = jpeg.pixels_of(opened(data, side), data)
    assert pixels is not None
    expected = np.asarray(opened(data, side).convert("RGB"))
    np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(decode(data, min_side=side), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_as_pillow_turns_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encode(IMAGE, "JPEG", quality=95, exif=exif)
    # Pillow decodes this one: a profile that is sRGB already changes no pixel.
    left_to_pillow = encode(IMAGE, "JPEG", quality=95, exif=exif, icc_profile=b"no profile")
    pixels = decode(data)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, decode(left_to_pillow))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(IMAGE.convert("CMYK"), "JPEG"), id="four colours"),
        pytest.param(
            encode(IMAGE, "JPEG", icc_profile=matrix_profile(P3_PRIMARIES, 2.2)), id="profile"
        ),
        pytest.param(encode(IMAGE, "JPEG", quality=95)[:-400], id="cut off"),
        pytest.param(encode(IMAGE, "JPEG")[:-2] + b"\xff\xd8junk", id="no end"),
    ],
)
def test_what_is_unusual_is_left_to_pillow(data: bytes) -> None:
    assert jpeg.pixels_of(opened(data), data) is None


def test_a_picture_that_is_cut_off_is_refused_as_before() -> None:
    with pytest.raises(DecodeError, match="damaged or incomplete"):
        decode(encode(IMAGE, "JPEG", quality=95)[:-400])


def test_a_file_that_says_two_sizes_gets_no_room_for_the_larger_one() -> None:
    small, large = encode(IMAGE, "JPEG"), encode(IMAGE.resize((2000, 1500)), "JPEG")
    assert jpeg.pixels_of(opened(small), large) is None
