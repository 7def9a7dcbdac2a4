"""A running server and Chromium → the pictures of the page that the README and docs/ show.

Run by `make screenshots`; with names (`python -m docs.screenshots walk manage`) those alone.
"""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

from app.build.build import BuildRequest
from app.search.service import SearchService
from app.settings import read_settings
from app.wiring import make_builder, make_service
from benchmarks.page_speed import chromium
from benchmarks.server_speed import GALLERY, running_server
from docs.frames import AT_REST
from docs.walk import make_walk

FOLDER = Path(__file__).parent / "screenshots"
_WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
_PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
_SMALL: dict[str, Any] = {"viewport": {"width": 1180, "height": 740}}
_TALL: dict[str, Any] = {"viewport": {"width": 1180, "height": 1060}}
_MANAGED = "things"
_EVERY = 18  # of the included gallery's images, in those that are made of them
_ADDED, _REMOVED = 3, 4


def results(page: Page) -> None:
    """Search with one of the page's photographs."""


def part(page: Page) -> None:
    """Search with a part of it."""
    page.get_by_role("button", name="The query:").click()
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


def browse(page: Page) -> None:
    """Browse the gallery, and look at what its images differ in."""
    page.get_by_role("button", name="Browse all").click()
    page.locator(".hit").first.wait_for()
    page.get_by_text("Narrow down").click()
    page.locator(".facets").get_by_role("button", name="Leopards").click()
    page.locator(".facets [aria-pressed=true]").wait_for()


def words(page: Page) -> None:
    """Search for words, among large images."""
    page.goto(page.url.partition("?")[0] + f"?gallery={GALLERY}&words=butterfly&where=width>=300")
    page.locator(".hit").first.wait_for()


SCREENSHOTS: list[tuple[str, str, Callable[[Page], None], dict[str, Any]]] = [
    ("results", "motorcycle", results, _WIDE),
    ("part-dark", "motorcycle", part, _WIDE | {"color_scheme": "dark"}),
    ("compare", "chelsea", compare, _WIDE),
    ("phone", "chelsea", results, _PHONE),
    ("browse", "", browse, _WIDE),
    ("words", "", words, _WIDE),
]


def manage(page: Page) -> None:
    """Bring the gallery up to date with its folder, and look at what else can be changed."""
    page.get_by_role("button", name="Galleries", exact=True).click()
    page.get_by_role("button", name=f"Update: {_MANAGED}", exact=True).click()
    page.locator("dialog.galleries .outcome p").wait_for()
    row = page.locator(f"dialog.galleries [data-gallery='{_MANAGED}']")
    row.locator(".change > summary").click()
    row.get_by_label("Title").fill("All kinds of things")
    row.get_by_role("button", name="Save").click()
    row.get_by_text("Saved.").wait_for()
    row.get_by_text("Up to date.").wait_for()


_PHOTOGRAPHS = Path(__file__).parents[1] / "app" / "doors" / "page" / "examples"
_ABSENT = "rocket"
_BURST = "Faces/image_0067.jpg"  # the included gallery has the frames beside it


def edited_copy(service: SearchService) -> Image.Image:
    """Return a part of a photograph, mirrored."""
    cat = _photograph("chelsea")
    width, height = cat.size
    box = round(0.15 * width), round(0.05 * height), round(0.75 * width), round(0.75 * height)
    return ImageOps.mirror(cat.crop(box))


def same_picture(service: SearchService) -> Image.Image:
    """Return a photograph, smaller."""
    return ImageOps.scale(_photograph("coffee"), 0.6)


def several_sources(service: SearchService) -> Image.Image:
    """Return four photographs on one sheet."""
    sheet = Image.new("RGB", (820, 620), "white")
    for place, name in enumerate(("astronaut", "coffee", "chelsea", "motorcycle")):
        part = ImageOps.contain(_photograph(name), (390, 290))
        sheet.paste(part, (15 + 400 * (place % 2), 15 + 300 * (place // 2)))
    return sheet


def same_scene(service: SearchService) -> Image.Image:
    """Return another frame of a burst."""
    ids = service.ids(GALLERY)
    image = next(each for each in service.images(GALLERY, ids) if each.path.endswith(_BURST))
    return Image.open(io.BytesIO(service.thumbnail(GALLERY, image.id)))


def nothing_like_it(service: SearchService) -> Image.Image:
    """Return a photograph that the gallery does not have."""
    return _photograph(_ABSENT)


def too_simple(service: SearchService) -> Image.Image:
    """Return a drawing of one line."""
    paper = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(paper).line((60, 220, 340, 80), fill="black", width=9)
    return paper


ANSWERS = (
    *(edited_copy, same_picture, several_sources),
    *(same_scene, nothing_like_it, too_simple),
)


def _photograph(name: str) -> Image.Image:
    return Image.open(_PHOTOGRAPHS / f"{name}.jpg").convert("RGB")


def upload(image: Image.Image) -> Callable[[Page], None]:
    """Return what searches with a picture."""
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=80)

    def act(page: Page) -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose a file").click()
        payload = FilePayload(name="query.jpg", mimeType="image/jpeg", buffer=file.getvalue())
        chooser.value.set_files(payload)
        page.locator("#results .verdict:visible").wait_for()

    return act


def _write_thumbnails(service: SearchService, folder: Path) -> list[Path]:
    """Write thumbnails of the included gallery as the pictures of another one."""
    paths = []
    for image in service.images(GALLERY, service.ids(GALLERY)[::_EVERY]):
        path = folder / Path(image.path).parent.name / f"{image.id:05}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(service.thumbnail(GALLERY, image.id))
        paths.append(path)
    return paths


def _build(folder: Path, home: str) -> None:
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


@contextmanager
def answering_server(service: SearchService) -> Iterator[str]:
    """Serve a gallery of photographs and of thumbnails of the included one; give its address."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "Pictures"
        _write_photographs(service, folder)
        _build(folder, home)
        with running_server(RIS_HOME=home) as (_, address):
            yield address


def _write_photographs(service: SearchService, folder: Path) -> list[Path]:
    """Write thumbnails of the included gallery, more of its faces, and photographs."""
    paths = _write_thumbnails(service, folder)
    for image in service.images(GALLERY, service.ids(GALLERY)):
        if "/Faces/" in f"/{image.path}" and not image.path.endswith(_BURST):
            path = folder / "Faces" / f"{Path(image.path).stem}.webp"
            path.write_bytes(service.thumbnail(GALLERY, image.id))
    for path in _PHOTOGRAPHS.glob("*.jpg"):
        if path.stem != _ABSENT:
            shutil.copy(path, folder)
    return paths


@contextmanager
def managed_server(
    service: SearchService, write: Callable[[SearchService, Path], list[Path]] = _write_thumbnails
) -> Iterator[str]:
    """Serve a gallery that may be changed, whose folder has changed; give its address.

    What `write` returns are thumbnails of the included gallery.
    """
    folder = Path(tempfile.gettempdir()) / "Pictures"  # it is seen in the picture
    folder.mkdir()
    with tempfile.TemporaryDirectory() as home, ExitStack() as leaving:
        leaving.callback(shutil.rmtree, folder)
        paths = write(service, folder)
        later = [path.rename(path.with_suffix(".later")) for path in paths[:_ADDED]]
        _build(folder, home)
        for path in later:
            path.rename(path.with_suffix(".webp"))
        for path in paths[-_REMOVED:]:
            path.unlink()
        with running_server(RIS_HOME=home, RIS_CREATE_GALLERIES="1") as (_, address):
            yield address


def main(names: Sequence[str] = ()) -> None:
    """Make screenshots anew: those of these names, or every one."""
    FOLDER.mkdir(exist_ok=True)
    service = make_service(read_settings())
    ones = [each for each in SCREENSHOTS if not names or each[0] in names]
    answers = {each.__name__.replace("_", "-"): each for each in ANSWERS}
    answers = {name: each for name, each in answers.items() if not names or name in names}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        if ones:
            with running_server() as (_, address):
                for name, photograph, act, options in ones:
                    query = f"gallery={GALLERY}" + (photograph and f"&photograph={photograph}")
                    _shoot(browser, f"{address}/?{query}", name, act, options)
        if answers:
            with answering_server(service) as address:
                url = f"{address}/?gallery={_MANAGED}&photograph={_ABSENT}"
                for name, answer in answers.items():
                    _shoot(browser, url, name, upload(answer(service)), _TALL)
        if not names or "manage" in names:
            with managed_server(service) as address:
                query = f"gallery={_MANAGED}&photograph=motorcycle"
                _shoot(browser, f"{address}/?{query}", "manage", manage, _SMALL)
        if not names or "walk" in names:
            with managed_server(service, _write_photographs) as address:
                url = f"{address}/?gallery={_MANAGED}"
                make_walk(browser, url, edited_copy(service), FOLDER / "walk.webp")
        browser.close()


def _shoot(
    browser: Browser, url: str, name: str, act: Callable[[Page], None], options: dict[str, Any]
) -> None:
    page = browser.new_page(reduced_motion="reduce", **options)
    page.goto(url)
    page.locator(".hit" if "photograph=" in url else "#examples button").first.wait_for()
    act(page)
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(AT_REST)
    page.screenshot(path=FOLDER / f"{name}.jpg", type="jpeg", quality=82)
    page.close()


if __name__ == "__main__":
    main(sys.argv[1:])
