"""Galleries of every kind: chosen, searched, or refused with the reason."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Home, encoded, fill, is_one_sentence
from tests.doors.page.browser.conftest import (
    ALBUM,
    APPROXIMATE,
    COLOURS,
    DAMAGED,
    PREBUILT,
    UNRUNNABLE,
)
from tests.doors.page.browser.panel import Panel
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import Visitor, payload, shown_at

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))


def click_an_example_of(visitor: Visitor, gallery: str) -> str:
    """Click the first image of the gallery among the examples; return its id."""
    example = visitor.page.locator(f"#examples button:has(img[src*='/{gallery}/'])").first
    image = example.get_attribute("data-id")
    with visitor.answer():
        example.click()
    assert image is not None
    return image


def test_the_first_gallery_that_can_be_searched_is_chosen(visitor: Visitor):
    expect(visitor.page.get_by_label("Gallery")).to_have_value(ALBUM)
    expect(visitor.facts).to_contain_text("60 images")
    expect(visitor.facts).to_contain_text("efficientnet_lite0")

    visitor.page.get_by_label("Gallery").click()

    options = visitor.page.get_by_role("option").all_inner_texts()
    names = {ALBUM, APPROXIMATE, COLOURS, DAMAGED, UNRUNNABLE}
    assert names <= {re.sub(r"\W*(\S+)", r"\1", name) for name in options}


def test_another_gallery_is_searched_with_the_same_query(visitor: Visitor):
    visitor.upload(CAT)
    source = visitor.shown(visitor.edit)[0]

    with visitor.answer():
        visitor.choose_gallery(COLOURS)

    expect(visitor.facts).to_contain_text("40 images")
    expect(visitor.facts).to_contain_text("mean_colour")
    expect(visitor.hits).to_have_count(10)
    assert all(label.startswith("kind_") for label in visitor.labels())
    assert visitor.shown(visitor.edit)[0] == source
    expect(visitor.page.locator(f"#examples img[src*='/{COLOURS}/']")).to_have_count(7)

    image = click_an_example_of(visitor, COLOURS)
    with visitor.answer():
        visitor.choose_gallery(ALBUM)

    expect(visitor.hits.first.locator("img")).to_have_attribute(
        "src", re.compile(f"galleries/{ALBUM}/")
    )
    assert visitor.shown(visitor.edit)[0] == shown_at(COLOURS, image)
    assert not any(found.same_file for found in visitor.results())


def test_passing_by_the_gallery_with_the_keyboard_changes_nothing(visitor: Visitor):
    visitor.upload(CAT)
    row = visitor.page.locator("#examples [data-id]")
    before = row.evaluate_all("(row) => row.map((each) => each.dataset.id)")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))

    visitor.page.get_by_label("Gallery").focus()
    visitor.page.keyboard.press("Tab")
    visitor.search()

    assert len([url for url in asked if "component_server" in url]) == 1
    assert row.evaluate_all("(row) => row.map((each) => each.dataset.id)") == before


def test_a_gallery_whose_model_cannot_run_is_searched_by_its_own_images(visitor: Visitor):
    visitor.page.wait_for_function(
        """async (name) => {
            const { galleries } = await (await fetch("healthz")).json();
            return galleries.find((each) => each.name === name).uploads_off;
        }""",
        arg=UNRUNNABLE,
    )
    visitor.choose_gallery(UNRUNNABLE)
    expect(visitor.facts).to_contain_text("24 images")
    expect(visitor.facts).to_contain_text("resnet50")
    expect(visitor.facts).to_contain_text("resnet50-0676ba61.pth")

    image = click_an_example_of(visitor, UNRUNNABLE)

    expect(visitor.hits).to_have_count(10)
    assert str(visitor.results()[0].id) == image
    again = visitor.results()[1].id
    with visitor.answer():
        visitor.hits.nth(1).get_by_role("button", name="Search with this").click()
    expect(visitor.hits.first).to_have_attribute("data-id", str(again))

    visitor.upload(CAT)

    for part in ("resnet50-0676ba61.pth", "RIS_WEIGHTS_DIR", "efficientnet_lite0"):
        expect(visitor.message).to_contain_text(part)
    with visitor.answer():
        visitor.choose_gallery(ALBUM)
    assert visitor.labels()[:5] == ["chelsea"] * 5


def test_a_damaged_gallery_names_the_file_and_the_command(visitor: Visitor, galleries: Home):
    visitor.upload(CAT)
    visitor.choose_gallery(DAMAGED)

    vectors = galleries.folders(DAMAGED).features / "1" / "vectors.faiss"
    expect(visitor.message).to_contain_text(str(vectors))
    expect(visitor.message).to_contain_text("create_index.py --images")
    expect(visitor.message).to_contain_text(f"--name {DAMAGED} --force")
    expect(visitor.facts.locator(".panel")).to_have_count(0)  # nothing of the gallery before
    expect(visitor.hits).to_have_count(0)  # the other gallery's would mean other images here

    with visitor.answer():
        visitor.choose_gallery(ALBUM)

    expect(visitor.message).to_have_count(0)
    expect(visitor.hits).to_have_count(10)


def test_a_gallery_that_vanishes_while_it_is_open_is_reported_in_one_sentence(
    new_visitor: Callable[..., Visitor], galleries: Home, tmp_path: Path
):
    galleries.build(fill(tmp_path / "images", 12, first=4000), name="vanishing")
    visitor = new_visitor(at="?gallery=vanishing")
    visitor.upload(CAT)
    expect(visitor.hits).to_have_count(10)
    visitor.sees_every_result()
    folders = galleries.folders("vanishing")
    for folder in (folders.indexes, folders.features):
        shutil.rmtree(folder)

    visitor.search()

    expect(visitor.message).to_contain_text("There is no gallery 'vanishing'")
    assert is_one_sentence(visitor.message.inner_text())
    visitor.button("Other examples").click()
    with visitor.answer():
        visitor.choose_gallery(ALBUM)
    expect(visitor.message).to_have_count(0)
    assert visitor.labels()[:5] == ["chelsea"] * 5


def test_two_tabs_search_two_galleries_at_once(
    visitor: Visitor, new_visitor: Callable[..., Visitor]
):
    tab = new_visitor(at=f"?gallery={COLOURS}")
    for each in (visitor, tab, visitor, tab):
        with each.answer():
            each.button("coffee").and_(each.page.locator("[data-photograph]")).click()

    assert visitor.labels()[:5] == ["coffee"] * 5
    assert all(label.startswith("kind_") for label in tab.labels())
    expect(visitor.page.get_by_label("Gallery")).to_have_value(ALBUM)
    expect(tab.page.get_by_label("Gallery")).to_have_value(COLOURS)


def test_all_galleries_of_a_model_are_searched_at_once(visitor: Visitor):
    """Ids that several galleries have mean other images in each of them."""
    visitor.choose_gallery("All 2 galleries of mean_colour")
    expect(visitor.facts).to_contain_text("340 images")
    visitor.choose_how_many(100)
    visitor.upload(CAT)

    expect(visitor.hits).to_have_count(100)
    found = visitor.results()
    galleries = visitor.hits.locator(".label.of").all_inner_texts()
    assert set(galleries) == {APPROXIMATE, COLOURS}
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    ids = [each.id for each in found]
    again = next(place for place, id in enumerate(ids) if id in ids[:place])

    visitor.hits.nth(again).locator(".open").click()

    expect(visitor.detail).to_contain_text(f"no. {again + 1}")
    expect(visitor.detail.locator("dd").nth(1)).to_have_text(galleries[again])
    for name in ("More like this", "Less like this"):  # examples are of one gallery
        expect(visitor.detail.get_by_role("button", name=name)).to_have_count(0)
    visitor.page.keyboard.press("ArrowRight")
    expect(visitor.detail).to_contain_text(f"no. {again + 2}")
    visitor.page.keyboard.press("ArrowLeft")
    expect(visitor.detail).to_contain_text(f"no. {again + 1}")
    visitor.page.keyboard.press("Escape")
    expect(visitor.hits.nth(again).locator(".open")).to_be_focused()

    with visitor.answer():
        visitor.hits.nth(again).get_by_role("button", name="Search with this").click()
    first = visitor.hits.first
    expect(first.locator(".label.of")).to_have_text(galleries[again])
    expect(first).to_have_attribute("data-id", str(ids[again]))


def test_the_gallery_chosen_last_is_the_one_that_is_searched(visitor: Visitor):
    visitor.upload(CAT)
    with visitor.held_back("component_server") as let_through:
        visitor.choose_gallery(COLOURS)
    expect(visitor.hits).to_have_count(0)
    with visitor.answer():
        visitor.choose_gallery(ALBUM)

    let_through()
    visitor.search()

    expect(visitor.facts).to_contain_text("60 images")
    assert visitor.labels()[:5] == ["chelsea"] * 5


def test_a_gallery_without_its_vectors_says_that_it_is_approximate(visitor: Visitor):
    visitor.choose_gallery(APPROXIMATE)
    expect(visitor.facts).to_contain_text("approximate")

    image = click_an_example_of(visitor, APPROXIMATE)

    expect(visitor.timing).to_contain_text("approximate")
    expect(visitor.hits).to_have_count(10)
    assert str(visitor.results()[0].id) == image
    visitor.upload(CAT)
    expect(visitor.hits).to_have_count(10)


def test_the_prebuilt_gallery_answers_with_pictures_without_its_data_set(
    galleries: Home, visitor: Visitor
):
    visitor.choose_gallery(PREBUILT)
    expect(visitor.facts).to_contain_text("9,144 images")
    expect(visitor.facts).to_contain_text("bash data_download.sh caltech")

    image = click_an_example_of(visitor, PREBUILT)

    expect(visitor.hits).to_have_count(10)
    first = visitor.results()[0]
    assert (str(first.id), first.same_file) == (image, True)
    visitor.sees_every_result()
    assert max(visitor.shown(visitor.original)[1:]) == 160  # the thumbnail, for want of more

    with visitor.answer():
        visitor.button("motorcycle").and_(visitor.page.locator("[data-photograph]")).click()

    assert visitor.labels()[:5] == ["Motorbikes"] * 5
    # Ten of nine thousand by the shortlist, and compared exactly.
    expect(visitor.timing.locator("p")).to_contain_text("% of the nearest found")
    expect(visitor.timing.locator("dl")).to_contain_text("only these are compared in full")


def test_unless_making_galleries_is_allowed_the_page_says_how_to_allow_it(visitor: Visitor):
    part = Panel(visitor, ALBUM).dialog.locator(".make")
    part.get_by_text("Make a gallery", exact=True).click()
    how = part.locator(".off")
    expect(how).to_contain_text("start the server with RIS_CREATE_GALLERIES=1")
    assert is_one_sentence(how.inner_text().strip())
    expect(part.locator("form, button, input")).to_have_count(0)
