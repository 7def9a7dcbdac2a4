"""One result, large: its facts, the ones before and after it, zoomed, compared, on a phone."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.conftest import Home, encoded, fill
from tests.doors.page.browser.conftest import (
    ALBUM,
    APPROXIMATE,
    COLOURS,
    Contexts,
    serving,
    visiting,
)
from tests.doors.page.browser.pictures import photograph, seen_again
from tests.doors.page.browser.test_accessibility import serious_findings
from tests.doors.page.browser.visitor import PHONE, Visitor, payload, shown_at

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))
Visit = Callable[..., Visitor]
Point = tuple[float, float]


def open_first(visitor: Visitor) -> Locator:
    """Search for the cat and open the first result; return its picture."""
    visitor.upload(CAT)
    visitor.hits.first.locator(".open").click()
    return picture(visitor)


def picture(visitor: Visitor) -> Locator:
    large = visitor.detail.locator(".large img")
    large.evaluate("(image) => image.decode()")
    return large


def place(visitor: Visitor) -> Locator:
    """Say which result of how many is shown."""
    return visitor.detail.locator(".place > :last-child")


def area(of: Locator) -> tuple[float, float, float, float]:
    box = of.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def touch(visitor: Visitor, *frames: Sequence[Point]) -> None:
    """Put fingers down, where they come to, move them, and lift them."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    down = 0
    for fingers in (*frames, ()):
        kind = "touchStart" if len(fingers) > down else "touchMove"
        down = len(fingers)
        devtools.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind if fingers else "touchEnd",
                "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(fingers)],
            },
        )


def swipe(visitor: Visitor, dx: float, dy: float = 0) -> None:
    """Draw a finger over the picture."""
    left, top, width, height = area(visitor.detail.locator(".large"))
    x, y = left + width / 2 - dx / 2, top + height / 2 - dy / 2
    touch(visitor, *([(x + dx * part / 5, y + dy * part / 5)] for part in range(6)))


def pinch(visitor: Visitor, on: Locator, *, apart: float) -> None:
    """Move two fingers apart, one above the other: the browser would scroll by them."""
    left, top, width, height = area(on)
    x, y = left + width / 2, top + height / 2
    steps = [30 + (apart - 30) * part / 5 for part in range(6)]
    touch(visitor, [(x, y - 30)], *([(x, y - each), (x, y + each)] for each in steps))


def row(visitor: Visitor, name: str) -> Locator:
    return visitor.detail.locator(f"dt:text-is('{name}') + dd")


# --- what is known of it -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A gallery of a folder, with a picture that says where and when it was taken."""
    home = Home(tmp_path_factory.mktemp("large"))
    images = fill(home.path / "pictures", 5)
    exif = Image.Exif()
    exif[271], exif[272] = "NIKON CORPORATION", "NIKON D90"
    exif.get_ifd(0x8769).update({36867: "2021:05:03 14:07:09", 36881: "+02:00"})
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 30.0, 0.0), 3: "E", 4: (151.0, 15.0, 0.0)})
    (images / "told.jpg").write_bytes(encoded(photograph("coffee"), exif=exif))
    home.build(images, "mine")
    return home


@pytest.fixture
def visit_own(
    own: Home, context_with: Contexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visit]:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):  # no desktop is here
        monkeypatch.delenv(name, raising=False)
    with (
        serving(own, tmp_path / "stderr") as server,
        visiting(server, context_with) as visit,
    ):
        yield visit


def open_told(visitor: Visitor) -> None:
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    visitor.hits.filter(has=visitor.page.locator("[title$='told.jpg']")).locator(".open").click()


def test_facts_are_read_in_words_and_the_path_and_the_place_are_copied(
    visit_own: Visit, own: Home
) -> None:
    visitor = visit_own(permissions=["clipboard-read", "clipboard-write"])
    open_told(visitor)
    file = own.path / "pictures" / "told.jpg"
    expect(row(visitor, "File").locator(".path")).to_have_text(str(file))
    expect(row(visitor, "Taken")).to_have_text("3 May 2021, 14:07 (UTC+02:00)")
    expect(row(visitor, "Camera")).to_have_text("NIKON D90")
    expect(row(visitor, "Place")).to_contain_text("33.5° S, 151.25° E")
    expect(row(visitor, "Score")).to_have_count(0)  # nothing was asked
    assert "latitude" not in visitor.detail.inner_text().lower()

    for name, copied in (("Copy the path", str(file)), ("Copy the coordinates", "-33.5, 151.25")):
        visitor.detail.get_by_role("button", name=name).click()
        visitor.page.wait_for_function(
            "async (copied) => await navigator.clipboard.readText() === copied", arg=copied
        )


def test_its_folder_is_opened_where_the_server_is_for_this_machine(visit_own: Visit) -> None:
    visitor = visit_own(**PHONE)
    open_told(visitor)
    way = visitor.detail.get_by_role("button", name="Open its folder", exact=True)
    way.press("Enter")
    said = visitor.detail.get_by_role("alert").filter(has_text="No file manager")
    expect(said).to_contain_text("told.jpg")
    expect(way).to_be_focused()
    turning = area(visitor.detail.locator(".turning"))
    _, top, _, height = area(said)
    assert top + height <= turning[1] + 1, "it can be read without scrolling"


def test_where_others_reach_the_server_there_is_no_way_to_a_folder(
    own: Home, context_with: Contexts, tmp_path: Path
) -> None:
    with (
        serving(own, tmp_path / "stderr", RIS_HOSTS="a.example") as server,
        visiting(server, context_with) as visit,
    ):
        visitor = visit()
        open_told(visitor)
        expect(row(visitor, "Taken")).to_be_visible()
        expect(visitor.detail.get_by_role("button", name="Open its folder")).to_have_count(0)


# --- before and after it -------------------------------------------------------------------------


def test_it_is_named_and_its_place_is_announced(visitor: Visitor) -> None:
    open_first(visitor)
    first = visitor.hits.first.locator(".file").inner_text()
    second = visitor.hits.nth(1).locator(".file").inner_text()
    by_name = visitor.page.get_by_role("dialog", name=f"{first}, chelsea", exact=True)
    expect(by_name).to_be_visible()
    announced = visitor.detail.locator("[aria-live=polite][aria-atomic=true]")
    expect(announced).to_have_text(f"{first}, chelsea, 1 of 60")
    announced.evaluate("(each) => { window.announced = each; }")
    visitor.button("Next").click()
    expect(announced).to_have_text(f"{second}, chelsea, 2 of 60")
    # A part that is made anew is not announced.
    assert announced.evaluate("(each) => each === window.announced")
    visitor.page.keyboard.press("Escape")
    expect(visitor.hits.nth(1).locator(".open")).to_be_focused()


def test_one_goes_on_past_what_is_shown_and_not_round(visitor: Visitor) -> None:
    open_first(visitor)
    before, after = visitor.button("Previous"), visitor.button("Next")
    expect(before).to_be_disabled()
    before.focus()
    for key in ("Enter", "ArrowLeft"):
        visitor.page.keyboard.press(key)
    expect(place(visitor)).to_have_text("1 of 60")
    expect(before).to_be_focused()
    after.focus()
    for _ in range(10):
        visitor.page.keyboard.press("Enter")
    expect(place(visitor)).to_have_text("11 of 60")
    assert visitor.hits.count() == 60  # those that were shown were ten
    for _ in range(49):
        visitor.page.keyboard.press("Enter")
    expect(place(visitor)).to_have_text("60 of 60")
    expect(after).to_be_disabled()
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("ArrowRight")
    expect(place(visitor)).to_have_text("60 of 60")
    expect(after).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(visitor.hits.nth(59).locator(".open")).to_be_focused()


def test_in_another_order_one_goes_through_what_is_shown_in_it(visitor: Visitor) -> None:
    visitor.upload(CAT)
    visitor.page.get_by_label("Sort by").select_option("bytes")
    expect(visitor.hits).to_have_count(10)
    ids = visitor.hits.evaluate_all("(hits) => hits.map((hit) => hit.dataset.id)")
    visitor.hits.nth(8).locator(".open").click()
    expect(place(visitor)).to_have_text("9 of 10")
    visitor.button("Next").click()
    expect(picture(visitor)).to_have_attribute("src", shown_at(ALBUM, ids[9]))
    expect(visitor.button("Next")).to_be_disabled()


def test_a_list_is_read_on_to_its_end(visitor: Visitor) -> None:
    visitor.choose_gallery(APPROXIMATE)  # 300 images: more than come at once
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    visitor.hits.first.locator(".open").click()
    expect(place(visitor)).to_have_text("1 of 300")
    visitor.page.wait_for_function(
        """() => {
            const dialog = document.querySelector("dialog.one-result");
            const [, next] = dialog.querySelectorAll(".turning button");
            for (let at = 0; at < 20; at += 1) next.click();
            return dialog.querySelector(".place > :last-child").textContent === "300 of 300";
        }"""
    )
    expect(visitor.button("Next")).to_be_disabled()
    last = picture(visitor).get_attribute("src") or ""
    visitor.page.keyboard.press("Escape")
    expect(visitor.hits).to_have_count(300)
    expect(visitor.hits.last.locator(".open")).to_be_focused()
    assert last == shown_at(APPROXIMATE, visitor.hits.last.get_attribute("data-id") or "")


def test_where_a_list_is_not_read_on_that_is_said_there(visitor: Visitor) -> None:
    visitor.choose_gallery(APPROXIMATE)
    with visitor.answer():
        visitor.page.get_by_role("button", name="Browse all").click()
    visitor.hits.first.locator(".open").click()
    busy = {"message": "The gallery is being changed: try again."}
    visitor.page.route("**/component_server**", lambda route: route.fulfill(json=busy))
    read = 200  # those that came at once
    visitor.button("Next").evaluate(
        f"(next) => {{ for (let at = 1; at < {read}; at++) next.click(); }}"
    )
    expect(place(visitor)).to_have_text(f"{read} of 300")
    visitor.button("Next").click()
    expect(visitor.detail.get_by_role("alert")).to_have_text(busy["message"])
    expect(place(visitor)).to_have_text(f"{read} of 300")
    visitor.page.unroute("**/component_server**")
    visitor.button("Next").click()
    expect(place(visitor)).to_have_text(f"{read + 1} of 300")
    expect(visitor.detail.get_by_role("alert")).to_have_text("")


# --- zoomed --------------------------------------------------------------------------------------


def test_the_wheel_zooms_around_the_pointer(visitor: Visitor) -> None:
    large = open_first(visitor)
    left, top, width, height = area(large)
    x, y = left + 0.3 * width, top + 0.6 * height
    visitor.page.mouse.move(x, y)
    for _ in range(3):
        visitor.page.mouse.wheel(0, -100)
    expect(visitor.detail.locator(".large.zoomed")).to_be_visible()
    visitor.page.wait_for_function(
        "([image, least]) => image.getBoundingClientRect().width > least",
        arg=[large.element_handle(), 1.9 * width],
    )
    left, top, width, height = area(large)
    assert ((x - left) / width, (y - top) / height) == pytest.approx((0.3, 0.6), abs=0.01)


def test_keys_and_buttons_zoom_and_arrows_move_what_is_zoomed(visitor: Visitor) -> None:
    large = open_first(visitor)
    press = visitor.page.keyboard.press
    whole = area(large)
    press("+")
    press("=")
    assert area(large)[2] == pytest.approx(1.25**2 * whole[2], rel=0.01)
    zoomed = area(large)
    press("ArrowRight")
    assert area(large)[0] < zoomed[0]
    expect(place(visitor)).to_have_text("1 of 60")
    press("-")
    assert area(large)[2] == pytest.approx(1.25 * whole[2], rel=0.01)
    press("0")
    assert area(large) == pytest.approx(whole)
    visitor.button("Zoom in").click()
    assert area(large)[2] == pytest.approx(1.25 * whole[2], rel=0.01)
    visitor.button("Whole").click()
    press("ArrowRight")
    expect(place(visitor)).to_have_text("2 of 60")
    visitor.button("Zoom in").click()
    visitor.button("Next").click()
    expect(visitor.detail.locator(".large.zoomed")).to_have_count(0)  # the next one is whole


def test_a_double_click_zooms_in_and_out_and_a_drag_moves(visitor: Visitor) -> None:
    large = open_first(visitor)
    left, top, width, height = whole = area(large)
    x, y = left + width / 2, top + height / 2
    visitor.page.mouse.dblclick(x, y)
    assert area(large)[2] == pytest.approx(3 * width, rel=0.01)
    before = area(large)
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x - 40, y - 25)
    visitor.page.mouse.up()
    after = area(large)
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((-40, -25), abs=1)
    expect(place(visitor)).to_have_text("1 of 60")
    visitor.page.mouse.dblclick(x, y)
    assert area(large) == pytest.approx(whole, abs=1)


# --- on a phone ----------------------------------------------------------------------------------


def test_a_finger_goes_on_and_back_and_two_zoom(new_visitor: Visit) -> None:
    visitor = new_visitor(**PHONE | {"viewport": {"width": 390, "height": 640}})
    open_first(visitor)
    swipe(visitor, -150)
    expect(place(visitor)).to_have_text("2 of 60")
    swipe(visitor, 150)
    expect(place(visitor)).to_have_text("1 of 60")
    swipe(visitor, 150)  # there is none before it
    swipe(visitor, -20)
    swipe(visitor, -40, -200)  # this scrolls
    expect(place(visitor)).to_have_text("1 of 60")
    visitor.page.wait_for_function("document.querySelector('dialog.one-result').scrollTop > 50")
    visitor.detail.evaluate("(each) => each.scrollTo(0, 0)")

    large = picture(visitor)
    whole = area(large)
    pinch(visitor, visitor.detail.locator(".large"), apart=90)
    assert area(large)[2] == pytest.approx(3 * whole[2], rel=0.05)
    zoomed = area(large)
    swipe(visitor, -150)
    assert area(large)[0] < zoomed[0] - 50
    expect(place(visitor)).to_have_text("1 of 60")
    pinch(visitor, visitor.detail.locator(".large"), apart=8)
    assert area(large) == pytest.approx(whole, abs=1)
    swipe(visitor, -150)
    expect(place(visitor)).to_have_text("2 of 60")


def test_a_double_tap_zooms_in_and_out(new_visitor: Visit) -> None:
    visitor = new_visitor(**PHONE)
    large = open_first(visitor)
    left, top, width, height = area(large)
    at = [(left + width / 2, top + height / 2)]
    for times in (3, 1):
        touch(visitor, at)
        touch(visitor, at)
        assert area(large)[2] == pytest.approx(times * width, rel=0.01)


def test_two_fingers_zoom_both_pictures_of_a_comparison(new_visitor: Visit) -> None:
    visitor = new_visitor(**PHONE)
    visitor.choose_gallery(COLOURS)  # it keeps nothing that copies would be found by
    expect(visitor.facts).to_contain_text("40 images")
    open_first(visitor)
    visitor.button("Compare").tap()
    pictures = visitor.detail.locator(".window img")
    expect(pictures).to_have_count(2)
    # Over the second one: what lies there stays there.
    pinch(visitor, visitor.detail.locator(".window").last, apart=60)
    one, other = pictures.evaluate_all("(all) => all.map((each) => each.style.transform)")
    assert one == other
    assert float(re.search(r"scale\(([\d.]+)\)", one)[1]) == pytest.approx(2, rel=0.05)
    x, y = map(float, re.findall(r"(-?[\d.e-]+)%", one))
    assert (x, y) == pytest.approx((0, 0), abs=1)


def test_on_a_phone_the_picture_comes_first_and_a_thumb_reaches_what_is_done(
    new_visitor: Visit,
) -> None:
    visitor = new_visitor(**PHONE)
    large = open_first(visitor)
    _, top, _, height = area(large)
    assert top < 200
    facts = area(visitor.detail.locator("dl"))
    assert facts[1] > top + height
    for name in ("Search with this", "Compare", "More like this", "Copy link"):
        _, at, _, high = area(visitor.detail.get_by_role("button", name=name))
        assert at > 844 / 3, name
        assert at + high <= 844 - 60, name
        assert high >= 40, name
    for name in ("Previous", "Next"):
        _, at, _, high = area(visitor.button(name))
        assert at > 844 - 120, name
        assert high >= 44, name
    # The last of it is not under the buttons at the bottom.
    visitor.detail.evaluate("(each) => each.scrollTo(0, each.scrollHeight)")
    _, at, _, high = area(visitor.detail.locator(".known > :nth-last-child(2)"))
    assert at + high <= area(visitor.button("Next"))[1]
    assert serious_findings(visitor, within="dialog[open]") == []


@pytest.mark.parametrize("size", [(390, 844), (800, 600), (720, 450), (360, 225)])
def test_nothing_is_cut_off_however_much_the_page_is_enlarged(
    visitor: Visitor, size: tuple[int, int]
) -> None:
    open_first(visitor)
    visitor.page.set_viewport_size({"width": size[0], "height": size[1]})
    cut = """(dialog) => [...dialog.querySelectorAll("button, dt, dd, h2, .large")]
        .filter((each) => each.checkVisibility())
        .filter((each) => {
            each.scrollIntoView({ block: "center", behavior: "instant" });
            const { left, right, top, bottom } = each.getBoundingClientRect();
            const fits = bottom - top <= innerHeight;
            const isOut = fits && (top < -1 || bottom > innerHeight + 1);
            return left < 0 || right > innerWidth || isOut;
        }).map((each) => each.outerHTML)"""
    for shows in (".large", ".comparison"):
        expect(visitor.detail.locator(shows)).to_be_visible()
        assert visitor.detail.evaluate("(each) => each.scrollWidth <= each.clientWidth")
        assert visitor.detail.evaluate(cut) == []
        left, _, width, _ = area(visitor.detail)
        assert left >= 0
        assert left + width <= size[0]
        visitor.page.keyboard.press("c")


# --- handled, compared ---------------------------------------------------------------------------


def test_a_result_opens_with_all_that_is_known_of_it(visitor: Visitor):
    visitor.upload(CAT)
    first, second = visitor.results()[:2]

    visitor.hits.first.locator(".open").click()

    for part in ("no. 1", "Labels", first.label, "File", ".jpg", "pixels", "kB"):
        expect(visitor.detail).to_contain_text(part)
    score = re.search(r"[01]\.\d{4}", visitor.detail.inner_text())
    assert float(score[0]) == pytest.approx(first.score, abs=0.0006)
    large = visitor.detail.locator(".large img")
    expect(large).to_have_attribute("src", shown_at(ALBUM, first.id))
    assert large.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 160
    visitor.button("Next").click()
    expect(large).to_have_attribute("src", shown_at(ALBUM, second.id))
    with visitor.page.expect_download() as download:
        visitor.detail.get_by_role("button", name="Download").click()
    with Image.open(download.value.path()) as picture:
        assert picture.format == "JPEG"
    visitor.button("Close").click()
    expect(visitor.detail).to_be_hidden()


def test_a_result_is_handled_by_keys_alone(visitor: Visitor):
    visitor.upload(CAT)
    found = visitor.results()
    press = visitor.page.keyboard.press
    visitor.hits.first.locator(".open").focus()
    press("ArrowRight")
    press("ArrowRight")
    press("Enter")
    large = visitor.detail.locator(".large img")
    expect(large).to_have_attribute("src", shown_at(ALBUM, found[2].id))
    press("ArrowRight")
    expect(large).to_have_attribute("src", shown_at(ALBUM, found[3].id))
    press("ArrowLeft")
    visitor.button("Next").focus()
    press("Enter")
    press("Enter")  # the button has kept the focus
    expect(large).to_have_attribute("src", shown_at(ALBUM, found[4].id))
    press("ArrowLeft")
    press("ArrowLeft")
    press("c")
    expect(visitor.detail.locator(".comparison")).to_be_visible()
    press("Escape")
    expect(large).to_have_attribute("src", shown_at(ALBUM, found[2].id))
    press("Escape")
    expect(visitor.detail).to_be_hidden()
    assert visitor.page.evaluate("document.activeElement.closest('.hit').dataset.id") == str(
        found[2].id
    )
    press("Enter")
    expect(large).to_be_visible()
    with visitor.answer():
        press("Enter")
    assert visitor.shown(visitor.edit)[0] == shown_at(ALBUM, found[2].id)
    assert visitor.results()[0].id == found[2].id


def test_query_and_result_are_compared_at_one_zoom(visitor: Visitor):
    visitor.choose_gallery(COLOURS)  # it keeps nothing that copies would be found by
    expect(visitor.facts).to_contain_text("40 images")
    visitor.upload(CAT)
    visitor.hits.first.locator(".open").click()
    visitor.button("Compare").click()
    pictures = visitor.detail.locator(".window img")
    expect(pictures).to_have_count(2)
    expect(pictures.first).to_have_attribute("alt", "Query")

    def transforms() -> list[str]:
        return pictures.evaluate_all("(all) => all.map((each) => each.style.transform)")

    whole = transforms()
    visitor.button("Zoom in").click()
    one, other = transforms()
    assert one == other != whole[0]
    area = visitor.detail.locator(".stages").bounding_box()
    x, y = area["x"] + area["width"] / 4, area["y"] + area["height"] / 2
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x + 20, y + 10)
    visitor.page.mouse.up()
    assert transforms()[0] == transforms()[1] != one

    visitor.button("Swap").click()
    expect(pictures.last).to_have_attribute("alt", "Query")
    visitor.button("One over the other").click()
    slider = visitor.detail.get_by_label("How much of the query is shown")
    slider.fill("20")
    clip = visitor.detail.locator(".window").first.evaluate("(each) => each.style.clipPath")
    assert "80%" in clip
