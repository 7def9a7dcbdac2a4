"""Filters and order as chips over the results: seen, removed, gone with the query."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.doors.page.browser.visitor import PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
NARROWED = (
    "?gallery=album&photograph=coffee&where=width%3E10&where=height%3E10"
    "&min_score=0.1&sort=name&hide=1"
)
WORDS = ["width>10", "height>10", "Score ≥ 0.10", "Near duplicates hidden", "By name"]


def chips(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("list", name="Filters and order").locator(".chip")


def words(visitor: Visitor) -> list[str]:
    return [each.removesuffix("✕").strip() for each in chips(visitor).all_inner_texts()]


def ranks(visitor: Visitor) -> list[int]:
    names = visitor.hits.locator(".check").evaluate_all(
        "(all) => all.map((each) => each.ariaLabel)"
    )
    return [int(name.rpartition(" ")[2]) for name in names]


@pytest.mark.parametrize("options", [{}, PHONE])
def test_all_that_narrows_the_results_down_is_seen_and_removed_with_the_panels_closed(
    new_visitor: Visit, options: dict[str, object]
) -> None:
    visitor = new_visitor(at=NARROWED, panels="", ready=False, **options)
    expect(chips(visitor)).to_have_count(5)
    assert words(visitor) == WORDS
    with visitor.answer():
        visitor.button("Remove: width>10").click()
    assert words(visitor) == WORDS[1:]
    assert "width" not in visitor.page.url
    assert ranks(visitor) != sorted(ranks(visitor))
    visitor.button("Remove: By name").click()
    expect(chips(visitor)).to_have_count(3)
    assert ranks(visitor) == sorted(ranks(visitor))
    with visitor.answer():
        visitor.button("Clear all").click()
    expect(chips(visitor)).to_have_count(0)
    expect(visitor.button("Clear all")).to_have_count(0)
    assert visitor.page.url.endswith("?gallery=album&photograph=coffee")


def test_the_controls_follow_a_chip_that_is_removed(new_visitor: Visit) -> None:
    visitor = new_visitor(at=NARROWED)
    expect(chips(visitor)).to_have_count(5)
    order = visitor.page.get_by_label("Sort by")
    hiding = visitor.page.get_by_role("checkbox", name="Hide near duplicates")
    expect(order).to_have_value("name")
    visitor.button("Remove: By name").click()
    expect(order).to_have_value("score")
    visitor.button("Remove: Near duplicates hidden").click()
    expect(hiding).not_to_be_checked()
    visitor.button("Remove: Score ≥ 0.10").click()
    expect(visitor.page.get_by_label("Least score")).to_have_value("0")
    order.select_option("bytes")
    expect(chips(visitor).last).to_contain_text("By size, largest first")


def test_chips_are_removed_by_keys_and_the_keyboard_goes_on_at_the_next(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(at=NARROWED, panels="", ready=False)
    expect(chips(visitor)).to_have_count(5)
    visitor.button("Remove: Score ≥ 0.10").focus()
    visitor.page.keyboard.press("Delete")
    expect(visitor.button("Remove: Near duplicates hidden")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.button("Remove: By name")).to_be_focused()
    with visitor.answer():
        visitor.button("Remove: height>10").press("Delete")
    expect(visitor.button("Remove: By name")).to_be_focused()
    with visitor.answer():
        visitor.button("Remove: width>10").press("Backspace")
    visitor.page.keyboard.press("Delete")
    expect(chips(visitor)).to_have_count(0)
    expect(visitor.hits.first.locator(".open")).to_be_focused()


def test_what_a_facet_leaves_is_a_chip_and_goes_with_a_new_query(new_visitor: Visit) -> None:
    visitor = new_visitor(panels="")
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    visitor.page.get_by_text("Narrow down").click()
    value = visitor.page.locator(".facets section").first.get_by_role("button").first
    name = value.inner_text().rpartition(" ")[0]
    with visitor.answer():
        value.click()
    assert words(visitor) == [f"label={name}"]
    with visitor.answer():
        visitor.button(f"Remove: label={name}").click()
    expect(value).to_have_attribute("aria-pressed", "false")
    with visitor.answer():
        value.click()
    with visitor.answer():
        visitor.button("Random").click()
    expect(chips(visitor)).to_have_count(0)


def test_a_condition_that_is_refused_can_be_removed(new_visitor: Visit) -> None:
    visitor = new_visitor(at="?gallery=album&photograph=coffee&where=width%3E%3Ctall", ready=False)
    expect(visitor.message).to_be_visible()
    with visitor.answer():
        visitor.button("Remove: width><tall").click()
    expect(visitor.hits).to_have_count(10)
    expect(visitor.message).to_have_count(0)
