"""A PNG's bytes → the file that Pillow opens, without texts, and with its ICC profile bounded.

Pillow keeps texts, and refuses a picture with one that unpacks to more than 1 MB, or with a profile
that does. Nothing here needs a text, so that none is unpacked; a profile is, up to its limit.
"""

import io
import struct
import zlib
from collections.abc import Iterator

from PIL.PngImagePlugin import PngImageFile

MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""The largest ICC profile that is used, unpacked; a picture with a larger one is read without."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_PROFILE = b"iCCP"
_GREY, _RGB = 0, 2  # types of colour


class PngFile(PngImageFile):
    """A PNG whose texts are passed over unread, and whose ICC profile is ignored where it is odd.

    So neither takes memory, nor makes a picture that is whole count as damaged.
    """

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read()
        self.fp = io.BytesIO(_without_texts(data))
        super()._open()
        profile = _profile_of(data)
        if profile:
            self.info["icc_profile"] = profile
        _mend_transparency(self, depth=data[24], colours=data[25])


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, start and end of each whole chunk: length, name, content and checksum."""
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            return
        yield name, start, end
        start = end


def _without_texts(data: bytes) -> bytes:
    """Return a PNG without its texts and its ICC profile; the rest is as it was, damage too."""
    kept, begin = [], 0
    for name, start, end in chunks(data):
        if name in _TEXTS or name == _PROFILE:
            kept.append(memoryview(data)[begin:start])
            begin = end
    return b"".join([*kept, memoryview(data)[begin:]]) if kept else data


def _profile_of(data: bytes) -> bytes | None:
    """Return a PNG's ICC profile, unpacked; None where there is none that can be used."""
    for name, start, end in chunks(data):
        if name == b"IDAT":
            break
        if name == _PROFILE:
            _, _, packed = data[start + 8 : end - 4].partition(b"\0")
            unpacking = zlib.decompressobj()
            try:
                profile = unpacking.decompress(packed[1:], MAX_PROFILE_BYTES)
            except zlib.error:
                return None
            return profile if unpacking.eof and packed[:1] == b"\0" else None
    return None


def _mend_transparency(image: PngImageFile, *, depth: int, colours: int) -> None:
    """Give the transparent colour with 8 bits, as Pillow gives the pixels."""
    transparent = image.info.get("transparency")
    if colours == _GREY and depth in (2, 4) and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // (2**depth - 1)
    elif colours == _RGB and depth == 16 and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
