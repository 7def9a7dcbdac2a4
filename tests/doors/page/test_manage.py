"""The page's requests to change a gallery: JSON answers, one sentence where it cannot be done."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.doors.page.create import MakingFunctions
from app.doors.page.manage import ManagingFunctions
from app.doors.page.references import Uploads
from app.errors import UsageError
from app.gallery import gallery_names
from app.settings import read_settings
from app.values import MAX_PICTURE_BYTES
from app.wiring import make_maker
from tests.conftest import Home, encoded, fill, is_one_sentence, picture
from tests.doors.page.caller import Caller

NAMES = {
    *("update_gallery", "may_add", "add_pictures", "remove_images"),
    *("set_title", "rename_gallery", "move_gallery", "delete_gallery"),
    "waiting",
}
MINE = {"gallery": "mine"}
WAIT_SECONDS = 60
TEXT = b"Dear Sir or Madam,\n"


class Page(Caller):
    """Calls the functions as a browser does, over JSON."""

    def __init__(self, home: Home, **environ: str) -> None:
        self.home = home
        self.folder = home.path / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True)
        on = {"RIS_CREATE_GALLERIES": "1", "RIS_CACHE_DIR": str(home.path / "cache")}
        self.maker = make_maker(read_settings({"RIS_HOME": str(home.path)} | on | environ))
        uploads = Uploads(self.folder, home.service())
        functions = ManagingFunctions(self.maker, uploads).all
        making = MakingFunctions(self.maker, uploads).all
        self.names = {function.__name__ for function in functions}
        self.functions = {function.__name__: function for function in (*making, *functions)}

    def ended(self) -> Any:
        self.maker.wait(WAIT_SECONDS)
        return self.call("making", {})["progress"]

    def updated(self, **more: Any) -> Any:
        self.call("update_gallery", MINE | more)
        return self.ended()

    def upload(self, name: str, data: bytes) -> dict[str, str]:
        file = self.folder / "0123" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return {"path": str(file), "name": name}

    def paths(self, gallery: str = "mine") -> list[str]:
        service = self.home.service()
        return sorted(each.path for each in service.images(gallery, service.ids(gallery)))

    def info(self, gallery: str = "mine") -> Any:
        return self.home.service().gallery(gallery)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return fill(tmp_path / "pictures", 60)


@pytest.fixture
def page(home: Home, pictures: Path) -> Iterator[Page]:
    home.build(pictures, "mine")
    made = Page(home)
    yield made
    made.maker.close()


# --- updated -------------------------------------------------------------------------------------


def test_an_update_tells_in_numbers_what_has_changed_and_lists_what_it_skipped(
    page: Page, pictures: Path
) -> None:
    for number in (600, 601):
        (pictures / f"{number}.jpg").write_bytes(encoded(picture(number)))
    (pictures / "kind_1" / "00001.jpg").write_bytes(encoded(picture(700)))
    (pictures / "kind_2" / "00002.jpg").rename(pictures / "renamed.jpg")
    (pictures / "kind_3" / "00003.jpg").unlink()
    (pictures / "letter.jpg").write_bytes(TEXT)

    ended = page.updated()

    assert (ended["state"], ended["kind"], ended["name"]) == ("done", "update", "mine")
    report = ended["report"]
    skipped = report.pop("skipped_files")
    assert report == {
        "added": 2,
        "changed": 1,
        "moved": 1,
        "removed": 1,
        "unchanged": 57,
        "skipped": 1,
    }
    assert skipped[0]["path"] == "letter.jpg"
    assert "text file" in skipped[0]["reason"]
    assert {"600.jpg", "renamed.jpg"} <= set(page.paths())
    assert page.info().changed


def test_what_waits_for_an_update_is_counted_and_nothing_is_changed_by_looking(
    page: Page, pictures: Path
) -> None:
    assert page.call("waiting", MINE) == {"waiting": {"new": 0, "changed": 0, "gone": 0}}
    (pictures / "600.jpg").write_bytes(encoded(picture(600)))
    (pictures / "kind_1" / "00001.jpg").write_bytes(encoded(picture(700)))
    (pictures / "kind_3" / "00003.jpg").unlink()
    (pictures / "letter.jpg").write_bytes(TEXT)
    before = page.paths()
    assert page.call("waiting", MINE) == {"waiting": {"new": 2, "changed": 1, "gone": 1}}
    assert page.paths() == before
    page.updated()
    assert page.call("waiting", MINE) == {"waiting": {"new": 0, "changed": 0, "gone": 0}}
    pictures.rename(pictures.with_name("elsewhere"))
    message = page.call("waiting", MINE)["message"]
    assert str(pictures) in message
    assert is_one_sentence(message)


def test_where_most_pictures_are_gone_the_gallery_stays_until_that_is_accepted(
    page: Page, pictures: Path
) -> None:
    for number in range(1, 41):
        (pictures / f"kind_{number % 5}" / f"{number:05}.jpg").unlink()

    ended = page.updated()

    assert (ended["state"], ended["gone"]) == ("failed", 40)
    assert "40 of the 60 pictures are not in" in ended["message"]
    assert is_one_sentence(ended["message"])
    assert "--" not in ended["message"]  # nobody types options in the page
    assert len(page.paths()) == 60
    assert page.updated(accept_removals="yes")["gone"] == 40  # not a value of the page's own
    ended = page.updated(accept_removals=True)
    assert (ended["state"], ended["gone"], ended["report"]["removed"]) == ("done", 0, 40)
    assert len(page.paths()) == 20


def test_a_folder_that_is_gone_is_named_and_the_gallery_stays(page: Page, pictures: Path) -> None:
    pictures.rename(pictures.with_name("elsewhere"))
    ended = page.updated(accept_removals=True)
    assert (ended["state"], ended["gone"], ended["can_go_on"]) == ("failed", 0, False)
    assert str(pictures) in ended["message"]
    assert len(page.paths()) == 60


# --- pictures added and removed ------------------------------------------------------------------


def test_uploaded_pictures_are_added_and_no_upload_stays(page: Page) -> None:
    files = [page.upload(f"{n}.jpg", encoded(picture(n))) for n in (800, 801, 800)]
    files += [page.upload("letter.jpg", TEXT), page.upload("again.jpg", encoded(picture(801)))]
    assert page.call("may_add", MINE | {"bytes": 10}) == {}

    page.call("add_pictures", MINE | {"files": files})

    ended = page.ended()
    assert (ended["state"], ended["kind"]) == ("done", "add")
    report = ended["report"]
    assert (report["added"], report["skipped"]) == (2, 1)
    assert report["skipped_files"][0]["path"] == "letter.jpg"
    assert len(page.paths()) == 62
    assert not [path for path in page.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("files", [None, [], "ab", [7], [{}], [{"path": "/etc/passwd"}]])
def test_only_uploads_are_added(page: Page, files: Any) -> None:
    assert page.message("add_pictures", MINE | {"files": files})
    assert page.ended()["state"] == "idle"


def test_a_picture_that_is_too_large_is_refused(page: Page) -> None:
    large = page.upload("large.jpg", b"x")
    with Path(large["path"]).open("r+b") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)  # takes no room on the disk
    assert "larger than 50 MB" in page.message("add_pictures", MINE | {"files": [large]})
    assert "make room there" in page.message("may_add", MINE | {"bytes": 10**18})


def test_an_image_is_removed_and_its_file_stays(page: Page, pictures: Path) -> None:
    service = page.home.service()
    image = next(i for i in service.ids("mine") if service.image("mine", i).path.endswith("7.jpg"))
    path = service.image("mine", image).path

    assert page.call("remove_images", MINE | {"ids": [image]}) == {}

    assert path not in page.paths()
    assert (pictures / path).is_file()
    assert "has no image" in page.message("remove_images", MINE | {"ids": [image]})
    assert page.updated()["report"]["added"] == 0


@pytest.mark.parametrize("ids", [None, [], "7", [None], [[7]], {"7": 7}])
def test_images_are_removed_by_their_ids_only(page: Page, ids: Any) -> None:
    assert "list of ids" in page.message("remove_images", MINE | {"ids": ids})


# --- name, title, folder -------------------------------------------------------------------------


def test_a_gallery_gets_a_title_and_loses_it(page: Page) -> None:
    assert page.call("set_title", MINE | {"title": "  Holidays in Norway "}) == {}
    assert page.info().title == "Holidays in Norway"
    assert page.call("set_title", MINE) == {}
    assert page.info().title == ""
    assert "one line" in page.message("set_title", MINE | {"title": "a\nb"})
    assert "at most 200" in page.message("set_title", MINE | {"title": "x" * 201})


def test_a_gallery_gets_another_name(page: Page, home: Home, pictures: Path) -> None:
    home.build(pictures, "other")
    page.updated()
    assert page.call("rename_gallery", MINE | {"name": " yours "}) == {"name": "yours"}
    assert gallery_names(home.path / "indexes") == ["other", "yours"]
    assert page.call("making", {})["progress"]["state"] == "idle"  # nothing more of "mine"
    yours = {"gallery": "yours"}
    assert page.call("rename_gallery", yours | {"name": "yours"}) == {"name": "yours"}
    for name, words in (("", "Give the gallery a name"), ("other", "exists"), ("a/b", "'a/b'")):
        assert words in page.message("rename_gallery", yours | {"name": name})


def test_a_folder_that_has_moved_is_found_again(page: Page, pictures: Path) -> None:
    moved = pictures.with_name("elsewhere")
    pictures.rename(moved)
    assert page.call("move_gallery", MINE | {"folder": f" {moved} "}) == {}
    assert page.info().sources == (str(moved),)
    assert page.updated()["report"]["unchanged"] == 60
    empty = pictures.with_name("empty")
    empty.mkdir()
    for folder, words in (
        ("", "Give the path"),
        ("pictures", "whole path"),
        (str(pictures), "There is no folder"),
        (str(moved / "kind_1" / "00001.jpg"), "There is no folder"),
        ("/" + "x" * 5000, "There is no folder"),
        (str(empty), "None of the 50 pictures"),
    ):
        assert words in page.message("move_gallery", MINE | {"folder": folder})


def test_a_gallery_is_deleted_and_its_pictures_stay(page: Page, home: Home, pictures: Path) -> None:
    assert page.call("delete_gallery", MINE) == {}
    assert gallery_names(home.path / "indexes") == []
    assert len(list(pictures.rglob("*.jpg"))) == 60
    for name in sorted(NAMES - {"add_pictures", "remove_images", "move_gallery"}):
        assert "no gallery 'mine'" in page.message(name, MINE | {"name": "x"})


def test_a_damaged_gallery_can_be_deleted(page: Page, home: Home) -> None:
    shutil.rmtree(home.folders("mine").features)
    (home.folders("mine").indexes / "manifest.json").write_text("{")
    assert page.call("delete_gallery", MINE) == {}
    assert gallery_names(home.path / "indexes") == []


# --- nonsense, and where it is off ---------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_no_request_is_refused(page: Page, name: str) -> None:
    for request in (None, 7, "x", [MINE]):
        assert "load it again" in page.message(name, request)
    for gallery in (None, "", "..", "a/b", 7, "nobody"):
        more = {"ids": [1], "name": "x", "folder": str(page.folder)}
        assert page.message(name, {"gallery": gallery} | more)


@pytest.mark.parametrize(
    "environ", [{"RIS_CREATE_GALLERIES": "0"}, {"HOST": "0.0.0.0"}, {"RIS_HOSTS": "example.org"}]
)
def test_where_it_is_off_there_are_no_functions_and_the_keeper_refuses(
    page: Page, environ: dict[str, str]
) -> None:
    off = Page(page.home, RIS_API_TOKEN="secret", **environ)
    assert off.functions == {}
    assert page.names == NAMES
    keeper = off.maker.keeper
    assert keeper is not None
    for attempt in (
        lambda: keeper.delete("mine"),
        lambda: keeper.set_title("mine", "x"),
        lambda: keeper.remove("mine", ["1"]),
        lambda: off.maker.check_change("mine"),
    ):
        with pytest.raises(UsageError, match="start"):
            attempt()
    assert len(page.paths()) == 60
