"""A picture's bytes → the TIFFs that hold its EXIF, wherever its format keeps them.

No codec is asked, and no pixel decoded: the codecs of HEIC, AVIF, WebP and TIFF run in processes of
their own (`app.images.workers`), and the boxes around EXIF say where it is.
"""

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator

from app.images import boxes, formats, png, raw

_HEADER = b"Exif\0"  # and one byte more, mostly 0
_MOST_BLOCKS = 8
_MOST_SEGMENTS = 200
_MOST_CHUNKS = 100_000
_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_PREVIEW_BYTES = 1 << 18  # its first segments
_RAF_HEADER = b"FUJIFILMCCD-RAW "


def blocks(data: bytes) -> Iterator[bytes]:
    """Yield the TIFFs with a picture's EXIF, the one that counts most first; none if it has none.

    Nothing is raised, whatever the bytes are.
    """
    kind = formats.recognise(data)
    of_format = _BLOCKS.get(kind.name) if kind else None
    for block in itertools.islice(of_format(data), _MOST_BLOCKS) if of_format else ():
        # A JPEG's EXIF has a header, and some programs write that elsewhere, too.
        yield block[len(_HEADER) + 1 :] if block.startswith(_HEADER) else block


def blocks_of_preview(data: bytes) -> Iterator[bytes]:
    """Yield the same of the JPEG in a camera's raw file; none for any other picture.

    It takes much longer, because the whole file is looked through.
    """
    if formats.recognise(data) is formats.RAW:
        preview = raw.largest_preview(data)
        if preview:
            yield from blocks(data[preview.start : preview.start + _PREVIEW_BYTES])


def _of_jpeg(data: bytes) -> Iterator[bytes]:
    """Yield the first segment of EXIF that comes before the pixels."""
    place = 2
    for _ in range(_MOST_SEGMENTS):
        while data[place : place + 2] == b"\xff\xff":
            place += 1  # which may fill the space between segments
        if data[place : place + 1] != b"\xff" or place + 4 > len(data):
            return
        code, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if code in (_SCAN, _END):
            return
        if code == _APP1 and data.startswith(_HEADER, place + 4):
            yield data[place + 4 : place + 2 + length]
            return
        place += 2 + length


def _of_png(data: bytes) -> Iterator[bytes]:
    for number, (name, start, end) in enumerate(png.chunks(data)):
        if name == b"eXIf":
            yield data[start + 8 : end - 4]
            return
        if number == _MOST_CHUNKS:
            return


def _of_webp(data: bytes) -> Iterator[bytes]:
    place = 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            return
        name, length = struct.unpack_from("<4sI", data, place)
        if name == b"EXIF":
            yield data[place + 8 : place + 8 + length]
            return
        place += 8 + length + length % 2


def _of_tiff(data: bytes) -> Iterator[bytes]:
    yield data


def _of_raw(data: bytes) -> Iterator[bytes]:
    if data[4:8] == b"ftyp":
        yield from boxes.exif_blocks(data)
    elif not data.startswith(_RAF_HEADER):
        yield data


_BLOCKS: dict[str, Callable[[bytes], Iterable[bytes]]] = {
    "JPEG": _of_jpeg,
    "PNG": _of_png,
    "WebP": _of_webp,
    "TIFF": _of_tiff,
    "RAW": _of_raw,
    "AVIF": boxes.exif_blocks,
    "HEIC": boxes.exif_blocks,
}
