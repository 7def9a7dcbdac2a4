"""A visitor of the page in a real browser: what they do, and what they see."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    FilePayload,
    Locator,
    Request,
    Route,
    expect,
)

File = Path | FilePayload

# The options of a browser context on a phone.
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "reduced_motion": "reduce",  # a finger put down while the page still scrolls misses its place
}

# A new answer replaces what it changes; what was there before carries this mark.
_MARK_WHAT_IS_THERE = """() => document
    .querySelectorAll(".hits, p.timing, #message .message, #facts .message")
    .forEach((each) => each.setAttribute("data-before", ""))"""
_NEW = ":is(.hits, p.timing, #message .message, #facts .message):not([data-before])"

_RESTS_MILLISECONDS = 150

# Gradio writes these to the console, now and then, when a page is left for another.
_LOGGED_WHEN_LEFT = (
    "AbortError: signal is aborted without reason",
    "Unexpected error Connection errored out.",
)


@dataclass(frozen=True)
class Found:
    """A result, as the page shows it."""

    id: int
    label: str
    score: float
    same_file: bool


class Visitor:
    """A tab of a browser context with the page opened in it."""

    def __init__(
        self, context: BrowserContext, url: str, *, ready: bool = True, panels: str = ""
    ) -> None:
        """Open a page, with some of its panels open: the editor, the options."""
        self.context = context
        self.hosts: set[str] = set()
        self._problems: list[str] = []
        self._host = urlsplit(url).netloc
        self.page = context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._problems.append(f"error: {error.stack}"))
        self.page.on("request", self._watch)
        self.page.on("websocket", lambda socket: self._problems.append(f"socket: {socket.url}"))
        if panels:
            self.page.add_init_script(
                f"sessionStorage['ris:panels'] ??= '{panels}'"  # as this tab has had them before
            )
        self.page.goto(url)
        if ready:
            self.examples.first.wait_for()

    # What is on the page

    @property
    def original(self) -> Locator:
        return self.page.locator("#original")

    @property
    def edit(self) -> Locator:
        return self.page.locator("#edit")

    @property
    def examples(self) -> Locator:
        return self.page.locator("#examples button")

    @property
    def hits(self) -> Locator:
        return self.page.locator("#results .hit")

    @property
    def message(self) -> Locator:
        return self.page.locator(":is(#message, #facts) .message")

    @property
    def facts(self) -> Locator:
        return self.page.locator("#facts")

    @property
    def timing(self) -> Locator:
        return self.page.locator("#results .how")

    @property
    def detail(self) -> Locator:
        """One result, shown large."""
        return self.page.get_by_role("dialog")

    def choose_photograph(self, name: str) -> None:
        with self.answer():
            self.button(name).and_(self.page.locator("[data-photograph]")).click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def results(self) -> list[Found]:
        """Return the results, best first."""
        rows = self.hits.evaluate_all(
            """(hits) => hits.map((hit) => [
                Number(hit.dataset.id), hit.querySelector(".label").textContent,
                Number(hit.querySelector(".score").textContent), !!hit.querySelector(".same")])"""
        )
        return [Found(*row) for row in rows]

    def labels(self) -> list[str]:
        """Return the labels of the results, best first."""
        return [found.label for found in self.results()]

    def shown(self, pane: Locator) -> tuple[str, int, int]:
        """Return a pane's picture: its address, width and height in pixels once it has loaded."""
        picture = pane.locator(".frame img")
        handle = picture.element_handle()
        self.page.wait_for_function("(image) => image.complete", arg=handle)
        width, height = handle.evaluate("(image) => [image.naturalWidth, image.naturalHeight]")
        return picture.get_attribute("src") or "", width, height

    def waits_for_size(self, pane: Locator, size: tuple[int, int]) -> None:
        """Wait until a pane shows a picture of this width and height in pixels.

        The browser turns a picture by itself, which may end after the results have come.
        """
        self.page.wait_for_function(
            """([id, [width, height]]) => {
                const image = document.querySelector(`#${id} .frame img`);
                return image?.naturalWidth === width && image.naturalHeight === height;
            }""",
            arg=[pane.evaluate("(pane) => pane.closest('[id]').id"), list(size)],
        )

    def sees_every_result(self) -> None:
        """Scroll to each result in turn, until its picture has loaded."""
        self.page.wait_for_function(
            """() => {
                const images = [...document.querySelectorAll(".hit img")];
                return images.length > 0 && images.every((each) => {
                    each.scrollIntoView({ behavior: "instant" });
                    return each.naturalWidth > 0;
                });
            }"""
        )

    def box(self) -> tuple[float, float, float, float] | None:
        """Return the crop's left, top, right and bottom as fractions; None without one."""
        box = self.edit.locator(".box")
        if not box.is_visible():
            return None
        frame, drawn = self.edit.locator(".frame").bounding_box(), box.bounding_box()
        assert frame is not None
        assert drawn is not None
        left = (drawn["x"] - frame["x"]) / frame["width"]
        top = (drawn["y"] - frame["y"]) / frame["height"]
        return (
            left,
            top,
            left + drawn["width"] / frame["width"],
            top + drawn["height"] / frame["height"],
        )

    # What people do

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Wait for a new answer to what is done meanwhile: results, or a sentence why not."""
        self.page.evaluate(_MARK_WHAT_IS_THERE)
        yield
        self.page.locator(_NEW).first.wait_for()

    @contextmanager
    def held_back(self, address: str) -> Iterator[Callable[[], None]]:
        """Hold back what is asked of an address meanwhile; what is given lets it through later."""
        held: list[Route] = []
        pattern = f"**/{address}**"

        def let_through() -> None:
            with self.page.expect_response(pattern):
                held[0].continue_()

        def hold(route: Route) -> None:
            if held:
                route.continue_()
            else:
                held.append(route)

        self.page.route(pattern, hold)
        with self.page.expect_request(pattern):
            yield let_through

    def upload(self, file: File) -> None:
        with self.answer():
            self.choose_file(file)

    def choose_file(self, file: File) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.button("Choose a file").click()
        chooser.value.set_files(file)

    def drop(self, target: Locator, *files: Path) -> None:
        """Drag files from outside the browser onto `target`, as the desktop would."""
        target.scroll_into_view_if_needed()
        area = target.bounding_box()
        assert area is not None
        x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        devtools = self.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})

    def ask_address(self, url: str) -> None:
        field = self.page.get_by_label("Words, or the address of a picture")
        field.fill(url)
        with self.answer():
            field.press("Enter")

    def search(self) -> None:
        with self.answer():
            self.button("Search").click()

    def choose_gallery(self, name: str) -> None:
        self.page.get_by_label("Gallery").click()
        self.page.get_by_role("option", name=name, exact=True).click()

    def choose_how_many(self, k: int) -> None:
        field = self.page.get_by_label("number input for How many results")
        field.fill(str(k))
        field.press("Enter")

    def drag(self, start: Sequence[float], end: Sequence[float]) -> None:
        """Draw a rectangle with the mouse on the edit pane's picture, in fractions of it."""
        (x, y), (to_x, to_y) = self.point(*start), self.point(*end)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move((x + to_x) / 2, (y + to_y) / 2)
        self.page.mouse.move(to_x, to_y)
        self.page.mouse.up()

    def drag_with_finger(self, start: Sequence[float], end: Sequence[float]) -> None:
        """Do the same on a touch screen."""
        devtools = self.context.new_cdp_session(self.page)
        (x, y), (to_x, to_y) = self.point(*start), self.point(*end)
        # Where a finger draws rather than scrolls is known once the picture has been painted.
        self.page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
        steps = [(x + (to_x - x) * part / 4, y + (to_y - y) * part / 4) for part in range(5)]
        for number, (x, y) in enumerate(steps):
            devtools.send(
                "Input.dispatchTouchEvent",
                {
                    "type": "touchMove" if number else "touchStart",
                    "touchPoints": [{"x": x, "y": y}],
                },
            )
        # A finger that leaves while it moves throws: the browser then takes the next tap for one
        # that stops what was thrown.
        self.page.wait_for_timeout(_RESTS_MILLISECONDS)
        devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Return a place on the edit pane's picture, in pixels of the window."""
        self.page.bring_to_front()  # a tab behind another one is slow to hear of the mouse
        frame = self.edit.locator(".frame")
        self.shown(self.edit)
        frame.scroll_into_view_if_needed()
        area = frame.bounding_box()
        assert area is not None
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    def leave(self) -> list[str]:
        """Close the tab, and let the browser forget it; return whatever was wrong in it."""
        with suppress(Error):  # on a page that was never there
            self.page.evaluate("localStorage.clear()")
        self.page.close()
        return self._problems

    def _hear(self, message: ConsoleMessage) -> None:
        if message.text.startswith(_LOGGED_WHEN_LEFT):
            return
        if message.type in ("error", "assert"):
            self._problems.append(f"console: {message.text} ({message.location})")

    def _watch(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        self.hosts.add(parts.netloc)
        if parts.netloc != self._host:
            self._problems.append(f"another host was asked: {request.url}")


class Finger:
    """A finger on a phone's screen."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self._devtools = visitor.context.new_cdp_session(visitor.page)

    def put_on(self, card: Locator, x: float = 40, y: float = 40) -> None:
        area = card.bounding_box()
        assert area is not None
        self._touch("touchStart", area["x"] + x, area["y"] + y)

    def move(self, card: Locator, x: float, y: float) -> None:
        area = card.bounding_box()
        assert area is not None
        self._touch("touchMove", area["x"] + x, area["y"] + y)

    def lift(self) -> None:
        self._devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def press_long(self, card: Locator) -> None:
        self.put_on(card)
        expect(card).to_have_attribute("data-held", "")
        self.lift()

    def _touch(self, kind: str, x: float, y: float) -> None:
        points = [{"x": x, "y": y}]
        self._devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def payload(name: str, data: bytes, kind: str = "image/jpeg") -> Any:
    """Return a file as browsers hand it over, without one on disk."""
    return FilePayload(name=name, mimeType=kind, buffer=data)


def shown_at(gallery: str, image: int | str) -> str:
    """Return the address that the page shows an image of a gallery from."""
    return f"galleries/{gallery}/images/{image}/image?fallback=thumbnail"
