"""Galleries managed in the page: updated, added to, renamed, moved, deleted; an image removed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.gallery import gallery_names
from tests.conftest import Home, encoded, fill, is_one_sentence, picture
from tests.doors.page.browser.conftest import Contexts, Server, serving, visiting
from tests.doors.page.browser.panel import Line, Managing, Panel
from tests.doors.page.browser.test_accessibility import AT, serious_findings
from tests.doors.page.browser.visitor import PHONE, Visitor, payload

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
OTHER = "zz-other"  # the last in alphabetical order
LONG = 120_000  # milliseconds that a job may take on a busy machine


@pytest.fixture(scope="module")
def home(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("managing"))
    home.build(fill(tmp_path_factory.mktemp("pictures"), 12), name=OTHER)
    return home


@pytest.fixture(scope="module")
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "stderr"
    with serving(home, log, RIS_CREATE_GALLERIES="1") as server:
        yield server


@pytest.fixture
def pictures(home: Home, tmp_path: Path) -> Path:
    """The folder of the gallery "mine", which is made anew."""
    folder = fill(tmp_path / "pictures", 60)
    home.build(folder, "mine")
    return folder


def test_an_update_brings_examples_and_results_up_to_date_without_a_reload(
    new_visitor: Visit, pictures: Path
):
    visitor = new_visitor(at="?gallery=mine")
    visitor.upload(payload("new.jpg", encoded(picture(600), quality=90)))
    assert not visitor.results()[0].same_file
    managing = Managing(visitor, open_forms=False)
    expect(managing.state).to_have_text("Up to date.")
    (pictures / "new.jpg").write_bytes(encoded(picture(600), quality=90))
    (pictures / "kind_1" / "00001.jpg").unlink()
    (pictures / "<b>letter.jpg").write_bytes(b"Dear Sir or Madam,\n")

    with visitor.answer():
        managing.button("Update").dblclick()

    expect(managing.outcome).to_contain_text(
        "mine: 1 added, 1 removed, 59 unchanged; 1 file skipped", timeout=LONG
    )
    assert visitor.results()[0].same_file
    expect(visitor.facts).to_contain_text("60 images")
    expect(managing.row.locator(".facts")).to_contain_text("changed")
    expect(managing.state).to_have_text("Up to date.")
    managing.outcome.get_by_text("1 file was skipped").click()
    expect(managing.outcome.get_by_role("listitem")).to_contain_text("<b>letter.jpg: This is a")
    managing.button("Hide").click()
    expect(managing.outcome).to_be_empty()
    expect(managing.button("Update")).to_be_focused()


def test_where_most_pictures_are_gone_a_second_step_lets_their_images_go(
    new_visitor: Visit, pictures: Path
):
    for path in sorted(pictures.rglob("*.jpg"))[1:41]:
        path.unlink()
    visitor = new_visitor(at="?gallery=mine")
    managing = Managing(visitor, open_forms=False)
    gone = visitor.page.locator("#examples [data-id='40']")

    managing.button("Update").click()

    managing.refuses("40 of the 60 pictures are not in")
    expect(visitor.facts).to_contain_text("60 images")
    managing.button("Remove 40 images from mine").click()
    expect(managing.outcome).to_contain_text("mine: 40 removed, 20 unchanged", timeout=LONG)
    expect(managing.problem).to_have_count(0)
    expect(visitor.facts).to_contain_text("20 images")
    expect(gone).to_have_count(0)


def test_a_query_that_an_update_removed_is_reported_in_one_sentence(
    new_visitor: Visit, pictures: Path
):
    visitor = new_visitor(at="?gallery=mine&image=10")
    expect(visitor.hits.first).to_contain_text("same file")
    visitor.sees_every_result()
    path = visitor.hits.first.locator(".label").get_attribute("title")
    assert path is not None
    (pictures / path).unlink()

    managing = Managing(visitor, open_forms=False)
    managing.button("Update").click()

    expect(visitor.message).to_contain_text("has no image 10: it was removed", timeout=LONG)
    assert is_one_sentence(visitor.message.inner_text())
    expect(visitor.hits).to_have_count(0)
    managing.close()
    visitor.examples.last.click()
    expect(visitor.hits).to_have_count(10)


def test_pictures_are_added_and_found(new_visitor: Visit, pictures: Path, home: Home):
    visitor = new_visitor(at="?gallery=mine")
    managing = Managing(visitor)
    managing.button("Add").click()
    managing.refuses("Choose the pictures first")
    files = [payload(f"{n}.jpg", encoded(picture(n))) for n in (700, 701, 700)]
    managing.field("Add pictures").set_input_files(files)

    managing.button("Add").click()

    expect(managing.outcome).to_contain_text("mine: 2 added", timeout=LONG)
    expect(managing.problem).to_have_count(0)
    expect(visitor.facts).to_contain_text("62 images")
    managing.close()
    visitor.upload(files[1])
    assert visitor.results()[0].same_file
    added = {path.name for path in (home.path / "datasets" / "added" / "mine").iterdir()}
    assert {name[-7:] for name in added} == {"700.jpg", "701.jpg"}


def test_title_and_name_follow_and_what_is_wrong_is_said_by_the_field(
    new_visitor: Visit, pictures: Path, home: Home
):
    visitor = new_visitor(at="?gallery=mine&image=3")
    expect(visitor.hits).to_have_count(10)
    managing = Managing(visitor)

    managing.change("Title", "Holidays in Norway", "Save")

    expect(managing.row.get_by_text("Saved.")).to_be_visible()
    expect(visitor.facts.locator(".title")).to_have_text("Holidays in Norway")
    managing.change("Name", OTHER, "Rename")
    managing.refuses("exists already")
    expect(managing.field("Name")).to_have_attribute("aria-invalid", "true")

    managing.change("Name", "yours", "Rename")
    managing.name = "yours"

    expect(managing.row.get_by_text("Renamed.")).to_be_visible()
    expect(visitor.page.get_by_label("Gallery")).to_have_value("yours")
    expect(visitor.page).to_have_url(re.compile("gallery=yours&image=3"))
    expect(visitor.hits.first.locator("img")).to_have_attribute("src", re.compile("/yours/"))
    assert gallery_names(home.path / "indexes") == ["yours", OTHER]
    visitor.page.keyboard.press("Escape")
    with visitor.answer():
        visitor.examples.last.click()
    visitor.page.go_back()
    expect(visitor.page).to_have_url(re.compile("gallery=yours&image=3"))
    expect(visitor.message).to_have_count(0)
    managing = Panel(visitor, "yours")
    managing.button("Delete this gallery").click()
    managing.button("Delete yours").click()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(OTHER)


def test_a_folder_that_has_moved_is_found_and_a_gallery_is_deleted_by_keyboard(
    new_visitor: Visit, pictures: Path, home: Home
):
    moved = pictures.with_name("moved")
    pictures.rename(moved)
    visitor = new_visitor(at="?gallery=mine", **PHONE)
    managing = Managing(visitor)
    widest = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    assert visitor.page.evaluate(widest) <= 390
    managing.change("Folder of the pictures", str(moved / "kind_1"), "Use this folder")
    managing.refuses("None of the 50 pictures")
    managing.change("Folder of the pictures", str(moved), "Use this folder")
    expect(managing.row.get_by_text("Found there.")).to_be_visible()
    expect(managing.problem).to_have_count(0)

    managing.button("Delete this gallery").focus()
    visitor.page.keyboard.press("Enter")

    expect(managing.row).to_contain_text("Delete mine with its 60 images? The pictures themselves")
    expect(managing.button("Keep it")).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(managing.button("Delete this gallery")).to_be_focused()
    assert "mine" in gallery_names(home.path / "indexes")
    for key in ("Enter", "Tab", "Enter"):
        visitor.page.keyboard.press(key)
    expect(visitor.page.get_by_label("Gallery")).to_have_value(OTHER)
    expect(visitor.facts).to_contain_text("12 images")
    expect(Panel(visitor, OTHER).button("Update")).to_be_focused()
    assert gallery_names(home.path / "indexes") == [OTHER]
    assert len(list(moved.rglob("*.jpg"))) == 60
    expect(visitor.message).to_have_count(0)


def test_an_image_is_removed_from_the_large_view_and_the_next_one_has_the_keyboard(
    new_visitor: Visit, pictures: Path
):
    visitor = new_visitor(at="?gallery=mine&image=10")
    visitor.sees_every_result()
    second, third = visitor.results()[1:3]
    path = visitor.hits.nth(1).locator(".label").get_attribute("title")
    visitor.hits.nth(1).locator(".open").click()
    visitor.button("Remove from this gallery").click()
    expect(visitor.button("Keep it")).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(visitor.detail).to_be_visible()
    visitor.button("Remove from this gallery").click()

    visitor.button("Remove it").click()

    expect(visitor.detail).to_be_hidden()
    expect(visitor.page.locator(f".hit[data-id='{second.id}']")).to_have_count(0)
    expect(visitor.page.locator(f".hit[data-id='{third.id}'] .open")).to_be_focused()
    expect(visitor.facts).to_contain_text("59 images")
    assert path is not None
    assert (pictures / path).is_file()
    visitor.search()
    assert second.id not in [each.id for each in visitor.results()]


def test_a_result_of_several_galleries_is_removed_from_its_own_alone(
    new_visitor: Visit, home: Home, pictures: Path
):
    """The other gallery has the same content, under an id that is another image's in this one."""
    visitor = new_visitor(at="?gallery=mine")
    visitor.choose_gallery("All 2 galleries of mean_colour")
    visitor.upload(payload("one.jpg", (pictures / "kind_1" / "00001.jpg").read_bytes()))
    visitor.hits.first.locator(".open").click()
    expect(visitor.detail.get_by_role("listitem")).to_have_text(f"{OTHER}: kind_1/00001.jpg")

    visitor.button("Remove from this gallery").click()
    expect(visitor.detail).to_contain_text("Remove kind_1 from mine?")
    visitor.button("Remove it").click()

    expect(visitor.detail).to_be_hidden()
    expect(visitor.facts).to_contain_text("71 images")
    images = {name: home.service().gallery(name).images for name in ("mine", OTHER)}
    assert images == {"mine": 59, OTHER: 12}


@pytest.mark.parametrize("at", AT)
def test_axe_finds_nothing_serious_where_a_gallery_is_managed(
    at: str, new_visitor: Visit, pictures: Path
) -> None:
    visitor = new_visitor(at="?gallery=mine&image=10", **AT[at])
    expect(visitor.hits).to_have_count(10)
    managing = Managing(visitor)
    managing.change("Name", "a/b", "Rename")
    expect(managing.problem).to_have_count(1)
    managing.button("Delete this gallery").click()
    found = {"managing": serious_findings(visitor)}
    visitor.page.keyboard.press("Escape")  # the question
    managing.row.locator(".about > summary").click()
    found["details"] = serious_findings(visitor)
    managing.dialog.get_by_text("Make a gallery").click()
    found["making"] = serious_findings(visitor)
    with visitor.answer():
        managing.button("Update").click()
    expect(managing.outcome).to_contain_text("60 unchanged", timeout=LONG)
    found["updated"] = serious_findings(visitor)
    managing.close()
    expect(Line(visitor).end).to_contain_text("60 unchanged")
    found["the line"] = serious_findings(visitor)
    visitor.hits.nth(1).locator(".open").click()
    visitor.button("Remove from this gallery").click()
    found["removing"] = serious_findings(visitor)
    assert {state: findings for state, findings in found.items() if findings} == {}


def test_where_it_is_not_allowed_there_is_nothing_to_manage_with(
    home: Home, context_with: Contexts, tmp_path: Path
):
    with serving(home, tmp_path / "stderr") as server, visiting(server, context_with) as visit:
        visitor = visit(at=f"?gallery={OTHER}&image=1")
        visitor.hits.first.locator(".open").click()
        expect(visitor.button("Copy link").first).to_be_visible()
        expect(visitor.button("Remove from this gallery")).to_have_count(0)
        visitor.button("Close").click()
        panel = Panel(visitor, OTHER)
        expect(panel.row).to_contain_text("12 images")
        for name in ("Update", "Change", "Delete this gallery"):
            expect(panel.button(name)).to_have_count(0)
        expect(panel.row.locator(".change")).to_be_hidden()
