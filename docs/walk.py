"""A running server and Chromium → one minute of the page, `docs/screenshots/walk.webp`.

Each step does something, and is one picture with its caption; what it clicks must be there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from docs.frames import HEIGHT, SIZE, Seen, frame, opened_stage, write

_WIDTH = 1152  # of the page's window, which is drawn smaller
_VIEW = {"width": _WIDTH, "height": round(HEIGHT * _WIDTH / SIZE[0])}
_WIDE: dict[str, Any] = {"viewport": _VIEW, "device_scale_factor": SIZE[0] / _WIDTH}
_PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 664},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
_WAIT_MILLISECONDS = 20_000


class Walker:
    """Who walks: the page, the pointer's place on it, and the picture that is searched for."""

    def __init__(self, page: Page, picture: Path) -> None:
        """Stand on a page that has been opened."""
        self.page = page
        self.picture = picture
        self.pointer: tuple[float, float] | None = None
        self.is_carrying = False  # the picture, over the page

    def button(self, name: str, *, exact: bool = True) -> Locator:
        """Return the one button with this name."""
        return self.page.get_by_role("button", name=name, exact=exact)

    def point(self, place: Locator, x: float = 0.5, y: float = 0.5) -> None:
        """Move the pointer to a place, in fractions of it."""
        place.scroll_into_view_if_needed()
        area = place.bounding_box()
        if area is None:
            raise LookupError(f"The page does not show {place}.")
        self.pointer = area["x"] + x * area["width"], area["y"] + y * area["height"]
        self.page.mouse.move(*self.pointer)

    def click(self, place: Locator, modifiers: Any = None) -> None:
        """Move the pointer to a place, and click it."""
        self.point(place)
        place.click(modifiers=modifiers)

    def slide(self, slider: Locator, value: int) -> None:
        """Move a slider to a value of its hundred."""
        slider.fill(str(value))
        self.point(slider, value / 100)

    def drag_file(self, *kinds: str) -> None:
        """Drag the picture from outside the browser: over the page, or also onto it."""
        x, y = _VIEW["width"] / 2, _VIEW["height"] / 2
        data = {"items": [], "files": [str(self.picture)], "dragOperationsMask": 1}
        devtools = self.page.context.new_cdp_session(self.page)
        for kind in kinds:
            devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
        self.pointer = x, y
        self.is_carrying = "drop" not in kinds


Act = Callable[[Walker], None]


def ask(walker: Walker) -> None:
    """Look at the page before anything is asked."""
    expect(walker.button("Choose a file")).to_be_visible()
    walker.page.locator("#examples button").first.wait_for()


def carry(walker: Walker) -> None:
    """Drag the picture over the page."""
    walker.drag_file("dragEnter", "dragOver")
    walker.page.locator("html.dragging").wait_for()


def drop(walker: Walker) -> None:
    """Let it fall."""
    walker.drag_file("drop")
    verdict = walker.page.locator("#results .verdict:visible")
    for words in ("Found", "cropped", "mirrored"):
        expect(verdict).to_contain_text(words)


def outlined(walker: Walker) -> None:
    """Make thumbnails larger, and point at the original, which shows what of it the picture is."""
    first = walker.page.locator(".hit").first
    walker.page.get_by_label("Size of the thumbnails").fill("240")
    walker.point(first.locator(".open"), 0.8, 0.6)
    expect(first.locator("svg")).to_be_visible()


def large(walker: Walker) -> None:
    """Open it."""
    walker.click(walker.page.locator(".hit .open").first)
    expect(_dialog(walker).locator(".path")).to_contain_text("chelsea.jpg")


def zoomed(walker: Walker) -> None:
    """Turn the wheel over it."""
    walker.point(_dialog(walker).locator(".large"), 0.45, 0.45)
    walker.page.mouse.wheel(0, -300)
    _dialog(walker).locator(".large.zoomed").wait_for()


def overlay(walker: Walker) -> None:
    """Lay the query over it."""
    walker.click(walker.button("Compare"))
    expect(walker.button("Overlay")).to_have_attribute("aria-pressed", "true")
    for _ in range(3):
        walker.click(walker.button("Zoom out"))


def _slider(walker: Walker) -> Locator:
    return walker.page.get_by_label("How much of the query is shown")


def fade(walker: Walker) -> None:
    """Show more of the query than of the result."""
    walker.slide(_slider(walker), 90)


def wipe(percent: int) -> Act:
    """Part the two by a line, at a place."""

    def act(walker: Walker) -> None:
        walker.button("Wipe").click()
        walker.slide(_slider(walker), percent)

    return act


def editor(walker: Walker) -> None:
    """Go back to the results, and open the editor."""
    _dialog(walker).get_by_role("button", name="Close", exact=True).click()
    walker.click(walker.button("The query:", exact=False))
    walker.page.locator("#edit .frame img").evaluate("(image) => image.decode()")


_CORNERS = (0.27, 0.28), (0.93, 0.92)


def draw(walker: Walker) -> None:
    """Draw a rectangle on the query."""
    frame = walker.page.locator("#edit .frame")
    walker.point(frame, *_CORNERS[0])
    walker.page.mouse.down()
    walker.point(frame, 0.6, 0.6)
    walker.point(frame, *_CORNERS[1])
    walker.page.locator("#edit .box").wait_for()


def part(walker: Walker) -> None:
    """Search for what is in it."""
    before = walker.page.locator("#results .verdict:visible").inner_text()
    walker.page.mouse.up()
    expect(walker.page.locator("#results .verdict:visible")).not_to_have_text(before)
    expect(walker.page.locator("#results .verdict:visible")).to_contain_text("Found")


def browse(walker: Walker) -> None:
    """See the whole gallery."""
    walker.button("The query:", exact=False).click()
    walker.click(walker.button("Browse all", exact=False))
    walker.page.wait_for_url("**browse**")
    walker.page.locator(".hit").first.wait_for()


def narrow(walker: Walker) -> None:
    """See what its images differ in."""
    walker.click(walker.page.get_by_text("Narrow down", exact=True))
    walker.page.locator(".facets section").first.wait_for()


def facet(walker: Walker) -> None:
    """Choose those of one label."""
    labels = walker.page.locator(".facets").get_by_role("region", name="label", exact=True)
    walker.click(labels.get_by_role("button", name="Leopards", exact=False))
    walker.page.locator(".facets [aria-pressed=true]").wait_for()
    walker.point(_chip(walker))


def _chip(walker: Walker) -> Locator:
    return walker.page.locator(".chips.filters li", has_text="label=Leopards")


def select(walker: Walker) -> None:
    """Check one."""
    first = walker.page.locator(".hit").first
    walker.page.get_by_text("Narrow down", exact=True).click()
    walker.point(first)
    walker.click(first.locator(".check"))
    expect(walker.page.locator(".selection .count")).to_have_text("1 selected")


def select_several(walker: Walker) -> None:
    """Check those up to another."""
    walker.click(walker.page.locator(".hit .check").nth(3), ["Shift"])
    expect(walker.page.locator(".selection .count")).to_have_text("4 selected")


def more_like_these(walker: Walker) -> None:
    """Search with all of them."""
    walker.click(walker.button("More like these"))
    expect(walker.page.locator(".selection .count")).to_have_text("")
    _remove(walker)
    walker.page.locator(".hit").first.wait_for()
    walker.point(walker.page.locator(".chip.more-like").first)


def _remove(walker: Walker) -> None:
    """Search among all again."""
    _chip(walker).get_by_role("button").click()
    expect(_chip(walker)).to_be_hidden()


def beside(walker: Walker) -> None:
    """Lay the exact search beside that by the index."""
    choice = walker.page.get_by_label("Compare with")
    exact = choice.locator("option", has_text="exact search").get_attribute("value")
    walker.point(choice)
    choice.select_option(exact)
    expect(walker.page.locator(".in-both")).to_contain_text("in both")
    walker.page.get_by_label("Size of the thumbnails").fill("120")


def twin(walker: Walker) -> None:
    """Point at one, which is marked on the other side."""
    walker.page.locator(".in-both").evaluate("(line) => line.scrollIntoView()")
    walker.point(walker.page.locator(".found-here li", has=walker.page.locator(".both")).first)
    walker.page.locator(".found-here li.twin").nth(1).wait_for()


def panel(walker: Walker) -> None:
    """Open the panel of all galleries."""
    walker.click(walker.button("Galleries"))
    expect(_dialog(walker).locator(".waiting-for").first).to_contain_text("Not up to date")


def update(walker: Walker) -> None:
    """Bring one up to date with its folder."""
    walker.click(_dialog(walker).get_by_role("button", name="Update", exact=False).first)
    _dialog(walker).locator(".outcome p").first.wait_for()
    expect(_dialog(walker).locator(".waiting-for").first).to_contain_text("Up to date")


def choose(walker: Walker) -> None:
    """Choose a file, on a phone."""
    with walker.page.expect_file_chooser() as chooser:
        walker.button("Choose a file").tap()
    chooser.value.set_files(walker.picture)
    expect(walker.page.locator("#results .verdict:visible")).to_contain_text("Found")


def large_on_phone(walker: Walker) -> None:
    """Open the first result, on a phone."""
    walker.page.locator(".hit .open").first.tap()
    expect(_dialog(walker).locator(".large img")).to_be_visible()


def _dialog(walker: Walker) -> Locator:
    return walker.page.get_by_role("dialog")


# What is done, its caption, and for how many seconds it is seen.
STEPS: list[tuple[Act, str, float]] = [
    (ask, "Ask: drop a picture, type words or an address, or choose a file", 3),
    (carry, "Here: a part of a photograph, mirrored, is dropped anywhere on the page", 2),
    (drop, "See: one sentence says what it is, then comes what looks like it", 3.5),
    (outlined, "Outlined in the original: the part that the picture is", 2.5),
    (large, "Large: the file's whole path, its size, and how it was found", 3),
    (zoomed, "The wheel, two fingers or + and − zoom; arrows go on to the next", 2),
    (overlay, "Compare: the picture lies over its original as it lies in it", 2.5),
    (fade, "Compare: more of the one, or of the other", 1.5),
    (wipe(45), "Compare: or parted by a line", 1.5),
    (wipe(58), "Compare: or parted by a line", 1.5),
    (editor, "Edit: turn it, mirror it, or draw a rectangle …", 2),
    (draw, "Edit: turn it, mirror it, or draw a rectangle …", 1.5),
    (part, "… and that part is searched for", 3),
    (browse, "Browse: the whole gallery, without a query", 2),
    (narrow, "Browse: what its images differ in, counted over all of them", 2),
    (facet, "Browse: narrowed down to one label", 2.5),
    (select, "Select: a check …", 1.5),
    (select_several, "… and with Shift all up to another: export, copy, gather, or …", 2.5),
    (more_like_these, "… search with all of them at once", 2),
    (beside, "Judge: two galleries or searches side by side, here index and exact", 3.5),
    (twin, "Judge: what both have found, and at which place", 2.5),
    (panel, "Galleries: what each holds, and whether its folder has changed", 2.5),
    (update, "Galleries: brought up to date by a click", 3),
]
STEPS_ON_PHONE: list[tuple[Act, str, float]] = [
    (ask, "On a phone too", 1.5),
    (choose, "On a phone too: found", 2.5),
    (large_on_phone, "On a phone too: large, swipe and pinch", 2.5),
]


def make_walk(browser: Browser, address: str, picture: Image.Image, path: Path) -> None:
    """Walk over the page that is served, and write what was seen as an animated picture.

    `picture` is searched for, the served gallery has its original.
    """
    file = path.with_name("holiday.jpg")
    picture.save(file, quality=90)
    frames: list[Image.Image] = []
    try:
        with opened_stage(browser) as stage:
            for steps, options in ((STEPS, _WIDE), (STEPS_ON_PHONE, _PHONE)):
                page = browser.new_page(reduced_motion="reduce", **options)
                page.set_default_timeout(_WAIT_MILLISECONDS)
                page.goto(address)
                walker = Walker(page, file)
                for act, caption, _ in steps:
                    act(walker)
                    share = (len(frames) + 1) / len(STEPS + STEPS_ON_PHONE)
                    carried = file.read_bytes() if walker.is_carrying else None
                    seen = Seen(page, caption, share, walker.pointer, carried)
                    frames.append(frame(stage, seen))
                page.close()
    finally:
        file.unlink()
    write(frames, [seconds for _, _, seconds in STEPS + STEPS_ON_PHONE], path)
