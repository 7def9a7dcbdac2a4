"""Galleries of pictures and of texts, and the gallery that was used last."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.doors.page.browser.conftest import ALBUM, COLOURS, TEXTS
from tests.doors.page.browser.visitor import Visitor


def test_a_page_opens_with_the_gallery_that_was_used_last(
    new_visitor: Callable[..., Visitor],
) -> None:
    visitor = new_visitor()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(ALBUM)
    visitor.choose_gallery(COLOURS)
    expect(visitor.page).to_have_url(re.compile(COLOURS))  # the choice has arrived
    other = new_visitor()
    expect(other.page.get_by_label("Gallery")).to_have_value(COLOURS)


def test_texts_are_a_way_of_their_own_and_back_is_the_gallery_of_before(visitor: Visitor) -> None:
    visitor.choose_gallery(COLOURS)
    pictures, texts = visitor.button("Pictures"), visitor.button("Texts")
    expect(pictures).to_have_attribute("aria-pressed", "true")
    texts.click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(TEXTS)
    expect(texts).to_have_attribute("aria-pressed", "true")
    visitor.ask_address("instrument of music")
    expect(visitor.hits.first.locator(".said")).to_be_visible()
    pictures.click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(COLOURS)


def test_a_text_is_a_query_by_its_words_not_by_a_picture_of_it(visitor: Visitor) -> None:
    visitor.button("Texts").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(TEXTS)
    with visitor.answer():
        visitor.button("Random").click()
    text = visitor.hits.first.locator(".said").inner_text()
    expect(visitor.page.locator(".chip", has_text=f"Like {text}")).to_be_visible()
    expect(visitor.page.get_by_role("button", name="Edit")).to_have_count(0)
    with visitor.answer():
        visitor.button("Random").click()
    with visitor.answer():
        visitor.page.get_by_role("list", name="Earlier queries").get_by_text(text).click()
    assert visitor.hits.first.locator(".said").inner_text() == text


def test_texts_are_not_asked_with_the_picture_of_before(visitor: Visitor) -> None:
    visitor.choose_photograph("coffee")
    visitor.button("Texts").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(TEXTS)
    expect(visitor.hits).to_have_count(0)
    expect(visitor.message).to_have_count(0)
    expect(visitor.page.get_by_role("button", name="Edit")).to_have_count(0)
    visitor.ask_address("instrument of music")
    expect(visitor.hits.first.locator(".said")).to_be_visible()
