"""Near duplicates in the page: found, looked at, chosen and saved, decided on."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from app.gallery import read_apart
from tests.conftest import Home, fill
from tests.doors.page.browser.conftest import Contexts, Server, serving, visiting
from tests.doors.page.browser.panel import Panel
from tests.doors.page.browser.test_accessibility import AT, serious_findings
from tests.doors.page.browser.visitor import PHONE, Visitor
from tests.search.test_duplicates import write_edits

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
GROUPS = 3  # of write_edits: the edits of two photographs, and the copy of one
LONG = 120_000  # milliseconds that a search may take on a busy machine


@pytest.fixture(scope="module")
def home(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("duplicates"))
    home.build(write_edits(home.path / "pictures"), "mine", copies=True)
    home.build(fill(home.path / "others", 12), "zz-other")
    return home


@pytest.fixture(scope="module")
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "stderr"
    with serving(home, log, RIS_CREATE_GALLERIES="1") as server:
        yield server


class Near:
    """The window of near duplicates in a visitor's page."""

    def __init__(self, visitor: Visitor, gallery: str = "mine") -> None:
        self.page = visitor.page
        self.dialog = visitor.page.locator("dialog.duplicates[open]")
        self.panel = Panel(visitor, gallery)
        self.panel.button("Near duplicates").click()
        self.dialog.wait_for()

    @property
    def groups(self) -> Locator:
        return self.dialog.locator(".group")

    @property
    def found(self) -> Locator:
        return self.dialog.locator(".found")

    def button(self, name: str) -> Locator:
        return self.dialog.get_by_role("button", name=name, exact=True)

    def find(self) -> None:
        """Have them found, unless somebody has already."""
        expect(self.dialog.locator(".begin button")).to_be_enabled()
        self.dialog.locator(".begin button").click()
        expect(self.found).to_contain_text("groups among", timeout=LONG)
        expect(self.groups).to_have_count(GROUPS)

    def saved(self, button: str, folder: Path) -> str:
        with self.page.expect_download() as download:
            self.button(button).click()
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        return file.read_text(encoding="utf-8")


def test_they_are_found_in_groups_the_best_first_with_the_reason_of_each(
    new_visitor: Visit, home: Home
):
    near = Near(new_visitor(at="?gallery=mine"))
    expect(near.dialog).to_contain_text("Nothing is deleted")
    near.find()

    expect(near.found).to_contain_text(f"{GROUPS} groups among")
    roles = near.groups.last.locator(".role").all_inner_texts()
    assert roles[0] == "best"
    assert any(role.startswith("edited copy: cropped to ") for role in roles[1:])
    first = near.groups.last.locator(".image").first
    expect(first.locator(".facts")).to_contain_text("kB")
    whole = home.path / "pictures" / first.locator(".name").inner_text()
    assert first.locator("label").get_attribute("title") == str(whole)

    near.page.keyboard.press("Escape")
    expect(near.dialog).to_have_count(0)
    expect(near.panel.button("Near duplicates")).to_be_focused()


def test_an_image_is_compared_with_the_better_one_that_it_is_of(new_visitor: Visit):
    near = Near(new_visitor(at="?gallery=mine"))
    near.find()
    copy = near.dialog.get_by_role("button", name="Compare coffee_crop.jpg with coffee.jpg")
    copy.press("Enter")
    pictures = near.dialog.locator(".comparison img")
    expect(pictures).to_have_count(2)
    assert [each.get_attribute("alt") for each in pictures.all()] == [
        "coffee_crop.jpg",
        "coffee.jpg",
    ]
    expect(near.dialog.get_by_label("How much of the copy is shown")).to_be_visible()
    # The crop is a part of the whole, which reaches beyond it.
    crop, whole = (each.bounding_box() for each in pictures.all())
    assert whole["x"] < crop["x"] < crop["x"] + crop["width"] < whole["x"] + whole["width"]
    assert crop["width"] / whole["width"] == pytest.approx(3 / 5, abs=0.02)

    near.page.keyboard.press("Escape")
    expect(copy).to_be_focused()
    expect(near.groups).to_have_count(GROUPS)


def test_those_of_some_kinds_are_chosen_and_saved(new_visitor: Visit, home: Home, tmp_path: Path):
    near = Near(new_visitor(at="?gallery=mine"))
    near.find()
    near.dialog.get_by_label("edited copy", exact=True).uncheck()
    near.dialog.get_by_label("same picture", exact=True).uncheck()
    expect(near.groups).to_have_count(1)
    near.dialog.get_by_label("same file", exact=True).click()  # one kind at least
    expect(near.dialog.get_by_label("same file", exact=True)).to_be_checked()

    rows = list(csv.DictReader(near.saved("Save CSV", tmp_path).splitlines()))
    assert {row["path"] for row in rows} == {"again.jpg", "chelsea.jpg"}
    assert [row["kind"] for row in rows] == ["best", "same file"]

    near.button("Choose all but the best").click()
    expect(near.dialog).to_contain_text("1 chosen")
    expect(near.dialog.get_by_role("checkbox", name=f"Choose {rows[1]['path']}")).to_be_checked()
    (image,) = json.loads(near.saved("Save JSON", tmp_path))["images"]
    assert image["path"] == rows[1]["path"]
    near.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    near.button("Copy paths").click()
    expect(near.button("Copied")).to_be_visible()
    copied = near.page.evaluate("window.copied")
    assert copied == f"{home.path / 'pictures' / rows[1]['path']}\n"
    near.button("Choose none").click()
    assert near.dialog.locator(".image input:checked").count() == 0


def test_a_decision_is_remembered_and_undone(new_visitor: Visit, home: Home):
    near = Near(new_visitor(at="?gallery=mine"))
    near.find()
    (decide,) = near.dialog.get_by_role("button", name="Not duplicates: group 3").all()
    decide.press("Enter")

    expect(near.button("Undo")).to_be_focused()
    expect(near.groups).to_have_count(GROUPS - 1)
    expect(near.found).to_contain_text("21 pairs are kept apart")
    assert len(read_apart(home.folders("mine"))) == 21

    near.button("Undo").press("Enter")
    expect(near.groups).to_have_count(GROUPS)
    expect(near.found).not_to_contain_text("apart")
    assert read_apart(home.folders("mine")) == frozenset()


def test_a_gallery_that_changed_is_searched_again(new_visitor: Visit, home: Home):
    visitor = new_visitor(at="?gallery=mine")
    near = Near(visitor)
    near.find()
    expect(near.dialog.locator(".notice")).to_be_hidden()
    near.button("Close").click()
    home.keeper().set_title("mine", "Changed")
    near = Near(visitor)
    expect(near.dialog.locator(".notice")).to_contain_text("has changed since")
    near.button("Search again").click()
    expect(near.dialog.locator(".notice")).to_be_hidden(timeout=LONG)
    near.button("Close").click()
    near = Near(visitor, "zz-other")  # which is not the one that is chosen
    near.button("Find near duplicates").hover()
    assert serious_findings(visitor, within="dialog.duplicates") == []
    near.button("Find near duplicates").click()
    expect(near.found).to_have_text("No two of 12 images show one picture.", timeout=LONG)


@pytest.mark.parametrize("at", AT)
def test_everybody_can_use_it_and_nothing_sticks_out(at: str, new_visitor: Visit):
    near = Near(visitor := new_visitor(at="?gallery=mine", **AT[at]))
    near.find()
    assert serious_findings(visitor) == []
    assert near.dialog.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    area, width = near.dialog.bounding_box(), visitor.page.viewport_size["width"]
    assert area["x"] >= 0
    assert area["x"] + area["width"] <= width


def test_where_nothing_can_be_changed_nothing_is_decided(
    home: Home, context_with: Contexts, tmp_path: Path
):
    with (
        serving(home, tmp_path / "stderr") as server,
        visiting(server, context_with) as visit,
    ):
        near = Near(visit(at="?gallery=mine", **PHONE))
        near.find()
        expect(near.dialog).to_contain_text("cannot be decided here")
        assert near.dialog.get_by_role("button", name="Not duplicates").count() == 0
        # That is left to whoever may reach the server, and nobody but this machine can.
        assert near.dialog.get_by_role("button", name="Open folder").count() > 0


def test_where_there_is_no_desktop_the_card_says_so(
    home: Home, context_with: Contexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with (
        serving(home, tmp_path / "stderr") as server,
        visiting(server, context_with) as visit,
    ):
        near = Near(visitor := visit(at="?gallery=mine", **PHONE))
        near.find()
        name = near.groups.first.locator(".name").first.inner_text()
        way = near.button(f"Open folder of {name}")
        way.press("Enter")
        said = near.dialog.get_by_role("alert").filter(has_text="No file manager")
        expect(said).to_contain_text(str(home.path / "pictures" / name))
        expect(way).to_be_focused()
        assert serious_findings(visitor, within="dialog.duplicates") == []
        card = near.groups.first.locator(".image").first.bounding_box()
        box = said.bounding_box()
        assert card["x"] <= box["x"]
        assert box["x"] + box["width"] <= card["x"] + card["width"]


def test_where_others_reach_the_server_no_folder_is_opened(
    home: Home, context_with: Contexts, tmp_path: Path
):
    with (
        serving(home, tmp_path / "stderr", RIS_HOSTS="a.example") as server,
        visiting(server, context_with) as visit,
    ):
        near = Near(visit(at="?gallery=mine"))
        near.find()
        assert near.dialog.get_by_role("button", name="Open folder").count() == 0
