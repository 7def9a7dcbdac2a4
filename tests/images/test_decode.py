"""Bytes to pixels: every kind of file right or refused."""

import io
import math
import os
import re
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import app.images.decode
from app.errors import DecodeError
from app.images.colours import transform_to_srgb
from app.images.decode import MAX_PIXELS, decode, read, read_here
from tests.images.scenes import (
    IMAGE,
    P3_PRIMARIES,
    SCENE,
    chunk,
    encode,
    matrix_profile,
    mean_difference,
    real_pictures,
)


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
    "JPEG 2000": encode(IMAGE, "JPEG 2000"),
    "JPEG 2000, bare": encode(IMAGE, "JPEG 2000", no_jp2=True),
}
LOSSY: dict[str, bytes] = {
    "JPEG": encode(IMAGE, "JPEG", quality=95),
    "progressive JPEG": encode(IMAGE, "JPEG", quality=95, progressive=True),
    "CMYK JPEG, Adobe's inverted": encode(IMAGE.convert("CMYK"), "JPEG", quality=95),
    "WebP": encode(IMAGE, "WEBP", quality=95),
    "GIF": encode(IMAGE, "GIF"),
    "AVIF": encode(IMAGE, "AVIF", quality=95),
    "JPEG 2000": encode(IMAGE, "JPEG 2000", irreversible=True, quality_layers=[10]),
    "HEIC": encode(IMAGE, "HEIC", quality=95),
}


def size_of(data: bytes) -> tuple[int, int]:
    return read(data, min_side=8).size


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
    # The container itself holds the turn here, and keeps an EXIF orientation beside it.
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


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("boxes", [False, True])
@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_exif_turns_a_heic_or_avif_where_its_own_boxes_do_not(
    kind: str, boxes: bool, orientation: int
) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](SCENE)))
    # Libraries take EXIF's orientation out, so that it is written as another tag first.
    exif = Image.Exif()
    exif[274 if boxes else 275] = orientation
    if kind == "AVIF":
        exif[275] = orientation
    hidden = re.compile(rb"\x01\x13(\0\x03\0\0\0\x01\0.\0\0)", re.DOTALL)
    data = encode(stored, kind, exif=exif.tobytes(), quality=95)
    data = hidden.sub(lambda tag: b"\x01\x12" + tag[1], data)
    assert b"\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) in data
    assert (b"irot" in data or b"imir" in data) == (boxes and orientation > 1)
    assert mean_difference(decode(data), SCENE) < 4
    assert size_of(data) == (160, 96)


def test_damaged_exif_costs_no_picture() -> None:
    cut = b"Exif\0\0II*\0\x08\0\0\0\x03\0" + struct.pack("<HHIHH", 274, 3, 1, 6, 0)
    lost = cut + struct.pack("<HHII", 271, 2, 400, 9999)  # a text that lies beyond the end
    stored = Image.fromarray(np.ascontiguousarray(STORED[6](SCENE)))
    for exif in (lost, cut, cut[:14], b"Exif\0\0", b"Exif\0\0nonsense"):
        pixels = decode(encode(stored, "JPEG", quality=95, exif=exif))
        upright = SCENE if exif in (lost, cut) else STORED[6](SCENE)
        assert mean_difference(pixels, upright) < 4


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
            read_here(data)
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
        (b"%PDF-1.7\n\x80\x81\x82\x83", "PDF.*JPEG, PNG.*page"),
        (b"\0\0\0\x20ftypisom" + bytes(32), "a video.*frame"),
        (b"\0\0\0\x14ftypqt  " + bytes(32), "a video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "a video"),
        (b"the free world and the wide sea", "a text file"),
        (b"\0\0\0\x20ftypM4A " + bytes(32), "sound"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        (b"ID3\3\0\0\0\0", "sound"),
        (b"\xff\xfb\x90\x44\0\0\0", "sound"),
        (b"PK\x03\x04\x14\0\0\0", "ZIP"),
        (b"8BPS\0\1\0\0\0\0\0\0", "Photoshop"),
        (b"\xff\x0a\xfa\x7f\x01\x90\x08\x06", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "JPEG XL.*save it as PNG"),
        (b"P6\n# made by hand\n2 2\n255\n" + bytes(12), "anymap"),
        (b"MZ\x90\0\3\0\0\0", "a program"),
        (b"\x80\x81\x82\x83", "not a picture in a known format; JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"\xff\xd8\xff", "JPEG picture is damaged or incomplete"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture is damaged or incomplete"),
        (png_header(0, 10), "PNG picture is damaged or incomplete"),
        (png_header(10, 0), "PNG picture is damaged or incomplete"),
        (b"\0\0\0\x18ftypheic" + bytes(16), "HEIC picture is damaged or incomplete"),
        (b"\0\0\0\x18ftypavif" + bytes(16), "AVIF picture is damaged or incomplete"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(DecodeError, match=sentence):
        decode(data)


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_a_cut_file_is_refused_or_all_but_whole_and_never_half(kind: str) -> None:
    data = {**LOSSY, **LOSSLESS}[kind]
    whole = decode(data)
    with pytest.raises(DecodeError, match="damaged or incomplete"):
        decode(data[: len(data) // 2])
    for end in [*range(0, len(data), len(data) // 40), *range(len(data) - 20, len(data))]:
        try:
            pixels, _, notes = read(data[:end])
        except DecodeError:
            continue
        assert np.array_equal(pixels, whole) or (notes and mean_difference(pixels, whole) < 8)


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
def test_no_warning_is_ever_shown(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with_errors = 0
        try:
            decode(data)
        except DecodeError:
            with_errors += 1
        assert shown == []
        warnings.simplefilter("default")
        for _ in range(3):
            try:
                decode(data)
            except DecodeError:
                with_errors += 1
            warnings.warn("another library's, which Python shows once", stacklevel=1)
    assert with_errors in (0, 4)
    assert len(shown) == 1


def test_heif_is_only_loaded_for_heif() -> None:
    program = (
        "import sys, app.images.decode\n"
        "data = sys.stdin.buffer.read()\n"
        "app.images.decode.read_here(data)\n"
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
    transform_to_srgb.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decode, files * 20))
    assert all(
        np.array_equal(pixels, alone[index % len(files)]) for index, pixels in enumerate(together)
    )


# As Pillow does


@pytest.mark.skipif("REAL_DATA" not in os.environ, reason="REAL_DATA names no folder of pictures")
def test_real_photographs_are_read_as_pillow_reads_them() -> None:
    for data in real_pictures():
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(decode(data), np.asarray(image.convert("RGB")))
