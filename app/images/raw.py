"""A camera's raw file → the JPEG that the camera put into it, and how that is turned.

Raw files are TIFFs of many dialects, and some are no TIFFs at all, but nearly every camera puts a
JPEG of the full size into them. It is found by its own header, wherever a dialect keeps it, so that
no sensor's data is ever developed. (LibRaw would do that, in 10 MB more and seconds a picture, and
gives other colours than the camera's own.)
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

THUMBNAIL_SIDE = 256
"""A picture inside a raw file is a thumbnail, and not used, if its longer side is no longer."""

_MOST_CANDIDATES = 1000
_MOST_SEGMENTS = 200
_MOST_DIRECTORIES = 50
_MOST_ENTRIES = 1000
_START = re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb-\xef\xfe]")
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # what a sensor's data is packed in is 0xC3
_NOT_FRAMES = frozenset((0xC4, 0xC8, 0xCC))
_SCAN = 0xDA

_TAG_WIDTH, _TAG_HEIGHT = 256, 257
_TAG_NEW_SUBFILE, _TAG_PHOTOMETRIC, _TAG_ORIENTATION = 254, 262, 274
_TAG_SUB_IFDS, _TAG_DNG_VERSION = 330, 50706
_SENSOR = frozenset((32803, 34892))  # a colour filter array, and linear raw
_REDUCED = 1
_SIZES = {1: "B", 2: "B", 3: "H", 4: "I", 13: "I"}
_TAG_MAKE = 271
_BEGINNINGS = {
    b"FUJI": "RAF",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"IIU\0": "RW2",
}
_MAKES = {
    b"NIKON": "NEF",
    b"SONY": "ARW",
    b"CANON": "CR2",
    b"PENTAX": "PEF",
    b"RICOH": "PEF",
    b"SAMSUNG": "SRW",
    b"LEICA": "RWL",
}
_TIFF = re.compile(rb"II[*RU]\0|MM\0[*R]|IIRO|IIRS|MMOR")


class Preview(NamedTuple):
    """A JPEG inside a file: its place, its size in pixels."""

    start: int
    width: int
    height: int


def is_raw(data: bytes) -> bool:
    """Return whether a TIFF's bytes are a camera's raw file: DNG, NEF, ARW and their kind.

    They hold a sensor's data, or begin with a reduced picture and keep the others below it, one
    that is larger among them.
    """
    first = next(_directories(data), {})
    if any(
        _TAG_DNG_VERSION in tags or not _SENSOR.isdisjoint(tags.get(_TAG_PHOTOMETRIC, ()))
        for tags in _directories(data)
    ):
        return True
    if _TAG_SUB_IFDS not in first:
        return False
    width, height = (first.get(tag, (0,))[0] for tag in (_TAG_WIDTH, _TAG_HEIGHT))
    preview = largest_preview(data)
    larger = preview is not None and _area(preview) > width * height
    return larger or first.get(_TAG_NEW_SUBFILE) == (_REDUCED,)


def name_of(data: bytes) -> str:
    """Return what a raw file's own format is called: DNG, NEF, …; "raw" where that is not known."""
    first = next(_directories(data), {})
    if _TAG_DNG_VERSION in first:
        return "DNG"
    if data[4:12] == b"ftypcrx ":
        return "CR3"
    make = bytes(first.get(_TAG_MAKE, ())).upper() if _are_bytes(first.get(_TAG_MAKE)) else b""
    by_make = (name for begin, name in _MAKES.items() if make.startswith(begin))
    return _BEGINNINGS.get(data[:4]) or ("CR2" if data[8:10] == b"CR" else next(by_make, "raw"))


def _are_bytes(values: tuple[int, ...] | None) -> bool:
    return values is not None and all(value < 256 for value in values)


def orientation(data: bytes) -> int:
    """Return EXIF's orientation, 1 to 8, of a raw file itself; 1 where it says nothing."""
    start = 0
    if data[4:8] == b"ftyp":  # CR3 keeps the first directory in a box of its own
        start = data.find(b"CMT1") + 4
    value = next(_directories(data[start : start + (1 << 20)] if start else data), {}).get(
        _TAG_ORIENTATION, (1,)
    )
    return value[0] if len(value) == 1 and 1 <= value[0] <= 8 else 1


def largest_preview(data: bytes) -> Preview | None:
    """Return the JPEG with the most pixels in a file; None where there are thumbnails at most."""
    largest = None
    for number, match in enumerate(_START.finditer(data)):
        if number == _MOST_CANDIDATES:
            break
        found = _preview_at(data, match.start())
        if found and (largest is None or _area(found) > _area(largest)):
            largest = found
    return largest if largest and max(largest[1:]) > THUMBNAIL_SIDE else None


def _area(preview: Preview) -> int:
    return preview.width * preview.height


def _preview_at(data: bytes, start: int) -> Preview | None:
    """Return the JPEG that begins at a place, if its header is one's, up to its first scan."""
    place, size = start + 2, (0, 0)
    for _ in range(_MOST_SEGMENTS):
        marker = data[place : place + 4]
        if len(marker) < 4 or marker[0] != 0xFF:
            return None
        code, length = marker[1], int.from_bytes(marker[2:])
        if code in _FRAMES:
            frame = data[place + 4 : place + 10]
            if len(frame) < 6 or frame[0] != 8 or frame[5] not in (1, 3):
                return None
            size = int.from_bytes(frame[3:5]), int.from_bytes(frame[1:3])
        elif 0xC0 <= code <= 0xCF and code not in _NOT_FRAMES:
            return None
        elif code == _SCAN:
            return Preview(start, *size) if all(size) else None
        place += 2 + length
    return None


def _directories(data: bytes) -> Iterator[dict[int, tuple[int, ...]]]:
    """Yield the tags of a TIFF's directories and those below them that are whole numbers."""
    if not _TIFF.match(data):
        return
    order = "<" if data[:1] == b"I" else ">"
    waiting = [*struct.unpack_from(f"{order}I", data.ljust(8, b"\0"), 4)]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        place = waiting.pop(0)
        if place in seen or not 8 <= place <= len(data) - 2:
            continue
        seen.add(place)
        tags, following = _directory(data, place, order)
        yield tags
        waiting += [*tags.get(_TAG_SUB_IFDS, ()), following]


def _directory(data: bytes, place: int, order: str) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return a directory's whole numbers by their tags, and the place of the next one, or 0."""
    (count,) = struct.unpack_from(f"{order}H", data, place)
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(place + 2, place + 2 + 12 * min(count, _MOST_ENTRIES), 12):
        if at + 12 > len(data):
            return tags, 0
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, at)
        if kind not in _SIZES or not 0 < number <= _MOST_ENTRIES:
            continue
        form = f"{order}{number}{_SIZES[kind]}"
        begin = at + 8
        if struct.calcsize(form) > 4:
            (begin,) = struct.unpack_from(f"{order}I", data, at + 8)
        if begin + struct.calcsize(form) <= len(data):
            tags[tag] = struct.unpack_from(form, data, begin)
    end = place + 2 + 12 * count
    following = int.from_bytes(data[end : end + 4], "little" if order == "<" else "big")
    return tags, following
