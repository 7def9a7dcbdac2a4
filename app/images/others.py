"""The first bytes of a file that is not read as a picture → what it is, and what to do with it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

HEAD_BYTES = 4096
"""How many of a file's first bytes `recognise` looks at, at most."""

_SAVE = "save it as PNG or JPEG"
_FRAME = "save a frame of it as PNG or JPEG"
_UNPACK = "unpack it and take a picture from it"
_SEE = "choose a picture"


@dataclass(frozen=True)
class Other:
    """A kind of file that is not read.

    Attributes
    ----------
    what
        In a sentence: "This is …".
    mend
        What to do, the end of a sentence.
    """

    what: str
    mend: str


def recognise(data: bytes) -> Other | None:
    """Return what a file's first bytes are of; None where they are of none that is known here.

    >>> recognise(b"%PDF-1.7").what
    'a PDF document, not a picture'
    """
    head = data[:HEAD_BYTES]
    if head[4:8] == b"ftyp":
        return _SOUND if head[8:11] in (b"M4A", b"M4B", b"M4P") else _VIDEO
    return next((other for begins, other in _OTHERS if begins(head)), None)


def _at(signature: bytes) -> Callable[[bytes], object]:
    return re.compile(signature, re.DOTALL).match


def _is_svg(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(b"<") and b"<svg" in text and b"<html" not in text


_VIDEO = Other("a video, not a picture", _FRAME)
_SOUND = Other("a sound recording, not a picture", _SEE)
_ARCHIVE = "an archive, not a picture"

_OTHERS: tuple[tuple[Callable[[bytes], object], Other], ...] = (
    (
        _at(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
        Other("a JPEG XL picture, which is not read", _SAVE),
    ),
    (
        _at(rb".{0,1024}%PDF-\d"),
        Other("a PDF document, not a picture", "save a page of it as PNG or JPEG"),
    ),
    (_at(rb"8BPS\0[\1\2]"), Other("a Photoshop document, which is not read", _SAVE)),
    (_at(rb"gimp xcf "), Other("a GIMP document, which is not read", _SAVE)),
    (_is_svg, Other("an SVG drawing, which has no pixels to compare", "save it as PNG first")),
    (
        _at(rb"%!PS|\xc5\xd0\xd3\xc6"),
        Other("a PostScript drawing, which has no pixels to compare", _SAVE),
    ),
    (
        _at(rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF"),
        Other("a Windows metafile, which has no pixels to compare", _SAVE),
    ),
    (_at(rb"\0\0[\1\2]\0[^\0]\0"), Other("an icon or a cursor, which is not read", _SAVE)),
    (_at(rb"\x76\x2f\x31\x01"), Other("an OpenEXR picture, which is not read", _SAVE)),
    (_at(rb"#\?R(?:ADIANCE|GBE)\n"), Other("a Radiance picture, which is not read", _SAVE)),
    (_at(rb"II\xbc\x01"), Other("a JPEG XR picture, which is not read", _SAVE)),
    (_at(rb"DDS \x7c\0\0\0"), Other("a DDS texture, which is not read", _SAVE)),
    (_at(rb"qoif\0"), Other("a QOI picture, which is not read", _SAVE)),
    (
        _at(rb"P[1-6]\s+(?:#[^\n]*\n)*\d+\s+\d+\s"),
        Other("a portable anymap (PBM, PGM, PPM), which is not read", _SAVE),
    ),
    (_at(rb"AT&TFORM"), Other("a DjVu document, which is not read", _SAVE)),
    (_at(rb"SIMPLE  ="), Other("a FITS file, which is not read", _SAVE)),
    (_at(rb".{128}DICM"), Other("a DICOM file, which is not read", _SAVE)),
    (_at(rb"[\0-\3].{3}(?:moov|mdat|wide|pnot|skip|free)"), _VIDEO),
    (_at(rb"\x1a\x45\xdf\xa3|RIFF....AVI |FLV\x01|\0\0\x01[\xba\xb3]"), _VIDEO),
    (_at(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11|(?:\x47.{187}){3}\x47"), _VIDEO),
    (
        _at(rb"ID3[\2-\4]|\xff[\xfb\xf3\xf2\xfa\xf1\xf9]|fLaC[\0\x80]|RIFF....WAVE|OggS\0|MThd\0"),
        _SOUND,
    ),
    (
        _at(rb"PK\x03\x04"),
        Other("a ZIP archive or an office document, not a picture", _UNPACK),
    ),
    (_at(rb"Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\x1f\x8b\x08|BZh[1-9]1AY"), Other(_ARCHIVE, _UNPACK)),
    (_at(rb"\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar"), Other(_ARCHIVE, _UNPACK)),
    (
        _at(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf"),
        Other("an office document, not a picture", "save the picture in it by itself"),
    ),
    (_at(rb"SQLite format 3\0"), Other("a database, not a picture", _SEE)),
    (_at(rb"MZ.\0|\x7fELF"), Other("a program, not a picture", _SEE)),
)
