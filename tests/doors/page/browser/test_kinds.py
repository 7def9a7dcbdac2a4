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
