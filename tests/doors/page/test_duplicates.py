"""The page's requests for near duplicates: what was found, decisions, one sentence where not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.build.build import build_gallery
from app.doors.answers import duplicates_answer
from app.doors.page.duplicates import DuplicateFunctions
from app.errors import UsageError
from app.search.service import SearchService
from app.settings import read_settings
from app.sources.own import open_folders
from app.wiring import make_maker
from tests.conftest import Home, fill, is_one_sentence, mean_colour
from tests.doors.page.caller import Caller
from tests.search.test_duplicates import finished, write_edits

MINE = {"gallery": "mine"}
DECISIONS = {"keep_apart", "forget_apart"}
NAMES = {"find_duplicates", "finding", "stop_finding", "duplicates"} | DECISIONS


class Page(Caller):
    """Calls the functions as a browser does, over JSON."""

    def __init__(
        self, home: Home, show_file: Callable[[Path], None] | None = None, **environ: str
    ) -> None:
        on = {"RIS_CREATE_GALLERIES": "1", "RIS_CACHE_DIR": str(home.path / "cache")}
        self.maker = make_maker(read_settings({"RIS_HOME": str(home.path)} | on | environ))
        self.service: SearchService = home.service()
        functions = DuplicateFunctions(self.service, self.maker, show_file).all
        self.functions = {function.__name__: function for function in functions}

    def found(self) -> None:
        begun = self.call("find_duplicates", MINE)["progress"]
        assert (begun["state"], begun["gallery"]) == ("running", "mine")
        finished(self.service)

    def groups(self, **more: Any) -> dict[str, dict[str, Any]]:
        """Return the groups of what was found, by the path of their best."""
        groups = self.call("duplicates", MINE | more)["duplicates"]["groups"]
        return {group["best"]["path"]: group for group in groups}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("duplicates"))
    home.build(write_edits(home.path / "pictures"), "mine", copies=True)
    return home


@pytest.fixture(scope="module")
def page(own: Home) -> Iterator[Page]:
    made = Page(own)
    made.found()
    yield made
    made.service.close()
    made.maker.close()


def ids_of(group: dict[str, Any]) -> list[int | str]:
    return [each["id"] for each in (group["best"], *group["others"])]


def paths_of(group: dict[str, Any]) -> set[str]:
    return {each["path"] for each in (group["best"], *group["others"])}


def test_before_any_search_nothing_is_found_and_nothing_runs(own: Home) -> None:
    got = Page(own).call("duplicates", MINE)
    assert (got["progress"]["state"], got["duplicates"], got["off"]) == ("idle", None, "")
    assert got["kinds"] == ["same file", "same picture", "edited copy"]


def test_what_was_found_is_the_answer_of_every_door_with_the_files_dates(page: Page) -> None:
    got = page.call("duplicates", MINE)
    found = got["duplicates"]
    assert got["progress"]["state"] == "done"
    for group in found["groups"]:
        for image in (group["best"], *group["others"]):
            file = page.service.folder("mine") / image["path"]
            assert image.pop("changed") == pytest.approx(file.stat().st_mtime)
    expected = duplicates_answer(page.service.duplicates("mine"))
    assert found | {"seconds": 0} == json.loads(orjson.dumps(expected | {"seconds": 0}))
    assert found["groups_found"] == 3


def test_progress_comes_without_what_was_found(page: Page) -> None:
    assert set(page.call("finding", MINE)) == {"progress"}
    assert "duplicates" not in page.call("finding", MINE)["progress"]
    assert page.call("stop_finding", MINE)["progress"]["state"] == "done"  # nothing to stop


def test_kinds_are_chosen(page: Page) -> None:
    (copies,) = page.groups(kinds=["same file"]).values()
    assert paths_of(copies) == {"again.jpg", "chelsea.jpg"}
    assert set(page.groups(kinds=["same file", "same picture"])) == set(page.groups())
    for kinds, word in (
        ([7], "list"),
        ("same file", "list"),
        (["similar"], "similar"),
    ):
        assert word in page.message("duplicates", MINE | {"kinds": kinds})


def test_a_decision_is_remembered_until_it_is_undone(page: Page) -> None:
    before = page.groups()
    (path,) = [path for path in before if path.startswith("coffee")]
    ids = ids_of(before[path])
    pairs = len(ids) * (len(ids) - 1) // 2
    assert page.call("keep_apart", MINE | {"ids": ids}) == {"pairs": pairs}
    assert set(page.groups()) == set(before) - {path}
    assert page.call("duplicates", MINE)["duplicates"]["apart"] == pairs
    assert page.call("forget_apart", MINE | {"ids": ids}) == {"pairs": pairs}
    assert page.groups() == before


def test_what_cannot_be_decided_is_one_sentence(page: Page) -> None:
    (copies,) = page.groups(kinds=["same file"]).values()
    assert "same file" in page.message("keep_apart", MINE | {"ids": ids_of(copies)})
    for ids, words in (
        (None, "list of ids"),
        ("12", "list of ids"),
        ([[1]], "list of ids"),
        ([1], "two images"),
        ([1, 99_999], "99999"),
        (list(range(101)), "100 images at most"),
    ):
        for name in sorted(DECISIONS):
            assert words in page.message(name, MINE | {"ids": ids})


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_no_request_is_refused(page: Page, name: str) -> None:
    for request in (None, 7, "x", [MINE]):
        assert "load it again" in page.message(name, request)
    for gallery in (None, "", "..", "a/b", 7, "nobody", "mine,mine"):
        assert page.message(name, {"gallery": gallery, "ids": [1, 2]})


@pytest.mark.parametrize("environ", [{"RIS_CREATE_GALLERIES": "0"}, {"HOST": "0.0.0.0"}])
def test_where_nothing_can_be_changed_they_are_found_and_not_decided_on(
    own: Home, environ: dict[str, str]
) -> None:
    off = Page(own, RIS_API_TOKEN="secret", **environ)
    assert set(off.functions) == NAMES - DECISIONS
    off.found()
    got = off.call("duplicates", MINE)
    assert got["duplicates"]["groups_found"] == 3
    assert is_one_sentence(got["off"])
    off.service.close()


# --- an image's file in the file manager ---------------------------------------------------------


@pytest.fixture
def album(tmp_path: Path) -> Home:
    """A gallery of the folders "one" and "two"."""
    home = Home(tmp_path)
    build_gallery(
        open_folders([fill(tmp_path / "one", 2), fill(tmp_path / "two", 2, first=2)], "mine"),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={"name": "mine"},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    return home


def test_the_file_manager_gets_the_path_of_the_image_and_no_other(album: Home) -> None:
    shown: list[Path] = []
    page = Page(album, shown.append, RIS_CREATE_GALLERIES="0")
    images = [page.service.image("mine", row) for row in page.service.ids("mine")]
    assert {image.source for image in images} == {0, 1}
    for image in images:
        elsewhere = {"path": "/etc/passwd", "source": 1 - image.source, "folder": "/etc"}
        assert page.call("open_folder", MINE | {"id": image.public_id} | elsewhere) == {}
    folders = [album.path / "one", album.path / "two"]
    assert shown == [folders[image.source] / image.path for image in images]


def test_what_names_no_image_is_not_shown(album: Home) -> None:
    shown: list[Path] = []
    page = Page(album, shown.append)
    file = album.path / "one" / "kind_0" / "00000.jpg"
    for image in (None, "", 1.5, [0], {}, -1, 99, "99", "../00000.jpg", str(file), "9" * 5_000):
        assert page.message("open_folder", MINE | {"id": image})
    assert "99" in page.message("open_folder", MINE | {"id": 99})
    for gallery in (None, "", "..", "nobody", "mine,mine", str(album.path)):
        assert page.message("open_folder", {"gallery": gallery, "id": 0})
    assert "load it again" in page.message("open_folder", None)
    assert shown == []


def test_a_file_that_is_gone_is_not_shown_and_named_with_what_to_do(album: Home) -> None:
    shown: list[Path] = []
    page = Page(album, shown.append)
    image = page.service.image("mine", 0)
    file = album.path / "one" / image.path
    file.unlink()
    for put in (lambda: None, file.mkdir):
        put()
        message = page.message("open_folder", MINE | {"id": image.public_id})
        assert image.path in message
        assert "ris update mine" in message
    assert shown == []


def test_a_file_manager_that_does_not_start_is_one_sentence(album: Home) -> None:
    def refuse(path: Path) -> None:
        raise UsageError(f"No file manager for {path}.")

    message = Page(album, refuse).message("open_folder", MINE | {"id": 0})
    assert message.startswith("No file manager for ")
