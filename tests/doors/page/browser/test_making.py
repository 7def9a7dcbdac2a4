"""Galleries made in the page: of a folder, of uploads, of a ZIP; watched, cancelled, searched."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from app.gallery import gallery_names
from app.values import MAX_PICTURE_BYTES
from tests.conftest import Home, encoded, fill, picture
from tests.doors.page.browser.conftest import Contexts, Server, serving, visiting
from tests.doors.page.browser.pictures import seen_again, write_album
from tests.doors.page.browser.visitor import PHONE, File, Visitor, is_one_sentence, payload

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
    (folder / "000.png").write_bytes(encoded(picture(1, (1000, 1000)), "PNG"))
    for number in range(1, SLOW):
        os.link(folder / "000.png", folder / f"{number:03}.png")
    return folder


class Form:
    """The part of a visitor's page in which galleries are made."""

    def __init__(self, visitor: Visitor, *, opened: bool = True) -> None:
        self.page = visitor.page
        self.part = visitor.page.locator("#create")
        if opened:
            self.part.get_by_text("Make a gallery", exact=True).click()

    @property
    def problem(self) -> Locator:
        return self.part.get_by_role("alert").locator("p")

    @property
    def running(self) -> Locator:
        return self.part.locator(".running")

    @property
    def outcome(self) -> Locator:
        return self.part.get_by_role("status")

    def button(self, name: str) -> Locator:
        return self.part.get_by_role("button", name=name, exact=True)

    def fill(self, name: str, *, model: str = "mean_colour", folder: str | None = None) -> None:
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


# --- where it is off -----------------------------------------------------------------------------


def test_unless_it_is_allowed_the_page_says_how_to_allow_it(
    home: Home, context_with: Contexts, tmp_path: Path
):
    with serving(home, tmp_path / "stderr") as server, visiting(server, context_with) as visit:
        part = visit().page.locator("#create")
        part.get_by_text("Make a gallery", exact=True).click()
        how = part.locator(".off")
        expect(how).to_contain_text("start the server with RIS_CREATE_GALLERIES=1")
        assert is_one_sentence(how.inner_text().strip())
        expect(part.locator("form, button, input")).to_have_count(0)


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
    expect(form.outcome).to_contain_text("recall@10 1.00")
    expect(form.problem).to_have_count(0)
    expect(visitor.page.get_by_label("Gallery")).to_have_value(FIRST)
    form.button("Search in it").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value("of-a-folder")
    expect(visitor.facts).to_contain_text("60 images, efficientnet_lite0")
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
    form = Form(visitor)
    visitor.upload(payload("a.jpg", encoded(picture(7))))
    same = [payload(name, encoded(picture(7))) for name in ("a.jpg", "b.jpg")]
    others = [payload(f"{n}.jpg", encoded(picture(n))) for n in range(10)]
    form.fill("of-files")
    form.choose("Picture files", "Files", [*same, *others])

    form.start()

    expect(form.outcome).to_contain_text("of-files: 12 images in", timeout=LONG)
    assert [path for path, _ in images_of(home, "of-files")][-2:] == ["a.jpg", "b.jpg"]
    visitor.search()  # the query of that name is still there
    expect(visitor.message).to_have_count(0)
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


def test_a_build_is_cancelled_and_goes_on(
    new_visitor: Callable[..., Visitor], home: Home, many: Path
):
    form = Form(new_visitor())
    form.starts("cancelled", many)
    expect(form.running).to_contain_text(f" of {SLOW}, ")
    expect(form.running).to_contain_text("images/s")
    expect(form.button("Start")).to_be_disabled()

    form.button("Cancel").dblclick()

    expect(form.outcome).to_contain_text("what is done is kept")
    expect(form.running).to_be_hidden()
    assert "cancelled" not in gallery_names(home.path / "indexes")

    form.button("Resume").dblclick()

    expect(form.outcome).to_contain_text(f"cancelled: {SLOW} images in", timeout=LONG)
    expect(form.problem).to_have_count(0)


def test_a_page_loaded_again_shows_the_build_and_so_does_another_one(
    new_visitor: Callable[..., Visitor], many: Path
):
    visitor, other = new_visitor(), new_visitor()
    idle = Form(other)
    Form(visitor).starts("watched", many)

    visitor.page.reload()

    form = Form(visitor, opened=False)
    expect(form.running).to_contain_text("Embedding")
    idle.fill("another", folder=str(many))
    idle.start()
    expect(idle.problem).to_contain_text("watched is being made just now")
    expect(idle.running).to_contain_text("Embedding")
    for each in (form, idle):
        expect(each.outcome).to_contain_text(f"watched: {SLOW} images in", timeout=LONG)
        each.button("Search in it").click()
    for each in (visitor, other):
        expect(each.page.get_by_label("Gallery")).to_have_value("watched")


def test_the_server_is_asked_only_while_something_runs(
    new_visitor: Callable[..., Visitor], many: Path
):
    visitor = new_visitor()
    form = Form(visitor)
    asked: list[str] = []
    visitor.page.on(
        "request",
        lambda request: asked.append(request.url) if "component_server" in request.url else None,
    )
    visitor.page.wait_for_timeout(1500)
    assert asked == []
    form.starts("polled", many)
    expect(form.outcome).to_contain_text(f"polled: {SLOW} images in", timeout=LONG)
    expect(visitor.facts).to_be_visible()
    visitor.page.wait_for_timeout(1000)
    before = len(asked)
    assert before >= 3  # whether it may, the start, how far it is
    visitor.page.wait_for_timeout(1500)
    assert len(asked) == before


def test_a_server_that_is_stopped_stops_the_build_and_the_next_goes_on(
    home: Home, context_with: Contexts, many: Path, tmp_path: Path
):
    on = {"RIS_CREATE_GALLERIES": "1"}
    with serving(home, tmp_path / "stderr", **on) as server:
        visitor = Visitor(context_with({}), server.url)
        Form(visitor).starts("stopped", many)
        visitor.leave()
    assert "stopped" not in gallery_names(home.path / "indexes")
    assert (tmp_path / "stderr").read_text() == ""
    with (
        serving(home, tmp_path / "stderr", **on) as server,
        visiting(server, context_with) as visit,
    ):
        form = Form(visit())
        form.starts("stopped", many)
        expect(form.outcome).to_contain_text(f"stopped: {SLOW} images in", timeout=LONG)


# --- bad input -----------------------------------------------------------------------------------


def test_what_cannot_be_made_is_told_beside_the_form(
    new_visitor: Callable[..., Visitor], tmp_path: Path, subtests: pytest.Subtests
):
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"Dear Sir or Madam,\n")
    form = Form(new_visitor())
    for name, folder, words in (
        ("", tmp_path, "Give the gallery a name"),
        ("a/b", tmp_path, "cannot be called 'a/b'"),
        (FIRST, tmp_path, "choose another name"),
        ("new", "", "Give the path of the folder"),
        ("new", "pictures", "whole path"),
        ("new", tmp_path / "gone", "does not exist"),
        ("new", tmp_path / "empty", "holds no image"),
        ("new", tmp_path / "broken", "No picture of the 1 in"),
    ):
        with subtests.test(words):
            form.fill(name, folder=str(folder))
            form.start()
            expect(form.problem).to_contain_text(words)
            assert is_one_sentence(form.problem.inner_text())
            expect(form.button("Start")).to_be_enabled()
    no_zip = payload("holiday.zip", b"Dear Sir or Madam,\n", "application/zip")
    form.fill("new")
    (tmp_path / "empty" / "notes.txt").write_bytes(b"no picture")
    for kind, label, files, words in (
        ("Picture files", "Files", None, "Choose the pictures first"),
        ("ZIP archive", "Archive", None, "Choose a ZIP archive first"),
        ("Folder to upload", "Folder", None, "Choose the pictures first"),
        ("Folder to upload", "Folder", tmp_path / "empty", "no picture"),
        ("ZIP archive", "Archive", no_zip, "holiday.zip is not a ZIP archive"),
    ):
        with subtests.test(f"{kind}: {words}"):
            form.choose(kind, label, files)
            form.start()
            expect(form.problem).to_contain_text(words)
            assert is_one_sentence(form.problem.inner_text())


def test_a_query_of_more_than_50_mb_is_refused_before_it_is_uploaded(
    new_visitor: Callable[..., Visitor], tmp_path: Path
):
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)
    visitor = new_visitor()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))

    visitor.choose_file(large)

    expect(visitor.message).to_have_text("large.jpg is larger than 50 MB: choose a smaller one.")
    assert not [url for url in asked if "upload" in url]
    visitor.choose_file(CAT)
    expect(visitor.message).to_have_count(0)
    expect(visitor.hits).not_to_have_count(0)


# --- on a phone, by keyboard ---------------------------------------------------------------------


def test_the_form_fits_a_phone_and_is_filled_by_keyboard(
    new_visitor: Callable[..., Visitor], tmp_path: Path
):
    fill(tmp_path / "pictures", 12)
    visitor = new_visitor(**PHONE)
    form = Form(visitor)
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert visitor.page.evaluate(widest) <= 390
    visitor.page.keyboard.press("Tab")
    for words in ("by-keyboard", None, str(tmp_path / "pictures"), "mean"):
        if words:
            visitor.page.keyboard.type(words)
        visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    expect(form.outcome).to_contain_text("by-keyboard: 12 images in", timeout=LONG)
    assert visitor.page.evaluate(widest) <= 390
