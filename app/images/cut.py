"""A file whose end is missing → its pixels, and how much of the picture was lost with the end.

Pillow reads such a file only under a switch of the whole process, and then says nothing. Here the
pixels that nothing was decoded into are found and counted, so that a picture is used that lost next
to nothing, and one that lost more is refused.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

MOST_LOST = 1 / 10
"""The largest share of a picture's pixels that may be missing where it is still read.

The last hundredth of a file often holds several hundredths of the pixels: sky or a table is packed
more closely than what is above or below it.
"""

MOST_COARSE = 1 / 4
"""The largest share of rows that may lack the last scan of a JPEG, which adds next to nothing."""

_GROUNDS = (0, 255)
_GREY = 128
_FLAT = 8  # of 255: there is nothing in such a row that more bits could show
_END = b"\xff\xd9"
_SCAN = 0xDA
_MOST_SEGMENTS = 10_000  # a JPEG has some tens
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_IN_A_PICTURE = frozenset((0xC4, 0xCC, _SCAN, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)))

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def ended_jpegs(data: bytes) -> tuple[bytes, ...]:
    """Return a JPEG that begins as it should, ended after its last bit of picture; and another.

    What comes after that bit, such as the panorama's own data in files of Samsung's, goes. Of one
    in several scans, the other is the same with nothing in the last. None where a scan is missing.
    """
    place, end, last, components = 2, len(data), 0, 0
    headers: list[bytes] = []
    for _ in range(_MOST_SEGMENTS):
        match = _MARKER.search(data, place)
        if match is None:
            break
        place, code = match.end(), data[match.end() - 1]
        if code not in _IN_A_PICTURE and (headers or not 0xC0 <= code <= 0xCF):
            end = match.start()
            break
        begin, place = place, place + int.from_bytes(data[place : place + 2])
        if code == _SCAN:
            headers.append(data[begin + 2 : place])
            last = place
        elif 0xC0 <= code <= 0xCF and code not in _IN_A_PICTURE:
            components = int.from_bytes(data[begin + 7 : begin + 8])
    if not _reach_all_bits(headers, components):
        return ()
    without_last = (data[:last] + _END,) if len(headers) > 1 else ()
    return data[:end] + _END, *without_last


def _reach_all_bits(headers: Iterable[bytes], components: int) -> bool:
    """Return whether scans give every bit of every coefficient of so many components.

    `headers` are theirs (ITU-T T.81, B.2.3): the number of components, two bytes for each, the
    first and last coefficient, and in the low half of a byte how many low bits are left out.
    """
    left_out: dict[int, list[int]] = {}
    for header in headers:
        if len(header) < 4 or len(header) != 4 + 2 * header[0]:
            return False
        first, last, bits = header[-3:]
        for component in header[1:-3:2]:
            missing = left_out.setdefault(component, [16] * 64)
            missing[first : last + 1] = [bits & 15] * (last + 1 - first)
    whole = sum(not any(bits[:64]) for bits in left_out.values())
    return whole == components


def missing_of_jpeg(pixels: Pixels) -> Mask:
    """Return which (height, width) pixels of a cut JPEG with one scan are missing, at its end.

    `pixels` are (height, width[, channels]), as they are in the file: what is missing is grey.
    """
    near = (pixels >= _GREY - 1) & (pixels <= _GREY + 1)
    grey = np.asarray(near.all(-1) if near.ndim == 3 else near)
    to_the_right = np.asarray(np.logical_and.accumulate(grey[:, ::-1], axis=1))[:, ::-1]
    at_the_bottom = np.asarray(np.logical_and.accumulate(to_the_right[::-1, -1:], axis=0))[::-1]
    return np.asarray(to_the_right & at_the_bottom)


def coarse_rows(pixels: Pixels, without_last_scan: Pixels) -> NDArray[np.bool_]:
    """Return which of the (height,) rows at the bottom lack what the last scan adds to them.

    Both are (height, width[, channels]). Rows of one colour lack nothing.
    """
    same = np.asarray(pixels == without_last_scan).reshape(len(pixels), -1)
    steps = pixels.reshape(len(pixels), pixels.shape[1], -1)
    at_the_bottom = np.asarray(np.logical_and.accumulate(np.asarray(same.all(-1))[::-1]))[::-1]
    coarse: Mask = at_the_bottom & (np.ptp(steps, axis=1) > _FLAT).any(-1)
    return coarse


def load_what_is_there(open_file: Callable[[], ImageFile]) -> tuple[ImageFile, Mask]:
    """Return a picture that is cut off, loaded as far as it goes, and which pixels are missing.

    The mask is (height, width). It is loaded twice, on two grounds: what is missing differs.
    """
    one, other = (_loaded_on(ground, open_file()) for ground in _GROUNDS)
    return one, differing(np.asarray(one), np.asarray(other))


def _loaded_on(ground: int, image: ImageFile) -> ImageFile:
    prepare = image.load_prepare

    def prepare_ground() -> None:
        prepare()
        bands = image.im.bands
        image.im.paste(ground if bands == 1 else (ground,) * bands, (0, 0, *image.im.size))

    setattr(image, "load_prepare", prepare_ground)  # noqa: B010 (of this picture alone)
    try:
        image.load()
    except OSError:
        if image.tile:  # else the reader itself has come to the end
            image.tile = []
            image.load_end()
    return image


def differing(pixels: NDArray[Any], others: NDArray[Any]) -> Mask:
    """Return which (height, width) pixels differ in two pictures of (height, width[, channels])."""
    unequal = np.asarray(pixels != others)
    return np.asarray(unequal.any(-1) if unequal.ndim == 3 else unequal)


def filled(pixels: Pixels, missing: Mask) -> Pixels:
    """Return (height, width, 3) pixels with the nearest one above it in place of each missing one.

    Where there is none above, it is the nearest below.
    """
    pixels = pixels.copy()
    for lines, lost in ((pixels, missing), (pixels[::-1], missing[::-1])):
        is_lost = lost.copy()
        for row in range(1, len(lines)):
            if is_lost[row].any():
                known = is_lost[row] & ~is_lost[row - 1]
                lines[row][known] = lines[row - 1][known]
                is_lost[row] &= ~known
    return pixels
