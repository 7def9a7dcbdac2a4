"""Where a visitor has been: links, Back, reloading, earlier queries; and what stays in sight."""

import re
from collections.abc import Callable
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from tests.conftest import encoded
from tests.doors.page.browser.conftest import ALBUM, COLOURS, Site
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import PHONE, Visitor, payload

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))
Visit = Callable[..., Visitor]


def click_example(visitor: Visitor, name: str) -> None:
    with visitor.answer():
        visitor.button(name).and_(visitor.page.locator("[data-photograph]")).click()


def length_of_history(visitor: Visitor) -> int:
    return int(visitor.page.evaluate("history.length"))


def test_a_chosen_gallery_is_in_the_address_before_anything_is_searched(visitor: Visitor) -> None:
    visitor.choose_gallery(COLOURS)
    expect(visitor.facts).to_contain_text("40 images")
    expect(visitor.page).to_have_url(re.compile(f"gallery={COLOURS}"))

    visitor.page.reload()

    expect(visitor.facts).to_contain_text("40 images")


def test_further_examples_in_a_link_are_of_the_gallery_that_is_shown(new_visitor: Visit) -> None:
    visitor = new_visitor(at="?image=5&more=7&less=7,9")
    chips = visitor.page.locator(".chip")
    expect(chips).to_have_count(2)  # an image is an example once
    assert "more=" not in visitor.page.url
    assert visitor.results()[0].score < 0.999
    assert chips.first.locator("img").evaluate("(image) => image.decode().then(() => true)")


def test_a_link_with_an_example_that_is_not_there_is_reported_and_the_search_goes_on(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(at="?image=5&more=999999")
    expect(visitor.message).to_contain_text("999999")
    expect(visitor.page.locator(".chip")).to_have_count(0)
    visitor.search()
    expect(visitor.hits).to_have_count(10)


def test_opening_a_link_leaves_nothing_to_go_back_to(new_visitor: Visit) -> None:
    visitor = new_visitor()
    before = length_of_history(visitor)
    visitor.page.goto(urljoin(visitor.page.url, f"?gallery={ALBUM}&image=3"))
    visitor.hits.first.wait_for()
    assert length_of_history(visitor) == before + 1


def test_an_uploaded_query_is_there_again_after_the_page_is_loaded_again(visitor: Visitor) -> None:
    visitor.upload(CAT)
    click_example(visitor, "coffee")
    visitor.page.reload()
    expect(visitor.hits).to_have_count(10)
    assert visitor.labels()[:5] == ["coffee"] * 5

    with visitor.answer():
        visitor.page.go_back()

    assert visitor.labels()[:5] == ["chelsea"] * 5


def test_going_back_closes_the_large_view(visitor: Visitor) -> None:
    click_example(visitor, "chelsea")
    click_example(visitor, "coffee")
    visitor.hits.first.locator(".open").click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_be_visible()

    with visitor.answer():
        visitor.page.go_back()

    expect(dialog).to_be_hidden()
    assert visitor.labels()[:5] == ["chelsea"] * 5


def test_earlier_queries_move_the_answer_nowhere(visitor: Visitor) -> None:
    strip = visitor.page.get_by_role("list", name="Earlier queries").get_by_role("button")
    top = "(hit) => hit.getBoundingClientRect().top + scrollY"
    click_example(visitor, "coffee")
    before = visitor.hits.first.evaluate(top)
    click_example(visitor, "chelsea")
    click_example(visitor, "coffee")
    expect(strip).to_have_count(1)
    assert visitor.hits.first.evaluate(top) == before


def test_earlier_queries_are_there_once_with_their_further_examples_and_gallery(
    visitor: Visitor,
) -> None:
    strip = visitor.page.get_by_role("list", name="Earlier queries").get_by_role("button")
    chips = visitor.page.locator(".chip")
    click_example(visitor, "chelsea")
    with visitor.answer():
        visitor.hits.nth(7).get_by_role("button", name="More like").click()
    refined = visitor.results()
    click_example(visitor, "chelsea")
    expect(chips).to_have_count(0)
    click_example(visitor, "chelsea")
    expect(strip).to_have_count(1)
    with visitor.answer():
        visitor.choose_gallery(COLOURS)
    expect(strip).to_have_count(2)

    with visitor.answer():
        visitor.page.get_by_role("button", name="with further examples").click()

    assert visitor.results() == refined
    expect(chips).to_have_count(1)
    expect(visitor.page.get_by_label("Gallery")).to_have_value(ALBUM)


def test_an_address_that_gave_no_picture_can_be_corrected(visitor: Visitor, site: Site) -> None:
    address = site.put("/notes.txt", b"Dear Sir or Madam", kind="text/plain")
    visitor.ask_address(address)
    field = visitor.page.get_by_label("Words, or the address of a picture")
    expect(field).to_have_value(address)

    visitor.ask_address(site.put("/cat.jpg", encoded(seen_again("chelsea"))))

    expect(field).to_have_value("")


def test_a_server_that_does_not_take_a_request_is_reported(visitor: Visitor) -> None:
    visitor.page.route(re.compile("/component_server/?$"), lambda route: route.fulfill(json=None))
    click_example(visitor, "coffee")
    expect(visitor.message).to_contain_text("server did not take this")
    expect(visitor.page.locator(".results.loading")).to_have_count(0)


@pytest.mark.parametrize("options", [{"viewport": {"width": 1440, "height": 700}}, PHONE])
def test_the_query_stays_in_sight_over_its_results(
    options: dict[str, object], new_visitor: Visit
) -> None:
    visitor = new_visitor(at="?k=60", panels="", **options)
    click_example(visitor, "chelsea")
    visitor.hits.last.scroll_into_view_if_needed()
    # A picture that has just come is decoded after the results are there.
    visitor.page.wait_for_function(
        """() => [...document.querySelectorAll(".pinned, #edit .frame img")].some((image) => {
            const { top, bottom, left, width } = image.getBoundingClientRect();
            const under = document.elementFromPoint(left + width / 2, (top + bottom) / 2);
            return top >= 0 && bottom <= innerHeight && image.parentElement.contains(under);
        })"""
    )


def test_who_works_with_keys_keeps_the_place_in_new_results(visitor: Visitor) -> None:
    click_example(visitor, "chelsea")
    plus = visitor.hits.nth(1).get_by_role("button", name="More like")
    plus.focus()
    with visitor.answer():
        visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("!!document.activeElement.closest('.hits')")


def test_an_uploaded_picture_is_never_in_a_link_and_copying_it_says_so(new_visitor: Visit) -> None:
    visitor = new_visitor(permissions=["clipboard-write"])
    visitor.upload(CAT)
    with visitor.answer():
        visitor.drag((0.2, 0.2), (0.7, 0.8))
    assert visitor.page.url.partition("?")[2] == f"gallery={ALBUM}"
    visitor.page.locator(".save").get_by_role("button", name="Copy link").click()
    expect(visitor.page.locator(".save")).to_contain_text("never in a link")


def test_the_panels_of_a_gallery_close_on_escape(visitor: Visitor) -> None:
    facts = visitor.page.locator("#facts dl")
    visitor.facts.get_by_text("Details").click()
    expect(facts).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(facts).to_be_hidden()
