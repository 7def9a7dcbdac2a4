"""Results: filtered, shown large, compared, refined, saved."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.conftest import encoded
from tests.doors.page.browser.conftest import ALBUM, PREBUILT
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import PHONE, Finger, Visitor, payload, shown_at

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))
CLICK_TWICE = """(button) => [1, 2].forEach((detail) => button.dispatchEvent(
    new MouseEvent("click", { bubbles: true, cancelable: true, detail })))"""


def ids(visitor: Visitor) -> list[int]:
    return [found.id for found in visitor.results()]


@pytest.fixture
def caltech(visitor: Visitor) -> Visitor:
    """A visitor who looks at the cats of Caltech101."""
    visitor.choose_gallery(PREBUILT)
    expect(visitor.facts).to_contain_text("9,144 images")
    visitor.choose_photograph("chelsea")
    expect(visitor.hits).to_have_count(10)
    return visitor


# --- the grid and its filters --------------------------------------------------------------------


def test_more_results_are_shown_in_steps_up_to_two_hundred(caltech: Visitor):
    first = ids(caltech)
    for count in (60, 110, 160, 200):
        caltech.page.get_by_role("button", name=re.compile("Show [0-9]+ more")).click()
        expect(caltech.hits).to_have_count(count)
    expect(caltech.page.get_by_role("button", name=re.compile("Show [0-9]+ more"))).to_have_count(0)
    assert ids(caltech)[:10] == first
    assert len(set(ids(caltech))) == 200
    scores = [found.score for found in caltech.results()]
    assert scores == sorted(scores, reverse=True)


def test_results_are_filtered_by_score_label_and_copies_and_sorted_by_name(caltech: Visitor):
    best = caltech.results()
    label = caltech.page.get_by_label("Label", exact=True)
    option = label.locator("option", has_text="cougar_face")
    count = int(re.search(r"\((\d+)\)", option.inner_text())[1])

    with caltech.answer():
        label.select_option("cougar_face")

    # All that the gallery has are searched, not only those among the nearest 200.
    expect(caltech.hits).to_have_count(10)
    assert set(caltech.labels()) == {"cougar_face"}
    caltech.choose_how_many(100)
    expect(caltech.hits).to_have_count(69)
    assert count < 69
    caltech.choose_how_many(10)
    with caltech.answer():
        label.select_option("")
    assert caltech.results() == best

    caltech.page.get_by_label("Least score").fill("0.5")
    expect(caltech.hits).to_have_count(sum(found.score >= 0.5 for found in best))
    caltech.page.get_by_label("Least score").fill("0.99")
    expect(caltech.page.locator(".more")).to_contain_text("leave no result")
    caltech.page.get_by_label("Least score").fill("0")

    caltech.page.get_by_label("Sort by").select_option("name")
    expect(caltech.hits).to_have_count(10)
    files = caltech.hits.locator(".file").all_inner_texts()
    assert files == sorted(files)


def test_filters_and_order_are_those_of_one_query_in_one_gallery(caltech: Visitor):
    label, least = (
        caltech.page.get_by_label("Label", exact=True),
        caltech.page.get_by_label("Least score"),
    )
    notice = caltech.page.locator(".notice")

    def choose(name: str) -> None:
        with caltech.answer():
            label.select_option(name)

    far = label.locator("option").last.get_attribute("value")
    choose(far or "")
    expect(notice).to_be_hidden()  # other labels hold what is similar
    least.fill("0.1")
    least.dispatch_event("change")
    order, hiding = caltech.page.get_by_label("Sort by"), caltech.page.get_by_label("Hide near")
    order.select_option("name")
    hiding.check()
    chosen = caltech.results()

    caltech.choose_photograph("rocket")

    expect(label).to_have_value("")
    expect(least).to_have_value("0")
    expect(order).to_have_value("score")
    expect(hiding).not_to_be_checked()
    expect(notice).to_contain_text("Nothing in this gallery is really similar")
    expect(caltech.hits).to_have_count(10)

    with caltech.answer():
        caltech.page.go_back()
    expect(label).to_have_value(far or "")
    expect(least).to_have_value("0.1")
    expect(order).to_have_value("name")
    expect(hiding).to_be_checked()
    assert caltech.results() == chosen
    with caltech.answer():
        caltech.choose_gallery(ALBUM)
    expect(label).to_have_value("")
    assert caltech.labels()[:5] == ["chelsea"] * 5


def test_an_exact_search_marks_what_the_index_misses(caltech: Visitor):
    caltech.page.get_by_label("Exact search").check()
    expect(caltech.timing).to_contain_text("exact search of all 9144 images")
    missed = re.search(r"(\d+) of these the index misses", caltech.timing.inner_text())
    marks = caltech.page.locator(".hit .missed")
    caltech.choose_how_many(100)
    for _ in range(2):
        more = caltech.page.get_by_role("button", name=re.compile("Show [0-9]+ more"))
        if more.count():
            more.click()
    assert missed, "200 of 9,144 are more than the shortlist's candidates hold"
    expect(marks).to_have_count(int(missed[1]))


# --- refining ------------------------------------------------------------------------------------


def test_more_and_less_like_a_result_move_the_search(visitor: Visitor):
    visitor.upload(payload("both.jpg", encoded(seen_again("coffee"))))
    visitor.choose_how_many(60)
    expect(visitor.hits).to_have_count(60)
    before = {found.id: found.score for found in visitor.results()}
    rocket = next(found for found in visitor.results() if found.label == "rocket")
    card = visitor.page.locator(f".hit[data-id='{rocket.id}']")

    with visitor.answer():
        card.get_by_role("button", name="More like").click()

    liked = {found.id: found.score for found in visitor.results()}
    assert liked[rocket.id] > before[rocket.id] + 0.2
    chip = visitor.page.get_by_role("list", name="Further examples").get_by_role("listitem")
    expect(chip).to_have_count(1)
    expect(chip).to_contain_text("More like 04.jpg, rocket")
    with visitor.answer():
        visitor.page.locator(f".hit[data-id='{rocket.id}']").get_by_role(
            "button", name="Less like"
        ).click()
    expect(chip).to_have_count(1)
    expect(chip).to_contain_text("Less like 04.jpg, rocket")
    assert {found.id: found.score for found in visitor.results()}[rocket.id] < before[rocket.id]

    with visitor.answer():
        chip.get_by_role("button").click()

    expect(chip).to_have_count(0)
    assert {found.id: found.score for found in visitor.results()} == before


# --- saved ---------------------------------------------------------------------------------------


def test_results_are_saved_as_json_csv_and_a_contact_sheet(visitor: Visitor):
    visitor.upload(CAT)
    found = visitor.results()

    def saved(name: str) -> Path:
        with visitor.page.expect_download() as download:
            visitor.button(name).click()
        return Path(download.value.path())

    as_json = json.loads(saved("JSON").read_text())
    assert as_json["gallery"] == ALBUM
    assert as_json["query"]["name"] == "cat.jpg"
    assert [(hit["rank"], hit["id"], hit["labels"]) for hit in as_json["results"]] == [
        (rank, each.id, [each.label]) for rank, each in enumerate(found, 1)
    ]
    scores = [hit["score"] for hit in as_json["results"]]
    assert scores == pytest.approx([each.score for each in found], abs=0.0006)
    rows = list(csv.DictReader(io.StringIO(saved("CSV").read_text())))
    assert [(int(row["id"]), row["labels"]) for row in rows] == [
        (each.id, each.label) for each in found
    ]
    with Image.open(saved("Contact sheet")) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 8 * 160
        assert sheet.height > 2 * 160, "ten results are two rows"
        assert len(set(sheet.convert("L").tobytes())) > 100, "there are pictures on it"


# --- phones, keys, hasty hands -------------------------------------------------------------------


def test_a_phone_opens_compares_refines_and_goes_back_by_touch(
    new_visitor: Callable[..., Visitor],
):
    visitor = new_visitor(**PHONE)
    visitor.upload(CAT)
    found = visitor.results()
    visitor.hits.first.locator(".open").tap()
    visitor.button("Compare").tap()
    expect(visitor.detail.locator(".window img")).to_have_count(2)
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert visitor.page.evaluate(widest) <= 390
    visitor.button("Zoom in").tap()
    visitor.button("Close").tap()
    finger = Finger(visitor)
    finger.press_long(visitor.hits.nth(1))
    with visitor.answer():
        visitor.hits.nth(1).get_by_role("button", name="More like").tap()
    with visitor.answer():
        visitor.page.get_by_role("button", name="Remove: More like").tap()
    expect(visitor.page.locator(".chip")).to_have_count(0)
    visitor.page.get_by_role("button", name=re.compile("Show [0-9]+ more")).tap()
    expect(visitor.hits).to_have_count(60)
    visitor.hits.nth(3).scroll_into_view_if_needed()
    finger.press_long(visitor.hits.nth(3))
    with visitor.answer():
        visitor.hits.nth(3).get_by_role("button", name="Search with this").tap()
    assert visitor.results()[0].id == found[3].id
    with visitor.answer():
        visitor.page.get_by_role("button", name="Back to cat.jpg", exact=True).tap()
    assert visitor.results() == found


def test_a_search_is_done_and_refined_by_keys_alone(visitor: Visitor):
    press = visitor.page.keyboard.press

    def press_on(control: Locator, key: str = "Enter") -> None:
        control.focus()
        press(key)

    with visitor.page.expect_file_chooser() as chooser:
        press_on(visitor.button("Choose a file"))
    with visitor.answer():
        chooser.value.set_files(CAT)
    found = visitor.results()
    for change in ("Rotate", "Mirror"):
        with visitor.answer():
            press_on(visitor.button(change), "Space")
    with visitor.answer():
        press_on(visitor.hits.first.get_by_role("button", name="More like"))
    with visitor.answer():
        press_on(visitor.page.get_by_role("button", name="Remove: More like"))
    press_on(visitor.page.get_by_label("Least score"), "End")
    expect(visitor.page.locator(".more")).to_contain_text("leave no result")
    press("Home")
    expect(visitor.hits).to_have_count(10)
    visitor.page.get_by_label("Label", exact=True).focus()
    press("ArrowDown")
    expect(visitor.page.get_by_label("Label", exact=True)).not_to_have_value("")
    press("ArrowUp")
    copies = visitor.hits.locator(".nearly")
    expect(copies).not_to_have_count(0)  # the album has each photograph in twelve parts
    press_on(visitor.page.get_by_label("Hide near duplicates"), "Space")
    expect(visitor.page.get_by_label("Hide near duplicates")).to_be_checked()
    expect(copies).to_have_count(0)
    press("Space")
    expect(visitor.page.get_by_label("Hide near duplicates")).not_to_be_checked()
    # A late answer to one of these would show ten results again.
    expect(visitor.page.locator('.results[aria-busy="false"]')).to_have_count(1)
    press_on(visitor.page.get_by_role("button", name=re.compile("Show [0-9]+ more")))
    expect(visitor.hits).to_have_count(60)
    with visitor.answer():
        press_on(visitor.page.get_by_role("button", name="Back to cat.jpg", exact=True).last)
    assert visitor.results() == found


def test_a_double_click_does_no_more_than_a_click(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor(permissions=["camera", "clipboard-read", "clipboard-write"])
    for name in ("Random", "chelsea"):
        # At once, even where the machine is slow: no answer comes between the two clicks.
        with visitor.answer():
            visitor.button(name).first.evaluate(CLICK_TWICE)
    found = visitor.results()
    expect(visitor.page.locator(".past button")).to_have_count(1)  # only what was shown

    visitor.hits.nth(2).locator(".open").dblclick()
    expect(visitor.detail.locator("dt").first).to_be_visible()
    expect(visitor.detail.locator(".large img")).to_have_attribute(
        "src", shown_at(ALBUM, found[2].id)
    )
    for name in ("Compare", "Zoom in", "Wipe", "Side by side", "Back", "Copy link"):
        visitor.detail.get_by_role("button", name=name).dblclick()
    expect(visitor.detail.locator(".large img")).to_be_visible()
    visitor.button("Close").dblclick()
    expect(visitor.detail).to_be_hidden()

    with visitor.answer():
        visitor.hits.nth(3).get_by_role("button", name="Search with this").dblclick()
    expect(visitor.hits.first.locator(".same")).to_be_visible()
    assert visitor.results()[0].id == found[3].id
    for place in (4, 5):
        with visitor.answer():
            visitor.hits.nth(place).get_by_role("button", name="More like").dblclick()
    chips = visitor.page.locator(".chip")
    expect(chips).to_have_count(2)
    with visitor.answer():
        chips.first.get_by_role("button").dblclick()
    expect(chips).to_have_count(1)
    for name in ("Copy to edit →", "Search", "Rotate", "Mirror", "Clear crop", "Other examples"):
        visitor.button(name).dblclick()
    for name in ("JSON", "CSV", "Contact sheet"):
        with visitor.page.expect_download():
            visitor.button(name).dblclick()
    source = visitor.shown(visitor.original)[0]
    visitor.button("← Copy to original").dblclick()
    # A copy that came later would end the webcam.
    expect(visitor.original.locator("img")).not_to_have_attribute("src", source)
    visitor.button("Webcam").dblclick()
    visitor.button("Cancel").dblclick()
    visitor.search()
    expect(visitor.hits).to_have_count(10)
    expect(visitor.message).to_have_count(0)
