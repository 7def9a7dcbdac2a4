"""Every way to bring a picture: it is shown in both windows and searched with at once."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.values import MAX_PICTURE_BYTES
from tests.conftest import Home, encoded, is_one_sentence
from tests.doors.page.browser.conftest import ALBUM, Site
from tests.doors.page.browser.pictures import NAMES, photograph, seen_again
from tests.doors.page.browser.visitor import PHONE, Visitor, payload, shown_at

pytestmark = pytest.mark.browser


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    """A photograph of the cat on disk, in no gallery."""
    path = tmp_path / "my cat.jpg"
    path.write_bytes(encoded(seen_again("chelsea")))
    return path


def finds(visitor: Visitor, name: str) -> None:
    """Assert that both windows show one picture, and that the search has found similar ones."""
    source, width, _ = visitor.shown(visitor.original)
    assert width > 0
    assert visitor.shown(visitor.edit)[0] == source
    expect(visitor.hits).to_have_count(10)
    assert visitor.labels()[:5] == [name] * 5
    expect(visitor.message).to_have_count(0)


def test_an_uploaded_file_is_shown_in_both_windows_and_searched(visitor: Visitor, cat: Path):
    visitor.upload(cat)

    finds(visitor, "chelsea")
    for pane in (visitor.original, visitor.edit):
        assert visitor.shown(pane)[1:] == seen_again("chelsea").size
        expect(pane.get_by_alt_text("my cat.jpg")).to_be_visible()
    scores = [found.score for found in visitor.results()]
    sources = re.compile("^(same picture|edited copy)$")  # which come before the others
    led = visitor.hits.locator(".mark", has_text=sources).count()
    assert led > 0
    assert scores[led:] == sorted(scores[led:], reverse=True)
    assert 1 > max(scores) > 0.8
    expect(visitor.timing).to_contain_text("60 results in")


def test_a_file_is_dropped_on_the_window_or_beside_it(visitor: Visitor, cat: Path):
    with visitor.answer():
        visitor.drop(visitor.original.locator(".stage"), cat)
    finds(visitor, "chelsea")
    visitor.upload(payload("cup.jpg", encoded(seen_again("coffee"))))

    with visitor.answer():
        visitor.drop(visitor.page.locator("#title"), cat)

    finds(visitor, "chelsea")
    expect(visitor.page.locator(".dragging")).to_have_count(0)


def test_a_picture_dragged_from_another_page_is_fetched_from_its_address(
    visitor: Visitor, site: Site
):
    url = site.put("/rocket.jpg", encoded(seen_again("rocket")))

    with visitor.answer():
        visitor.original.locator(".stage").evaluate(
            """(stage, url) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.setData("text/uri-list", url);
                const how = { dataTransfer, bubbles: true, cancelable: true };
                stage.dispatchEvent(new DragEvent("drop", how));
            }""",
            url,
        )

    finds(visitor, "rocket")


def test_an_example_dragged_onto_the_window_is_searched_by_its_id(visitor: Visitor):
    example = visitor.page.locator("#examples [data-id]").first
    image, name = example.get_attribute("data-id"), example.get_attribute("title")

    with visitor.answer():
        example.locator("img").drag_to(visitor.original.locator(".stage"))

    finds(visitor, name or "")
    assert visitor.shown(visitor.edit)[0] == shown_at(ALBUM, image)


def test_a_picture_and_an_address_are_pasted(new_visitor: Callable[..., Visitor], site: Site):
    visitor = new_visitor(permissions=["clipboard-read", "clipboard-write"])
    visitor.page.evaluate(
        """async () => {
            const answer = await fetch("examples/coffee.jpg");
            const bitmap = await createImageBitmap(await answer.blob());
            const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
            canvas.getContext("2d").drawImage(bitmap, 0, 0);
            const png = await canvas.convertToBlob({ type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
        }"""
    )

    visitor.page.get_by_label("Words, or the address of a picture").focus()

    with visitor.answer():
        visitor.page.keyboard.press("Control+v")  # anywhere, a text field too

    finds(visitor, "coffee")
    visitor.page.get_by_role("button", name="Rotate").focus()
    url = site.put("/rocket.jpg", encoded(seen_again("rocket")))
    visitor.page.evaluate("(url) => navigator.clipboard.writeText(url)", url)

    with visitor.answer():
        visitor.page.keyboard.press("Control+v")

    finds(visitor, "rocket")


def watch_webcam(visitor: Visitor) -> None:
    """Record in the page what is requested of a webcam, and its tracks."""
    visitor.page.evaluate(
        """() => {
            const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
            Object.assign(window, { wishes: [], tracks: [] });
            devices.getUserMedia = async (wish) => {
                window.wishes.push(wish);
                const stream = await open(wish);
                window.tracks.push(...stream.getTracks());
                return stream;
            };
        }"""
    )


def test_the_webcam_takes_a_picture(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor(permissions=["camera"])
    watch_webcam(visitor)
    visitor.button("Webcam").click()
    # A picture of no size is not taken: it has to be there.
    visitor.page.wait_for_function("document.querySelector('#original video')?.videoWidth > 0")

    # The camera that looks away from the visitor, so not a mirror.
    assert visitor.page.evaluate("wishes") == [{"video": {"facingMode": "environment"}}]
    turned = "getComputedStyle(document.querySelector('#original video')).transform"
    assert visitor.page.evaluate(turned) == "none"

    with visitor.answer():
        visitor.button("Take picture").click()

    expect(visitor.hits).to_have_count(10)
    assert visitor.shown(visitor.original) == visitor.shown(visitor.edit)
    assert visitor.shown(visitor.edit)[1:] == (640, 480)
    expect(visitor.page.locator("video")).to_have_count(0)


def test_the_webcam_fits_a_phone_and_can_be_closed(new_visitor: Callable[..., Visitor]):
    visitor = new_visitor(**PHONE, permissions=["camera"])
    visitor.button("Webcam").tap()
    video = visitor.page.locator("#original video")
    visitor.page.wait_for_function("document.querySelector('#original video')?.videoWidth > 0")
    window = visitor.original.locator(".stage").bounding_box()
    for inside in (video, visitor.button("Take picture"), visitor.button("Cancel")):
        area = inside.bounding_box()
        assert window["y"] <= area["y"]
        assert area["y"] + area["height"] <= window["y"] + window["height"]
    track = video.evaluate_handle("(video) => video.srcObject.getTracks()[0]")

    visitor.button("Cancel").tap()

    expect(visitor.original).to_contain_text("Drop a picture anywhere")
    expect(video).to_have_count(0)
    assert track.evaluate("(track) => track.readyState") == "ended"


def test_a_webcam_that_is_refused_gives_one_sentence(visitor: Visitor, cat: Path):
    with visitor.answer():
        visitor.button("Webcam").click()

    expect(visitor.message).to_have_text(
        "The webcam was refused: allow it in the browser, or choose a file."
    )
    visitor.upload(cat)
    finds(visitor, "chelsea")


def test_the_picture_at_an_address_is_searched(visitor: Visitor, site: Site):
    url = site.put("/of/a/rocket.jpg?size=2", encoded(seen_again("rocket")))

    visitor.ask_address(url)

    finds(visitor, "rocket")
    expect(visitor.original.get_by_alt_text("rocket.jpg")).to_be_visible()


def test_an_address_without_a_picture_gives_one_sentence(visitor: Visitor, site: Site):
    page = site.put("/", b"<!doctype html><title>A cat</title>", "text/html")
    for url, reason in (
        (page, "is a web page, not a picture"),
        ("http://127.0.0.1:1/cat.jpg", "cannot be reached"),
        ("http://10.0.0.1/cat.jpg", "not a public address"),
        ("ftp://127.0.0.1/cat.jpg", "must begin with http:// or https://"),
    ):
        visitor.ask_address(url)

        expect(visitor.message).to_contain_text(reason)
        assert is_one_sentence(visitor.message.inner_text())
    visitor.ask_address(site.put("/cat", encoded(seen_again("chelsea")), "text/plain"))
    finds(visitor, "chelsea")


def test_a_slow_address_keeps_no_other_visitor_waiting(
    visitor: Visitor, new_visitor: Callable[..., Visitor], site: Site
):
    other = new_visitor()
    slow = site.put("/slow/rocket.jpg", encoded(seen_again("rocket")))
    field = visitor.page.get_by_label("Words, or the address of a picture")
    field.fill(slow)
    field.press("Enter")
    assert site.asked.wait(20)

    other.ask_address(site.put("/coffee.jpg", encoded(seen_again("coffee"))))

    finds(other, "coffee")
    for nothing_yet in (visitor.hits, visitor.message):
        expect(nothing_yet).to_have_count(0)
    with visitor.answer():
        site.released.set()
    finds(visitor, "rocket")


def test_a_slow_address_never_overwrites_what_was_asked_since(
    visitor: Visitor, site: Site, cat: Path
):
    field = visitor.page.get_by_label("Words, or the address of a picture")
    field.fill(site.put("/slow/rocket.jpg", encoded(seen_again("rocket"))))
    field.press("Enter")
    assert site.asked.wait(20)
    visitor.upload(cat)
    finds(visitor, "chelsea")

    site.released.set()

    # Another answer, asked after the slow one has been let go.
    with visitor.answer():
        visitor.button("coffee").and_(visitor.page.locator("[data-photograph]")).click()
    finds(visitor, "coffee")


def test_a_slow_upload_never_overwrites_what_was_asked_since(visitor: Visitor, cat: Path):
    with visitor.held_back("gradio_api/upload") as let_through:
        visitor.choose_file(cat)
    with visitor.answer():
        visitor.button("coffee").and_(visitor.page.locator("[data-photograph]")).click()
    finds(visitor, "coffee")

    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    let_through()

    with visitor.page.expect_response("**/component_server**"):
        visitor.button("Other examples").click()
    assert len([url for url in asked if "component_server" in url]) == 1, "the examples alone"
    finds(visitor, "coffee")


def test_a_file_of_more_than_50_mb_is_refused_before_it_is_uploaded(
    visitor: Visitor, cat: Path, tmp_path: Path
):
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))

    visitor.choose_file(large)

    expect(visitor.message).to_contain_text("large.tif is larger than 50 MB")
    assert is_one_sentence(visitor.message.inner_text())
    assert not [url for url in asked if "upload" in url]
    visitor.upload(cat)
    finds(visitor, "chelsea")


def test_a_random_picture_of_the_gallery_is_searched(visitor: Visitor):
    seen = set()
    for _ in range(3):
        with visitor.answer():
            visitor.button("Random").click()
        first = visitor.results()[0]
        assert (first.score, first.same_file) == (1.0, True)
        assert visitor.shown(visitor.edit)[0] == shown_at(ALBUM, first.id)
        seen.add(first.id)
    assert len(seen) > 1, "all three are the same once in 3,600 times"


def test_the_search_button_takes_an_address_that_was_typed(visitor: Visitor, site: Site, cat: Path):
    visitor.upload(cat)
    field = visitor.page.get_by_label("Words, or the address of a picture")
    field.fill(site.put("/coffee.jpg", encoded(seen_again("coffee"))))

    visitor.search()

    finds(visitor, "coffee")
    expect(field).to_have_value("")
    visitor.search()  # now with the picture that is shown
    finds(visitor, "coffee")


def test_a_webcam_is_off_as_soon_as_another_picture_is_shown(
    new_visitor: Callable[..., Visitor], cat: Path
):
    visitor = new_visitor(permissions=["camera"])
    watch_webcam(visitor)
    visitor.button("Webcam").click()
    visitor.button("Webcam").click()
    visitor.original.locator("video").wait_for()
    visitor.upload(cat)
    finds(visitor, "chelsea")
    states = visitor.page.evaluate("() => window.tracks.map((track) => track.readyState)")
    assert states == ["ended"]


def test_the_photographs_among_the_examples_are_searched(visitor: Visitor):
    assert visitor.page.locator("#examples [data-photograph]").count() == len(NAMES) == 5
    for name in NAMES:
        with visitor.answer():
            visitor.button(name).and_(visitor.page.locator("[data-photograph]")).click()

        finds(visitor, name)
        assert visitor.shown(visitor.edit)[1:] == photograph(name).size


def test_an_example_of_the_gallery_is_searched_by_its_id(visitor: Visitor):
    example = visitor.page.locator("#examples [data-id]").first
    image, name = example.get_attribute("data-id"), example.get_attribute("title")

    with visitor.answer():
        example.click()

    finds(visitor, name or "")
    first = visitor.results()[0]
    assert (str(first.id), first.score, first.same_file) == (image, 1.0, True)
    assert visitor.shown(visitor.edit)[0] == shown_at(ALBUM, image)
    expect(visitor.timing).not_to_contain_text("embed")


def test_other_examples_brings_a_fresh_row_of_the_gallery(visitor: Visitor):
    row = visitor.page.locator("#examples [data-id]")
    before = row.evaluate_all("(row) => row.map((each) => each.dataset.id)")
    assert len(set(before)) == len(before) == 7

    visitor.button("Other examples").click()

    # Seven of sixty are the same seven again once in 386 million times, and in order never.
    visitor.page.wait_for_function(
        """(before) => {
            const row = [...document.querySelectorAll("#examples [data-id]")];
            return row.length && row.map((each) => each.dataset.id).join() !== before.join();
        }""",
        arg=before,
    )
    assert row.count() == 7
    assert visitor.page.locator("#examples [data-photograph]").count() == len(NAMES)


def test_search_with_this_makes_a_result_the_query(visitor: Visitor, cat: Path, galleries: Home):
    visitor.upload(cat)
    chosen = visitor.results()[6]
    assert not chosen.same_file

    with visitor.answer():
        visitor.hits.nth(6).get_by_role("button", name="Search with this").click()

    expect(visitor.hits.first.locator(".same")).to_have_text("same file")
    assert visitor.results()[0].id == chosen.id
    source = shown_at(ALBUM, chosen.id)
    assert visitor.shown(visitor.original)[0] == visitor.shown(visitor.edit)[0] == source
    # The original picture, which is larger than its thumbnail.
    assert max(visitor.shown(visitor.edit)[1:]) > 160
