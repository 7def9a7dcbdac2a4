"""What follows an action: an error where it was, an announcement, results in view when enlarged."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.doors.page.browser.visitor import PHONE, Visitor

Visit = Callable[..., Visitor]
REFUSED = "http://127.0.0.1:1/cat.jpg"
SIZES = {"desk": {}, "phone": PHONE}
ENLARGED = {200: (720, 450), 400: (360, 225)}  # per cent: what is left of 1440 × 900


def place_of(visitor: Visitor, selector: str) -> tuple[float, float]:
    """Return the top and the bottom of an element in the window, in pixels."""
    area = visitor.page.locator(selector).first.bounding_box()
    assert area is not None
    return area["y"], area["y"] + area["height"]


@pytest.mark.parametrize("size", SIZES)
def test_an_error_stands_under_the_bar_and_moves_nothing(new_visitor: Visit, size: str) -> None:
    visitor = new_visitor(panels="", **SIZES[size])
    before = place_of(visitor, "#original .stage"), place_of(visitor, "#examples")
    visitor.ask_address(REFUSED)
    assert (place_of(visitor, "#original .stage"), place_of(visitor, "#examples")) == before
    _, bottom = place_of(visitor, "#bar")
    top, _ = place_of(visitor, "#message .message")
    assert bottom <= top < bottom + 40
    visitor.button("Close the message").click()
    expect(visitor.message).to_have_count(0)
    expect(visitor.page.get_by_label("Words, or the address of a picture")).to_have_value(REFUSED)


def test_an_error_far_down_is_in_view_and_the_page_stays_where_it_was(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    visitor.sees_every_result()
    last = visitor.hits.last
    last.evaluate("(each) => each.scrollIntoView({ block: 'end', behavior: 'instant' })")
    before = visitor.page.evaluate("scrollY")
    visitor.page.route(re.compile("/component_server/?$"), lambda route: route.fulfill(json=None))
    with visitor.answer():
        last.get_by_role("button", name="More like").click()
    top, bottom = place_of(visitor, "#message .message")
    assert 0 <= top < bottom <= visitor.page.evaluate("innerHeight")
    assert visitor.page.evaluate("scrollY") == before
    expect(last).to_be_in_viewport()


def test_what_was_found_before_does_not_stand_under_a_query_that_failed(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    visitor.ask_address(REFUSED)
    expect(visitor.hits).to_have_count(0)
    visitor.button("Back to the results before").click()
    assert visitor.labels()[0] == "coffee"
    expect(visitor.message).to_have_count(0)


def test_a_finished_search_is_announced_each_time_and_has_a_heading(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    announced = visitor.page.locator("#announcement [role=status]")
    expect(announced).to_have_text("")
    visitor.choose_photograph("coffee")
    expect(announced).to_contain_text("10 are shown")
    announced.evaluate("(each) => { each.textContent = 'heard' }")
    with visitor.answer():
        visitor.button("Search").click()
    expect(announced).to_contain_text("10 are shown")
    headings = visitor.page.get_by_role("heading").all_text_contents()
    assert headings == ["Reverse image search", "Results"]


@pytest.mark.parametrize("percent", ENLARGED)
def test_an_enlarged_page_is_read_without_scrolling_sideways(
    new_visitor: Visit, percent: int
) -> None:
    width, height = ENLARGED[percent]
    visitor = new_visitor(
        panels="",
        viewport={"width": width, "height": height},
        device_scale_factor=percent // 100,
        reduced_motion="reduce",
    )
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    visitor.choose_photograph("coffee")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    visitor.hits.last.evaluate("(each) => each.scrollIntoView({ block: 'center' })")
    middle = visitor.page.evaluate(
        "() => document.elementFromPoint(innerWidth / 4, 10)?.closest('#bar')?.id"
    )
    assert middle is None  # the bar does not lie over a window as low as this
    visitor.hits.last.locator(".open").click()
    assert visitor.detail.evaluate("(each) => each.scrollWidth - each.clientWidth") <= 0


def test_under_a_phones_slim_bar_other_pictures_are_a_tap_away(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="", **PHONE)
    expect(visitor.button("Choose a file")).to_be_visible()
    visitor.choose_photograph("coffee")
    top, bottom = place_of(visitor, "#bar")
    assert bottom - top < 90
    expect(visitor.button("Random")).to_be_hidden()
    others = visitor.button("Other pictures")
    others.tap()
    expect(others).to_have_attribute("aria-expanded", "true")
    with visitor.answer():
        visitor.button("Random").tap()


def test_what_an_edit_changed_is_in_view_on_a_phone(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="", **PHONE)
    visitor.choose_photograph("coffee")
    visitor.page.get_by_role("button", name="The query: coffee").tap()
    visitor.page.evaluate("scrollTo(0, 0)")
    with visitor.answer():
        visitor.button("Mirror").tap()
    expect(visitor.edit.locator(".frame")).to_be_in_viewport(ratio=1)
    expect(visitor.hits.first).to_be_in_viewport(ratio=0.1)


# --- what failed is not set ----------------------------------------------------------------------


def no_answers(visitor: Visitor) -> None:
    """Let the server answer nothing from now on."""
    pattern = re.compile("/component_server/?$")
    visitor.page.route(pattern, lambda route: route.fulfill(json=None))


def test_a_filter_that_failed_is_not_set(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    labels = visitor.page.get_by_label("Label", exact=True)
    before = visitor.labels()
    no_answers(visitor)
    labels.select_option(index=1)
    expect(visitor.message).to_contain_text("server")
    expect(labels).to_have_value("")
    expect(visitor.page.locator(".chip")).to_have_count(0)
    assert visitor.labels() == before
    assert "label=" not in visitor.page.url


def test_what_a_gallery_differs_in_is_asked_again_after_a_failure(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    no_answers(visitor)
    visitor.page.get_by_text("Narrow down").click()
    expect(visitor.message).to_contain_text("server")
    expect(visitor.page.locator(".facets")).not_to_have_attribute("open", "")
    visitor.page.unroute_all()
    visitor.page.get_by_text("Narrow down").click()
    expect(visitor.page.locator(".facets section").first).to_be_visible()


def test_a_link_to_galleries_that_are_not_there_is_reported_once(new_visitor: Visit) -> None:
    visitor = new_visitor(at="?gallery=album&photograph=coffee&beside=nope", ready=False)
    visitor.hits.first.wait_for()
    expect(visitor.page.locator(".sides")).to_be_hidden()
    assert "nope" not in visitor.page.url
    visitor = new_visitor(at="?gallery=nope")
    expect(visitor.message).to_contain_text("nope")
    visitor.page.reload()
    visitor.examples.first.wait_for()
    expect(visitor.message).to_have_count(0)


# --- the keyboard --------------------------------------------------------------------------------


def test_the_keyboard_goes_on_at_the_results_of_an_example(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.examples.first.focus()
    with visitor.answer():
        visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(".hits")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    expect(visitor.hits.first.locator(".open")).to_be_focused()


def test_after_a_link_the_first_result_is_one_step_away(new_visitor: Visit) -> None:
    visitor = new_visitor(at="?photograph=coffee", panels="", ready=False)
    visitor.hits.first.wait_for()
    visitor.page.keyboard.press("Tab")
    expect(visitor.button("Skip to the results")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.hits.first.locator(".open")).to_be_focused()


def test_each_result_is_called_by_its_file(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    names = [each.get_attribute("aria-label") or "" for each in visitor.hits.locator(".open").all()]
    files = visitor.hits.locator("[title]").evaluate_all(
        "(all) => all.filter((each) => each.matches('.label')).map((each) => each.title)"
    )
    assert len(set(names)) == len(names) == len(files)
    for name, file in zip(names, files, strict=True):
        assert file.rpartition("/")[2] in name


@pytest.mark.parametrize("size", SIZES)
def test_help_is_put_away_by_esc_and_by_a_click_beside_it(new_visitor: Visit, size: str) -> None:
    visitor = new_visitor(panels="", **SIZES[size])
    sheet = visitor.page.locator(".help .sheet")
    summary = visitor.page.locator(".help > summary")
    summary.click()
    expect(sheet).to_contain_text("not the web")
    visitor.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    visitor.page.mouse.click(5, visitor.page.evaluate("innerHeight") - 5)
    expect(sheet).to_be_hidden()
    visitor.button("Other examples").click()
    assert (
        visitor.page.get_by_text("Searches your galleries, not the web.")
        .locator("visible=true")
        .count()
    )


def test_the_editor_is_put_away_by_esc(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    visitor.choose_photograph("coffee")
    thumbnail = visitor.page.get_by_role("button", name="The query: coffee")
    thumbnail.click()
    visitor.button("Mirror").focus()
    visitor.page.keyboard.press("Escape")
    expect(visitor.edit).to_be_hidden()
    expect(thumbnail).to_be_focused()


def test_results_go_on_where_one_turns_the_wheel_past_their_end(new_visitor: Visit) -> None:
    visitor = new_visitor(at="?photograph=coffee&gallery=approximate", panels="", ready=False)
    expect(visitor.hits).to_have_count(10)
    visitor.hits.last.scroll_into_view_if_needed()
    visitor.hits.last.hover()
    visitor.page.mouse.wheel(0, 2000)
    visitor.page.mouse.wheel(0, 2000)
    visitor.page.wait_for_function("() => document.querySelectorAll('.hit').length > 10")
