"""A picture's bytes → what the file says of itself: when, where and by which camera it was taken.

The tags are EXIF's (CIPA DC-008, EXIF 3.0) and some that Windows writes. Nothing here raises an
error or writes a line: one of them might give away where somebody lives.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime

from app.images import exif, tags
from app.images.tags import Value

Facts = dict[str, str | int | float]

NAMES = (
    *("taken", "camera", "lens", "latitude", "longitude"),
    *("iso", "focal_length", "exposure", "aperture", "description", "rating"),
)
"""What can be known of a picture."""

MOST_CHARACTERS = 1000
"""How long a description is at most; what is longer is cut."""

_MOST_NAME_CHARACTERS = 100
_MOST_ISO = 10_000_000
_FIRST_YEAR = 1800  # photography is younger; a clock that was never set may say year 1

_TAGS_LATITUDE, _TAGS_LONGITUDE = (1, 2), (3, 4)  # the letter of the side, and the angle
_TAG_DESCRIPTION, _TAG_MAKE, _TAG_MODEL, _TAG_RATING = 270, 271, 272, 18246
_TAG_EXPOSURE, _TAG_APERTURE, _TAG_ISO, _TAG_FOCAL_LENGTH = 33434, 33437, 34855, 37386
_TAG_TITLE, _TAG_NOTE, _TAG_COMMENT, _TAG_LENS = 40091, 40092, 37510, 42036
_TAGS_LARGE_ISO = (34866, 34867)  # where the one above is 65535, as high as it goes
_TAGS_TAKEN = ((36867, 36881), (36868, 36882), (306, 36880))  # each with its offset from UTC

_WANTED = frozenset(
    (
        *(*_TAGS_LATITUDE, *_TAGS_LONGITUDE, *(tag for pair in _TAGS_TAKEN for tag in pair)),
        *(_TAG_DESCRIPTION, _TAG_MAKE, _TAG_MODEL, _TAG_RATING, _TAG_EXPOSURE, _TAG_APERTURE),
        *(_TAG_ISO, *_TAGS_LARGE_ISO, _TAG_FOCAL_LENGTH, _TAG_TITLE, _TAG_NOTE, _TAG_COMMENT),
        _TAG_LENS,
    )
)

_TIME = re.compile(
    r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d", re.ASCII)
_PARTS = (1, 60, 3600)  # degrees, minutes and seconds
_COMPANY = frozenset(
    (
        *("ag", "camera", "co", "company", "corp", "corporation"),
        *("gmbh", "imaging", "inc", "limited", "ltd"),
    )
)
_JOINERS = "\u200c\u200d"  # of letters and emoji: they cannot be seen, but what they join can
_ENCODINGS = {
    b"ASCII\0\0\0": "utf-8",
    b"UNICODE\0": "utf-16",
    b"JIS\0\0\0\0\0": "iso2022_jp",
    bytes(8): "utf-8",
}
_BY_A_CAMERA = re.compile(
    # What cameras, phones and programs write into every picture, and what they write for programs.
    r"((olympus|(konica )?minolta|kodak|samsung|vivitar|polaroid) )?digital camera|"
    r"sony dsc|samsung( csc)?|dcim\S*|dsc\S*|default|untitled|camera 360|charset=.*|exif[ _]jpeg.*|"
    r"(oznor|dav|cof|rhdr|hdr|hdrpl|edf|mde|ptr|sdr|nor|bst|btf|fbt|rpt|qrf)(wo)?(_\w+)?|"
    r"created with gimp|processed (with|by) .*|file written by adobe photoshop.*|"
    r"(imagej=|\{|<[?!\w]|< |aec |mtk|hisilicon).*",
    re.IGNORECASE | re.DOTALL,
)


def facts_of(data: bytes) -> Facts:
    """Return what a picture's file says of itself; {} where it says nothing or is damaged.

    Of `NAMES`, those that are known:

    - ``taken``: ISO 8601 in local time, with the offset from UTC if the file has that;
    - ``camera``, ``lens``: the maker and the model; the model;
    - ``latitude``, ``longitude``: degrees with 6 decimals, north and east positive; both or none;
    - ``iso``; ``focal_length`` in millimetres; ``exposure`` in seconds; ``aperture`` as f-number;
    - ``description``: what somebody wrote about it, of at most `MOST_CHARACTERS`;
    - ``rating``: 1 to 5 stars.

    No pixel is decoded and no codec asked. Nothing is raised, whatever the bytes are.
    """
    found = _read(exif.blocks(data))
    if not any(tag in found for tag, _ in _TAGS_TAKEN[:2]):
        found = _read(exif.blocks_of_preview(data)) | found
    if not found:
        return {}
    facts: Facts = {
        "taken": _taken(found),
        "camera": _camera(_name(found.get(_TAG_MAKE)), _name(found.get(_TAG_MODEL))),
        "lens": _name(found.get(_TAG_LENS)),
        "iso": _iso(found),
        "focal_length": _number(found.get(_TAG_FOCAL_LENGTH), most=100_000, digits=2),
        "exposure": _number(found.get(_TAG_EXPOSURE), most=1_000_000, digits=6),
        "aperture": _number(found.get(_TAG_APERTURE), most=1000, digits=2),
        "description": _description(found),
        "rating": _rating(found.get(_TAG_RATING)),
    }
    return {name: fact for name, fact in facts.items() if fact} | _place(found)


def _read(blocks: Iterable[bytes]) -> dict[int, Value]:
    found: dict[int, Value] = {}
    for block in blocks:
        found = tags.read(block, _WANTED) | found
    return found


def _taken(found: Mapping[int, Value]) -> str:
    """Return when a picture was taken, digitised or else changed; '' where nobody knows."""
    for tag, offset_tag in _TAGS_TAKEN:
        match = _TIME.fullmatch(_text(found.get(tag)))
        if match:
            try:
                time = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*match.groups()))
            except ValueError:
                continue
            if time.year >= _FIRST_YEAR:
                offset = (match[7] or _text(found.get(offset_tag))).replace("Z", "+00:00")
                return time.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
    return ""


def _camera(make: str, model: str) -> str:
    """Return maker and model, the maker once and without the words for its company.

    >>> _camera("NIKON CORPORATION", "NIKON D90"), _camera("OLYMPUS IMAGING CORP.", "E-M10")
    ('NIKON D90', 'OLYMPUS E-M10')
    """
    words = make.replace(",", " ").split()
    while len(words) > 1 and _COMPANY.issuperset(words[-1].lower().strip(".").split(".")):
        words.pop()
    said = model.split()[:1]
    if said and said[0].lower() in (word.lower() for word in words):
        return model
    return " ".join((*words, model)).strip()[:_MOST_NAME_CHARACTERS]


def _place(found: Mapping[int, Value]) -> Facts:
    """Return latitude and longitude in degrees; {} unless both are plausible.

    0, 0 lies in the sea, and is what devices write that do not know where they are.
    """
    latitude = _angle(found, _TAGS_LATITUDE, "NS", 90)
    longitude = _angle(found, _TAGS_LONGITUDE, "EW", 180)
    if latitude is None or longitude is None or not (latitude or longitude):
        return {}
    return {"latitude": latitude, "longitude": longitude}


def _angle(
    found: Mapping[int, Value], pair: tuple[int, int], sides: str, most: float
) -> float | None:
    side, parts = _text(found.get(pair[0])).upper(), found.get(pair[1])
    if not isinstance(parts, tuple) or len(parts) > len(_PARTS) or side not in tuple(sides):
        return None
    if not all(0 <= part <= 60 for part in parts[1:]):
        return None
    degrees = float(sum(part / divisor for part, divisor in zip(parts, _PARTS, strict=False)))
    if not 0 <= degrees <= most:
        return None
    return round(degrees if side == sides[0] else -degrees, 6) + 0.0  # never -0.0


def _iso(found: Mapping[int, Value]) -> int:
    """Return the sensitivity; 0 where it is not known."""
    values = [found.get(tag) for tag in (_TAG_ISO, *_TAGS_LARGE_ISO)]
    numbers = [int(_number(value, most=_MOST_ISO, digits=0)) for value in values]
    return numbers[0] if 0 < numbers[0] < 65535 else max(numbers)


def _number(value: Value | None, *, most: float, digits: int) -> float:
    """Return a positive number, with so many decimals; 0 where it is not known."""
    if not isinstance(value, tuple) or not 0 < value[0] <= most:
        return 0.0
    return round(float(value[0]), digits)


def _rating(value: Value | None) -> int:
    """Return the stars, 1 to 5; 0 for none."""
    return int(value[0]) if isinstance(value, tuple) and value[0] in range(1, 6) else 0


def _description(found: Mapping[int, Value]) -> str:
    """Return what somebody wrote about a picture; '' where a camera or a program did."""
    comment = found.get(_TAG_COMMENT, b"")
    texts = (
        _text(found.get(_TAG_DESCRIPTION)),
        *(_text(found.get(tag), "utf-16-le") for tag in (_TAG_TITLE, _TAG_NOTE)),
        _comment(comment) if isinstance(comment, bytes) else "",
    )
    for text in texts:
        cut = text[:MOST_CHARACTERS].rstrip()
        if _says_something(cut) and not _BY_A_CAMERA.fullmatch(cut):
            return cut
    return ""


def _comment(value: bytes) -> str:
    """Return a comment, whose first 8 bytes name its encoding."""
    encoding = _ENCODINGS.get(value[:8])
    if encoding == "utf-16":  # in the order of the bytes around it, says the standard
        text = value[8:]
        little = text[1:2] == b"\0" or text[:2] == b"\xff\xfe"
        encoding = "utf-16-le" if little else "utf-16-be"
    return _text(value[8:], encoding) if encoding else ""


def _name(value: Value | None) -> str:
    """Return the name of a thing; '' where there is none."""
    text = _text(value)[:_MOST_NAME_CHARACTERS].rstrip()
    return text if _says_something(text) and text.lower() != "unknown" else ""


def _says_something(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _text(value: Value | None, encoding: str = "utf-8") -> str:
    """Return a text up to its first NUL, on one line and without what cannot be printed.

    What is not UTF-8, as it should be, is mostly of Western Europe.
    """
    if not isinstance(value, bytes):
        return ""
    if encoding == "utf-8":
        value = value.partition(b"\0")[0]
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            # Some programs cut a text within its last character.
            was_cut = "end of data" in error.reason and not value[: error.start].isascii()
            text = value.decode("utf-8" if was_cut else "cp1252", "ignore")
    else:
        text = value.decode(encoding, "ignore").partition("\0")[0]
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return "".join(letter for letter in text if letter in _JOINERS or _is_printable(letter))


def _is_printable(letter: str) -> bool:
    return not unicodedata.category(letter).startswith("C")
