"""What a picture's file says of itself is read from every format, and no damage to it matters."""

import struct
import subprocess
import sys
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from app.images import facts, tags
from app.images.facts import facts_of
from tests.images.scenes import IMAGE, chunk, encode
from tests.images.test_raw import ASCII, FILES, FULL, SHORT, directory, raw_file

MAKE, MODEL, DESCRIPTION, CHANGED, RATING = 271, 272, 270, 306, 18246
TITLE, NOTE = 40091, 40092
TAKEN, DIGITISED, OFFSET_CHANGED, OFFSET_TAKEN, OFFSET_DIGITISED = (
    *(36867, 36868),
    *(36880, 36881, 36882),
)
EXPOSURE, APERTURE, ISO, FOCAL_LENGTH, COMMENT, LENS = 33434, 33437, 34855, 37386, 37510, 42036
EXIF, GPS = 34665, 34853

MAIN = {MAKE: "NIKON CORPORATION", MODEL: "NIKON D90", DESCRIPTION: "On the beach", RATING: 4}
PHOTO = {
    **{TAKEN: "2019:07:06 05:04:03", OFFSET_TAKEN: "+02:00", LENS: "35.0 mm f/1.8"},
    **{EXPOSURE: IFDRational(1, 250), APERTURE: IFDRational(28, 10), ISO: 400},
    **{FOCAL_LENGTH: IFDRational(35, 1)},
}
SYDNEY = {1: "S", 2: (33.0, 51.0, 30.5), 3: "E", 4: (151.0, 12.0, 0.0)}
ALL = {
    **{"taken": "2019-07-06T05:04:03+02:00", "camera": "NIKON D90", "lens": "35.0 mm f/1.8"},
    **{"latitude": -33.858472, "longitude": 151.2, "iso": 400, "focal_length": 35.0},
    **{"exposure": 0.004, "aperture": 2.8, "description": "On the beach", "rating": 4},
}


def exif(main: dict[int, Any], photo: dict[int, Any] = {}, place: dict[int, Any] = {}) -> bytes:  # noqa: B006
    """Return EXIF as a JPEG has it, of three directories."""
    written = Image.Exif()
    written.update(main)
    written.get_ifd(EXIF).update(photo)
    written.get_ifd(GPS).update(place)
    return written.tobytes()


def jpeg(main: dict[int, Any], photo: dict[int, Any] = {}, place: dict[int, Any] = {}) -> bytes:  # noqa: B006
    return encode(IMAGE, "JPEG", exif=exif(main, photo, place))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def cr3() -> bytes:
    """Return a CR3's boxes, with each directory in a TIFF of its own, and the JPEG in it."""
    camera, photo, place = (
        each[6:] for each in (exif({MODEL: "EOS R"}), exif(PHOTO), exif({}, {}, SYDNEY))
    )
    place = place[:4] + place[30:34] + place[8:]  # the directory of the place comes first
    directories = [(b"CMT1", camera), (b"CMT2", photo), (b"CMT3", b"?"), (b"CMT4", place)]
    inner = b"".join(box(kind, block) for kind, block in directories)
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    start = box(b"ftyp", b"crx \0\0\0\1crx isom")
    return start + box(b"moov", box(b"uuid", canon + inner)) + box(b"mdat", FULL)


WHOLE = exif(MAIN, PHOTO, SYDNEY)
PNG = encode(IMAGE)
PICTURES = {
    "JPEG": encode(IMAGE, "JPEG", exif=WHOLE),
    "PNG": encode(IMAGE, "PNG", exif=WHOLE),
    "PNG, after the pixels": PNG[:-12] + chunk(b"eXIf", WHOLE) + PNG[-12:],
    "WebP": encode(IMAGE, "WEBP", exif=WHOLE),
    "HEIC": encode(IMAGE, "HEIC", exif=WHOLE),
    "AVIF": encode(IMAGE, "AVIF", exif=WHOLE),
    "TIFF": WHOLE[6:],
    "RAF": FILES["RAF"].replace(FULL, encode(IMAGE.resize((640, 384)), "JPEG", exif=WHOLE)),
    "ORF": b"IIRO" + WHOLE[10:] if WHOLE[6:8] == b"II" else b"MMOR" + WHOLE[10:],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_format_says_the_same(kind: str) -> None:
    assert facts_of(PICTURES[kind]) == ALL
    assert set(facts.NAMES) == set(ALL)


@pytest.mark.parametrize("order", [b"II*\0", b"MM\0*"])
def test_raw_files_and_tiffs_of_both_byte_orders_are_read(order: bytes) -> None:
    tags = {CHANGED: (ASCII, [*b"2001:02:03 04:05:06\0"]), RATING: (SHORT, [5])}
    data = raw_file(FULL, b"", start=order, make="SONY", tags=tags)
    assert facts_of(data) == {"taken": "2001-02-03T04:05:06", "camera": "SONY", "rating": 5}
    assert facts_of(encode(IMAGE, "TIFF", tiffinfo={MODEL: "Scanner 3"}))["camera"] == "Scanner 3"


def test_canons_directories_are_in_boxes_of_their_own() -> None:
    found = facts_of(cr3())
    assert found["camera"] == "EOS R"
    assert (found["taken"], found["latitude"]) == (ALL["taken"], ALL["latitude"])


def test_what_a_raw_file_does_not_say_itself_its_jpeg_says() -> None:
    preview = encode(IMAGE.resize((640, 384)), "JPEG", exif=exif({MAKE: "Other"}, PHOTO))
    data = bytearray(raw_file(preview, b"", make="Canon"))
    data[8:12] = b"CR\2\0"
    found = facts_of(bytes(data))
    assert (found["camera"], found["taken"]) == ("Canon", ALL["taken"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"])
def test_a_picture_without_exif_says_nothing(kind: str) -> None:
    assert facts_of(encode(IMAGE, kind)) == {}


@pytest.mark.parametrize(
    ("main", "photo", "taken"),
    [
        ({}, {TAKEN: "1969:07:20 20:17:40"}, "1969-07-20T20:17:40"),
        ({}, {TAKEN: "2019-07-06 05:04:03"}, "2019-07-06T05:04:03"),
        ({}, {TAKEN: "2019:07:06 05:04:03.25-03:30"}, "2019-07-06T05:04:03-03:30"),
        ({}, {TAKEN: "2019:07:06 05:04:03", OFFSET_TAKEN: "Z"}, "2019-07-06T05:04:03+00:00"),
        ({}, {TAKEN: "2019:07:06 05:04:03", OFFSET_TAKEN: "   :  "}, "2019-07-06T05:04:03"),
        ({}, {TAKEN: "2019:07:06 05:04:03", OFFSET_TAKEN: "+25:00"}, "2019-07-06T05:04:03"),
        ({}, {TAKEN: "2019:07:06 05:04:03", OFFSET_DIGITISED: "+01:00"}, "2019-07-06T05:04:03"),
        (
            {CHANGED: "2020:01:01 00:00:00"},
            {DIGITISED: "2019:07:06 05:04:03", OFFSET_DIGITISED: "+01:00"},
            "2019-07-06T05:04:03+01:00",
        ),
        (
            {CHANGED: "2020:02:29 23:59:59"},
            {TAKEN: "0000:00:00 00:00:00", OFFSET_CHANGED: "-08:00"},
            "2020-02-29T23:59:59-08:00",
        ),
        ({CHANGED: "2020:01:01 00:00:00"}, {TAKEN: " "}, "2020-01-01T00:00:00"),
        *(
            ({}, {TAKEN: text}, None)
            for text in (
                *("    :  :     :  :  ", "2019:13:01 00:00:00", "2019:02:29 00:00:00", ""),
                *("2019:07:06 25:00:00", "2019:07:06 05:04:61", "0001:01:01 00:00:00"),
                *("2019:07:06 05:04:03 pm", "yesterday", "2019:07:06", "٢٠١٩:07:06 05:04:03"),
            )
        ),
    ],
)
def test_when_it_was_taken(main: dict[int, Any], photo: dict[int, Any], taken: str | None) -> None:
    assert facts_of(jpeg(main, photo)).get("taken") == taken


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("EASTMAN KODAK COMPANY", "KODAK EASYSHARE C813", "KODAK EASYSHARE C813"),
        ("OLYMPUS IMAGING CORP.", "E-M10", "OLYMPUS E-M10"),
        ("FUJI PHOTO FILM CO., LTD.", "SP-3000", "FUJI PHOTO FILM SP-3000"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("Apple", "", "Apple"),
        ("", "Scanner", "Scanner"),
        (" Apple\0junk", "a\x1b[2Jb\u202ec\n d", "Apple a[2Jbc d"),
        ("x" * 300, "y", "x" * 100),
        ("---", "unknown", None),
    ],
)
def test_the_camera_is_named_once(make: str, model: str, camera: str | None) -> None:
    assert facts_of(jpeg({MAKE: make.encode(), MODEL: model.encode()})).get("camera") == camera


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ({1: "N", 2: (0.0, 0.0, 0.0), 3: "W", 4: (0.0, 7.0, 30.0)}, (0.0, -0.125)),
        ({1: "n", 2: (51.5,), 3: "e", 4: (0.0,)}, (51.5, 0.0)),
        ({**SYDNEY, 1: ""}, None),
        ({**SYDNEY, 3: "S"}, None),
        ({**SYDNEY, 2: (91.0, 0.0, 0.0)}, None),
        ({**SYDNEY, 4: (181.0, 0.0, 0.0)}, None),
        ({**SYDNEY, 2: (33.0, 61.0, 0.0)}, None),
        ({**SYDNEY, 2: (IFDRational(0, 0),) * 3}, None),
        ({**SYDNEY, 2: (33.0, IFDRational(0, 0), 1.0)}, None),
        ({**SYDNEY, 2: (0.0,) * 3, 4: (0.0,) * 3}, None),
        ({1: "S", 2: (33.0, 51.0, 0.0)}, None),
        ({**SYDNEY, 2: ()}, None),
    ],
)
def test_a_place_is_two_plausible_angles(
    place: dict[int, Any], found: tuple[float, float] | None
) -> None:
    read = facts_of(jpeg({}, {}, place))
    assert (read.get("latitude"), read.get("longitude")) == (found or (None, None))


@pytest.mark.parametrize(
    ("main", "photo", "description"),
    [
        ({DESCRIPTION: "Ærøskøbing, 1.  maj".encode()}, {}, "Ærøskøbing, 1. maj"),
        ({DESCRIPTION: "Ærø".encode("cp1252")}, {}, "Ærø"),
        ({DESCRIPTION: "Ærø".encode()[:-1]}, {}, "Ær"),
        ({DESCRIPTION: "👨\u200d👩\u200d👧 at home".encode()}, {}, "👨\u200d👩\u200d👧 at home"),
        ({DESCRIPTION: "x" * 5000}, {}, "x" * facts.MOST_CHARACTERS),
        ({TITLE: "Ærø\0".encode("utf-16-le")}, {}, "Ærø"),
        ({DESCRIPTION: "DSC01", NOTE: "a note".encode("utf-16-le")}, {}, "a note"),
        ({}, {COMMENT: b"ASCII\0\0\0a comment\0\0"}, "a comment"),
        ({}, {COMMENT: bytes(8) + b"a comment"}, "a comment"),
        ({}, {COMMENT: b"UNICODE\0" + "Ærø".encode("utf-16-le")}, "Ærø"),
        ({}, {COMMENT: b"UNICODE\0" + "Ærø".encode("utf-16-be")}, "Ærø"),
        ({}, {COMMENT: b"UNICODE\0" + "\ufeffÆrø".encode("utf-16-le")}, "Ærø"),
        ({}, {COMMENT: b"JIS\0\0\0\0\0" + "日本".encode("iso2022_jp")}, "日本"),
        ({}, {COMMENT: b"unknown\0a comment"}, None),
        ({DESCRIPTION: "My first digital camera"}, {}, "My first digital camera"),
        *(
            ({DESCRIPTION: text}, {}, None)
            for text in (
                *(
                    "OLYMPUS DIGITAL CAMERA         ",
                    "SONY DSC",
                    "DCIM\\100MEDIA\\DJI_1.JPG",
                    "---",
                ),
                *(
                    "KONICA MINOLTA DIGITAL CAMERA",
                    "cof_soft",
                    "SAMSUNG CSC",
                    "<KENOX S760  / Samsung S760>",
                ),
                *('{"shape": [3]}', "ImageJ=1.53\nunit=um", '<?xml version="1.0"?><OME/>', " "),
            )
        ),
    ],
)
def test_a_description_is_what_somebody_wrote(
    main: dict[int, Any], photo: dict[int, Any], description: str | None
) -> None:
    assert facts_of(jpeg(main, photo)).get("description") == description


@pytest.mark.parametrize(
    ("main", "photo"),
    [
        ({}, {ISO: 0}),
        ({}, {EXPOSURE: IFDRational(0, 0), APERTURE: IFDRational(0, 1), FOCAL_LENGTH: "wide"}),
        ({RATING: 0}, {}),
        ({RATING: 6}, {}),
        ({MAKE: "-", MODEL: " "}, {LENS: "----"}),
    ],
)
def test_what_cannot_be_is_left_out(main: dict[int, Any], photo: dict[int, Any]) -> None:
    assert facts_of(jpeg(main, photo)) == {}


def test_a_sensitivity_above_what_its_tag_can_say_has_another_tag() -> None:
    assert facts_of(jpeg({}, {ISO: 65535, 34866: 102_400}))["iso"] == 102_400
    assert facts_of(jpeg({}, {ISO: 65535}))["iso"] == 65535


def test_300_damaged_pictures_raise_nothing() -> None:
    random = Random(5)
    whole = [*PICTURES.values(), cr3(), *FILES.values()]
    for number in range(300):
        facts_of(damaged(whole[number % len(whole)], random))


def damaged(data: bytes, random: Random) -> bytes:
    """Return a file with some bytes changed, mostly in its header, and perhaps cut."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 3, 10, 40))):
        place = random.randrange(min(len(changed), random.choice((64, 600, 1 << 30))))
        changed[place] = random.choice((0, 1, 255, 127, random.randrange(256)))
    if random.random() < 0.2:
        del changed[random.randrange(len(changed)) :]
    return bytes(changed)


@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_any_bytes_raise_nothing(data: bytes, start: bytes) -> None:
    assert all(fact not in ("", None) for fact in facts_of(start + data).values())


def test_tags_that_share_their_bytes_take_no_memory() -> None:
    entries = b"".join(struct.pack("<HHII", DESCRIPTION + n, 2, 60_000, 8) for n in range(5000))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries
    read = tags.read(block, range(65_536))
    assert len(read) <= 1000
    assert sum(len(value) for value in read.values()) <= 1000 * tags.MOST_BYTES


def test_boxes_that_promise_far_too_much_take_no_time() -> None:
    items = struct.pack(">BBHBBH", 1, 0, 0, 0, 0, 60_000) + b"\0\1\0\0\0\0\xff\xff" * 60_000
    info = struct.pack(">IH", 0, 1) + box(b"infe", b"\2\0\0\0\0\2\0\0Exif\0")
    meta = box(b"meta", bytes(4) + box(b"iinf", info) + box(b"iloc", items))
    began = time.process_time()
    assert facts_of(box(b"ftyp", b"heic\0\0\0\0mif1") + meta) == {}
    loop = b"II*\0\x08\0\0\0" + directory({EXIF: (4, [8]), GPS: (4, [8])}, "<", 8)
    assert facts_of(loop) == {}
    assert time.process_time() - began < 1


def test_no_codec_is_loaded() -> None:
    program = (
        "import sys; from app.images import facts; facts.facts_of(sys.stdin.buffer.read());"
        "print([name for name in sys.modules if 'heif' in name or '_avif' in name"
        " or '_webp' in name or 'TiffImage' in name or 'simplejpeg' in name])"
    )
    for kind in ("HEIC", "AVIF", "WebP", "TIFF"):
        run = subprocess.run(
            [sys.executable, "-c", program], input=PICTURES[kind], capture_output=True, check=True
        )
        assert run.stdout.strip() == b"[]"
