"""Bytes of a picture → RGB array, right way up, right colours, bounded; and crop, mirror, turn.

Only the header is read before the number of pixels is known to be bearable. The formats' classes
are asked for directly instead of through ``Image.open``: that function measures a picture only
after its class has opened it, warns through a state that all threads share, and tries formats
that nobody searches with (some of them start other programs).
"""

import codecs
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from app.errors import DecodeError
from app.values import Box

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

THUMBNAIL_QUALITY = 70
THUMBNAIL_METHOD = 2
"""WebP's effort, 0 to 6: at 2 the files are a sixth smaller than at 0, at equal fidelity."""

_ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC and AVIF pictures can be read"
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_TAG_BITS, _TAG_PHOTOMETRIC, _TAG_ORIENTATION = 258, 262, 274
_WHITE_IS_ZERO = 0
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_COLOUR_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_READABLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"})
_PILLOW_IS_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def decode(data: bytes, *, min_side: int | None = None) -> NDArray[np.uint8]:
    """Return the picture as a C-contiguous (height, width, 3) uint8 array in sRGB, upright.

    Transparent parts lie on white; of an animation, the first frame counts. The array may be
    read-only.

    ``min_side`` (pixels) says that the caller needs no more than this on the shorter side: a JPEG
    larger than that is decoded at 1/2, 1/4 or 1/8 of its size, which is several times faster, and
    its shorter side stays at least ``min_side``.

    Raises DecodeError, and nothing else, whatever the bytes are.
    """
    return decode_and_measure(data, min_side=min_side)[0]


def decode_and_measure(
    data: bytes, *, min_side: int | None = None
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return what `decode` does, and the upright picture's full (width, height) in pixels."""
    name, image = _open(data)
    with _refusing(name):
        width, height = image.size
        if isinstance(image, JpegImageFile):
            _prepare_jpeg(image, data, min_side)
        _check_pixels(image.size)
        image.load()
        rgb = image if _is_plain(image) else _to_srgb(image)
        orientation = _orientation(image)
        if orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[orientation])
        return np.asarray(rgb), (height, width) if orientation >= 5 else (width, height)


def format_of(data: bytes) -> str:
    """Return the name of the format that a picture's first bytes tell; DecodeError if none."""
    return _recognise(data)[0]


def crop(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the part of an (H, W, 3) image inside ``box``, C-contiguous, at least 1 × 1 pixel.

    Each edge goes to the nearest border between two pixels, halves to the right and down. Where
    two edges meet, the one pixel is kept that holds the middle between them.
    """
    height, width = image.shape[:2]
    top, bottom = _pixels(box.top, box.bottom, height)
    left, right = _pixels(box.left, box.right, width)
    return np.ascontiguousarray(image[top:bottom, left:right])


def mirror(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of an (H, W, 3) image with left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def rotate(image: NDArray[np.uint8], quarter_turns: int) -> NDArray[np.uint8]:
    """Return an (H, W, 3) image turned clockwise by ``quarter_turns`` × 90°, C-contiguous."""
    return np.ascontiguousarray(np.rot90(image, -quarter_turns))


def thumbnail(image: NDArray[np.uint8], *, longer_side: int = 160) -> bytes:
    """Return an (H, W, 3) image as a small WebP, its longer side at most ``longer_side`` pixels.

    About 2.7 kB for a photograph of 160 px. Nothing is enlarged.
    """
    file = io.BytesIO()
    _fitted(image, longer_side).save(
        file, "WEBP", quality=THUMBNAIL_QUALITY, method=THUMBNAIL_METHOD
    )
    return file.getvalue()


@lru_cache(maxsize=1)
def no_picture() -> bytes:
    """Return the small grey card that is shown instead of a picture that is not here."""
    from PIL import ImageDraw  # seldom needed

    card = Image.new("RGB", (160, 120), (222, 222, 222))
    ImageDraw.Draw(card).text((80, 60), "no picture", (96, 96, 96), anchor="mm", font_size=20)
    return thumbnail(np.asarray(card))


def encode_png(image: NDArray[np.uint8], *, longer_side: int | None = None) -> bytes:
    """Return an (H, W, 3) image as a PNG, its longer side at most ``longer_side`` pixels.

    Compressed for speed, not for size. Nothing is enlarged.
    """
    file = io.BytesIO()
    _fitted(image, longer_side or max(image.shape)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _fitted(image: NDArray[np.uint8], longer_side: int) -> Image.Image:
    height, width, _ = image.shape
    # Without the copy that `fromarray` makes.
    pixels = np.ascontiguousarray(image)
    picture = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    scale = longer_side / max(picture.size)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return picture


class _Jpeg(JpegImageFile):
    """A JPEG whose print resolution is not looked for: it costs time and may warn."""

    def _read_dpi_from_exif(self) -> None:
        pass


_MAGIC: tuple[tuple[bytes, str, type[ImageFile]], ...] = (
    (rb"\xff\xd8\xff", "JPEG", _Jpeg),
    (rb"\x89PNG\r\n\x1a\n", "PNG", PngImageFile),
    (rb"RIFF....WEBP", "WebP", WebPImageFile),
    (rb"GIF8[79]a", "GIF", GifImageFile),
    (rb"BM.{13}\0\0\0", "BMP", BmpImageFile),  # the header's own size is under 256
    (rb"II[*+]\0|MM\0[*+]", "TIFF", TiffImageFile),
)
_FORMATS = tuple((re.compile(magic, re.DOTALL), name, kind) for magic, name, kind in _MAGIC)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def _open(data: bytes) -> tuple[str, ImageFile]:
    """Return the format's name and the picture with its header read and no pixel decoded."""
    name, kind = _recognise(data)
    if name != "JPEG":
        _quieten()
    with _refusing(name):
        if name == "PNG":
            # An animated PNG gets a canvas of its full size as soon as it is opened.
            _check_pixels((int.from_bytes(data[16:20]), int.from_bytes(data[20:24])))
        return name, kind(io.BytesIO(data))


def _recognise(data: bytes) -> tuple[str, type[ImageFile]]:
    """Return the name and the class of the format that the first bytes tell."""
    for magic, name, kind in _FORMATS:
        if magic.match(data):
            return name, kind
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4]), 256)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF", AvifImageFile
        if brands & _HEIF_BRANDS:
            from pillow_heif import HeifImageFile  # large, and seldom needed

            return "HEIC", HeifImageFile
    raise DecodeError(_why_not_a_picture(data))


def _why_not_a_picture(data: bytes) -> str:
    """Return one sentence about bytes that begin like no format that can be read."""
    if not data:
        return "The file is empty."
    head = data[:4096]
    if b"<svg" in head.lower():
        return "This is an SVG drawing, which has no pixels to compare: save it as PNG first."
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        is_text = False
    else:
        is_text = b"\0" not in head
    what = "a text file, not a picture" if is_text else "not a picture in a known format"
    return f"This is {what}; {_ACCEPTED}."


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a DecodeError about a ``name`` picture."""
    try:
        yield
    except DecodeError:
        raise
    except Image.DecompressionBombError as error:  # not told by the header
        raise DecodeError(
            f"The picture has far more than {MAX_PIXELS:,} pixels, which is the most that can be "
            "read: make it smaller."
        ) from error
    except MemoryError as error:
        raise DecodeError(
            f"There is not enough memory to read this {name} picture: make it smaller."
        ) from error
    except Exception as error:
        raise DecodeError(
            f"This {name} picture is damaged or incomplete: get or save it once more."
        ) from error


def _quieten() -> None:
    """Keep Pillow's remarks on odd files off the terminal, for the whole process and for good.

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


def _is_plain(image: Image.Image) -> bool:
    """Return whether the pixels are opaque sRGB already."""
    return image.mode == "RGB" and not image.info.keys() & {"icc_profile", "transparency"}


def _to_srgb(image: ImageFile) -> Image.Image:
    """Return a loaded picture of any mode as opaque 8-bit RGB in sRGB, on white."""
    profile = image.info.get("icc_profile")
    colours: Image.Image = image
    if colours.mode.startswith("I;16"):
        colours = _to_8_bits(image)
    if colours.mode not in _READABLE_MODES:
        raise DecodeError(
            f"This picture's kind of pixels ({colours.mode}) has no certain colours: "
            "save it with 8 bits a colour, as PNG or JPEG."
        )
    alpha = None
    if colours.has_transparency_data:
        colours = colours.convert("LA" if colours.mode in ("1", "L", "LA") else "RGBA")
        alpha = colours.getchannel("A")
        colours = colours.convert(colours.mode[:-1])
    elif colours.mode == "1":
        colours = colours.convert("L")
    elif colours.mode not in _COLOUR_SPACES.values():
        colours = colours.convert("RGB")
    colours = _apply_profile(colours, profile).convert("RGB")
    if alpha is None:
        return colours
    on_white = Image.new("RGB", colours.size, "white")
    on_white.paste(colours, mask=alpha)
    return on_white


def _to_8_bits(image: ImageFile) -> Image.Image:
    """Return a 16-bit grey picture with 8 bits: the full range to the full range, rounded."""
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    full = 4095 if tags.get(_TAG_BITS) == (12,) else 65535
    values = np.minimum(np.arange(65536), full)
    if tags.get(_TAG_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = full - values
    table = ((values * 255 + full // 2) // full).astype(np.uint8)
    numbers = np.asarray(image)
    grey = Image.fromarray(table[numbers])
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(numbers == transparent, 0, 255).astype(np.uint8)))
    return grey


def _apply_profile(image: Image.Image, profile: object) -> Image.Image:
    """Return an L, RGB or CMYK picture in sRGB, its colours told by an ICC ``profile``.

    A profile that is broken, or meant for other colours than the picture's, is left aside.
    """
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE_BYTES:
        return image
    mode, transform = _transform(profile)
    if transform is None:
        return image
    if (image.mode, mode) == ("L", "RGB"):
        image = image.convert("RGB")
    return transform.apply(image) if image.mode == mode else image


@lru_cache(maxsize=16)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Return a profile's mode and its transform to sRGB; None if broken or sRGB by itself.

    Whether a profile is sRGB is measured, not read from its name: it is if no colour of a grid
    moves by more than 2 of 255.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _COLOUR_SPACES[source.profile.xcolor_space]
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB")
    except (KeyError, OSError, TypeError, ValueError, ImageCms.PyCMSError):
        return "", None
    if mode == "CMYK":
        return mode, transform
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 27, 3)
    probe = Image.fromarray(grid if mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(probe), dtype=np.int16)
    return mode, None if np.abs(after - before).max() <= 2 else transform


def _orientation(image: ImageFile) -> int:
    """Return EXIF's orientation, 1 to 8; 1 where it is missing or the picture was turned already.

    TIFF and HEIC are turned by their own readers, which then tell of no orientation.
    """
    exif = image.info.get("exif")
    if not exif:
        return 1
    _quieten()
    tags = Image.Exif()
    try:
        tags.load(exif)
        value = tags.get(_TAG_ORIENTATION)
    except Exception:  # noqa: BLE001 (a photo with damaged EXIF is still a photo)
        return 1
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last, of ``length``, for two fractions."""
    first, last = math.floor(start * length + 0.5), math.floor(end * length + 0.5)
    if first == last:
        first = min(math.floor((start + end) / 2 * length), length - 1)
        last = first + 1
    return first, last
