"""The way back to an earlier search, and links that show it again."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.conftest import encoded, is_one_sentence
from tests.doors.page.browser.conftest import ALBUM, Server, Site
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_back_and_the_strip_bring_an_earlier_query_again(visitor: Visitor):
    visitor.choose_photograph("chelsea")
    cats = visitor.results()
    expect(visitor.page.get_by_alt_text("The query: chelsea")).to_be_visible()
    visitor.choose_photograph("coffee")
    cups = visitor.results()
    assert cups != cats
    expect(visitor.page.get_by_alt_text("The query: coffee")).to_be_visible()
    expect(visitor.page.get_by_alt_text("The query: chelsea")).to_have_count(0)

    with visitor.answer():
        visitor.page.go_back()
    assert visitor.results() == cats
    assert visitor.original.get_by_alt_text("chelsea").is_visible()
    with visitor.answer():
        visitor.page.go_forward()
    assert visitor.results() == cups

    with visitor.answer():
        visitor.page.get_by_role("button", name="Back to chelsea").click()
    assert visitor.results() == cats


def test_a_link_shows_the_same_results(
    visitor: Visitor, new_visitor: Callable[..., Visitor], site: Site
):
    visitor.choose_photograph("chelsea")
    with visitor.answer():
        visitor.hits.nth(1).get_by_role("button", name="Search with this").click()
    with visitor.answer():
        visitor.hits.nth(3).get_by_role("button", name="More like").click()
    visitor.choose_how_many(7)
    with visitor.answer():
        visitor.page.get_by_label("Label", exact=True).select_option("chelsea")
    expect(visitor.hits).to_have_count(7)
    found = visitor.results()
    assert f"gallery={ALBUM}" in visitor.page.url

    other = new_visitor(at=visitor.page.url)

    expect(other.hits).to_have_count(7)
    assert other.results() == found
    expect(other.page.get_by_label("Label", exact=True)).to_have_value("chelsea")

    with visitor.answer():
        visitor.page.get_by_label("Label", exact=True).select_option("")
    visitor.ask_address(site.put("/cat.jpg", encoded(seen_again("chelsea"))))
    with visitor.answer():
        visitor.drag((0.2, 0.2), (0.7, 0.8))
    with visitor.answer():
        visitor.button("Rotate").click()
    assert "cat.jpg" in visitor.page.url
    third = new_visitor(at=visitor.page.url)
    expect(third.hits).to_have_count(7)
    assert third.results() == visitor.results()
    expect(third.edit.locator(".box")).to_be_visible()
    assert third.box() == pytest.approx(visitor.box(), abs=0.01)
    assert third.shown(third.edit)[1:] == visitor.shown(visitor.edit)[1:]


def test_a_copied_link_leads_to_the_result_or_is_shown_where_there_is_no_clipboard(
    new_visitor: Callable[..., Visitor],
):
    visitor = new_visitor(permissions=["clipboard-read", "clipboard-write"])
    visitor.choose_photograph("chelsea")
    second = visitor.results()[1]
    visitor.hits.nth(1).locator(".open").click()
    visitor.detail.get_by_role("button", name="Copy link").click()
    expect(visitor.detail.get_by_role("button", name="Link copied")).to_be_visible()
    link = visitor.page.evaluate("navigator.clipboard.readText()")
    visitor.button("Close").click()
    shown: list[str] = []
    visitor.page.on("dialog", lambda dialog: (shown.append(dialog.default_value), dialog.dismiss()))
    visitor.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visitor.button("Copy link").click()
    assert shown == [visitor.page.url]

    other = new_visitor(at=link)

    expect(other.hits.first.locator(".same")).to_be_visible()
    assert other.results()[0].id == second.id


# What a link may hold, and the message about it, "" where it is ignored. More kinds of nonsense
# are in the tests of the scripts and of the page's functions.
NONSENSE = {
    "gallery=%3Cb%3Enone&image=3": "There is no gallery '<b>none'",
    "image=3&box=NaN,0,1,1": "box",
    "image=3&more=x": "no image 'x'",
    "photograph=..%2F..%2Fsecret": "no picture",
    "a=b&&%%%&=&k=1000000000&turns=9": "",
}


def test_a_link_with_nonsense_in_it_gives_one_sentence_at_most(
    visitor: Visitor, server: Server, subtests: pytest.Subtests
):
    for nonsense, message in NONSENSE.items():
        with subtests.test(nonsense):
            link = nonsense if "gallery=" in nonsense else f"gallery={ALBUM}&{nonsense}"
            visitor.page.goto(f"{server.url}/?{link}")
            if message:
                expect(visitor.message).to_contain_text(message, ignore_case=True)
                assert is_one_sentence(visitor.message.inner_text())
            visitor.examples.first.wait_for()
            visitor.choose_photograph("chelsea")
            assert visitor.labels()[:5] == ["chelsea"] * 5
            expect(visitor.message).to_have_count(0)


def test_the_label_in_a_link_is_text(new_visitor: Callable[..., Visitor]):
    label = "<img src=x onerror=alert(1)>"
    visitor = new_visitor(at=f"?gallery={ALBUM}&photograph=coffee&label={quote(label)}")

    expect(visitor.page.locator(".more")).to_contain_text("The filters leave no result.")
    expect(visitor.page.get_by_label("Label", exact=True)).to_have_value(label)
    with visitor.answer():
        visitor.page.get_by_label("Label", exact=True).select_option("")
    assert visitor.labels()[:5] == ["coffee"] * 5
