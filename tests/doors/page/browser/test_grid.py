"""The grid of results: one Tab stop, and nothing cut off where it grows or is searched again."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.doors.page.browser.conftest import APPROXIMATE, PREBUILT
from tests.doors.page.browser.visitor import PHONE, Finger, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
NAME = "document.activeElement.ariaLabel || document.activeElement.textContent"


def looking(visit: Visit, **options: Any) -> Visitor:
    visitor = visit(panels="", **options)
    visitor.choose_gallery(PREBUILT)
    expect(visitor.facts).to_contain_text("9,144 images")
    visitor.choose_photograph("chelsea")
    expect(visitor.hits).to_have_count(10)
    return visitor


def sticking(visitor: Visitor) -> float:
    """Return where the bar that sticks to the window's top ends."""
    area = visitor.page.locator("#bar").bounding_box()
    assert area is not None
    return area["y"] + area["height"]


def is_whole(visitor: Visitor, part: Locator) -> bool:
    """Return whether a part lies below what sticks to the window, once scrolling has ended."""
    visitor.page.evaluate(
        """() => new Promise((resolve) => {
            let last = NaN;
            const look = () => {
                if (scrollY === last) resolve();
                last = scrollY;
                setTimeout(look, 100);
            };
            look();
        })"""
    )
    area = part.bounding_box()
    assert area is not None
    height: float = visitor.page.evaluate("innerHeight")
    return sticking(visitor) <= area["y"] + 1 and area["y"] + area["height"] <= height + 1


def show_more(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("button", name=re.compile("Show [0-9]+ more"))


# --- the keyboard --------------------------------------------------------------------------------


def test_each_card_is_one_tab_stop_and_what_can_be_done_with_it_follows(
    new_visitor: Visit,
) -> None:
    visitor = looking(new_visitor)
    press = visitor.page.keyboard.press

    def focused() -> str:
        return str(visitor.page.evaluate(NAME))

    stops = visitor.page.locator(".hit button:not([tabindex='-1'])")
    expect(stops).to_have_count(5)  # of the first card alone
    visitor.hits.first.locator(".open").focus()
    press("ArrowRight")
    press("ArrowRight")
    assert focused().startswith("Open")
    for name in (r"Select .*, no. 3", "Search with this", r"More like .*, no. 3"):
        press("Tab")
        assert re.fullmatch(name, focused())
    press("ArrowRight")  # the same of the next card
    assert re.fullmatch(r"More like .*, no. 4", focused())
    press("Tab")
    press("Tab")
    expect(show_more(visitor)).to_be_focused()
    press("Shift+Tab")
    assert re.fullmatch(r"Less like .*, no. 4", focused())
    expect(stops).to_have_count(5)
    press("End")
    assert re.fullmatch(r"Less like .*, no. 10", focused())
    press("Home")
    assert re.fullmatch(r"Less like .*, no. 1", focused())


def test_the_keyboard_does_not_walk_under_what_sticks_to_the_window(new_visitor: Visit) -> None:
    visitor = looking(new_visitor, viewport={"width": 1024, "height": 600})
    show_more(visitor).click()
    expect(visitor.hits).to_have_count(60)
    for key in ("End", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"):
        visitor.page.keyboard.press(key)
        assert is_whole(visitor, visitor.page.locator(":focus")), key


# --- growing and searching again -----------------------------------------------------------------


@pytest.mark.parametrize("options", [DESK, PHONE])
def test_what_is_in_view_stays_when_more_is_shown_and_the_first_new_card_is_whole(
    new_visitor: Visit, options: dict[str, Any]
) -> None:
    visitor = looking(new_visitor, **options)
    more = show_more(visitor)
    more.scroll_into_view_if_needed()
    # As low as it may stand: the card that takes its place is cut off unless the page goes on.
    bottom = "(each) => scrollBy(0, each.getBoundingClientRect().bottom - innerHeight)"
    more.evaluate(bottom)
    card = visitor.hits.nth(9)
    before = card.evaluate("(each) => each.getBoundingClientRect().top")
    more.click()
    expect(visitor.hits).to_have_count(60)
    expect(visitor.hits.nth(10).locator(".open")).to_be_focused()
    assert is_whole(visitor, visitor.hits.nth(10))
    area = visitor.hits.nth(10).bounding_box()
    assert area is not None
    moved = before - card.evaluate("(each) => each.getBoundingClientRect().top")
    assert 0 <= moved <= area["height"] + 30, "no further than the new card needs"


def test_cards_and_the_keyboard_stay_where_a_browsed_gallery_goes_on(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="", viewport={"width": 390, "height": 844})
    visitor.choose_gallery(APPROXIMATE)
    expect(visitor.facts).to_contain_text("300 images")
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    shown = visitor.hits.count()
    card = visitor.hits.nth(shown - 1)
    number = card.get_attribute("data-id")
    card.locator(".open").focus()
    visitor.page.wait_for_function(
        "(shown) => document.querySelectorAll('.hit').length > shown", arg=shown
    )
    assert visitor.page.evaluate("document.activeElement.closest('.hit')?.dataset.id") == number


@pytest.mark.parametrize("options", [DESK, PHONE])
def test_more_like_a_card_far_down_leads_to_the_verdict_and_a_whole_first_row(
    new_visitor: Visit, options: dict[str, Any]
) -> None:
    visitor = looking(new_visitor, **options)
    for count in (60, 110):
        show_more(visitor).click()
        expect(visitor.hits).to_have_count(count)
    card = visitor.hits.nth(97)
    card.scroll_into_view_if_needed()
    if options is PHONE:
        Finger(visitor).press_long(card)
    else:
        card.hover()
    with visitor.answer():
        card.get_by_role("button", name="More like").click()
    expect(visitor.page.locator(".chip.more-like")).to_have_count(1)
    expect(visitor.hits).to_have_count(10)
    verdict = visitor.page.locator("#results .verdict")
    parts = [visitor.page.locator(".chip.more-like"), visitor.hits.first, visitor.hits.nth(1)]
    if verdict.inner_text():
        parts.append(verdict)
    visitor.page.wait_for_function("scrollY < 2000")
    for part in parts:
        assert is_whole(visitor, part)
