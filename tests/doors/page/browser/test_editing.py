"""The two windows: search with a part, and copy the picture of one into the other."""

from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import encoded
from tests.doors.page.browser.conftest import ALBUM
from tests.doors.page.browser.pictures import part_of, side_by_side, turned_by_exif
from tests.doors.page.browser.visitor import PHONE, Found, Visitor, payload

pytestmark = pytest.mark.browser

BOTH = side_by_side("chelsea", "rocket")


def upload_both(visitor: Visitor) -> None:
    visitor.upload(payload("both.jpg", encoded(BOTH, quality=95)))


def crop_rocket(visitor: Visitor) -> None:
    """Draw a rectangle about the right half, from right to left and up."""
    with visitor.answer():
        visitor.drag((0.98, 0.97), (0.52, 0.03))


def scores(results: list[Found]) -> dict[int, float]:
    return {found.id: found.score for found in results}


@pytest.mark.parametrize("file", [encoded(BOTH, quality=95), turned_by_exif(BOTH)])
def test_only_the_part_in_the_rectangle_is_searched(visitor: Visitor, file: bytes):
    visitor.choose_how_many(60)
    visitor.upload(payload("both.jpg", file))
    whole = scores(visitor.results())

    crop_rocket(visitor)

    part = visitor.results()
    assert {found.label for found in part[:8]} == {"rocket"}
    drawn = visitor.box()
    assert drawn == pytest.approx((0.52, 0.03, 0.98, 0.97), abs=0.01)
    visitor.upload(payload("cut.png", part_of(file, drawn), "image/png"))
    cut = scores(visitor.results())
    # The window's pixels are not the picture's: the edges agree to a pixel or two.
    assert scores(part) == pytest.approx(cut, abs=0.02)
    assert max(abs(cut[image] - whole[image]) for image in cut) > 0.2


def test_a_part_is_cut_out_by_touch(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor(**PHONE)
    upload_both(visitor)
    expect(visitor.hits).to_have_count(10)
    visitor.point(0, 0)  # scrolls there, from the results
    top = visitor.page.evaluate("scrollY")

    with visitor.answer():
        visitor.drag_with_finger((0.02, 0.04), (0.48, 0.96))

    assert visitor.box() == pytest.approx((0.02, 0.04, 0.48, 0.96), abs=0.02)
    assert visitor.labels()[:8] == ["chelsea"] * 8
    assert visitor.page.evaluate("scrollY") == top  # the page did not move under the finger

    with visitor.answer():
        visitor.drag_with_finger((0.25, 0.5), (0.75, 0.5))
    assert visitor.box() == pytest.approx((0.52, 0.04, 0.98, 0.96), abs=0.02)
    assert visitor.labels()[:8] == ["rocket"] * 8
    left, top, right, bottom = visitor.box()
    with visitor.answer():
        visitor.drag_with_finger((right, bottom), (right - 0.1, bottom - 0.3))
    assert visitor.box() == pytest.approx((left, top, right - 0.1, bottom - 0.3), abs=0.02)
    with visitor.answer():
        visitor.button("Clear crop").tap()
    assert visitor.box() is None


def test_the_results_are_those_of_the_last_of_two_rectangles(visitor: Visitor):
    upload_both(visitor)
    # So that the first rectangle's answer is still under way when the second is drawn.
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    network = visitor.context.new_cdp_session(visitor.page)
    network.send("Network.emulateNetworkConditions", slow)
    visitor.drag((0.02, 0.04), (0.48, 0.96))
    visitor.drag((0.98, 0.97), (0.52, 0.03))

    for place in range(8):
        expect(visitor.hits.nth(place).locator(".label")).to_have_text("rocket")


def test_the_crop_stays_until_it_is_cleared(visitor: Visitor):
    upload_both(visitor)
    whole = visitor.results()
    crop_rocket(visitor)
    drawn, part = visitor.box(), visitor.results()
    assert part != whole

    visitor.page.mouse.click(*visitor.point(0.2, 0.5), button="middle")
    visitor.page.mouse.move(*visitor.point(0.3, 0.6))
    visitor.search()

    assert visitor.box() == drawn
    assert visitor.results() == part

    with visitor.answer():
        visitor.button("Clear crop").click()

    expect(visitor.edit.locator(".box")).to_be_hidden()
    assert visitor.results() == whole


def test_copying_to_edit_brings_the_whole_original_back(visitor: Visitor):
    upload_both(visitor)
    whole = visitor.results()
    crop_rocket(visitor)

    visitor.button("Copy to edit →").click()

    expect(visitor.edit.locator(".box")).to_be_hidden()
    assert visitor.shown(visitor.edit) == visitor.shown(visitor.original)
    visitor.search()
    assert visitor.results() == whole


def test_copying_to_the_original_makes_the_part_the_picture(visitor: Visitor):
    upload_both(visitor)
    before = visitor.shown(visitor.original)
    crop_rocket(visitor)
    part = visitor.results()
    assert visitor.shown(visitor.original) == before  # an edit leaves the original alone

    visitor.button("← Copy to original").click()

    expect(visitor.original.get_by_alt_text("part of both.jpg")).to_be_visible()
    expect(visitor.edit.locator(".box")).to_be_hidden()
    source, width, height = visitor.shown(visitor.original)
    assert visitor.shown(visitor.edit)[0] == source
    assert (width, height) == pytest.approx((0.46 * 600, 0.94 * 300), abs=3)
    visitor.search()
    # The same pixels to the last one, so the same scores.
    assert visitor.results() == part
    visitor.button("Copy to edit →").click()
    assert visitor.shown(visitor.edit)[0] == source


def test_a_part_of_an_image_of_the_gallery_is_searched_and_can_be_the_original(visitor: Visitor):
    with visitor.answer():
        visitor.page.locator("#examples [data-id]").first.click()
    source, width, height = visitor.shown(visitor.original)
    assert source.startswith(f"galleries/{ALBUM}/images/")
    expect(visitor.timing).not_to_contain_text("embed")

    with visitor.answer():
        visitor.drag((0.25, 0.25), (0.75, 0.75))

    assert visitor.results()[0].score < 1

    visitor.button("← Copy to original").click()

    expect(visitor.edit.locator(".box")).to_be_hidden()
    assert visitor.shown(visitor.original)[0] != source
    assert visitor.shown(visitor.original)[1:] == pytest.approx((width / 2, height / 2), abs=3)


def test_copying_overtakes_a_search_that_is_under_way(visitor: Visitor):
    upload_both(visitor)
    whole = visitor.results()
    with visitor.held_back("component_server") as let_through:
        visitor.drag((0.02, 0.04), (0.48, 0.96))

    visitor.button("Copy to edit →").click()
    let_through()

    expect(visitor.page.locator(".results.loading")).to_have_count(0)
    assert visitor.box() is None
    visitor.search()
    assert visitor.results() == whole


def test_a_button_without_a_picture_says_what_is_missing(visitor: Visitor):
    visitor.search()
    expect(visitor.message).to_contain_text("There is nothing to search with yet")
    visitor.ask_address("coffee")  # words: there is no picture still
    for button in ("Copy to edit →", "← Copy to original", "Rotate", "Mirror"):
        with visitor.answer():
            visitor.button(button).click()

        expect(visitor.message).to_contain_text("yet")
    upload_both(visitor)
    expect(visitor.message).to_have_count(0)
    expect(visitor.hits).to_have_count(10)


def test_the_rectangle_is_moved_and_resized_by_mouse(visitor: Visitor):
    upload_both(visitor)
    crop_rocket(visitor)
    left, top, right, bottom = visitor.box()

    with visitor.answer():
        visitor.drag(((left + right) / 2, 0.5), ((left + right) / 2 - 0.3, 0.5))

    assert visitor.box() == pytest.approx((left - 0.3, top, right - 0.3, bottom), abs=0.02)
    moved = visitor.box()
    with visitor.answer():
        visitor.drag((moved[2], moved[3]), (moved[2] - 0.1, moved[3] - 0.2))
    assert visitor.box() == pytest.approx(
        (moved[0], moved[1], moved[2] - 0.1, moved[3] - 0.2), abs=0.02
    )


def test_the_rectangle_is_put_moved_resized_and_cleared_by_keys(visitor: Visitor):
    upload_both(visitor)
    whole = visitor.results()
    press = visitor.page.keyboard.press
    visitor.edit.get_by_role("group", name="The picture to search with").focus()
    with visitor.answer():
        press("Enter")
    before = visitor.box()
    assert before == pytest.approx((0.25, 0.25, 0.75, 0.75), abs=0.01)

    with visitor.answer():
        for _ in range(5):
            press("ArrowLeft")
        press("Shift+ArrowUp")

    assert visitor.box() == pytest.approx(
        (before[0] - 0.05, before[1], before[2] - 0.05, before[3] - 0.01), abs=0.01
    )
    with visitor.answer():
        press("Delete")  # the rectangle has kept the focus
    assert visitor.box() is None
    assert visitor.results() == whole


def test_a_turned_and_mirrored_picture_is_shown_and_searched_so(visitor: Visitor):
    picture = BOTH.convert("RGB")
    visitor.upload(payload("both.png", encoded(picture, "PNG")))
    with visitor.answer():
        visitor.button("Rotate").click()
    visitor.waits_for_size(visitor.edit, picture.size[::-1])
    with visitor.answer():
        visitor.button("Mirror").click()
    edited = scores(visitor.results())
    assert visitor.shown(visitor.original)[1:] == picture.size

    turned = picture.transpose(Image.Transpose.ROTATE_270).transpose(
        Image.Transpose.FLIP_LEFT_RIGHT
    )
    visitor.upload(payload("turned.png", encoded(turned, "PNG")))

    assert scores(visitor.results()) == pytest.approx(edited, abs=0.002)
