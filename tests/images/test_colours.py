"""Grey, deep, transparent and wide-gamut pictures become sRGB on white, or on black."""

import itertools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from app.errors import DecodeError
from app.images.colours import ground_of, transform_to_srgb
from app.images.decode import decode
from tests.images.scenes import (
    GREY,
    IMAGE,
    P3_PRIMARIES,
    SCENE,
    SRGB_PRIMARIES,
    as_rgb,
    encode,
    grey_profile,
    ink_profile,
    matrix_profile,
    mean_difference,
    tiff,
)

# Fewer or other numbers a pixel


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_grey_becomes_equal_red_green_and_blue(kind: str) -> None:
    pixels = decode(encode(Image.fromarray(GREY), kind))
    assert mean_difference(pixels, as_rgb(GREY)) < 1
    assert (pixels == pixels[..., :1]).all()


def test_black_and_white_become_0_and_255() -> None:
    pixels = decode(encode(IMAGE.convert("1")))
    assert set(np.unique(pixels)) == {0, 255}


WIDE = GREY.astype(np.uint16) * 257


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encode(Image.fromarray(WIDE)), id="PNG"),
        pytest.param(encode(Image.fromarray(WIDE), "TIFF"), id="TIFF"),
        pytest.param(encode(Image.fromarray(WIDE.astype(">u2")), "TIFF"), id="TIFF, big-endian"),
        pytest.param(
            encode(Image.fromarray(65535 - WIDE), "TIFF", tiffinfo={262: 0}), id="TIFF, 0 is white"
        ),
    ],
)
def test_16_bits_are_scaled_to_8_and_not_clipped(data: bytes) -> None:
    assert np.array_equal(decode(data), as_rgb(GREY))


def test_16_bits_are_rounded_to_the_nearest() -> None:
    numbers = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.round(numbers / 257).astype(np.uint8)
    assert np.array_equal(decode(encode(Image.fromarray(numbers))), as_rgb(expected))


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_12_bits_are_scaled_to_8(byte_order: str, white_is_zero: bool) -> None:
    numbers = np.arange(0, 4096, 16)
    pairs = numbers.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1
    )
    strip = packed.astype(np.uint8).tobytes()
    photometric = 0 if white_is_zero else 1
    tags = [
        (256, 256),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, photometric),
        (273, 8),
        (277, 1),
        (278, 1),
    ]
    tags.append((279, len(strip)))
    entries = b"".join(struct.pack(f"{byte_order}HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack(f"{byte_order}H", len(tags)) + entries + bytes(4)
    start = b"II*\0" if byte_order == "<" else b"MM\0*"
    data = start + struct.pack(f"{byte_order}I", 8 + len(strip)) + strip + directory
    shown = 4095 - numbers if white_is_zero else numbers
    expected = np.round(shown * 255 / 4095).astype(np.uint8)[None]
    assert np.array_equal(decode(data), as_rgb(expected))


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(GREY.astype(np.int32), id="I, 8 bits"),
        pytest.param(GREY.astype(np.int32) * 257, id="I, 16 bits"),
        pytest.param((GREY / 255).astype(np.float32), id="F, 0 to 1"),
        pytest.param(GREY.astype(np.float32), id="F, 8 bits"),
        pytest.param(GREY.astype(np.float32) * 257, id="F, 16 bits"),
    ],
)
def test_numbers_of_32_bits_are_scaled_by_the_range_that_holds_them(
    numbers: NDArray[np.generic],
) -> None:
    assert np.array_equal(decode(encode(Image.fromarray(numbers), "TIFF")), as_rgb(GREY))
    if numbers.dtype == np.int32:
        return  # signed numbers, which Pillow does not read where 0 is white
    inverted = encode(Image.fromarray(numbers), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(decode(inverted), as_rgb(255 - GREY))


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("planes", [1, 3, 4])
def test_a_tiff_of_16_bits_is_as_the_one_of_8(byte_order: str, planes: int) -> None:
    pixels = np.dstack([SCENE, GREY])[..., :planes]
    wide = tiff(pixels.astype(np.uint16) * 257, byte_order)
    assert np.array_equal(decode(wide), decode(tiff(pixels, byte_order)))
    if planes != 4:
        assert np.array_equal(decode(wide), pixels if planes == 3 else as_rgb(pixels[..., 0]))


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(GREY, id="8 bits"),
        pytest.param(WIDE, id="16 bits"),
        pytest.param(GREY.astype(np.uint32) * 16843009, id="32 bits"),
        pytest.param((GREY / 255).astype(np.float32), id="real"),
    ],
)
def test_grey_is_the_same_in_any_order_of_bytes_and_whichever_end_is_white(
    byte_order: str, white_is_zero: bool, compressed: bool, numbers: NDArray[Any]
) -> None:
    if white_is_zero:
        full = 1 if numbers.dtype.kind == "f" else np.iinfo(numbers.dtype).max
        numbers = full - numbers
    data = tiff(numbers[..., None], byte_order, white_is_zero=white_is_zero, compressed=compressed)
    assert np.array_equal(decode(data), as_rgb(GREY))


def test_a_tiff_of_32_bits_uses_them_all() -> None:
    numbers = GREY.astype(np.uint32)[..., None] * 16843009
    assert np.array_equal(decode(tiff(numbers, "<")), as_rgb(GREY))


@pytest.mark.parametrize(
    "numbers",
    [
        np.array([[0, 70_000]], np.float32),
        np.array([[-1, 9]], np.float32),
        np.array([[0, np.nan]], np.float32),
        np.array([[0, np.inf]], np.float32),
    ],
)
def test_numbers_without_a_known_range_are_refused(numbers: NDArray[np.float32]) -> None:
    with pytest.raises(DecodeError, match="white"):
        decode(encode(Image.fromarray(numbers), "TIFF"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: tiff(SCENE.astype(np.uint32), "<"), id="32 bits a colour"),
        pytest.param(lambda: tiff(SCENE.astype(np.uint16), "<", planar=True), id="planes"),
    ],
)
def test_pixels_that_are_not_read_are_not_called_damaged(data: Callable[[], bytes]) -> None:
    with pytest.raises(DecodeError, match=r"TIFF.*kind of pixels.*8 bits"):
        decode(data())


# Transparency lies on white


def veiled() -> tuple[Image.Image, NDArray[np.uint8]]:
    """Return the scene, opaque above, half transparent in a band, invisible below; and on white."""
    alpha = np.full(SCENE.shape[:2], 255, np.uint8)
    alpha[60:70], alpha[70:] = 128, 0
    image = Image.fromarray(np.dstack([SCENE, alpha]))
    share = alpha[..., None] / 255
    return image, np.round(SCENE * share + 255 * (1 - share)).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True, "exact": True}),
        ("AVIF", {"quality": 95}),
        ("HEIC", {"quality": 95}),
    ],
)
def test_transparent_parts_lie_on_white(kind: str, options: dict[str, Any]) -> None:
    image, on_white = veiled()
    assert mean_difference(decode(encode(image, kind, **options)), on_white) < 2


def test_grey_with_transparency_lies_on_white() -> None:
    image, _ = veiled()
    pixels = decode(encode(image.convert("LA")))
    assert np.array_equal(pixels[:60], as_rgb(GREY)[:60])
    assert (pixels[70:] == 255).all()


def test_a_palette_with_transparency_lies_on_white() -> None:
    image, on_white = veiled()
    assert mean_difference(decode(encode(image.quantize(128))), on_white) < 8
    palette = IMAGE.quantize(16)
    corner = int(np.asarray(palette)[0, 0])
    hidden = np.asarray(palette) == corner
    for data in (
        encode(palette, transparency=corner),
        encode(palette, "GIF", transparency=corner),
    ):
        pixels = decode(data)
        assert (pixels[hidden] == 255).all()
        assert np.array_equal(pixels[~hidden], np.asarray(palette.convert("RGB"))[~hidden])


def test_one_colour_declared_transparent_is_white() -> None:
    pixels = decode(encode(IMAGE, transparency=(200, 30, 40)))
    assert (pixels[:32, :48] == 255).all()
    assert np.array_equal(pixels[32:], SCENE[32:])
    corner = int(GREY[0, 0])
    expected = as_rgb(np.where(corner == GREY, 255, GREY).astype(np.uint8))
    assert np.array_equal(decode(encode(IMAGE.convert("L"), transparency=corner)), expected)
    wide = encode(Image.fromarray(WIDE), transparency=corner * 257)
    assert np.array_equal(decode(wide), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("colours", [0, 2])
def test_one_colour_is_transparent_with_any_number_of_bits(depth: int, colours: int) -> None:
    if colours == 2 and depth < 8:
        return  # PNG has no such picture
    most, numbers = 2**depth - 1, 1 if colours == 0 else 3
    row = "".join(f"{value:0{depth}b}" * numbers for value in (0, most, 0, most, 0, 0, 0, 0))
    line = b"\0" + int(row, 2).to_bytes(len(row) // 8)
    header = struct.pack(">IIBBBBB", 8, 1, depth, colours, 0, 0, 0)

    def with_transparent(value: int) -> bytes:
        parts = [(b"IHDR", header), (b"tRNS", struct.pack(">H", value) * numbers)]
        parts += [(b"IDAT", zlib.compress(line)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(content)) + inside + struct.pack(">I", zlib.crc32(inside))
            for name, content in parts
            for inside in [name + content]
        )

    for value in (0, most):  # white on black, then black on white
        assert decode(with_transparent(value))[0, :, 0].tolist() == [0, 255, 0, 255, 0, 0, 0, 0]


# A light drawing lies on black

SIGN = np.zeros((60, 80), np.uint8)
SIGN[10:30, 10:70] = SIGN[10:50, 10:20] = 255
LIGHT = [
    *[(grey, grey, grey) for grey in (255, 240, 234, 230, 225, 220)],
    *[(236, 244, 250), (255, 255, 160), (255, 255, 0), (245, 222, 179), (230, 230, 250)],
]
SHOWN_BY_WHITE = [
    *[(grey, grey, grey) for grey in (0, 64, 128, 180, 205, 211)],
    *[(200, 30, 40), (255, 215, 0), (255, 204, 77), (255, 165, 0), (173, 216, 230)],
]


def drawn(colour: tuple[int, int, int], alpha: NDArray[np.uint8] = SIGN) -> Image.Image:
    """Return a drawing in one colour, hidden pixels too, on transparent ground."""
    return Image.fromarray(np.dstack([np.broadcast_to(np.uint8(colour), (*SIGN.shape, 3)), alpha]))


def of_the_sign(kind: str) -> bytes:
    """Return a file with a white drawing whose ground is transparent in one of several ways."""
    white, grey = drawn((255, 255, 255)), Image.fromarray(np.where(SIGN, 255, 0).astype(np.uint8))
    match kind:
        case "RGBA":
            return encode(white)
        case "LA":
            return encode(white.convert("LA"))
        case "palette":
            return encode(white.quantize(8))
        case "palette, GIF":
            return encode(grey.convert("P"), "GIF", transparency=0)
        case "tRNS of grey":
            return encode(grey, transparency=0)
        case "tRNS of 16-bit grey":
            return encode(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), transparency=0)
        case "tRNS of RGB":
            return encode(grey.convert("RGB"), transparency=(0, 0, 0))
        case "WebP":
            return encode(white, "WEBP", lossless=True)
        case "TIFF":
            return encode(white, "TIFF")
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        *("RGBA", "LA", "palette", "palette, GIF", "tRNS of grey", "tRNS of 16-bit grey"),
        *("tRNS of RGB", "WebP", "TIFF"),
    ],
)
def test_a_white_drawing_lies_on_black(kind: str) -> None:
    assert np.array_equal(decode(of_the_sign(kind)), as_rgb(SIGN))


@pytest.mark.parametrize("colour", LIGHT)
def test_a_light_drawing_lies_on_black(colour: tuple[int, int, int]) -> None:
    pixels = decode(encode(drawn(colour)))
    assert (pixels[SIGN == 0] == 0).all()
    assert (pixels[SIGN == 255] == colour).all()


def test_a_white_drawing_with_soft_edges_and_a_spot_of_colour_is_seen() -> None:
    soft = np.asarray(Image.fromarray(SIGN).resize((40, 30)).resize((80, 60)))
    pixels = np.asarray(drawn((255, 255, 255), soft)).copy()
    pixels[12:16, 12:30, :3] = [200, 30, 40]
    assert (decode(encode(Image.fromarray(pixels)))[0] == 0).all()


@pytest.mark.parametrize("colour", SHOWN_BY_WHITE)
def test_a_drawing_that_white_shows_lies_on_white(colour: tuple[int, int, int]) -> None:
    assert (decode(encode(drawn(colour)))[SIGN == 0] == 255).all()


def test_the_ground_is_black_below_a_contrast_of_1_4_to_white() -> None:
    def contrast_to_white(colour: tuple[int, ...]) -> float:  # as WCAG 2.2 has it
        linear = [
            share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
            for share in (value / 255 for value in colour)
        ]
        return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)

    steps = range(0, 256, 17)
    greys = [(value, value, value) for value in range(256)]
    for colour in [*greys, *itertools.product(steps, steps, steps)]:
        contrast = contrast_to_white(colour)
        if abs(contrast - 1.4) > 0.005:  # it is calculated in 8 bits
            ground = ground_of(Image.new("RGB", (2, 2), colour), Image.new("L", (2, 2), 90))
            assert ground == ("black" if contrast < 1.4 else "white"), colour


@pytest.mark.parametrize("line", [(0, 0, 0), (60, 60, 60), (0, 0, 128)])
def test_a_light_figure_with_dark_lines_of_any_colour_lies_on_white(
    line: tuple[int, int, int],
) -> None:
    pixels = np.asarray(drawn((225, 225, 225))).copy()
    pixels[12:16, 12:60, :3] = line
    assert (decode(encode(Image.fromarray(pixels)))[SIGN == 0] == 255).all()


def test_a_white_figure_with_dark_lines_lies_on_white() -> None:
    pixels = np.asarray(drawn((255, 255, 255))).copy()
    pixels[10:12, 10:70, :3] = 0
    assert (decode(encode(Image.fromarray(pixels)))[SIGN == 0] == 255).all()


def test_nothing_at_all_lies_on_white() -> None:
    assert (decode(encode(drawn((255, 255, 255), np.zeros_like(SIGN)))) == 255).all()


# Right colours


def to_srgb(pixels: NDArray[np.uint8], primaries: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return colours of these primaries and gamma 2.2 in sRGB, by its definition."""
    light = (pixels / 255) ** 2.2 @ primaries.T @ np.linalg.inv(SRGB_PRIMARIES).T
    light = light.clip(0, 1)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(curved * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_a_wide_gamut_is_converted_to_srgb(kind: str, options: dict[str, Any]) -> None:
    data = encode(IMAGE, kind, icc_profile=matrix_profile(P3_PRIMARIES, 2.2), **options)
    expected = to_srgb(SCENE, P3_PRIMARIES)
    assert mean_difference(expected, SCENE) > 5
    assert mean_difference(decode(data), expected) < 2


def test_the_colours_of_a_transparent_or_grey_picture_are_converted_too() -> None:
    profile = matrix_profile(P3_PRIMARIES, 2.2)
    image, _ = veiled()
    pixels = decode(encode(image, icc_profile=profile))
    assert mean_difference(pixels[:60], to_srgb(SCENE, P3_PRIMARIES)[:60]) < 2
    assert (pixels[70:] == 255).all()
    linear = Image.fromarray(np.full((4, 4), 128, np.uint8))
    for linear_profile in (grey_profile(1.0), matrix_profile(SRGB_PRIMARIES, 1.0)):
        light = decode(encode(linear, icc_profile=linear_profile))
        assert np.abs(light.astype(int) - 188).max() <= 1  # half the light is 188 in sRGB


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_are_converted_by_their_profile(kind: str) -> None:
    inks = Image.new("CMYK", (64, 64), (200, 100, 0, 128))
    pixels = decode(encode(inks, kind, icc_profile=ink_profile()))
    assert np.abs(pixels.astype(int) - 119).max() <= 3  # L* = 50 is 119 in sRGB


def test_srgb_by_any_profile_is_left_as_it_is() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode(encode(IMAGE, icc_profile=own)), SCENE)
    assert transform_to_srgb(own) == ("RGB", None)  # no work is done for it


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile at all", id="nonsense"),
        pytest.param(matrix_profile(P3_PRIMARIES, 2.2)[:200], id="cut"),
        pytest.param(ink_profile(), id="for other colours"),
        pytest.param(matrix_profile(P3_PRIMARIES, 2.2) + bytes(5_000_000), id="vast"),
    ],
)
def test_a_profile_that_cannot_be_used_is_ignored(profile: bytes) -> None:
    assert np.array_equal(decode(encode(IMAGE, "TIFF", icc_profile=profile)), SCENE)
