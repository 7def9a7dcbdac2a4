"""What the page gets of a picture whose source is in the gallery: verdict, kinds and places."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.search.service import SearchService
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill
from tests.doors.page.conftest import Page, hits, id_of

CUT = (0.2, 0.1, 0.85, 0.8)  # of the cat: left, top, right, bottom


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "mine", whose copies are found: the photographs and 20 soft pictures."""
    home = Home(tmp_path_factory.mktemp("sources"))
    images = fill(home.path / "pictures", 20)
    for photograph in PHOTOGRAPHS:
        shutil.copy(photograph, images)
    home.build(images, copies=True)
    return home


@pytest.fixture(scope="module")
def service(shop: Home) -> SearchService:
    return shop.service()


def cat() -> Image.Image:
    (path,) = (path for path in PHOTOGRAPHS if path.stem == "chelsea")
    with Image.open(path) as image:
        return image.convert("RGB")


def test_a_mirrored_crop_comes_with_its_source_and_where_both_show_the_same(
    page: Page, upload: Callable[..., dict[str, str]]
) -> None:
    width, height = cat().size
    left, top, right, bottom = (
        round(each * side) for each, side in zip(CUT, (width, height) * 2, strict=True)
    )
    part = ImageOps.mirror(cat().crop((left, top, right, bottom)))
    got = page.ask(upload(encoded(part, "PNG"), "part.png"))

    first, *others = hits(got)
    verdict = got["results"]["verdict"]
    assert first["path"] == "chelsea.jpg"
    assert first["path"] in verdict
    assert first["kind"] == "edited copy"
    assert first["match"]["reason"] in verdict
    assert {each["kind"] for each in others} <= {"similar", "unlike"}
    assert all(each["match"] is None for each in others)
    assert first["match"]["mirrored"]
    region = np.array(first["match"]["in_image"])
    assert np.concatenate([region.min(axis=0), region.max(axis=0)]) == pytest.approx(CUT, abs=0.02)
    assert np.ptp(first["match"]["in_query"], axis=0) == pytest.approx([1, 1], abs=0.02)


def test_a_part_of_a_turned_and_mirrored_image_lies_where_it_was_cut_out(
    page: Page, service: SearchService
) -> None:
    query = {"kind": "image", "gallery": "mine", "id": id_of(service, "mine", "astronaut.jpg")}
    [left, top, right, bottom] = box = [0.2, 0.2, 0.8, 0.7]
    first = hits(page.ask(query | {"turns": 1, "mirrored": True, "box": box}))[0]

    assert (first["path"], first["kind"]) == ("astronaut.jpg", "edited copy")
    # A quarter turn and a mirroring swap the picture's two sides.
    region = np.array(first["match"]["in_image"])
    cut = [top, left, bottom, right]
    assert np.concatenate([region.min(axis=0), region.max(axis=0)]) == pytest.approx(cut, abs=0.02)


def test_a_picture_from_elsewhere_has_a_verdict_and_no_match(
    page: Page, upload: Callable[..., dict[str, str]]
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for picture in (Image.fromarray(noise), Image.new("RGB", (320, 240), "white")):
        got = page.ask(upload(encoded(picture, "PNG"), "other.png"))
        assert got["results"]["verdict"]
        assert all(hit["match"] is None for hit in hits(got))


def test_the_file_itself_is_found_as_such(
    page: Page, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    got = page.ask(upload(Path(shop.path / "pictures" / "rocket.jpg").read_bytes()))
    assert (hits(got)[0]["kind"], hits(got)[0]["remarks"]) == ("same file", ["same file"])
    assert "rocket.jpg" in got["results"]["verdict"]
