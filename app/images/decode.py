"""The bytes of a picture → an RGB array, upright, in sRGB, of a bounded number of pixels.

Only the header is read before the number of pixels is known to be within the limit. Each format's
class in Pillow opens its files directly, not ``Image.open``: that function checks the size only
after the class has opened the picture, warns through a state that all threads share, and tries
formats that nobody searches with (some of them start other programs).
"""

import codecs
import io
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from app.errors import DecodeError
from app.images import cut, formats, jpeg, others, raw, workers
from app.images.colours import to_srgb
from app.images.formats import PictureFormat

MAX_PIXELS = 64_000_000
"""The most pixels that are decoded, in pixels.

A pixel costs 10 bytes while a JPEG or an opaque PNG is decoded and 23 at worst (transparent
WebP): 0.6 to 1.5 GB for the largest picture. Photographs and panoramas of phones (up to 63
million) pass whole. JPEGs of larger cameras pass too when the caller needs few pixels
(``min_side``), because what counts is the scale at which they are decoded.
"""

MAX_SCANNED_PIXELS = 20 * MAX_PIXELS
"""The most pixels of a JPEG times its scans (passes over them; cameras and editors write 1 to 12).

A scan can be as small as 100 bytes in the file and cost as much as the whole picture.
"""

_TAG_ORIENTATION = 274
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_IS_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class Decoded(NamedTuple):
    """A picture's (height, width, 3) uint8 pixels in sRGB, upright, and its full (width, height).

    Each of the notes is a sentence about something that is not as it should be.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def decode(data: bytes, *, min_side: int | None = None) -> NDArray[np.uint8]:
    """Return the picture as a C-contiguous (height, width, 3) uint8 array in sRGB, upright.

    Transparent parts lie on white, or on black under a white drawing
    (`app.images.colours.ground_of`); of an animation, the first frame counts. The array may be
    read-only.

    ``min_side`` (pixels) says that the caller needs no more than this on the shorter side: a JPEG
    larger than that is decoded at 1/2, 1/4 or 1/8 of its size, which is several times faster, and
    its shorter side stays at least ``min_side``.

    Raises DecodeError, and nothing else, whatever the bytes are.
    """
    return read(data, min_side=min_side).pixels


def read(data: bytes, *, min_side: int | None = None) -> Decoded:
    """Return what `decode` does, with the full size, and notes on what is not as it should be.

    A file that lacks its end is read where that costs no more than `app.images.cut.MOST_LOST` of
    the pixels: the missing ones are like those above them.
    """
    kind = format_of(data)
    if kind.apart:
        return Decoded(*workers.decode(data, kind.name, min_side))
    return _read(data, kind, min_side)


def read_here(data: bytes, *, min_side: int | None = None) -> Decoded:
    """Return what `read` does, decoded by this process whatever the format.

    For pictures that this program wrote itself, such as thumbnails: it takes a millisecond less.
    """
    return _read(data, format_of(data), min_side)


def _read(data: bytes, kind: PictureFormat, min_side: int | None) -> Decoded:
    if kind is formats.RAW:
        return _decoded_of_raw(data, min_side)
    return _decoded_as(kind, data, min_side)


def _decoded_as(kind: PictureFormat, data: bytes, min_side: int | None) -> Decoded:
    """Return a picture of a format."""
    try:
        return _decoded(kind, data, min_side, partial(_load, data=data))
    except DecodeError as error:
        if not error.may_be_cut:
            raise
        return _decoded_though_cut(kind, data, min_side, error)


def _decoded(
    kind: PictureFormat,
    data: bytes,
    min_side: int | None,
    load: Callable[[ImageFile], NDArray[np.uint8]],
) -> Decoded:
    """Return a picture's pixels, upright, as `load` gives them once its header is checked."""
    image = _open(data, kind)
    with refusing(kind):
        width, height = image.size
        if isinstance(image, JpegFile):
            _prepare_jpeg(image, data, min_side)
        _check_pixels(image.size)
        pixels = load(image)
        return _turned(Decoded(pixels, (width, height)), _orientation(image) or 1)


def _turned(decoded: Decoded, orientation: int) -> Decoded:
    """Return a picture upright that is stored in one of EXIF's orientations, 1 to 8."""
    if orientation not in _UPRIGHT:
        return decoded
    pixels = np.asarray(Image.fromarray(decoded.pixels).transpose(_UPRIGHT[orientation]))
    return decoded._replace(
        pixels=pixels, size=decoded.size[::-1] if orientation >= 5 else decoded.size
    )


def _decoded_of_raw(data: bytes, min_side: int | None) -> Decoded:
    """Return the largest picture that a camera put into its raw file, turned as it says.

    That is a JPEG in nearly all of them, or else the TIFF's first picture.
    """
    preview = raw.largest_preview(data)
    if preview is not None:
        inside = next(iter(cut.ended_jpegs(data[preview.start :])), data[preview.start :])
        jpeg_kind = format_of(inside)
        decoded = _decoded_as(jpeg_kind, inside, min_side)
        says_how = _orientation(_open(inside, jpeg_kind)) is not None
        return decoded if says_how else _turned(decoded, raw.orientation(data))
    for kind in formats.FORMATS:
        if kind.name == "TIFF" and kind.begins(data):
            with suppress(DecodeError):
                decoded = _decoded_as(kind, data, min_side)
                if max(decoded.size) > raw.THUMBNAIL_SIDE:
                    return decoded
    raise DecodeError(
        f"This is a camera's {raw.name_of(data)} file with no picture in it but a thumbnail: "
        "develop it and save it as JPEG."
    )


def _decoded_though_cut(
    kind: PictureFormat, data: bytes, min_side: int | None, error: DecodeError
) -> Decoded:
    """Return a picture whose file lacks its end; raise the error where too much is missing."""
    files = cut.ended_jpegs(data) if kind.name == "JPEG" else (data,)
    if not files:
        raise error
    lost = None

    def load(image: ImageFile) -> NDArray[np.uint8]:
        nonlocal lost
        pixels, lost, most = _load_cut(kind, files, image, min_side)
        if lost > most:
            raise error
        return pixels

    try:
        decoded = _decoded(kind, files[0], min_side, load)
    except DecodeError:
        if lost is None:
            raise error from None
        raise _damaged(kind, f" (about {lost:.0%} of it is lost or coarse)") from error
    much = f"about {lost:.1%} of its pixels are lost or coarse" if lost else "no more is lost"
    note = f"The end of this {kind.name} picture's file is missing; {much}."
    return decoded._replace(notes=(note,))


def _load_cut(
    kind: PictureFormat, files: Sequence[bytes], image: ImageFile, min_side: int | None
) -> tuple[NDArray[np.uint8], float, float]:
    """Return a cut file's (height, width, 3) pixels, the share that is lost, and the most allowed.

    `files` are the file, or those of `app.images.cut.ended_jpegs`; the image is the first of them,
    not loaded.
    """
    if isinstance(image, JpegFile):
        image.load()
        if jpeg.is_whole(files[0]):
            return np.asarray(to_srgb(image)), 0.0, 1.0
        if len(files) > 1:
            coarse = _open(files[1], kind)
            assert isinstance(coarse, JpegFile)
            _prepare_jpeg(coarse, files[1], min_side)
            rows = cut.coarse_rows(np.asarray(image), np.asarray(coarse))
            return np.asarray(to_srgb(image)), float(rows.mean()), cut.MOST_COARSE
        missing = cut.missing_of_jpeg(np.asarray(image))
    else:
        image, missing = cut.load_what_is_there(lambda: _open(files[0], kind))
    lost = float(missing.mean())
    if lost > cut.MOST_LOST:  # not used: filling it would take seconds
        return np.asarray(image), lost, cut.MOST_LOST
    return cut.filled(np.asarray(to_srgb(image)), missing), lost, cut.MOST_LOST


def _load(image: ImageFile, data: bytes) -> NDArray[np.uint8]:
    """Return the (height, width, 3) pixels of a checked picture in sRGB, not yet turned."""
    pixels = jpeg.pixels_of(image, data) if isinstance(image, JpegFile) else None
    if pixels is None:
        image.load()
        pixels = np.asarray(to_srgb(image))
    return pixels


def format_of(data: bytes) -> PictureFormat:
    """Return the format of a picture by its first bytes; DecodeError if it is none that is read."""
    kind = formats.recognise(data)
    if kind is None:
        raise DecodeError(_why_not_a_picture(data))
    return formats.RAW if kind.name == "TIFF" and raw.is_raw(data) else kind


class JpegFile(JpegImageFile):
    """A JPEG whose print resolution is not looked for: it costs time and may warn."""

    def _read_dpi_from_exif(self) -> None:
        pass


def _open(data: bytes, kind: PictureFormat) -> ImageFile:
    """Return a picture of a format with its header read and no pixel decoded."""
    reader = _reader(kind.reader)
    if not issubclass(reader, JpegFile):
        _quieten()
    with refusing(kind):
        if kind.name == "PNG":
            # An animated PNG gets a canvas of its full size as soon as it is opened.
            _check_pixels((int.from_bytes(data[16:20]), int.from_bytes(data[20:24])))
        return reader(io.BytesIO(data))


@cache
def _reader(path: str) -> type[ImageFile]:
    """Return the class at a path of the table of formats, its library imported now."""
    reader: type[ImageFile] = pkgutil.resolve_name(path)
    return reader


def _why_not_a_picture(data: bytes) -> str:
    """Return one sentence about bytes that begin like no format that can be read."""
    if not data:
        return "The file is empty."
    readable = f"{formats.NAMES} pictures can be read."
    if other := others.recognise(data):
        return f"This is {other.what}; {readable[:-1]}: {other.mend}."
    start = data[: others.HEAD_BYTES]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        is_text = False
    else:
        is_text = b"\0" not in start
    what = "a text file, not a picture" if is_text else "not a picture in a known format"
    return f"This is {what}; {readable}"


@contextmanager
def refusing(kind: PictureFormat) -> Iterator[None]:
    """Turn whatever goes wrong inside into a DecodeError about a picture of this format."""
    try:
        yield
    except DecodeError:
        raise
    except Image.DecompressionBombError as error:  # the header did not say so
        raise DecodeError(
            f"The picture has far more than {MAX_PIXELS:,} pixels, which is the most that can be "
            "read: make it smaller."
        ) from error
    except MemoryError as error:
        raise DecodeError(
            f"There is not enough memory to read this {kind.name} picture: make it smaller."
        ) from error
    except SyntaxError as error:
        if "pixel mode" not in str(error):
            raise _damaged(kind) from error
        raise DecodeError(
            f"This {kind.name} picture's kind of pixels is not read: save it with 8 bits a colour, "
            "as PNG or JPEG."
        ) from error
    except Exception as error:
        raise _damaged(kind) from error


def _damaged(kind: PictureFormat, how: str = "") -> DecodeError:
    return DecodeError(
        f"This {kind.name} picture is damaged or incomplete{how}: get or save it once more.",
        may_be_cut=True,
    )


def _quieten() -> None:
    """Keep Pillow's warnings about odd files off the terminal, for the whole process and for good.

    ``warnings.catch_warnings`` is of no use here: it exchanges a state that all threads share.
    """
    if warnings.filters[:1] != [_PILLOW_IS_QUIET]:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_pixels(size: tuple[int, int]) -> None:
    """Raise DecodeError if a picture of ``size`` (width, height) has too many pixels."""
    width, height = size
    if width * height > MAX_PIXELS:
        raise DecodeError(
            f"The picture has {width:,} × {height:,} = {width * height:,} pixels, "
            f"and at most {MAX_PIXELS:,} can be read: make it smaller."
        )


def _prepare_jpeg(image: JpegImageFile, data: bytes, min_side: int | None) -> None:
    """Choose the scale of a JPEG; raise DecodeError if its scans would take unreasonably long."""
    assert image.fp is not None
    components = data[image.fp.tell() - 4 - 2 * image.layers]  # in the first scan, just read
    if "progressive" in image.info or components != image.layers:
        _check_pixels(image.size)  # all coefficients are held in memory, whatever the scale
        scans = data.count(b"\xff\xda")
        if scans * image.width * image.height > MAX_SCANNED_PIXELS:
            raise DecodeError(f"This JPEG picture has {scans} scans, too many: save it once more.")
    if min_side is not None:
        image.draft(None, (max(1, min_side), max(1, min_side)))


def _orientation(image: ImageFile) -> int | None:
    """Return EXIF's orientation, 1 to 8; None where it is missing, or the picture turned already.

    TIFF, and HEIC by boxes of its own, are turned by their readers, which then report none.
    """
    exif = image.info.get("exif")
    if not exif:
        return None
    _quieten()
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(_TAG_ORIENTATION)
    except Exception:  # noqa: BLE001 (a photo with damaged EXIF is still a photo)
        return None
    return value if isinstance(value, int) and (value in _UPRIGHT or value == 1) else None
