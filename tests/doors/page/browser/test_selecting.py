"""Several results selected by mouse, keys and finger, and what is done with them."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.conftest import Home, is_one_sentence
from tests.doors.page.browser.conftest import ALBUM, COLOURS, Contexts, Server, serving, visiting
from tests.doors.page.browser.panel import Line, Panel
from tests.doors.page.browser.pictures import write_album
from tests.doors.page.browser.test_accessibility import serious_findings
from tests.doors.page.browser.visitor import PHONE, Finger, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
LONG_PRESS = 700  # milliseconds, more than the page waits for


def test_the_check_of_a_card_is_seen_where_the_mouse_is(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    card = visitor.hits.nth(1)
    visitor.page.mouse.move(0, 0)
    expect(card.locator(".check")).to_have_css("opacity", "0")
    card.hover()
    expect(card.locator(".check")).to_have_css("opacity", "1")


def looking(visit: Visit, **options: Any) -> Visitor:
    """Return a visitor who looks at what is like the coffee, without any panel open."""
    visitor = visit(panels="", **options)
    visitor.choose_photograph("coffee")
    expect(visitor.hits).to_have_count(10)
    return visitor


def bar(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("region", name="Selected images")


def selected(visitor: Visitor) -> list[int]:
    """Return which places of the grid are selected, as their checks say."""
    pressed = visitor.hits.locator(".check").evaluate_all(
        "(all) => all.map((each) => each.ariaPressed)"
    )
    return [place for place, each in enumerate(pressed) if each == "true"]


def check(visitor: Visitor, place: int) -> None:
    visitor.hits.nth(place).hover()
    visitor.hits.nth(place).locator(".check").click()


def says(visitor: Visitor, words: str) -> None:
    expect(bar(visitor).locator(".count")).to_have_text(words)


# --- by mouse, keys and finger -------------------------------------------------------------------


def test_cards_are_selected_by_their_checks_and_ranges_by_shift(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    expect(bar(visitor).get_by_role("button")).to_have_count(0)
    places = "(all) => all.map((each) => each.getBoundingClientRect().top + scrollY)"
    before = visitor.hits.evaluate_all(places)

    check(visitor, 1)
    says(visitor, "1 selected")
    assert visitor.hits.evaluate_all(places) == before, "the bar is laid over the page"
    visitor.hits.nth(4).locator(".open").click(modifiers=["Shift"])
    says(visitor, "4 selected")
    assert selected(visitor) == [1, 2, 3, 4]
    visitor.hits.nth(2).locator(".open").click(modifiers=["Shift"])
    assert selected(visitor) == [1, 2]
    visitor.hits.nth(6).locator(".open").click(modifiers=["Control"])
    check(visitor, 1)
    assert selected(visitor) == [2, 6]
    expect(visitor.detail).to_be_hidden()
    visitor.hits.nth(2).locator(".open").click()
    expect(visitor.detail).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.detail).to_be_hidden()
    says(visitor, "2 selected")  # the first Esc was the large view's
    visitor.page.keyboard.press("Escape")
    says(visitor, "")
    assert selected(visitor) == []
    expect(bar(visitor).get_by_role("button")).to_have_count(0)


def test_cards_are_selected_by_keys_alone(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    press = visitor.page.keyboard.press
    visitor.hits.first.locator(".open").focus()
    press("Space")
    assert selected(visitor) == [0]
    press("ArrowRight")
    press("ArrowRight")
    for _ in range(2):
        press("Shift+ArrowRight")
    assert selected(visitor) == [0, 2, 3, 4]
    press("Shift+ArrowLeft")
    assert selected(visitor) == [0, 2, 3]
    press("Space")
    says(visitor, "2 selected")
    expect(visitor.detail).to_be_hidden()
    press("Control+a")
    says(visitor, "10 selected")
    assert visitor.page.evaluate("getSelection().toString()") == ""
    press("Escape")
    assert selected(visitor) == []
    expect(visitor.hits.nth(3).locator(".open")).to_be_focused()
    press("Tab")  # the check of this card
    name = visitor.page.evaluate("document.activeElement.ariaLabel")
    assert re.fullmatch(r"Select .+, no. 4", name)
    press("Enter")
    assert selected(visitor) == [3]


def test_the_bar_gives_the_keyboard_back_to_the_grid(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    visitor.hits.nth(2).locator(".open").focus()
    visitor.page.keyboard.press("Space")
    visitor.button("Select all").click()
    says(visitor, "10 selected")
    bar(visitor).get_by_role("button", name="Clear").focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.hits.nth(2).locator(".open")).to_be_focused()


@pytest.fixture
def phone(new_visitor: Visit) -> Visitor:
    return looking(new_visitor, **PHONE)


def test_a_long_press_begins_to_select_and_shows_what_can_be_done_with_the_card(
    phone: Visitor,
) -> None:
    acts = phone.hits.nth(1).locator(".acts")
    expect(acts).to_be_hidden()
    expect(phone.hits.nth(1).locator(".check")).to_be_hidden()

    Finger(phone).press_long(phone.hits.nth(1))

    says(phone, "1 selected")
    expect(acts).to_be_visible()
    expect(phone.detail).to_be_hidden()
    assert selected(phone) == [1]
    phone.hits.nth(2).locator(".open").tap()  # from now on a tap selects
    phone.hits.nth(3).locator(".open").tap()
    says(phone, "3 selected")
    phone.hits.nth(2).locator(".open").tap()
    assert selected(phone) == [1, 3]
    expect(phone.detail).to_be_hidden()
    bar(phone).get_by_role("button", name="Clear").tap()
    expect(acts).to_be_hidden()
    phone.hits.nth(2).locator(".open").tap()
    expect(phone.detail).to_be_visible()


def test_a_long_press_refines_the_search(phone: Visitor) -> None:
    Finger(phone).press_long(phone.hits.nth(1))
    with phone.answer():
        phone.hits.nth(1).get_by_role("button", name="More like").tap()
    expect(phone.page.locator(".chip.more-like")).to_have_count(1)
    says(phone, "")  # another query


def test_a_finger_that_scrolls_selects_nothing(phone: Visitor) -> None:
    finger = Finger(phone)
    finger.put_on(phone.hits.nth(1))
    finger.move(phone.hits.nth(1), 40, 10)
    phone.page.wait_for_timeout(LONG_PRESS)  # nothing is what must happen
    finger.lift()
    assert selected(phone) == []


def test_the_browsers_own_menu_stays_away_from_a_finger_and_not_from_a_mouse(
    phone: Visitor, new_visitor: Visit
) -> None:
    menu = """(each) => !each.dispatchEvent(
        new MouseEvent("contextmenu", { bubbles: true, cancelable: true }))"""
    finger = Finger(phone)
    finger.put_on(phone.hits.nth(1))
    assert phone.hits.nth(1).locator("img").evaluate(menu)
    finger.lift()
    assert selected(phone) == [1]  # a browser may take a long press for one earlier
    desk = looking(new_visitor)
    desk.hits.nth(1).hover()
    assert not desk.hits.nth(1).locator("img").evaluate(menu)


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1440, "height": 900}}])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_selected_is_accessible_and_within_the_window(
    new_visitor: Visit, options: dict[str, Any], scheme: str
) -> None:
    visitor = looking(new_visitor, **options, color_scheme=scheme)
    visitor.hits.nth(1).locator(".open").focus()
    visitor.page.keyboard.press("Control+a")
    says(visitor, "10 selected")
    assert serious_findings(visitor) == []
    width = options["viewport"]["width"]
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    area = bar(visitor).bounding_box()
    assert area is not None
    assert area["y"] + area["height"] == options["viewport"]["height"]
    assert area["height"] < 150
    heights = (
        bar(visitor)
        .get_by_role("button")
        .evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().height)")
    )
    assert min(heights) >= 24


# --- how long it lasts ---------------------------------------------------------------------------


def test_what_is_selected_stays_with_more_results_and_another_order_until_another_query(
    new_visitor: Visit,
) -> None:
    visitor = looking(new_visitor)
    found = visitor.results()
    check(visitor, 9)
    key = visitor.hits.nth(9).get_attribute("data-key")
    check(visitor, 0)
    visitor.page.get_by_role("button", name=re.compile("Show [0-9]+ more")).click()
    expect(visitor.hits).to_have_count(60)
    says(visitor, "2 selected")
    visitor.page.get_by_label("Sort by").select_option("name")
    says(visitor, "2 selected")
    keys = visitor.page.locator(".hit.selected").evaluate_all(
        "(all) => all.map((each) => each.dataset.key)"
    )
    assert len(keys) == 2
    assert key in keys
    scores = [each.score for each in visitor.results()]
    check(visitor, scores.index(min(scores)))
    says(visitor, "3 selected")
    least = (min(scores) + found[9].score) / 2
    visitor.page.get_by_label("Least score").fill(f"{least:.2f}")
    says(visitor, "3 selected, 1 of them not shown")

    with visitor.answer():
        visitor.button("Random").click()

    says(visitor, "")
    assert selected(visitor) == []


def test_what_is_selected_in_a_list_stays_where_that_is_asked_for_in_another_order(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(panels="")
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    check(visitor, 0)
    key = visitor.hits.first.get_attribute("data-key")
    with visitor.answer():
        visitor.page.get_by_label("Sort by").select_option("bytes")
    says(visitor, "1 selected")
    expect(visitor.page.locator(".hit.selected")).to_have_attribute("data-key", key or "")


# --- what is done with it ------------------------------------------------------------------------


def test_what_is_selected_is_exported_copied_and_drawn(new_visitor: Visit) -> None:
    visitor = looking(new_visitor, permissions=["clipboard-read", "clipboard-write"])
    found = visitor.results()
    for place in (5, 0, 3):
        check(visitor, place)
    expected = [found[place].id for place in (0, 3, 5)]  # as they are shown

    def saved(name: str) -> Path:
        with visitor.page.expect_download() as download:
            bar(visitor).get_by_role("button", name=name).click()
        return Path(download.value.path())

    as_json = json.loads(saved("Export JSON").read_text())
    assert [each["id"] for each in as_json["results"]] == expected
    rows = list(csv.DictReader(io.StringIO(saved("Export CSV").read_text())))
    assert [int(row["id"]) for row in rows] == expected
    with Image.open(saved("Contact sheet")) as sheet:
        assert 3 * 160 < sheet.width < 4 * 160
    visitor.button("Copy paths").click()
    visitor.button("Paths copied").wait_for()
    paths = [Path(each) for each in visitor.page.evaluate("navigator.clipboard.readText()").split()]
    assert len(paths) == 3
    assert all(path.is_file() for path in paths)
    assert [path.name for path in paths] == [row["path"].rpartition("/")[2] for row in rows]


def test_more_like_several_is_one_search(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    for place in (1, 4, 6):
        check(visitor, place)
    searches = []
    visitor.page.on(
        "request", lambda each: searches.append(each) if '"ask"' in (each.post_data or "") else None
    )
    with visitor.answer():
        visitor.button("More like these").click()
    expect(visitor.page.locator(".chip.more-like")).to_have_count(3)
    assert len(searches) == 1
    says(visitor, "")
    assert f"gallery={ALBUM}" in visitor.page.url
    assert "more=" in visitor.page.url


# --- a gallery of it -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which galleries may be made, with an album whose pictures were deleted since."""
    home = Home(tmp_path_factory.mktemp("selecting"))
    pictures = tmp_path_factory.mktemp("pictures") / "album"
    write_album(pictures)
    home.build(pictures, name=COLOURS)
    shutil.rmtree(pictures)
    return home


@pytest.fixture(scope="module")
def making_server(own: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "stderr"
    with serving(own, log, RIS_CREATE_GALLERIES="1") as server:
        yield server


@pytest.fixture
def maker(making_server: Server, context_with: Contexts) -> Iterator[Visitor]:
    """A visitor who may make galleries, and browses one."""
    with visiting(making_server, context_with) as visit:
        visitor = visit(panels="")
        with visitor.answer():
            visitor.page.get_by_role("button", name="Browse all").click()
        yield visitor


def test_a_gallery_is_made_of_what_is_selected_though_its_originals_are_gone(
    maker: Visitor, own: Home
) -> None:
    for place in (7, 2):
        check(maker, place)
    labels = [maker.hits.nth(place).get_attribute("data-id") for place in (2, 7)]
    maker.button("Make a gallery of them").click()
    name = maker.page.get_by_label("What to call it")
    expect(name).to_be_focused()
    name.fill(COLOURS)
    name.press("Enter")
    problem = bar(maker).get_by_role("alert").locator("p")
    expect(problem).to_contain_text(f"There is a gallery {COLOURS} already")
    assert is_one_sentence(problem.inner_text())
    name.fill("chosen")
    name.press("Enter")
    expect(Line(maker).end).to_contain_text("chosen: 2 images")
    expect(name).to_be_hidden()
    says(maker, "2 selected")
    service = own.service()
    assert service.gallery("chosen").images == 2
    of_album = [service.image(COLOURS, int(each or "")).path for each in labels]
    assert [service.image("chosen", row).path for row in (0, 1)] == of_album

    with maker.answer():
        Panel(maker, "chosen").button("Use").click()

    expect(maker.page.get_by_label("Gallery")).to_have_value("chosen")
    expect(maker.hits).to_have_count(2)
    says(maker, "")


def test_the_form_for_a_gallery_is_left_by_esc_and_what_is_selected_stays(maker: Visitor) -> None:
    check(maker, 1)
    maker.button("Make a gallery of them").click()
    maker.page.keyboard.press("Escape")
    expect(maker.page.get_by_label("What to call it")).to_be_hidden()
    expect(maker.button("Make a gallery of them")).to_be_focused()
    says(maker, "1 selected")


def test_where_no_gallery_can_be_made_nothing_offers_it(new_visitor: Visit) -> None:
    visitor = looking(new_visitor)
    check(visitor, 1)
    expect(visitor.button("Copy paths")).to_be_visible()
    expect(visitor.button("Make a gallery of them")).to_be_hidden()
