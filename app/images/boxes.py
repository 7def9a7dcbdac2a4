"""An ISO media file (HEIC, AVIF, CR3) → the EXIF that is in its boxes, no codec being asked.

Boxes are those of ISO/IEC 14496-12; a picture's EXIF is an item of its `meta` box (23008-12, A.2).
Canon's CR3 keeps its directories in boxes of its own.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

MOST_BYTES = 1 << 20
"""The most bytes that are read of an item."""

_MOST_BOXES = 10_000  # a picture of 48 megapixels has a hundred items, each in a box
_MOST_EXTENTS = 16  # nearly all items have one
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CANON_DIRECTORIES = (b"CMT1", b"CMT2", b"CMT4")  # the main one, EXIF's and GPS's
_IN_FILE, _IN_BOX = 0, 1


class Box(NamedTuple):
    """A box: its type, and where its content is in the file."""

    kind: bytes
    start: int
    end: int


def exif_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the TIFFs that hold a file's EXIF, none where there is none or the boxes are damaged.

    A picture has one, from the `II` or `MM` of its header on; CR3 one for each directory.
    """
    with suppress(struct.error):
        for box in _boxes(data, 0, len(data)):
            if box.kind == b"meta":
                yield from _exif_item(data, box._replace(start=box.start + 4))
            elif box.kind == b"moov":
                yield from _canon_blocks(data, box)


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        begin = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, begin)
            begin += 8
        stop = start + size if size else end
        if not begin <= stop <= end:
            return
        yield Box(kind, begin, stop)
        start = stop


def _canon_blocks(data: bytes, movie: Box) -> Iterator[bytes]:
    for box in _boxes(data, movie.start, movie.end):
        if box.kind == b"uuid" and data[box.start : box.start + 16] == _CANON:
            for inner in _boxes(data, box.start + 16, box.end):
                if inner.kind in _CANON_DIRECTORIES:
                    yield data[inner.start : min(inner.end, inner.start + MOST_BYTES)]


def _exif_item(data: bytes, meta: Box) -> Iterator[bytes]:
    inside = {box.kind: box for box in _boxes(data, meta.start, meta.end)}
    if b"iinf" not in inside or b"iloc" not in inside:
        return
    item = _exif_id(data, inside[b"iinf"])
    if item is None:
        return
    content = _content(data, item, inside[b"iloc"], inside.get(b"idat"))
    skipped = int.from_bytes(content[:4])  # how far the TIFF is from the end of this number
    yield content[4 + skipped :]


def _exif_id(data: bytes, box: Box) -> int | None:
    """Return the number of the first item that is EXIF (box `iinf`); None if there is none."""
    start = box.start + (6 if data[box.start] == 0 else 8) if box.end > box.start else box.end
    for entry in _boxes(data, start, box.end):
        form = (
            {2: ">H2x4s", 3: ">I2x4s"}.get(data[entry.start]) if entry.end > entry.start else None
        )
        if entry.kind == b"infe" and form:
            number, kind = struct.unpack_from(form, data, entry.start + 4)
            if kind == b"Exif":
                return int(number)
    return None


class _Numbers:
    """Whole numbers of any number of bytes, one after the other, from a place on."""

    def __init__(self, data: bytes, box: Box) -> None:
        self._data, self._place, self._end = data, box.start, box.end

    def next(self, size: int) -> int:
        """Return the next number, of so many bytes; struct.error where the box has ended."""
        start, self._place = self._place, self._place + size
        if self._place > self._end:
            raise struct.error("the box has ended")
        return int.from_bytes(self._data[start : self._place])


def _content(data: bytes, item: int, places: Box, idat: Box | None) -> bytes:
    """Return an item's bytes by the table of places (box `iloc`); none where it is not there."""
    numbers = _Numbers(data, places)
    version = numbers.next(1)
    numbers.next(3)
    sizes, more_sizes = numbers.next(1), numbers.next(1)
    wide = 4 if version == 2 else 2
    for _ in range(min(numbers.next(wide), _MOST_BOXES)):
        number = numbers.next(wide)
        where = numbers.next(2) & 15 if version else _IN_FILE
        numbers.next(2)  # another file, which is not looked for
        base, count = numbers.next(more_sizes >> 4), numbers.next(2)
        if count > _MOST_EXTENTS:
            return b""
        extents = []
        for _ in range(count):
            numbers.next(more_sizes & 15 if version else 0)
            extents.append((base + numbers.next(sizes >> 4), numbers.next(sizes & 15)))
        if number == item:
            if where == _IN_FILE:
                return _joined(data, Box(b"", 0, len(data)), extents)
            return _joined(data, idat, extents) if idat and where == _IN_BOX else b""
    return b""


def _joined(data: bytes, box: Box, extents: list[tuple[int, int]]) -> bytes:
    """Return the bytes of extents, (offset, length) in a box; a length of 0 is up to its end."""
    parts, left = [], MOST_BYTES
    for offset, length in extents:
        start = box.start + offset
        stop = min(start + length if length else box.end, box.end, start + left)
        parts.append(data[start:stop])
        left -= len(parts[-1])
    return b"".join(parts)
