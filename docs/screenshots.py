"""A running server and Chromium → the pictures of the page that the README shows.

Run by `make screenshots`.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from app.build.build import BuildRequest
from app.settings import read_settings
from app.wiring import make_builder, make_service
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
_SMALL: dict[str, Any] = {"viewport": {"width": 1180, "height": 740}}
_MANAGED = "things"
_EVERY = 18  # of the included gallery's images, in that which is managed
_ADDED, _REMOVED = 3, 4


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


def manage(page: Page) -> None:
    """Bring the gallery up to date with its folder, and look at what else can be changed."""
    page.get_by_role("button", name="Update", exact=True).click()
    page.locator("#manage .outcome p").wait_for()
    page.get_by_text("Manage this gallery").click()
    page.get_by_label("Title").fill("All kinds of things")
    page.get_by_role("button", name="Save").click()
    page.locator("#facts .title").wait_for()


@contextmanager
def managed_server() -> Iterator[str]:
    """Serve a gallery that may be changed, whose folder has changed; give its address.

    Its pictures are thumbnails of the included gallery.
    """
    service = make_service(read_settings())
    folder = Path(tempfile.gettempdir()) / "Pictures"  # it is seen in the picture
    folder.mkdir()
    with tempfile.TemporaryDirectory() as home, ExitStack() as leaving:
        leaving.callback(shutil.rmtree, folder)
        paths = []
        for image in service.images(GALLERY, service.ids(GALLERY)[::_EVERY]):
            path = folder / Path(image.path).parent.name / f"{image.id:05}.webp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(service.thumbnail(GALLERY, image.id))
            paths.append(path)
        later = [path.rename(path.with_suffix(".later")) for path in paths[:_ADDED]]
        request = BuildRequest(
            data=None,
            images=folder,
            name=_MANAGED,
            model="efficientnet_lite0",
            index="IVF100,PQ8",
            limit=None,
            force=False,
        )
        settings = read_settings(os.environ | {"RIS_HOME": home})
        make_builder(settings)(request, on_progress=lambda stage, done, total: None)
        for path in later:
            path.rename(path.with_suffix(".webp"))
        for path in paths[-_REMOVED:]:
            path.unlink()
        with running_server(RIS_HOME=home, RIS_CREATE_GALLERIES="1") as (_, address):
            yield address


def main() -> None:
    """Make every screenshot anew."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with running_server() as (_, address):
            for name, photograph, act, options in SCREENSHOTS:
                query = f"gallery={GALLERY}&photograph={photograph}"
                _shoot(browser, f"{address}/?{query}", name, act, options)
        with managed_server() as address:
            query = f"gallery={_MANAGED}&photograph=motorcycle"
            _shoot(browser, f"{address}/?{query}", "manage", manage, _SMALL)
        browser.close()


def _shoot(
    browser: Browser, url: str, name: str, act: Callable[[Page], None], options: dict[str, Any]
) -> None:
    page = browser.new_page(reduced_motion="reduce", **options)
    page.goto(url)
    page.locator(".hit").first.wait_for()
    act(page)
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=82)
    page.close()


if __name__ == "__main__":
    main()
