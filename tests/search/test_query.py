"""A query's picture, edits and examples → the vector that is compared."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.errors import AddressError, AppError, DecodeError, NotFoundError, UsageError
from app.search.picture import File
from app.search.query import DISPLAY_SIDE
from app.search.question import LESS_WEIGHT, MAX_K, MORE_WEIGHT
from app.search.service import SearchService
from app.values import Box, Edit
from tests.conftest import PHOTOGRAPHS, Home, encoded, heic, is_one_sentence, picture
from tests.search.conftest import (
    COPIES,
    IN_PART,
    PART,
    file_of,
    id_of,
    is_in_order,
    paths,
    stored_vectors,
    vector_of,
)

# --- edits ---------------------------------------------------------------------------------------


def pixels_in(data: bytes, box: Box) -> bytes:
    image = Image.open(io.BytesIO(data))
    sides = (
        round(box.left * image.width),
        round(box.top * image.height),
        round(box.right * image.width),
        round(box.bottom * image.height),
    )
    return encoded(image.crop(sides), "PNG")


def edited_by_pillow(data: bytes, edit: Edit) -> bytes:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    for _ in range(edit.quarter_turns):
        image = image.transpose(Image.Transpose.ROTATE_270)  # Pillow turns the other way
    if edit.mirrored:
        image = ImageOps.mirror(image)
    whole = encoded(image, "PNG")
    return pixels_in(whole, edit.box) if edit.box else whole


@pytest.mark.parametrize("box", [None, PART])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_query_is_turned_then_mirrored_then_cut(
    service: SearchService, turns: int, mirrored: bool, box: Box | None
) -> None:
    edit, data = Edit(turns, mirrored, box), encoded(picture(9_000), "PNG")
    found = service.search("mine", data, k=20, edit=edit)
    expected = service.search("mine", edited_by_pillow(data, edit), k=20)
    assert paths(found) == paths(expected)
    for one, other in zip(found.hits, expected.hits, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
    as_it_is = service.search("mine", data, k=20)
    assert (paths(found) == paths(as_it_is)) == edit.is_nothing


def test_a_photo_that_says_how_it_was_held_is_turned_from_upright(service: SearchService) -> None:
    edit, data = Edit(quarter_turns=1, box=PART), turned_by_exif()
    found = service.search("mine", data, edit=edit)
    assert paths(found) == paths(service.search("mine", edited_by_pillow(data, edit)))
    stored_pixels = Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_270)
    as_held = service.search("mine", pixels_in(encoded(stored_pixels, "PNG"), PART))
    assert paths(found) != paths(as_held)


def test_four_quarter_turns_are_none_and_five_are_one(service: SearchService, shop: Home) -> None:
    data = file_of(shop, "kind_0/00010.jpg")
    as_it_is = service.search("mine", data)
    for turns in (4, -4, 8):
        assert service.search("mine", data, edit=Edit(quarter_turns=turns)).hits == as_it_is.hits
    once = service.search("mine", data, edit=Edit(quarter_turns=1))
    assert once.hits != as_it_is.hits
    for turns in (5, -3):
        assert service.search("mine", data, edit=Edit(quarter_turns=turns)).hits == once.hits


def test_an_image_of_the_gallery_is_turned_and_mirrored_too(
    service: SearchService, shop: Home
) -> None:
    path = "photographs/chelsea.jpg"
    for edit in (Edit(quarter_turns=1), Edit(mirrored=True)):
        by_id = service.search("mine", id_of(service, shop, path), edit=edit)
        assert by_id.hits == service.search("mine", file_of(shop, path), edit=edit).hits
        assert not by_id.notes


@pytest.mark.parametrize("path", ["kind_0/00010.jpg", "photographs/astronaut.jpg"])
def test_a_box_searches_what_its_pixels_alone_would(
    service: SearchService, shop: Home, path: str
) -> None:
    data = file_of(shop, path)
    by_box = service.search("mine", data, k=20, edit=IN_PART)
    by_pixels = service.search("mine", pixels_in(data, PART), k=20)
    assert paths(by_box) == paths(by_pixels)
    for one, other in zip(by_box.hits, by_pixels.hits, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
    assert paths(by_box) != paths(service.search("mine", data, k=20))


def test_a_part_of_a_file_marks_the_file_where_it_is_found_and_puts_it_nowhere(
    service: SearchService, shop: Home
) -> None:
    data = file_of(shop, "kind_0/00000.jpg")
    result = service.search("mine", data, k=MAX_K, edit=Edit(box=Box(0.4, 0.4, 1.0, 1.0)))
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert not result.hits[0].same_file
    marked = {hit.image.path for hit in result.hits if hit.same_file}
    assert marked <= {"kind_0/00000.jpg", *COPIES}
    nearly_all = service.search("mine", data, edit=Edit(box=Box(0.0, 0.0, 0.9, 0.9)))
    assert nearly_all.hits[0].same_file
    left = service.search("mine", data, k=MAX_K, edit=IN_PART, leave_out_same_file=True)
    assert not {"kind_0/00000.jpg", *COPIES} & set(paths(left))
    assert len(left.hits) == MAX_K


def test_a_part_of_an_image_is_cut_from_its_original(service: SearchService, shop: Home) -> None:
    path = "photographs/chelsea.jpg"
    by_id = service.search("mine", id_of(service, shop, path), edit=IN_PART)
    assert by_id.hits == service.search("mine", file_of(shop, path), edit=IN_PART).hits
    assert not by_id.notes


def test_without_the_original_a_part_is_cut_from_the_thumbnail_with_a_note(
    service: SearchService, shop: Home, mine: Home
) -> None:
    path = "photographs/chelsea.jpg"
    image = id_of(service, shop, path)
    (shop.path / "pictures" / path).rename(mine.path / "moved.jpg")
    try:
        result = service.search("mine", image, edit=IN_PART)
        thumbnail = service.thumbnail("mine", image)
        expected = service.search("mine", thumbnail, edit=IN_PART)
    finally:
        (mine.path / "moved.jpg").rename(shop.path / "pictures" / path)
    (note,) = result.notes
    assert "thumbnail" in note
    assert paths(result) == paths(expected)


def test_an_original_that_may_not_be_read_counts_as_missing(
    service: SearchService, shop: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = id_of(service, shop, "kind_0/00010.jpg")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert service.search("mine", image, edit=IN_PART).notes
    with pytest.raises(NotFoundError):
        service.picture("mine", image)


# --- examples ------------------------------------------------------------------------------------


MIXES = {
    "more like one": {"more": (3,)},
    "more like two": {"more": (3, "200")},
    "less like one": {"less": (3,)},
    "both": {"more": (3, 200), "less": (77,)},
    "the same twice": {"more": (3, 3)},
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("by_id", [False, True])
def test_examples_move_the_query_by_their_weights(
    service: SearchService, shop: Home, mix: str, by_id: bool
) -> None:
    vectors, data = stored_vectors(shop), encoded(picture(8_000))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    total = (units[42] if by_id else vector_of(data)).astype(np.float64)
    for name, weight in (("more", MORE_WEIGHT), ("less", LESS_WEIGHT)):
        for image in MIXES[mix].get(name, ()):
            total += weight * units[int(image)]
    cosines = units @ (total / np.linalg.norm(total))
    query = 42 if by_id else data
    exact, quick = (
        service.search("mine", query, k=20, exact=flag, **MIXES[mix]) for flag in (True, False)
    )
    for result in (exact, quick):
        for hit in result.hits:
            assert hit.score == pytest.approx(float(cosines[hit.image.id]), abs=1e-5)
    contents = {
        service.image("mine", row).sha256: cosine for row, cosine in enumerate(cosines.tolist())
    }
    best = np.sort(list(contents.values()))[::-1][:20]
    assert [hit.score for hit in exact.hits] == pytest.approx(best.tolist(), abs=1e-5)
    assert paths(exact) != paths(service.search("mine", query, k=20, exact=True))


def test_examples_are_weighed_against_the_query_as_it_is_edited(
    service: SearchService, shop: Home
) -> None:
    data, edit = encoded(picture(9_000), "PNG"), Edit(1, True, PART)
    result = service.search("mine", data, edit=edit, **MIXES["both"])
    by_pillow = edited_by_pillow(data, edit)
    assert paths(result) == paths(service.search("mine", by_pillow, **MIXES["both"]))


def test_with_examples_the_querys_own_file_is_marked_where_it_is_found_and_can_be_left_out(
    service: SearchService, shop: Home
) -> None:
    data, towards = file_of(shop, "kind_0/00000.jpg"), (200, 200, 200)
    result = service.search("mine", data, k=MAX_K, more=towards)
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert not result.hits[0].same_file
    marked = {hit.image.path for hit in result.hits if hit.same_file}
    assert marked
    assert marked <= {"kind_0/00000.jpg", *COPIES}
    left = service.search("mine", data, k=MAX_K, more=towards, leave_out_same_file=True)
    assert len(left.hits) == MAX_K
    assert not {"kind_0/00000.jpg", *COPIES} & set(paths(left))


def test_pictures_from_elsewhere_are_examples_too(service: SearchService, shop: Home) -> None:
    more, less = encoded(picture(8_001)), encoded(picture(8_002))
    vectors = stored_vectors(shop)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    total = units[42] + MORE_WEIGHT * (vector_of(more) + units[3]) + LESS_WEIGHT * vector_of(less)
    cosines = units @ (total / np.linalg.norm(total))
    asked = {"more": (File(more), 3), "less": (File(less),)}
    for hit in service.search("mine", 42, k=20, exact=True, **asked).hits:
        assert hit.score == pytest.approx(float(cosines[hit.image.id]), abs=1e-5)


@pytest.mark.parametrize(
    ("examples", "error", "said"),
    [
        ({"more": (File(b"GIF89a"),)}, DecodeError, "^In more and less: "),
        ({"less": ("http://10.0.0.1/a.jpg",)}, AddressError, "^In more and less: .*10.0.0.1"),
        (
            {"more": (File(b""),) * 7, "less": (File(b""),) * 4},
            UsageError,
            "10 pictures .* 11",
        ),
        ({"more": ("cat.jpg",)}, NotFoundError, "cat.jpg"),
    ],
)
def test_an_example_that_cannot_be_had_is_said(
    service: SearchService, examples: dict[str, Any], error: type[AppError], said: str
) -> None:
    with pytest.raises(error, match=said):
        service.search("mine", 42, **examples)


@pytest.mark.parametrize("examples", [{"less": (42, 42)}, {"more": (42,), "less": (42,) * 4}])
def test_examples_that_leave_nothing_of_the_query_are_refused(
    service: SearchService, examples: dict[str, tuple[int, ...]]
) -> None:
    with pytest.raises(UsageError, match="cancel each other out"):
        service.search("mine", 42, **examples)


@pytest.mark.parametrize("image", [-1, 308, 2**63])
def test_an_example_that_is_not_in_the_gallery_is_named(service: SearchService, image: int) -> None:
    with pytest.raises(NotFoundError, match=str(image)):
        service.search("mine", 42, more=(3, image))


# --- previews ------------------------------------------------------------------------------------


def test_a_preview_is_a_png_that_a_browser_can_show(service: SearchService) -> None:
    wide = picture(1, (300, 200))
    shown = Image.open(io.BytesIO(service.preview(heic(wide))))
    assert (shown.format, shown.size) == ("PNG", (300, 200))
    large = encoded(picture(1, (1600, 1472)))
    for data in (large, heic(picture(1, (1100, 960)))):
        assert max(Image.open(io.BytesIO(service.preview(data))).size) == DISPLAY_SIDE
    part = Image.open(io.BytesIO(service.preview(large, IN_PART)))
    assert part.size == (1000, 1104)
    turned = Image.open(io.BytesIO(service.preview(large, Edit(quarter_turns=3))))
    assert turned.size == (942, DISPLAY_SIDE)
    turned_part = Image.open(io.BytesIO(service.preview(large, Edit(quarter_turns=1, box=PART))))
    assert turned_part.size == (920, 1200)


# --- files of every kind -------------------------------------------------------------------------


BASE = Image.open(next(path for path in PHOTOGRAPHS if path.stem == "astronaut")).convert("RGB")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(3 * 30_000 + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


def turned_by_exif() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return encoded(BASE.transpose(Image.Transpose.ROTATE_90), quality=95, exif=exif)


def with_palette_and_transparency() -> bytes:
    image = BASE.quantize(255)
    image.paste(255, (0, 0, 12, 12))
    return encoded(image, "PNG", transparency=255)


def sixteen_bits() -> bytes:
    grey = np.asarray(BASE.convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def animated() -> bytes:
    first, second = BASE.quantize(256), picture(77, BASE.size).quantize(256)
    return encoded(first, "GIF", save_all=True, append_images=[second], duration=100, loop=0)


SEARCHED = {
    "CMYK JPEG": lambda: encoded(BASE.convert("CMYK"), quality=95),
    "16-bit PNG": sixteen_bits,
    "animated GIF": animated,
    "palette PNG with transparency": with_palette_and_transparency,
    "photo turned by EXIF": turned_by_exif,
    "HEIC": lambda: heic(BASE),
}
REFUSED = {
    "text named .jpg": (lambda: b"Dear Sir or Madam,\n", "text"),
    "empty file": (lambda: b"", "empty"),
    "truncated JPEG": (lambda: encoded(BASE)[:9_000], "damaged"),
    "huge PNG": (huge_png, "30,000 × 30,000"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "SVG"),
}


@pytest.mark.parametrize("kind", SEARCHED)
def test_odd_pictures_are_searched_the_right_way_up_and_in_the_right_colours(
    service: SearchService, shop: Home, kind: str
) -> None:
    result = service.search("mine", SEARCHED[kind](), exact=True)
    best = {hit.image.path: hit.score for hit in result.hits}
    if kind == "16-bit PNG":  # it is grey, so it is held against the grey picture
        grey = service.search("mine", encoded(BASE.convert("L"), "PNG"), exact=True)
        assert paths(result) == paths(grey)
        assert result.hits[0].score == pytest.approx(grey.hits[0].score, abs=1e-3)
    else:
        assert paths(result)[0] == "photographs/astronaut.jpg"
        assert best["photographs/astronaut.jpg"] > 0.99
    assert is_in_order(result)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_in_one_sentence_and_the_service_goes_on(
    service: SearchService, kind: str
) -> None:
    make, word = REFUSED[kind]
    for box in (None, PART):
        with pytest.raises(DecodeError) as refusal:
            service.search("mine", make(), edit=Edit(box=box))
        assert word in str(refusal.value)
        assert is_one_sentence(str(refusal.value))
    assert service.search("mine", encoded(BASE)).hits
