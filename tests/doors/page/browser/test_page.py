"""The page as a whole: its results, its visitors, its manners towards screens, keys and hosts."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.conftest import Home, encoded
from tests.doors.page.browser.conftest import ALBUM, COLOURS, DAMAGED, Server
from tests.doors.page.browser.pictures import seen_again
from tests.doors.page.browser.visitor import PHONE, Visitor, payload

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))
ROCKET = payload("rocket.jpg", encoded(seen_again("rocket")))


def file_of(galleries: Home, image: str) -> bytes:
    """Return the file of an image of the album."""
    return galleries.service().picture(ALBUM, int(image))[0]


def test_search_gives_as_many_results_as_are_asked_for(visitor: Visitor):
    visitor.upload(CAT)
    ten = visitor.results()

    visitor.choose_how_many(3)
    visitor.search()

    expect(visitor.hits).to_have_count(3)
    assert visitor.results() == ten[:3]
    visitor.choose_how_many(100)
    visitor.search()
    expect(visitor.hits).to_have_count(60)  # all that there are
    assert len({found.id for found in visitor.results()}) == 60


def test_the_querys_own_file_comes_first_and_can_be_left_out(visitor: Visitor, galleries: Home):
    image = visitor.page.locator("#examples [data-id]").first.get_attribute("data-id") or ""

    visitor.upload(payload("mine.jpg", file_of(galleries, image)))

    first, *others = visitor.results()
    assert (str(first.id), first.score, first.same_file) == (image, 1.0, True)
    assert not any(found.same_file for found in others)

    visitor.page.get_by_label("Leave out the query's own file").check()
    visitor.search()

    expect(visitor.hits).to_have_count(10)
    assert visitor.results()[:9] == others


def test_every_result_shows_a_thumbnail_by_its_id(visitor: Visitor):
    visitor.choose_how_many(30)
    visitor.upload(CAT)
    expect(visitor.hits).to_have_count(30)

    visitor.sees_every_result()

    sources = visitor.hits.locator("img").evaluate_all(
        "(images) => images.map((each) => each.getAttribute('src'))"
    )
    assert sources == [
        f"galleries/{ALBUM}/images/{found.id}/thumbnail" for found in visitor.results()
    ]


def test_two_visitors_at_once_do_not_see_each_others_query(
    visitor: Visitor, new_visitor: Callable[..., Visitor]
):
    other = new_visitor(locale="de")  # another browser
    with visitor.answer(), other.answer():
        visitor.choose_file(CAT)
        other.choose_file(ROCKET)
    assert visitor.labels()[:5] == ["chelsea"] * 5
    assert other.labels()[:5] == ["rocket"] * 5
    mine = visitor.shown(visitor.edit)[0]
    assert mine != other.shown(other.edit)[0]

    with other.answer():
        other.choose_gallery(COLOURS)
    visitor.search()

    assert visitor.labels()[:5] == ["chelsea"] * 5
    assert visitor.shown(visitor.edit)[0] == visitor.shown(visitor.original)[0] == mine
    expect(visitor.page.get_by_label("Gallery")).to_have_value(ALBUM)


def test_the_page_asks_nobody_but_its_own_server(visitor: Visitor, server: Server):
    own = urlsplit(server.url).netloc
    visitor.upload(CAT)
    visitor.button("Other examples").click()

    assert visitor.hosts == {own}
    addresses = visitor.page.evaluate(
        """() => [...document.querySelectorAll("[src], link[href], form[action]")]
            .map((each) => each.src || each.href || each.action)"""
    )
    assert {urlsplit(url).netloc for url in addresses if url.startswith("http")} == {own}
    answer = visitor.page.request.get(server.url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phones_window(new_visitor: Callable[..., Visitor], scheme: str):
    visitor = new_visitor(**PHONE, color_scheme=scheme)
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"

    assert visitor.page.evaluate(widest) <= 390
    visitor.upload(CAT)
    expect(visitor.hits).to_have_count(10)
    assert visitor.page.evaluate(widest) <= 390
    with visitor.answer():
        visitor.choose_gallery(DAMAGED)  # long paths in two places
    assert visitor.page.evaluate(widest) <= 390

    dark = visitor.page.evaluate("document.body.classList.contains('dark')")
    assert dark == (scheme == "dark")
    background = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (brightness < 200) == dark


def test_the_keyboard_reaches_every_button_and_chooses_an_example(visitor: Visitor):
    visitor.choose_how_many(3)
    visitor.upload(CAT)
    # The arrow keys go on to the other results, whose buttons Tab reaches then.
    buttons = visitor.page.locator("button:visible:not(.hit:not([data-current]) *)")
    buttons.evaluate_all("(all) => all.forEach((each, at) => each.setAttribute('data-at', at))")
    visitor.page.evaluate("document.activeElement.blur()")

    reached = set()
    for _ in range(2 * buttons.count()):
        visitor.page.keyboard.press("Tab")
        reached.add(visitor.page.evaluate("document.activeElement.dataset.at ?? null"))

    assert reached - {None} == {str(at) for at in range(buttons.count())}
    assert visitor.hits.get_by_role("button", name="Search with this").count() == 3

    visitor.page.locator("#examples [data-photograph=coffee]").focus()
    with visitor.answer():
        visitor.page.keyboard.press("Enter")

    assert visitor.labels() == ["coffee"] * 3
