"""Words typed into the page, alone and beside a picture, and conditions on the results."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.doors.page.browser.conftest import ALBUM
from tests.doors.page.browser.visitor import Visitor

FIELD = "Words, or the address of a picture"


def typed(visitor: Visitor, text: str) -> None:
    field = visitor.page.get_by_label(FIELD)
    field.fill(text)
    with visitor.answer():
        field.press("Enter")


def test_words_find_what_is_written_and_can_be_taken_away(visitor: Visitor) -> None:
    first = visitor.page.locator("#examples button[data-id]").first.get_attribute("title") or ""
    word = re.findall(r"[^\W\d_]{3,}", first)[0]
    typed(visitor, word)
    assert visitor.hits.count() > 0
    expect(visitor.page.get_by_role("status").filter(has_text="knows no texts")).to_be_visible()
    expect(visitor.timing).to_contain_text("nothing was compared")
    assert f"words={word}" in visitor.page.url
    expect(visitor.page.get_by_label(FIELD)).to_have_value("")
    visitor.button(f"Remove the words: {word}").click()
    expect(visitor.hits).to_have_count(0)


def test_words_go_with_a_picture_and_stay_in_the_link(
    new_visitor: Callable[..., Visitor], visitor: Visitor
) -> None:
    visitor.choose_photograph("coffee")
    every = visitor.hits.count()
    name = visitor.hits.locator(".label").first.text_content() or ""
    word = re.findall(r"[^\W\d_]{3,}", name)[0]
    typed(visitor, word)
    expect(visitor.page.get_by_text(f"and “{word}”")).to_be_visible()
    assert 0 < visitor.hits.count() <= every
    other = new_visitor(at=visitor.page.url.rpartition("/")[2])
    expect(other.page.get_by_text(f"and “{word}”")).to_be_visible()
    expect(other.hits).to_have_count(visitor.hits.count())
    with visitor.answer():
        visitor.button("Only these words").click()
    expect(visitor.page.get_by_text(f"“{word}”").first).to_be_visible()
    assert "photograph" not in visitor.page.url
    with visitor.answer():
        visitor.page.go_back()
    expect(visitor.page.get_by_text(f"and “{word}”")).to_be_visible()


def test_nothing_is_written_so(visitor: Visitor) -> None:
    field = visitor.page.get_by_label(FIELD)
    field.fill("zeppelin")
    field.press("Enter")
    expect(visitor.page.get_by_text("Nothing is written “zeppelin” here.")).to_be_visible()
    expect(visitor.hits).to_have_count(0)


def test_conditions_that_leave_nothing_are_cleared_again(visitor: Visitor) -> None:
    visitor.choose_photograph("coffee")
    every = visitor.hits.count()
    field = visitor.page.get_by_label("Only where")
    field.fill("width>=100000")
    field.press("Enter")
    expect(visitor.page.get_by_text("The filters leave no result.")).to_be_visible()
    expect(visitor.hits).to_have_count(0)
    visitor.button("Clear the filters").click()
    expect(visitor.hits).to_have_count(every)
    assert "where" not in visitor.page.url


def test_conditions_are_added_and_removed_and_a_wrong_one_changes_nothing(visitor: Visitor) -> None:
    visitor.choose_photograph("coffee")
    every = visitor.hits.count()
    field = visitor.page.get_by_label("Only where")
    field.fill("hight>3")
    field.press("Enter")
    expect(visitor.message).to_contain_text(f"{ALBUM} has no column 'hight'")
    expect(visitor.hits).to_have_count(every)
    first = visitor.hits.first.get_attribute("data-id")
    name = visitor.hits.locator(".label").first.get_attribute("title") or ""
    field.fill(f"path!={name}")
    with visitor.answer():
        field.press("Enter")
    assert visitor.hits.first.get_attribute("data-id") != first
    assert "where=path" in visitor.page.url
    with visitor.answer():
        visitor.button(f"Remove: path!={name}").click()
    expect(visitor.hits.first).to_have_attribute("data-id", first or "")
