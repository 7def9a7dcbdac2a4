"""All galleries in one panel, whichever is chosen; and the line that says what is done to one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.gallery import gallery_names
from tests.conftest import Home, encoded, fill, picture
from tests.doors.page.browser.conftest import Server, run_create_index, serving
from tests.doors.page.browser.panel import Line, Managing, Panel
from tests.doors.page.browser.visitor import PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]
CHOSEN, OTHER, REFUSED = "chosen", "other", "refused"
LONG = 120_000  # milliseconds that a job may take on a busy machine
SLOW = 300  # pictures, each a PNG of a million pixels: seconds of work


@pytest.fixture(scope="module")
def home(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("panel"))
    for number, name in enumerate((CHOSEN, REFUSED)):
        home.build(fill(tmp_path_factory.mktemp(name), 12, first=100 * number), name=name)
    vectors = home.folders(REFUSED).features / "1" / "vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-100])
    return home


@pytest.fixture(scope="module")
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "stderr"
    with serving(home, log, RIS_CREATE_GALLERIES="1") as server:
        yield server


@pytest.fixture
def nothing_left(home: Home) -> Iterator[None]:
    yield
    for kept in (home.folders(OTHER).features, home.folders(OTHER).indexes):
        shutil.rmtree(kept, ignore_errors=True)


@pytest.fixture
def pictures(home: Home, tmp_path: Path, nothing_left: None) -> Path:
    """The folder of the gallery that is not chosen, which is made anew."""
    folder = fill(tmp_path / "pictures", 30, first=1000)
    home.build(folder, OTHER)
    return folder


@pytest.fixture
def slow(home: Home, tmp_path: Path, nothing_left: None) -> Path:
    """The folder of that gallery with so many new pictures that an update takes some seconds."""
    folder = fill(tmp_path / "slow", 12, first=2000)
    run_create_index(home, folder, name=OTHER, model="efficientnet_lite0")
    data = encoded(picture(1, (1000, 1000)), "PNG")
    for number in range(SLOW):  # what comes after a PNG's end is not read, but makes other contents
        (folder / f"{number:03}.png").write_bytes(data + b"%03d" % number)
    return folder


def test_all_galleries_are_listed_with_what_they_hold_and_whether_they_can_be_used(
    new_visitor: Visit, pictures: Path
) -> None:
    (pictures / "new.jpg").write_bytes(encoded(picture(600)))
    (pictures / "kind_1" / "01001.jpg").unlink()
    panel = Panel(visitor := new_visitor(at=f"?gallery={CHOSEN}"), OTHER)

    expect(panel.dialog.locator(".gallery")).to_have_count(4)  # and those of one model together
    expect(panel.row).to_contain_text("30 images, searched exactly")
    expect(panel.row).to_contain_text(f"from {pictures}")
    expect(panel.state).to_have_text("Not up to date: 1 new, 1 gone in its folder.")
    expect(Panel(visitor, CHOSEN).state).to_have_text("Up to date.")
    expect(Panel(visitor, CHOSEN).row).to_contain_text("searched now")
    refused = Panel(visitor, REFUSED)
    expect(refused.row.locator(".message")).to_contain_text("vectors.faiss")
    expect(refused.button("Use")).to_have_count(0)

    panel.button("Use").click()

    expect(panel.dialog).to_be_hidden()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(OTHER)
    expect(visitor.facts).to_contain_text("30 images")


def test_a_gallery_that_is_not_chosen_is_updated_renamed_and_deleted(
    new_visitor: Visit, pictures: Path, home: Home
) -> None:
    (pictures / "new.jpg").write_bytes(encoded(picture(600)))
    visitor = new_visitor(at=f"?gallery={CHOSEN}&image=3")
    expect(visitor.hits).to_have_count(10)
    managing = Managing(visitor, OTHER)

    managing.button("Update").click()
    expect(managing.outcome).to_contain_text("other: 1 added, 30 unchanged", timeout=LONG)
    expect(managing.state).to_have_text("Up to date.")
    managing.change("Title", "Some others", "Save")
    expect(managing.row.locator("h3")).to_contain_text("Some others")
    managing.change("Name", "yours", "Rename")
    managing.name = "yours"
    expect(managing.row.get_by_text("Renamed.")).to_be_visible()
    expect(managing.button("Rename")).to_be_focused()  # its row and forms stay
    managing.button("Delete this gallery").click()
    managing.button("Delete yours").click()

    expect(managing.row).to_have_count(0)
    assert gallery_names(home.path / "indexes") == [CHOSEN, REFUSED]
    assert len(list(pictures.rglob("*.jpg"))) == 31
    managing.close()
    expect(visitor.page.get_by_label("Gallery")).to_have_value(CHOSEN)
    expect(visitor.hits).to_have_count(10)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_what_is_done_stays_visible_beside_the_button_and_its_end_until_it_is_put_away(
    new_visitor: Visit, slow: Path, options: dict[str, object]
) -> None:
    visitor = new_visitor(at=f"?gallery={CHOSEN}", **options)
    panel, line = Panel(visitor, OTHER), Line(visitor)
    panel.button("Update").click()
    expect(panel.running).to_contain_text(f" of {SLOW}")
    panel.close()
    expect(line.whole).to_contain_text(f" of {SLOW}")
    expect(line.whole).to_contain_text("Updating other: ")

    visitor.page.reload()

    expect(line.whole).to_contain_text(f" of {SLOW}")
    line.button("Show").click()
    expect(panel.running).to_contain_text(f" of {SLOW}")
    panel.close()
    line.button("Cancel").click()
    expect(line.end).to_contain_text("other: Stopped")
    visitor.page.reload()
    expect(line.end).to_contain_text("other: Stopped")  # nobody has put it away
    panel.dialog.wait_for(state="hidden")
    panel = Panel(visitor, OTHER)
    panel.button("Update").click()  # the next one takes its place
    panel.close()
    expect(line.end).to_be_empty()
    expect(line.end).to_contain_text(f"other: {SLOW} added", timeout=LONG)

    line.button("Hide").click()

    expect(line.end).to_be_empty()
    expect(line.button("Show")).to_have_count(0)
    expect(visitor.button("Galleries")).to_be_focused()
    visitor.page.reload()
    visitor.examples.first.wait_for()
    expect(Panel(visitor, OTHER).outcome).to_be_empty()


def test_the_model_for_tests_is_not_offered(new_visitor: Visit) -> None:
    panel = Panel(new_visitor())
    panel.dialog.get_by_text("Make a gallery").click()
    models = panel.dialog.get_by_label("Model").locator("option").all_inner_texts()
    assert models[0] == "efficientnet_lite0"
    assert not any("mean_colour" in each for each in models)


def test_where_the_gallery_used_last_was_renamed_or_deleted_the_page_opens_with_one_that_is_there(
    new_visitor: Visit, pictures: Path, home: Home
) -> None:
    visitor = new_visitor()
    chosen = visitor.page.get_by_label("Gallery")
    visitor.choose_gallery(OTHER)
    visitor.page.wait_for_load_state("networkidle")
    managing = Managing(visitor, OTHER)
    managing.change("Name", "yours", "Rename")
    expect(chosen).to_have_value("yours")
    visitor.page.goto(visitor.page.url.partition("?")[0])
    visitor.page.evaluate("history.replaceState(null, '')")
    visitor.page.goto(visitor.page.url.partition("?")[0])
    expect(chosen).to_have_value("yours")

    visitor.page.wait_for_load_state("networkidle")
    home.keeper().delete("yours")
    visitor.page.evaluate("history.replaceState(null, '', '?')")
    visitor.page.goto(visitor.page.url.partition("?")[0])

    expect(chosen).to_have_value(CHOSEN)
    expect(visitor.message).to_have_count(0)
