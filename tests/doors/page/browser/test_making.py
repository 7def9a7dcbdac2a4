"""Galleries made in the page: of a folder, of uploads, of a ZIP; watched, cancelled, searched."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.gallery import gallery_names
from tests.conftest import Home, encoded, fill, is_one_sentence, picture
from tests.doors.page.browser.conftest import Contexts, Server, serving
from tests.doors.page.browser.panel import Panel
from tests.doors.page.browser.pictures import seen_again, write_album
from tests.doors.page.browser.visitor import PHONE, File, Visitor, payload

pytestmark = pytest.mark.browser

CAT = payload("cat.jpg", encoded(seen_again("chelsea")))
FIRST = "first"
SLOW = 160  # pictures, each a PNG of a million pixels: seconds of work
LONG = 120_000  # milliseconds that this may take on a busy machine


@pytest.fixture(scope="module")
def home(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("making"))
    home.build(fill(tmp_path_factory.mktemp("pictures"), 12), name=FIRST)
    return home


@pytest.fixture(scope="module")
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "stderr"
    with serving(home, log, RIS_CREATE_GALLERIES="1") as server:
        yield server


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that takes some seconds to embed."""
    folder = tmp_path_factory.mktemp("many")
    data = encoded(picture(1, (1000, 1000)), "PNG")
    for number in range(SLOW):  # what comes after a PNG's end is not read, but makes other contents
        (folder / f"{number:03}.png").write_bytes(data + b"%03d" % number)
    return folder


class Form(Panel):
    """The part of the panel in which galleries are made."""

    def __init__(self, visitor: Visitor, *, open_form: bool = True) -> None:
        super().__init__(visitor)
        self.part = self.dialog.locator(".make")
        if open_form:
            self.part.get_by_text("Make a gallery", exact=True).click()

    def fill(
        self, name: str, *, model: str = "efficientnet_lite0", folder: str | None = None
    ) -> None:
        self.part.get_by_label("Name").fill(name)
        self.part.get_by_label("Model").select_option(model)
        if folder is not None:
            self.part.get_by_label("Pictures from").select_option("Folder on this machine")
            self.part.get_by_label("Path of the folder").fill(folder)

    def choose(self, kind: str, label: str, files: File | list[File] | None) -> None:
        self.part.get_by_label("Pictures from").select_option(kind)
        field = self.part.get_by_label(label, exact=True)
        expect(field).to_be_visible()
        if files is not None:
            field.set_input_files(files)

    def start(self) -> None:
        self.button("Start").click()

    def starts(self, name: str, folder: Path) -> None:
        self.fill(name, folder=str(folder))
        self.start()
        expect(self.running).to_contain_text("Embedding")


def images_of(home: Home, gallery: str) -> list[tuple[str, tuple[str, ...]]]:
    service = home.service()
    records = [service.image(gallery, row) for row in range(service.gallery(gallery).images)]
    return [(record.path, record.labels) for record in records]


# --- made, then searched -------------------------------------------------------------------------


def test_a_folder_becomes_a_gallery_that_is_searched_at_once(
    new_visitor: Callable[..., Visitor], tmp_path: Path
):
    write_album(tmp_path / "album")
    visitor = new_visitor()
    form = Form(visitor)
    assert form.part.get_by_label("Model").input_value() == "efficientnet_lite0"

    form.fill("of-a-folder", model="efficientnet_lite0", folder=str(tmp_path / "album"))
    form.button("Start").dblclick()

    expect(form.outcome).to_contain_text("of-a-folder: 60 images in", timeout=LONG)
    expect(form.outcome).to_contain_text("all of the nearest found")
    expect(form.problem).to_have_count(0)
    expect(visitor.page.get_by_label("Gallery")).to_have_value(FIRST)
    form.button("Search in it").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value("of-a-folder")
    expect(visitor.facts).to_contain_text("60 images, searched exactly")
    visitor.upload(CAT)
    assert visitor.labels()[:5] == ["chelsea"] * 5
    visitor.choose_gallery(FIRST)
    expect(visitor.facts).to_contain_text("12 images")
    visitor.choose_gallery("of-a-folder")  # the control lists it too
    expect(visitor.facts).to_contain_text("60 images")


def test_pictures_are_uploaded_and_a_file_of_the_same_content_twice(
    new_visitor: Callable[..., Visitor], home: Home
):
    visitor = new_visitor()
    visitor.upload(payload("a.jpg", encoded(picture(7))))
    form = Form(visitor)
    same = [payload(name, encoded(picture(7))) for name in ("a.jpg", "b.jpg")]
    others = [payload(f"{n}.jpg", encoded(picture(n))) for n in range(10)]
    form.fill("of-files")
    form.choose("Picture files", "Files", [*same, *others])

    form.start()

    expect(form.outcome).to_contain_text("of-files: 12 images in", timeout=LONG)
    assert [path for path, _ in images_of(home, "of-files")][-2:] == ["a.jpg", "b.jpg"]
    form.close()
    visitor.search()  # the query of that name is still there
    expect(visitor.message).to_have_count(0)
    form = Form(visitor, open_form=False)
    form.button("Search in it").click()
    expect(visitor.hits.first).to_contain_text("1.00")
    first = visitor.hits.first
    with visitor.answer():
        first.get_by_role("button", name="Search with this").click()
    assert visitor.shown(visitor.original)[1:] == (64, 48)  # the original, out of the new folder


def test_a_folder_is_uploaded_with_its_sub_folders_as_labels(
    new_visitor: Callable[..., Visitor], home: Home, tmp_path: Path
):
    folder = fill(tmp_path / "holiday", 6, labels=2)
    (folder / "notes.txt").write_bytes(b"no picture")
    form = Form(new_visitor())
    form.fill("of-uploads")
    form.choose("Folder to upload", "Folder", folder)

    form.start()

    expect(form.outcome).to_contain_text("of-uploads: 6 images in", timeout=LONG)
    assert images_of(home, "of-uploads")[0] == ("kind_0/00000.jpg", ("kind_0",))


def test_a_zip_becomes_a_gallery_and_what_was_skipped_is_listed(
    new_visitor: Callable[..., Visitor], home: Home
):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for number in range(8):
            packed.writestr(f"trip/day {number % 2}/{number}.jpg", encoded(picture(number)))
        packed.writestr("trip/day 0/<b>broken</b>.jpg", b"Dear Sir or Madam,\n")
    form = Form(new_visitor())
    form.fill("of-a-zip")
    form.choose("ZIP archive", "Archive", payload("trip.zip", data.getvalue(), "application/zip"))

    form.start()

    expect(form.outcome).to_contain_text("of-a-zip: 8 images in", timeout=LONG)
    form.outcome.get_by_text("1 file was skipped").click()
    skipped = form.outcome.get_by_role("listitem")
    expect(skipped).to_have_count(1)
    expect(skipped).to_contain_text("day 0/<b>broken</b>.jpg: This is a text file")
    assert images_of(home, "of-a-zip")[0] == ("day 0/0.jpg", ("day 0",))


# --- watched, cancelled --------------------------------------------------------------------------


def test_a_build_is_cancelled_and_resumed_and_every_page_shows_it(
    new_visitor: Callable[..., Visitor], home: Home, many: Path
):
    visitor, other = new_visitor(), new_visitor()
    idle = Form(other)
    Form(visitor).starts("watched", many)

    visitor.page.reload()

    form = Form(visitor, open_form=False)
    expect(form.running).to_contain_text(f" of {SLOW}, ")
    expect(form.running).to_contain_text("images/s")
    expect(form.button("Start")).to_be_disabled()
    idle.fill("another", folder=str(many))
    idle.start()
    expect(idle.problem).to_contain_text("watched is being made just now")
    expect(idle.running).to_contain_text("Embedding")

    form.button("Cancel").dblclick()

    for each in (form, idle):
        expect(each.outcome).to_contain_text("what is done is kept")
        expect(each.running).to_be_hidden()
    assert "watched" not in gallery_names(home.path / "indexes")

    form.button("Resume").dblclick()

    expect(form.outcome).to_contain_text(f"watched: {SLOW} images in", timeout=LONG)
    expect(form.problem).to_have_count(0)
    form.button("Search in it").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value("watched")


def test_a_server_that_is_stopped_stops_the_build_and_another_one_completes_it(
    home: Home,
    context_with: Contexts,
    new_visitor: Callable[..., Visitor],
    many: Path,
    tmp_path: Path,
):
    with serving(home, tmp_path / "stderr", RIS_CREATE_GALLERIES="1") as stopped:
        visitor = Visitor(context_with({}), stopped.url)
        Form(visitor).starts("stopped", many)
        visitor.leave()
    assert "stopped" not in gallery_names(home.path / "indexes")
    assert (tmp_path / "stderr").read_text() == ""

    form = Form(new_visitor())
    form.fill("stopped", folder=str(many))
    form.start()

    expect(form.outcome).to_contain_text(f"stopped: {SLOW} images in", timeout=LONG)


# --- bad input -----------------------------------------------------------------------------------


# Every other kind is in the tests of the scripts and of the page's functions.
def test_why_a_gallery_cannot_be_made_is_shown_beside_the_form(
    new_visitor: Callable[..., Visitor], tmp_path: Path
):
    form = Form(new_visitor())

    def refuses(words: str) -> None:
        form.start()
        expect(form.problem).to_contain_text(words)
        assert is_one_sentence(form.problem.inner_text())
        expect(form.button("Start")).to_be_enabled()

    form.fill(FIRST, folder=str(tmp_path))
    refuses("choose another name")  # before it begins
    form.fill("new", folder=str(tmp_path))
    refuses("holds no image")  # as it begins
    (tmp_path / "broken.jpg").write_bytes(b"Dear Sir or Madam,\n")
    refuses("No picture of the 1 in")  # while it runs
    no_zip = payload("holiday.zip", b"Dear Sir or Madam,\n", "application/zip")
    form.choose("ZIP archive", "Archive", no_zip)
    refuses("holiday.zip is not a ZIP archive")  # after an upload


# --- on a phone, by keyboard ---------------------------------------------------------------------


def test_the_form_fits_a_phone_and_is_filled_by_keyboard(
    new_visitor: Callable[..., Visitor], tmp_path: Path
):
    fill(tmp_path / "pictures", 12)
    visitor = new_visitor(**PHONE)
    form = Form(visitor)
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert visitor.page.evaluate(widest) <= 390
    assert form.dialog.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    visitor.page.keyboard.press("Tab")
    for words in ("by-keyboard", None, str(tmp_path / "pictures"), "eff"):
        if words:
            visitor.page.keyboard.type(words)
        visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(form.outcome).to_contain_text("by-keyboard: 12 images in", timeout=LONG)
    assert visitor.page.evaluate(widest) <= 390
