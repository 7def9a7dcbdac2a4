"""The picture formats: how each is named, recognised, sent to browsers and opened.

The one table that the decoder, the fetcher, the sources and the doors read. A new format is one
more entry. Neither Pillow nor pillow_heif is imported: a reader's path is resolved by `decode`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

HEAD_BYTES = 256
"""How many of a file's first bytes `recognise` looks at, at most."""


@dataclass(frozen=True)
class PictureFormat:
    """A format that can be searched with.

    Attributes
    ----------
    name
        As people write it.
    suffixes
        In lower case with the dot; a file that is written gets the first.
    media_type
        As registered with IANA.
    begins
        Whether a file's first bytes (`HEAD_BYTES` are enough) are of this format.
    reader
        Module and class of the `PIL.ImageFile.ImageFile` that opens it, with a colon between them.
    shown_by_browsers
        Whether a browser gets the file itself; a PNG is sent for the others.
    apart
        Whether it is decoded in a process of its own (`workers`): for large codecs written in C or
        C++, of which new ways to crash or to run on are found each year. JPEG, nearly all
        pictures, is read by a decoder that is in every browser, within limits of pixels and scans;
        the others by Pillow itself and zlib.
    """

    name: str
    suffixes: tuple[str, ...]
    media_type: str
    begins: Callable[[bytes], object]
    reader: str
    shown_by_browsers: bool = False
    apart: bool = False


def _starting(signature: bytes) -> Callable[[bytes], object]:
    return re.compile(signature, re.DOTALL).match


def _branded(*brands: bytes) -> Callable[[bytes], object]:
    """Recognise an ISO media file (ISO/IEC 14496-12, 4.3) by its major or a compatible brand."""

    def begins(data: bytes) -> bool:
        if data[4:8] != b"ftyp":
            return False
        end = min(int.from_bytes(data[:4]), HEAD_BYTES)
        compatible = (data[at : at + 4] for at in range(16, end, 4))
        return not {data[8:12], *compatible}.isdisjoint(brands)

    return begins


RAW = PictureFormat(
    name="RAW",
    suffixes=(
        *(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".sr2", ".raf", ".orf", ".rw2"),
        *(".pef", ".srw", ".rwl"),
    ),
    media_type="image/x-raw",  # IANA knows none
    # DNG, NEF, ARW and others begin as a TIFF does: `decode` tells them apart by what is in them.
    begins=_starting(rb"II\*\0....CR|IIRO|IIRS|MMOR|IIU\0|FUJIFILMCCD-RAW |....ftypcrx "),
    reader="app.images.decode:JpegFile",  # that of the JPEG in it
    apart=True,  # without one, what is in it is read as a TIFF
)
"""What cameras write beside a JPEG or instead of it: the picture in it is used."""

FORMATS = (
    PictureFormat(
        name="JPEG",
        # .mpo (CIPA DC-007: several pictures of a camera) is a JPEG, the first picture, and more.
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        media_type="image/jpeg",
        begins=_starting(rb"\xff\xd8\xff"),
        reader="app.images.decode:JpegFile",
        shown_by_browsers=True,
    ),
    PictureFormat(
        name="PNG",
        suffixes=(".png",),
        media_type="image/png",
        begins=_starting(rb"\x89PNG\r\n\x1a\n"),
        reader="app.images.png:PngFile",
        shown_by_browsers=True,
    ),
    PictureFormat(
        name="WebP",
        suffixes=(".webp",),
        media_type="image/webp",
        begins=_starting(rb"RIFF....WEBP"),
        reader="PIL.WebPImagePlugin:WebPImageFile",
        apart=True,
        shown_by_browsers=True,
    ),
    PictureFormat(
        name="GIF",
        suffixes=(".gif",),
        media_type="image/gif",
        begins=_starting(rb"GIF8[79]a"),
        reader="PIL.GifImagePlugin:GifImageFile",
        shown_by_browsers=True,
    ),
    PictureFormat(
        name="BMP",
        suffixes=(".bmp",),
        media_type="image/bmp",
        begins=_starting(
            rb"BM.{13}\0\0\0"
        ),  # the header's own size is under 256: no text begins so
        reader="PIL.BmpImagePlugin:BmpImageFile",
        shown_by_browsers=True,
    ),
    RAW,  # before TIFF, as which some begin
    PictureFormat(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        media_type="image/tiff",
        begins=_starting(rb"II[*+]\0|MM\0[*+]"),
        reader="app.images.tiff:TiffFile",
        apart=True,
    ),
    PictureFormat(
        name="JPEG 2000",
        suffixes=(".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
        media_type="image/jp2",
        begins=_starting(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
        reader="PIL.Jpeg2KImagePlugin:Jpeg2KImageFile",
        apart=True,
    ),
    PictureFormat(  # before HEIC, whose brand mif1 stands in AVIF files too
        name="AVIF",
        suffixes=(".avif",),
        media_type="image/avif",
        begins=_branded(b"avif", b"avis"),
        reader="app.images.avif:AvifFile",
        apart=True,
    ),
    PictureFormat(
        name="HEIC",
        suffixes=(".heic", ".heif", ".hif"),
        media_type="image/heic",
        begins=_branded(
            *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        ),
        reader="app.images.heic:HeicFile",  # large, so loaded for the first such picture only
        apart=True,
    ),
)

NAMES = f"{', '.join(each.name for each in FORMATS[:-1])} and {FORMATS[-1].name}"
"""All formats, as a part of a sentence."""

SUFFIXES = frozenset(suffix for each in FORMATS for suffix in each.suffixes)
"""The names of files that are taken for pictures end in one of these, in any case."""

CHOSEN_IN_BROWSERS = ",".join(
    ["image/*"]
    + [suffix for each in FORMATS if not each.shown_by_browsers for suffix in each.suffixes]
)
"""The `accept` of a file input: image/*, and the formats that browsers may not count among it."""

_BY_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}


def recognise(data: bytes) -> PictureFormat | None:
    """Return the format that a file's first bytes are of; None if it is none of the table."""
    return next((each for each in FORMATS if each.begins(data)), None)


def by_suffix(path: str) -> PictureFormat | None:
    """Return the format that a file's name ends like; None if it is none of the table.

    >>> by_suffix("holiday/beach.JPG").media_type
    'image/jpeg'
    """
    return _BY_SUFFIX.get(PurePath(path).suffix.lower())
