"""A TIFF's directories → the values of some of its tags, each of a bounded size.

EXIF is such a TIFF, alone in a box of the picture's file. Pillow's `Image.Exif` copies the value of
every tag, and tags may share their bytes: a segment of 64 KB in a JPEG takes 289 MB there.
"""

import struct
from collections.abc import Collection
from math import nan

MOST_BYTES = 8192
"""The most bytes that are read of a text."""

_MOST_NUMBERS = 16
_MOST_ENTRIES = 1000
_BYTES = frozenset((1, 2, 7, 129))  # bytes, ASCII, of any kind, and EXIF 3.0's UTF-8
_NUMBERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
_RATIOS = {5: "I", 10: "i"}
_BEGINNINGS = {
    # TIFF, and the raw files of Olympus and Panasonic
    **dict.fromkeys((b"II*\0", b"IIRO", b"IIRS", b"IIU\0"), "<"),
    **dict.fromkeys((b"MM\0*", b"MMOR"), ">"),
}

_TAG_EXIF, _TAG_GPS = 34665, 34853

Value = bytes | tuple[float, ...]
"""A tag's bytes, or its numbers; nan is a fraction with a denominator of 0."""


def read(block: bytes, wanted: Collection[int]) -> dict[int, Value]:
    """Return the wanted tags of a TIFF's first directory, and of EXIF's and GPS's below it.

    What is damaged is left out; of a tag that is there twice, the first counts.
    """
    order = _BEGINNINGS.get(block[:4])
    if order is None or len(block) < 8:
        return {}
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    first = _directory(block, place, order, {*wanted, _TAG_EXIF, _TAG_GPS})
    tags: dict[int, Value] = {}
    for pointer in (_TAG_GPS, _TAG_EXIF):
        below = first.pop(pointer, None)
        if isinstance(below, tuple) and isinstance(below[0], int):
            tags |= _directory(block, below[0], order, wanted)
    return tags | first


def _directory(block: bytes, place: int, order: str, wanted: Collection[int]) -> dict[int, Value]:
    """Return the wanted tags of the directory at a place."""
    tags: dict[int, Value] = {}
    if not 8 <= place <= len(block) - 2:
        return tags
    (count,) = struct.unpack_from(f"{order}H", block, place)
    begin = place + 2
    count = min(count, _MOST_ENTRIES, (len(block) - begin) // 12)
    entries = struct.iter_unpack(f"{order}HHI4x", block[begin : begin + 12 * count])
    for number, (tag, kind, length) in enumerate(entries):
        if tag in wanted and tag not in tags:
            value = _value(block, begin + 12 * number + 8, order, kind, length)
            if value:
                tags[tag] = value
    return tags


def _value(block: bytes, place: int, order: str, kind: int, length: int) -> Value | None:
    """Return the value of an entry whose last four bytes are at a place; None if it is damaged."""
    if kind in _BYTES:
        if length > 4:
            (place,) = struct.unpack_from(f"{order}I", block, place)
        return block[place : place + min(length, MOST_BYTES)]
    if not 0 < length <= _MOST_NUMBERS:
        return None
    form = f"{order}{length}{_NUMBERS[kind]}" if kind in _NUMBERS else ""
    if kind in _RATIOS:
        form = f"{order}{2 * length}{_RATIOS[kind]}"
    if not form:
        return None
    size = struct.calcsize(form)
    if size > 4:
        (place,) = struct.unpack_from(f"{order}I", block, place)
    if place + size > len(block):
        return None
    numbers = struct.unpack_from(form, block, place)
    if kind in _NUMBERS:
        return numbers
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(top / bottom if bottom else nan for top, bottom in pairs)
