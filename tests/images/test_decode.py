"""Bytes to pixels: every kind of file right or refused, and the small operations on pictures."""

import io
import math
import os
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageCms

import app.images.decode
from app.errors import DecodeError, UsageError
from app.images.decode import (
    MAX_PIXELS,
    Box,
    crop,
    decode,
    decode_and_measure,
    encode_png,
    mirror,
    rotate,
    thumbnail,
)

ROWS, COLUMNS = np.mgrid[0:96, 0:160]
SCENE = np.stack([COLUMNS * 255 // 159, ROWS * 255 // 95, 255 - COLUMNS], -1).astype(np.uint8)
SCENE[:32, :48] = [200, 30, 40]  # so that no turn of it looks like another
SCENE.setflags(write=False)
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))
IMAGE = Image.fromarray(SCENE)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, kind, **options)
    return file.getvalue()


def mean_difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=-1)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, *more: bytes) -> bytes:
    """Return a PNG that declares a size, and has next to nothing inside."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + rest


# Every kind of file

LOSSLESS: dict[str, bytes] = {
    "PNG": encode(IMAGE),
    "BMP": encode(IMAGE, "BMP"),
    "TIFF": encode(IMAGE, "TIFF"),
    "TIFF, LZW": encode(IMAGE, "TIFF", compression="tiff_lzw"),
    "TIFF, CMYK": encode(IMAGE.convert("CMYK"), "TIFF"),
    "WebP": encode(IMAGE, "WEBP", lossless=True),
}
LOSSY: dict[str, bytes] = {
    "JPEG": encode(IMAGE, "JPEG", quality=95),
    "progressive JPEG": encode(IMAGE, "JPEG", quality=95, progressive=True),
    "CMYK JPEG, Adobe's inverted": encode(IMAGE.convert("CMYK"), "JPEG", quality=95),
    "WebP": encode(IMAGE, "WEBP", quality=95),
    "GIF": encode(IMAGE, "GIF"),
    "AVIF": encode(IMAGE, "AVIF", quality=95),
    "HEIC": encode(IMAGE, "HEIC", quality=95),
}


def size_of(data: bytes) -> tuple[int, int]:
    return decode_and_measure(data, min_side=8)[1]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_lossless_file_comes_back_exactly(kind: str) -> None:
    pixels = decode(LOSSLESS[kind])
    assert np.array_equal(pixels, SCENE)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert size_of(LOSSLESS[kind]) == (160, 96)


@pytest.mark.parametrize("kind", LOSSY)
def test_a_lossy_file_comes_back_closely(kind: str) -> None:
    pixels = decode(LOSSY[kind])
    assert mean_difference(pixels, SCENE) < 4
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert size_of(LOSSY[kind]) == (160, 96)


def test_an_adobe_cmyk_jpeg_is_marked_as_such() -> None:
    assert b"Adobe" in LOSSY["CMYK JPEG, Adobe's inverted"]  # or the test above shows nothing


def test_the_plain_case_is_what_pillow_reads() -> None:
    data = LOSSY["JPEG"]
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(decode(data), np.asarray(image.convert("RGB")))


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


def test_12_bits_are_scaled_to_8() -> None:
    numbers = np.arange(0, 4096, 16)
    pairs = numbers.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1
    )
    strip = packed.astype(np.uint8).tobytes()
    tags = [(256, 256), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1)]
    tags.append((279, len(strip)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    data = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory
    expected = np.round(numbers * 255 / 4095).astype(np.uint8)[None]
    assert np.array_equal(decode(data), as_rgb(expected))


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_without_a_known_range_are_refused(kind: type) -> None:
    with pytest.raises(DecodeError, match="8 bits"):
        decode(encode(Image.fromarray(GREY.astype(kind)), "TIFF"))


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


# Of an animation, the first frame


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {})]
)
def test_an_animation_is_its_first_frame(kind: str, options: dict[str, Any]) -> None:
    others = [Image.new("RGB", IMAGE.size, colour) for colour in ("blue", "black")]
    data = encode(IMAGE, kind, save_all=True, append_images=others, **options)
    assert mean_difference(decode(data), SCENE) < 5


# Right way up

STORED = {
    1: lambda scene: scene,
    2: lambda scene: scene[:, ::-1],
    3: lambda scene: scene[::-1, ::-1],
    4: lambda scene: scene[::-1],
    5: lambda scene: scene.swapaxes(0, 1),
    6: lambda scene: np.rot90(scene, 1),
    7: lambda scene: np.rot90(scene, 2).swapaxes(0, 1),
    8: lambda scene: np.rot90(scene, -1),
}
"""How a camera stores a scene for each value of EXIF's orientation (CIPA DC-008, 4.6.5)."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 95}),
        ("AVIF", {"quality": 95}),
    ],
)
def test_every_orientation_is_turned_upright(
    kind: str, options: dict[str, Any], orientation: int
) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](SCENE)))
    exif = Image.Exif()
    exif[274] = orientation
    data = encode(stored, kind, exif=exif, **options)
    assert mean_difference(decode(data), SCENE) < (0.01 if kind in ("PNG", "TIFF") else 4)
    assert decode(data).flags.c_contiguous
    assert size_of(data) == (160, 96)


def test_a_turned_heic_is_upright() -> None:
    # The container itself tells the turn here, and keeps an EXIF orientation beside it.
    with_turn = subprocess.run(
        [sys.executable, "-c", HEIC_WITH_TURN], input=encode(IMAGE), capture_output=True, check=True
    ).stdout
    assert mean_difference(decode(with_turn), np.rot90(SCENE, -1)) < 4
    assert size_of(with_turn) == (96, 160)


HEIC_WITH_TURN = """
import sys, io, pillow_heif
from PIL import Image
pillow_heif.register_heif_opener()  # for this process alone
exif = Image.Exif()
exif[274] = 6
with Image.open(io.BytesIO(sys.stdin.buffer.read())) as image:
    image.save(sys.stdout.buffer, "HEIF", exif=exif.tobytes(), quality=95)
"""


def test_damaged_exif_costs_no_picture() -> None:
    cut = b"Exif\0\0II*\0\x08\0\0\0\x03\0" + struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    lost = cut + struct.pack("<HHII", 271, 2, 400, 9999)  # a text that lies beyond the end
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](SCENE)))
    for exif in (lost, cut, cut[:14], b"Exif\0\0", b"Exif\0\0nonsense"):
        pixels = decode(encode(stored, "JPEG", quality=95, exif=exif))
        upright = SCENE if exif in (lost, cut) else STORED[6](SCENE)
        assert mean_difference(pixels, upright) < 4


# Right colours


def matrix_profile(primaries: NDArray[np.float64], gamma: float) -> bytes:
    """Return an ICC profile (v2) of RGB with these columns of XYZ (D50) and one gamma for all."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True):
        tags[name] = b"XYZ \0\0\0\0" + fixed(*column)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return icc(b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    return icc(b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": white})


def ink_profile() -> bytes:
    """Return an ICC profile of CMYK by which only black ink can be seen: L* = 100 (1 - K)."""
    ramp = bytes(range(256))
    grid = bytes([255, 128, 128, 0, 128, 128]) * 8  # K varies fastest
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(b"CMYK", b"Lab ", {b"A2B0": table + ramp * 4 + grid + ramp * 3}, b"prtr")


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    place = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", place + len(bodies), len(body))
        bodies += padded
    header = bytes(8) + b"\x02\x40\0\0" + kind + space + connection + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + fixed(0.9642, 1.0, 0.8249)
    whole = header.ljust(128, b"\0") + table + bodies
    return struct.pack(">I", len(whole)) + whole[4:]


SRGB_PRIMARIES = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
P3_PRIMARIES = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def to_srgb(pixels: NDArray[np.uint8], primaries: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return what colours of these primaries and gamma 2.2 are in sRGB, by its definition."""
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
    assert app.images.decode._transform(own) == ("RGB", None)  # no work is done for it


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"no profile at all", id="nonsense"),
        pytest.param(matrix_profile(P3_PRIMARIES, 2.2)[:200], id="cut"),
        pytest.param(ink_profile(), id="for other colours"),
        pytest.param(matrix_profile(P3_PRIMARIES, 2.2) + bytes(5_000_000), id="vast"),
    ],
)
def test_a_profile_that_cannot_be_used_is_left_aside(profile: bytes) -> None:
    assert np.array_equal(decode(encode(IMAGE, "TIFF", icc_profile=profile)), SCENE)


# Bounded


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_header(30_000, 30_000), id="PNG"),
        pytest.param(
            b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, 30_000, 30_000, 1, 24) + bytes(24),
            id="BMP",
        ),
        pytest.param(
            LOSSY["JPEG"].replace(struct.pack(">HH", 96, 160), struct.pack(">HH", 30_000, 30_000)),
            id="JPEG",
        ),
    ],
)
def test_30_000_squared_is_refused_by_its_header(data: bytes) -> None:
    with pytest.raises(DecodeError, match=f"30,000 × 30,000 = 900,000,000.*{MAX_PIXELS:,}"):
        decode(data)


def test_a_gif_that_grows_beyond_its_header_is_refused() -> None:
    whole = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 30_000, 30_000, 0) + b"\x02\x02\x4c\x01\0;"
    with pytest.raises(DecodeError, match=f"more than {MAX_PIXELS:,} pixels"):
        decode(whole + frame)


def test_no_memory_is_taken_for_what_is_refused() -> None:
    # An animated PNG of this kind gets a canvas of 3.6 GB as soon as Pillow opens it.
    frame = struct.pack(">IIIIIHHBB", 0, 30_000, 30_000, 0, 0, 1, 1, 1, 0)
    bomb = png_header(
        30_000, 30_000, chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", frame)
    )
    program = (
        "import resource, sys, app.images.decode\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3,) * 2)\n"
        "try: app.images.decode.decode(sys.stdin.buffer.read())\n"
        "except app.images.decode.DecodeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=bomb, capture_output=True, check=True
    )
    assert "30,000" in done.stdout.decode()


def test_the_limit_counts_the_pixels_that_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.images.decode, "MAX_PIXELS", 160 * 96 - 1)
    for data in (LOSSLESS["PNG"], LOSSY["JPEG"], LOSSY["HEIC"]):
        with pytest.raises(DecodeError, match="at most 15,359"):
            decode(data)
    assert decode(LOSSY["JPEG"], min_side=48).shape == (48, 80, 3)
    with pytest.raises(DecodeError, match="at most 15,359"):
        decode(LOSSY["progressive JPEG"], min_side=48)  # takes the memory of the whole
    monkeypatch.setattr(app.images.decode, "MAX_PIXELS", 160 * 96)
    assert decode(LOSSLESS["PNG"]).shape == SCENE.shape


def test_a_jpeg_of_endless_scans_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = LOSSY["progressive JPEG"]
    last = data[data.rindex(b"\xff\xda") : -2]
    monkeypatch.setattr(app.images.decode, "MAX_SCANNED_PIXELS", 160 * 96 * 20)
    assert mean_difference(decode(data), SCENE) < 4
    with pytest.raises(DecodeError, match="scans"):
        decode(data[:-2] + last * 20 + data[-2:])


@pytest.mark.parametrize("wanted", [1, 37, 64, 65, 128, 129, 255, 256, 511, 512, 513, 9999])
@pytest.mark.parametrize("turn", [1, 6])
def test_a_jpeg_is_decoded_small_but_never_too_small(wanted: int, turn: int) -> None:
    exif = Image.Exif()
    exif[274] = turn
    large = Image.fromarray(np.tile(SCENE, (6, 5, 1))[:517])
    data = encode(large, "JPEG", exif=exif)
    full, small = decode(data), decode(data, min_side=wanted)
    scale = max(part for part in (1, 2, 4, 8) if part == 1 or 517 // part >= wanted)
    assert small.shape[0] == math.ceil(full.shape[0] / scale)
    assert small.shape[1] == math.ceil(full.shape[1] / scale)
    assert min(small.shape[:2]) >= min(wanted, 517)
    assert small.mean() == pytest.approx(full.mean(), abs=2)


def test_other_formats_are_decoded_whole_whatever_is_wanted() -> None:
    assert np.array_equal(decode(LOSSLESS["PNG"], min_side=8), SCENE)


# Refused


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"just words", "a text file, not a picture; JPEG, PNG"),
        ("Größe".encode(), "a text file"),
        (b"BMW, Audi and Opel are makers of cars", "a text file"),
        (b"GIFs and words" * 1000, "a text file"),
        (b"<html><body>no picture</body></html>", "a text file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG.*PNG"),
        (b"%PDF-1.7\n\x80\x81\x82\x83", "not a picture in a known format; JPEG, PNG"),
        (b"\0\0\0\x20ftypisom" + bytes(32), "not a picture in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a text file"),
        (b"\xff\xd8\xff", "JPEG picture is damaged or incomplete"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture is damaged or incomplete"),
        (png_header(0, 10), "PNG picture is damaged or incomplete"),
        (png_header(10, 0), "PNG picture is damaged or incomplete"),
        (b"\0\0\0\x18ftypheic" + bytes(16), "HEIC picture is damaged or incomplete"),
        (b"\0\0\0\x18ftypavif" + bytes(16), "AVIF picture is damaged or incomplete"),
    ],
)
def test_what_is_no_picture_is_told_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(DecodeError, match=sentence):
        decode(data)


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_a_cut_file_is_refused_or_whole_but_never_half(kind: str) -> None:
    data = {**LOSSY, **LOSSLESS}[kind]
    whole = decode(data)
    with pytest.raises(DecodeError, match="damaged or incomplete"):
        decode(data[: len(data) // 2])
    for end in [*range(0, len(data), len(data) // 40), *range(len(data) - 20, len(data))]:
        try:
            pixels = decode(data[:end])
        except DecodeError:
            continue
        assert np.array_equal(pixels, whole)


SAMPLES = (*LOSSLESS.values(), *LOSSY.values())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", *(data[:16] for data in SAMPLES)]))
def test_random_bytes_bring_nothing_but_decode_errors(data: bytes, start: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(start + data)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3),
    st.floats(0, 2),
    st.sampled_from([None, 1, 40, 1000]),
)
def test_a_damaged_picture_brings_nothing_but_decode_errors(
    data: bytes,
    anywhere: list[tuple[float, int]],
    in_the_header: list[tuple[int, int]],
    end: float,
    min_side: int | None,
) -> None:
    damaged = bytearray(data)
    for place, value in anywhere:
        damaged[int(place * (len(data) - 1))] = value
    for index, value in in_the_header:
        damaged[index % len(data)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            pixels = decode(bytes(damaged[: int(end * len(data))]), min_side=min_side)
        except DecodeError:
            return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.dtype == np.uint8
    assert pixels.size > 0


# A good citizen


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            png_header(2, 2, chunk(b"acTL", bytes(8)), chunk(b"acTL", bytes(8))), id="bad APNG"
        ),
        pytest.param(png_header(10_000, 10_000), id="large PNG"),
        pytest.param(
            b"GIF89a" + struct.pack("<HHBBB", 9_600, 9_600, 0x80, 0, 0) + bytes(6) + b","
            + struct.pack("<HHHHB", 0, 0, 9_601, 9_601, 0) + b"\x02\x02\x4c\x01\0;",
            id="large GIF",
        ),
        pytest.param(encode(IMAGE.quantize(8), transparency=b"\0\x80"), id="palette"),
        pytest.param(encode(IMAGE, "TIFF", software="x" * 99)[:-60], id="cut TIFF"),
    ],
)  # fmt: skip
def test_nothing_is_ever_warned_of(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with_errors = 0
        try:
            decode(data)
        except DecodeError:
            with_errors += 1
        assert told == []
        warnings.simplefilter("default")
        for _ in range(3):
            try:
                decode(data)
            except DecodeError:
                with_errors += 1
            warnings.warn("another library's, which Python shows once", stacklevel=1)
    assert with_errors in (0, 4)
    assert len(told) == 1


def test_heif_is_only_loaded_for_heif() -> None:
    program = (
        "import sys, app.images.decode\n"
        "data = sys.stdin.buffer.read()\n"
        "app.images.decode.decode(data)\n"
        "print('pillow_heif' in sys.modules)"
    )

    def loaded(data: bytes) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], input=data, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    assert loaded(LOSSY["AVIF"]) == "False"
    assert loaded(LOSSY["HEIC"]) == "True"


def test_threads_do_not_disturb_each_other() -> None:
    turned = Image.Exif()
    turned[274] = 3
    files = [
        *SAMPLES,
        encode(IMAGE, "JPEG", icc_profile=matrix_profile(P3_PRIMARIES, 2.2), exif=turned),
        encode(IMAGE, "PNG", icc_profile=matrix_profile(P3_PRIMARIES, 1.8)),
    ]
    alone = [decode(data) for data in files]
    app.images.decode._transform.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decode, files * 20))
    assert all(
        np.array_equal(pixels, alone[index % len(files)]) for index, pixels in enumerate(together)
    )


# Box, crop, mirror, turn


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


PICTURES = arrays(
    np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)), fill=st.just(7)
)


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


# Made from pixels


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


@cache
def real_pictures() -> list[bytes]:
    folder = Path(os.environ["REAL_DATA"]) / "caltech101"
    return [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))[::30]]


@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA names no folder of pictures")
def test_the_thumbnails_of_caltech101_stay_small() -> None:
    sizes = [len(thumbnail(decode(data, min_side=256))) for data in real_pictures()]
    assert len(sizes) > 300
    assert np.mean(sizes) * 9144 < 30_000_000


@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA names no folder of pictures")
def test_real_photographs_are_read_as_pillow_reads_them() -> None:
    for data in real_pictures():
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(decode(data), np.asarray(image.convert("RGB")))
