"""A file in many places, and originals that are gone or others: what a visitor sees and saves."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import Home, heic
from tests.doors.page.browser import pictures
from tests.doors.page.browser.conftest import Contexts, Server, serving, visiting
from tests.doors.page.browser.test_accessibility import AT, serious_findings
from tests.doors.page.browser.visitor import Visitor

pytestmark = pytest.mark.browser

COFFEE, GONE, CHANGED = "coffee/02.jpg", "rocket/03.jpg", "chelsea/01.jpg"
HEIC, NAMELESS = "rocket/one.heic", "holidays/A long way from home, in the summer of 2019"
LINKS, COPIES = 30, 60


@pytest.fixture(scope="module")
def album(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "album": a picture with 30 links, one with 60 copies, one gone, one changed."""
    home = Home(tmp_path_factory.mktemp("originals"))
    images = home.path / "pictures"
    pictures.write_album(images)
    for number in range(LINKS):
        link = images / f"{NAMELESS}, part {number % 3}" / f"IMG_{number:04}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(images / COFFEE)
    for number in range(COPIES):
        (images / "backup").mkdir(exist_ok=True)
        shutil.copy(images / GONE, images / "backup" / f"{number:02}.jpg")
    (images / HEIC).write_bytes(heic(pictures.photograph("rocket").resize((200, 300))))
    home.build(images, "album")
    for path in (GONE, *(f"backup/{number:02}.jpg" for number in range(COPIES))):
        (images / path).unlink()
    shutil.copy(images / "chelsea" / "02.jpg", images / CHANGED)
    return home


@pytest.fixture(scope="module")
def own_server(album: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(album, tmp_path_factory.mktemp("server") / "stderr") as server:
        yield server


@pytest.fixture
def look_at(
    own_server: Server, context_with: Contexts, album: Home
) -> Iterator[Callable[..., Visitor]]:
    """Give a function that searches with an image of the album, found by its path."""
    service = album.service()
    rows = range(service.gallery("album").images)
    row_of = {service.image("album", row).path: row for row in rows}
    with visiting(own_server, context_with) as visit:

        def look(path: str, **options: object) -> Visitor:
            visitor = visit(at=f"?gallery=album&image={row_of[path]}", **options)
            expect(visitor.hits).to_have_count(10)
            return visitor

        yield look


def test_a_file_in_many_places_is_one_card_and_its_places_are_listed(
    look_at: Callable[..., Visitor], album: Home
) -> None:
    visitor = look_at(COFFEE)
    first = visitor.hits.first
    expect(first.locator(".mark")).to_have_text(["same file", "in 31 places"])
    assert len({found.id for found in visitor.results()}) == 10
    expect(visitor.page.get_by_text("in 31 places")).to_have_count(1)
    first.locator(".open").click()
    places = visitor.detail.get_by_role("list", name="Other places")
    expect(places.get_by_role("listitem")).to_have_count(LINKS)
    links = {f"{NAMELESS}, part {number % 3}/IMG_{number:04}.jpg" for number in range(LINKS)}
    whole = visitor.detail.locator(".path").inner_text()
    own = str(Path(whole).relative_to(album.path / "pictures"))
    assert {own, *places.locator("li").all_inner_texts()} == links | {COFFEE}
    places.get_by_role("listitem").nth(2).click(click_count=3)
    selected = visitor.page.evaluate("getSelection().toString().trim()")
    assert selected == places.get_by_role("listitem").nth(2).inner_text()
    places.focus()
    visitor.page.keyboard.press("ArrowDown")  # scrolls the list, and does not move on
    expect(places).to_be_focused()


def test_of_more_places_than_are_listed_the_number_is_said(
    look_at: Callable[..., Visitor],
) -> None:
    visitor = look_at(GONE)
    expect(visitor.hits.first.locator(".mark").last).to_have_text("in 61 places")
    visitor.hits.first.locator(".open").click()
    listed = visitor.detail.get_by_role("list", name="Other places").get_by_role("listitem")
    expect(listed).to_have_count(51)
    expect(listed.last).to_have_text("and 10 more")


@pytest.mark.parametrize(("path", "said"), [(GONE, "is not in"), (CHANGED, "has changed")])
def test_a_missing_original_is_called_so_and_cannot_be_saved(
    look_at: Callable[..., Visitor], path: str, said: str
) -> None:
    visitor = look_at(path)
    visitor.hits.first.locator(".open").click()
    notice = visitor.detail.get_by_role("status")
    expect(notice).to_contain_text("The original is not here: this is its thumbnail, ")
    expect(notice).to_contain_text(re.compile(r"\d+ × \d+ pixels"))
    expect(notice).to_contain_text(said)
    expect(notice).to_contain_text("ris update album")
    download = visitor.detail.get_by_text("Download")
    expect(download).to_be_disabled()
    expect(visitor.detail.get_by_role("button", name="Open its folder")).to_have_count(0)
    expect(download).to_have_attribute("title", notice.inner_text().split("pixels. ")[1])
    visitor.button("Compare").click()
    expect(visitor.detail.locator("figcaption").last).to_contain_text("its thumbnail")
    visitor.button("Back").click()
    expect(notice).to_be_visible()
    visitor.button("Next").click()
    expect(visitor.detail.locator("a[role=button]", has_text="Download")).to_be_visible()
    expect(visitor.detail.get_by_role("button", name="Open its folder")).to_be_visible()
    expect(notice).to_be_hidden()


def test_what_is_saved_has_the_name_of_what_it_is(look_at: Callable[..., Visitor]) -> None:
    for path, name, kind in ((COFFEE, "02.jpg", "JPEG"), (HEIC, "one.png", "PNG")):
        visitor = look_at(path)
        visitor.hits.first.locator(".open").click()
        with visitor.page.expect_download() as download:
            visitor.detail.get_by_role("button", name="Download").click()
        saved = Path(download.value.suggested_filename)
        assert saved.suffix == Path(name).suffix
        with Image.open(download.value.path()) as picture:
            assert picture.format == kind


@pytest.mark.parametrize("at", AT)
def test_axe_finds_nothing_serious_in_a_result_with_places_and_without_an_original(
    look_at: Callable[..., Visitor], at: str
) -> None:
    visitor = look_at(GONE, **AT[at])
    found = serious_findings(visitor)
    visitor.hits.first.locator(".open").click()
    expect(visitor.detail.get_by_role("status")).to_be_visible()
    assert found + serious_findings(visitor) == []
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert visitor.page.evaluate(widest) <= AT[at]["viewport"]["width"]
    assert visitor.detail.evaluate("(each) => each.scrollWidth <= each.clientWidth")
