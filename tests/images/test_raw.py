"""Cameras' raw files are the JPEGs that are in them."""

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import DecodeError
from app.images import formats
from app.images.decode import decode, format_of, read
from app.sources import passed_over
from app.sources.own import OwnFolder
from tests.conftest import Home
from tests.images.scenes import IMAGE, encode, mean_difference

PICTURE = IMAGE.resize((640, 384))
UPRIGHT = np.asarray(PICTURE)
FULL = encode(PICTURE, "JPEG", quality=95)
THUMBNAIL = encode(IMAGE.resize((160, 96)), "JPEG")
NOISE = np.random.default_rng(3).bytes(50_000)
SENSOR = b"\xff\xd8\xff\xc3\0\x0b\x0e\1\x80\2\x80\1\1\x11\0\xff\xda\0\2" + NOISE  # lossless
SHORT, LONG, ASCII, BYTE = 3, 4, 2, 1

Tags = dict[int, tuple[int, list[int]]]


def directory(tags: Tags, order: str, place: int) -> bytes:
    """Return a TIFF's directory for a place in the file, with its values after it."""
    entries = beyond = b""
    for tag, (kind, values) in sorted(tags.items()):
        packed = struct.pack(
            f"{order}{len(values)}{ {1: 'B', 2: 'B', 3: 'H', 4: 'I'}[kind] }", *values
        )
        if len(packed) > 4:
            where = place + 2 + 12 * len(tags) + 4 + len(beyond)
            beyond += packed
            packed = struct.pack(f"{order}I", where)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + beyond


def raw_file(
    *parts: bytes, start: bytes = b"II*\0", orientation: int = 1, make: str = "", **more: Any
) -> bytes:
    """Return a TIFF with a thumbnail in its first directory, and below it the parts, as JPEGs.

    The last part is the sensor's data.
    """
    order = "<" if start[:1] == b"I" else ">"
    strip = bytes(range(60))
    content = start + bytes(12) + strip
    places = []
    for part in parts:
        places.append(len(content))
        content += part
    below: list[int] = []
    for number, (part, place) in enumerate(zip(parts, places, strict=True)):
        tags: Tags = {254: (LONG, [number and 1]), 259: (SHORT, [6])}
        if number == len(parts) - 1:
            tags |= {262: (SHORT, [32803]), 273: (LONG, [place]), 279: (LONG, [len(part)])}
        else:
            tags |= {513: (LONG, [place]), 514: (LONG, [len(part)])}
        below.append(len(content))
        content += directory(tags, order, len(content))
    first: Tags = {
        **{254: (LONG, [1]), 256: (LONG, [5]), 257: (LONG, [4]), 258: (SHORT, [8, 8, 8])},
        **{259: (SHORT, [1]), 262: (SHORT, [2]), 273: (LONG, [20]), 277: (SHORT, [3])},
        **{278: (LONG, [4]), 279: (LONG, [60]), 274: (SHORT, [orientation])},
        **{330: (LONG, below), **more.get("tags", {})},
    }
    if make:
        first[271] = (ASCII, [*make.encode(), 0])
    whole = content + directory(first, order, len(content))
    place = struct.pack(f"{order}I", len(content))
    return whole[: len(start)] + place + whole[len(start) + 4 :]


DNG: dict[str, Any] = {"tags": {50706: (BYTE, [1, 4, 0, 0])}}
FILES = {
    "DNG": raw_file(THUMBNAIL, FULL, SENSOR, **DNG),
    "NEF": raw_file(THUMBNAIL, FULL, SENSOR, start=b"MM\0*", make="NIKON CORPORATION"),
    "ARW": raw_file(FULL, THUMBNAIL, SENSOR, make="SONY"),
    "ORF": raw_file(THUMBNAIL, FULL, NOISE, start=b"IIRO"),
    "RW2": raw_file(FULL, NOISE, start=b"IIU\0"),
    "RAF": b"FUJIFILMCCD-RAW 0201" + bytes(100) + FULL + NOISE,
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(20) + THUMBNAIL + FULL + NOISE,
}
FILES["CR2"] = bytearray(raw_file(FULL, THUMBNAIL, SENSOR, make="Canon"))
FILES["CR2"][8:12] = b"CR\2\0"
FILES["CR2"] = bytes(FILES["CR2"])


@pytest.mark.parametrize("kind", FILES)
def test_the_largest_jpeg_in_a_raw_file_is_read(kind: str) -> None:
    assert format_of(FILES[kind]) is formats.RAW
    pixels, size, _ = read(FILES[kind])
    assert np.array_equal(pixels, decode(FULL))
    assert size == PICTURE.size
    assert decode(FILES[kind], min_side=100).shape == (192, 320, 3)


@pytest.mark.parametrize("order", [b"II*\0", b"MM\0*"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_it_is_turned_as_the_raw_file_says(order: bytes, orientation: int) -> None:
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    stored = encode(Image.fromarray(np.rot90(UPRIGHT, turns)), "JPEG", quality=95)
    data = raw_file(THUMBNAIL, stored, SENSOR, start=order, orientation=orientation)
    pixels, size, _ = read(data)
    assert mean_difference(pixels, UPRIGHT) < 3
    assert size == PICTURE.size


def test_a_turn_that_the_jpeg_itself_has_is_not_made_twice() -> None:
    exif = Image.Exif()
    exif[274] = 6
    stored = encode(Image.fromarray(np.rot90(UPRIGHT)), "JPEG", quality=95, exif=exif)
    data = raw_file(THUMBNAIL, stored, SENSOR, orientation=6)
    assert mean_difference(decode(data), UPRIGHT) < 3
    exif[274] = 1
    upright = encode(PICTURE, "JPEG", quality=95, exif=exif)
    assert mean_difference(decode(raw_file(upright, SENSOR, orientation=6)), UPRIGHT) < 3


def test_a_cr3_is_turned_by_its_own_box() -> None:
    stored = encode(Image.fromarray(np.rot90(UPRIGHT)), "JPEG", quality=95)
    box = b"CMT1II*\0\x08\0\0\0" + directory({274: (SHORT, [6])}, "<", 8)
    data = FILES["CR3"][:44] + box + THUMBNAIL + stored + NOISE
    assert mean_difference(decode(data), UPRIGHT) < 3


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("DNG", raw_file(THUMBNAIL, SENSOR, **DNG)),
        ("NEF", raw_file(THUMBNAIL, SENSOR, start=b"MM\0*", make="NIKON CORPORATION")),
        ("ARW", raw_file(SENSOR, make="SONY")),
        ("RAF", b"FUJIFILMCCD-RAW 0201" + NOISE),
        ("RW2", b"IIU\0\x08\0\0\0"),
        ("CR3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom"),
    ],
)
def test_a_raw_file_with_no_picture_but_a_thumbnail_is_refused_by_name(
    kind: str, data: bytes
) -> None:
    with pytest.raises(DecodeError, match=rf"\b{kind}\b.*thumbnail.*JPEG"):
        decode(data)


def test_a_plain_tiff_is_no_raw_file() -> None:
    assert format_of(encode(IMAGE, "TIFF")).name == "TIFF"
    pages = encode(IMAGE.copy(), "TIFF", save_all=True, append_images=[PICTURE.copy()])
    assert read(pages).size == IMAGE.size


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_a_damaged_raw_file_brings_nothing_but_decode_errors(
    kind: str, at_the_end: list[tuple[int, int]], anywhere: list[tuple[float, int]], end: float
) -> None:
    data = bytearray(FILES[kind])
    for place, value in at_the_end:  # where the directories are
        data[-1 - place] = value
    for share, value in anywhere:
        data[int(share * (len(data) - 1))] = value
    with suppress(DecodeError):
        decode(bytes(data))
    with suppress(DecodeError):
        decode(bytes(data[: int(len(data) * end)]))


def test_a_raw_file_and_its_jpeg_count_once(tmp_path: Path) -> None:
    for name in ("a/1.NEF", "a/1.jpg", "a/2.dng", "b/1.NEF", "b/2.CR2", "b/2.JPG", "b/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    layout = OwnFolder([tmp_path], "own")
    paths = [picture.path for picture in layout.pictures()]
    assert paths == ["a/1.jpg", "a/2.dng", "b/1.NEF", "b/2.JPG", "b/3.png"]
    assert layout.left_out == {passed_over.PAIRED: 2}


def test_a_gallery_of_raw_files_is_searched_with_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    images = tmp_path / "pictures"
    images.mkdir()
    for kind, data in FILES.items():
        (images / f"one.{kind.lower()}").write_bytes(data)
    (images / "thumbnail.arw").write_bytes(raw_file(SENSOR, make="SONY"))
    report = home.build(images)
    assert report.manifest.images == len(FILES)
    assert [skip.path for skip in report.skipped] == ["thumbnail.arw"]
    hit = home.service().search("mine", FULL, k=1).hits[0]
    assert hit.score == pytest.approx(1, abs=1e-3)
