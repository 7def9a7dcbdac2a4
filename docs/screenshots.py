"""A running server and Chromium → the pictures of the page that the README shows.

Run by `make screenshots`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.page_speed import chromium
from benchmarks.server_speed import GALLERY, running_server

FOLDER = Path(__file__).parent / "screenshots"
_WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
_PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}


def results(page: Page) -> None:
    """Search with one of the page's photographs."""


def part(page: Page) -> None:
    """Search with a part of it."""
    page.locator("#edit .frame img").evaluate("(image) => image.decode()")
    frame = page.locator("#edit .frame").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + 0.05 * frame["width"], frame["y"] + 0.2 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.6 * frame["width"], frame["y"] + 0.95 * frame["height"])
    page.mouse.up()
    page.wait_for_url("**box=**")


def compare(page: Page) -> None:
    """Lay a result beside the query."""
    page.locator(".hit .open").first.click()
    page.keyboard.press("c")
    page.locator(".comparison img").last.wait_for()


SCREENSHOTS: list[tuple[str, str, Callable[[Page], None], dict[str, Any]]] = [
    ("results", "motorcycle", results, _WIDE),
    ("part-dark", "motorcycle", part, _WIDE | {"color_scheme": "dark"}),
    ("compare", "chelsea", compare, _WIDE),
    ("phone", "chelsea", results, _PHONE),
]


def main() -> None:
    """Make every screenshot anew."""
    FOLDER.mkdir(exist_ok=True)
    with running_server() as (_, address), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, photograph, act, options in SCREENSHOTS:
            page = browser.new_page(reduced_motion="reduce", **options)
            page.goto(f"{address}/?gallery={GALLERY}&photograph={photograph}")
            page.locator(".hit").first.wait_for()
            act(page)
            page.mouse.move(0, 0)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=82)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
