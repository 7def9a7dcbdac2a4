"""The page's two faces: one to ask, in the middle; one to see, with a slim bar and an editor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conftest import encoded
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import PHONE, Visitor

Visit = Callable[..., Visitor]
WIDTHS: list[dict[str, Any]] = [
    {"viewport": {"width": width, "height": 800}} for width in (1440, 1024, 2560)
]


@pytest.mark.parametrize("options", [PHONE, *WIDTHS])
def test_a_newcomer_sees_a_field_a_place_to_drop_and_examples_in_the_first_screen(
    new_visitor: Visit, options: dict[str, Any]
) -> None:
    visitor = new_visitor(panels="", **options)
    height = options["viewport"]["height"]
    field = visitor.page.get_by_label("Words, or the address of a picture")
    for each in (field, visitor.original.locator(".stage"), visitor.examples.first):
        area = each.bounding_box()
        assert area is not None
        assert area["y"] + area["height"] <= height
    expect(visitor.edit).to_be_hidden()
    expect(visitor.page.get_by_label("number input for How many results")).to_be_hidden()


def test_the_place_to_drop_is_clicked_to_choose_a_file(new_visitor: Visit, tmp_path: Path) -> None:
    visitor = new_visitor(panels="")
    cat = tmp_path / "cat.jpg"
    cat.write_bytes(encoded(seen_again("chelsea")))
    with visitor.page.expect_file_chooser() as chooser, visitor.answer():
        visitor.original.locator(".stage").click()
        chooser.value.set_files(cat)
    assert visitor.labels()[0] == "chelsea"


@pytest.mark.parametrize("options", [PHONE, *WIDTHS])
def test_results_come_into_view_below_a_slim_bar_and_the_editor_opens_on_a_click(
    new_visitor: Visit, options: dict[str, Any]
) -> None:
    visitor = new_visitor(panels="", **options)
    visitor.choose_photograph("coffee")
    first = visitor.hits.first.bounding_box()
    assert first is not None
    assert 0 <= first["y"] < options["viewport"]["height"]
    thumbnail = visitor.page.get_by_role("button", name="The query: coffee")
    expect(thumbnail).to_have_attribute("aria-expanded", "false")
    expect(visitor.edit).to_be_hidden()
    thumbnail.click()
    expect(thumbnail).to_have_attribute("aria-expanded", "true")
    with visitor.answer():
        visitor.button("Mirror").click()
    assert "mirrored=1" in visitor.page.url
    thumbnail.click()
    expect(visitor.original).to_be_hidden()
    visitor.page.reload()  # what is open stays for the tab, and so does what is closed
    expect(thumbnail).to_have_attribute("aria-expanded", "false")


def test_a_file_dragged_over_the_page_is_seen_to_be_taken(
    new_visitor: Visit, tmp_path: Path
) -> None:
    visitor = new_visitor(panels="")
    stage = visitor.original.locator(".stage")
    before = stage.evaluate("(each) => getComputedStyle(each).borderColor")
    visitor.page.evaluate(
        "() => document.body.dispatchEvent(new DragEvent('dragover', { bubbles: true }))"
    )
    assert stage.evaluate("(each) => getComputedStyle(each).borderColor") != before


def test_a_number_that_is_too_large_is_put_right(visitor: Visitor) -> None:
    visitor.choose_how_many(150)
    field = visitor.page.get_by_label("number input for How many results")
    expect(field).to_have_value("100")


def test_thumbnails_have_the_size_that_was_chosen_last(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    width = "(each) => each.getBoundingClientRect().width"
    before = visitor.hits.first.evaluate(width)
    visitor.page.get_by_label("Size of the thumbnails").fill("300")
    assert visitor.hits.first.evaluate(width) > before
    visitor.page.reload()
    visitor.hits.first.wait_for()
    assert visitor.hits.first.evaluate(width) > before
    visitor.page.get_by_label("Size of the thumbnails").fill("165")  # others share this browser


def test_sorted_by_name_the_nearest_are_sorted_and_no_others_come_in(visitor: Visitor) -> None:
    visitor.choose_photograph("coffee")
    ids = {found.id for found in visitor.results()}
    visitor.page.get_by_label("Sort by").select_option("name")
    assert {found.id for found in visitor.results()} == ids


def test_the_first_result_is_four_tabs_from_the_field(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    visitor.page.get_by_label("Words, or the address of a picture").focus()
    for key in ("Tab", "Tab", "Enter"):
        visitor.page.keyboard.press(key)
    expect(visitor.hits.first.locator(".open")).to_be_focused()
