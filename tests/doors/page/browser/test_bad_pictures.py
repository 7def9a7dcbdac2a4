"""Files that are odd or no pictures: searched, or refused in one sentence; the page goes on."""

import io
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import encoded, is_one_sentence
from tests.doors.page.browser.pictures import photograph, seen_again, turned_by_exif
from tests.doors.page.browser.visitor import Visitor, payload

pytestmark = pytest.mark.browser

CAT = seen_again("chelsea")
JPEG = encoded(CAT)


def huge_png() -> bytes:
    """Return a whole PNG of 30,000 × 30,000 black pixels, in about 110 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4)
        return len(data).to_bytes(4) + kind + data + crc

    side = 30_000
    header = side.to_bytes(4) + side.to_bytes(4) + bytes([1, 0, 0, 0, 0])
    compress = zlib.compressobj()
    line = bytes(1 + side // 8)
    pixels = b"".join(compress.compress(line * 100) for _ in range(side // 100))
    data = chunk(b"IDAT", pixels + compress.flush())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def heic() -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(CAT).save(file)
    return file.getvalue()


def grey_of_16_bits() -> bytes:
    grey = np.asarray(CAT.convert("L"), np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def transparent_palette() -> bytes:
    colours = CAT.quantize(255)
    return encoded(colours, "PNG", transparency=254)


def animation() -> bytes:
    """Return a GIF whose first frame is the cat, and whose second is something else."""
    return encoded(CAT, "GIF", save_all=True, append_images=[photograph("rocket")])


REFUSED = {
    "a text file called .jpg": ("notes.jpg", lambda: b"Dear diary,\n" * 20, "a text file"),
    "an empty file": ("empty.jpg", lambda: b"", "empty"),
    "a truncated JPEG": ("half.jpg", lambda: JPEG[: len(JPEG) // 2], "damaged or incomplete"),
    "an SVG": ("drawing.svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    "a PNG of 30,000 × 30,000": ("huge.png", huge_png, "30,000 × 30,000"),
    "bytes of no format": ("photo.heic", lambda: bytes(range(256)) * 9, "known format"),
}
SEARCHED = {
    "a HEIC": ("photo.heic", heic, 0.95),
    "a CMYK JPEG": ("print.jpg", lambda: encoded(CAT.convert("CMYK")), 0.95),
    "a photo turned by EXIF": ("phone.jpg", lambda: turned_by_exif(CAT), 0.95),
    "an animated GIF": ("moving.gif", animation, 0.9),
    "a palette PNG with transparency": ("palette.png", transparent_palette, 0.9),
    "a PNG of 16 bits": ("scan.png", grey_of_16_bits, 0.7),
}


def test_what_is_no_picture_is_refused_in_one_sentence_and_the_page_goes_on(
    visitor: Visitor, subtests: pytest.Subtests
):
    for kind, (name, make, reason) in REFUSED.items():
        with subtests.test(kind):
            visitor.upload(payload(name, make(), "image/jpeg"))

            expect(visitor.message).to_contain_text(reason)
            assert is_one_sentence(visitor.message.inner_text())

            visitor.upload(payload("cat.jpg", JPEG))

            expect(visitor.message).to_have_count(0)
            assert visitor.labels()[:5] == ["chelsea"] * 5


def test_odd_pictures_are_searched_by_what_they_show(visitor: Visitor, subtests: pytest.Subtests):
    visitor.upload(payload("cat.jpg", JPEG))
    plain = {found.id: found.score for found in visitor.results()}
    for kind, (name, make, likeness) in SEARCHED.items():
        with subtests.test(kind):
            visitor.upload(payload(name, make(), "image/jpeg"))

            expect(visitor.message).to_have_count(0)
            found = visitor.results()
            assert [each.label for each in found[:5]] == ["chelsea"] * 5
            assert found[0].score > likeness * max(plain.values())
            for pane in (visitor.original, visitor.edit):
                assert visitor.shown(pane)[1:] == CAT.size  # shown, and the right way up


def test_of_what_is_dropped_together_pictures_are_searched_and_the_rest_is_named(
    visitor: Visitor, tmp_path: Path
) -> None:
    files = {"report.pdf": b"%PDF-1.7\n", "cat.jpg": JPEG, "b.jpg": encoded(photograph("rocket"))}
    files |= {"film.mp4": b"\0\0\0\x18ftypmp42" + bytes(60), "Makefile": b"all:\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    report, cat, rocket, film, unknown = (tmp_path / name for name in files)
    title = visitor.page.locator("#title")
    with visitor.answer():
        visitor.drop(title, report, cat, rocket)
    expect(visitor.message).to_contain_text("cat.jpg and 1 more; report.pdf was left out")
    assert is_one_sentence(visitor.message.inner_text())
    visitor.drop(title, report)
    expect(visitor.message).to_contain_text("report.pdf: This is a PDF document")
    visitor.drop(title, report, film)
    expect(visitor.message).to_contain_text("report.pdf: This is a PDF document")
    expect(visitor.message).to_contain_text("film.mp4 was left out")
    (tmp_path / "folder").mkdir()
    with visitor.answer():
        visitor.drop(title, tmp_path / "folder", unknown, cat)
    expect(visitor.message).to_contain_text("Searched with cat.jpg; Makefile and 1 more were")
    visitor.drop(title, tmp_path)
    expect(visitor.message).to_contain_text("Folders are not searched with")
