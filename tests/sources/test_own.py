"""Other folders give their pictures in a fixed order, labelled by every folder on the way."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DatasetError
from app.sources.own import open_folder
from app.sources.picture import Picture
from tests.conftest import is_one_sentence
from tests.sources.files import put


def test_an_own_folder_is_labelled_by_every_folder_on_the_way(tmp_path):
    put(tmp_path, "z.JPG", "pets/dogs/a b.HEIC", "pets/dogs/pets/c.webp", "pets-old/é.tiff")
    put(tmp_path, "pets/notes.txt", "pets/jpg", "pets/.hidden.jpg", ".trash/d.jpg", "pets/e.svg")
    (tmp_path / "folder.jpg").mkdir()

    layout = open_folder(tmp_path, "holiday")

    assert layout.name == "holiday"
    assert layout.folder == tmp_path
    assert layout.pictures() == [
        Picture("pets-old/é.tiff", ("pets-old",)),
        Picture("pets/dogs/a b.HEIC", ("dogs", "pets")),
        Picture("pets/dogs/pets/c.webp", ("dogs", "pets")),
        Picture("z.JPG", ()),
    ]


@pytest.mark.parametrize(
    "suffix",
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
    ],
)
def test_every_kind_of_image_is_found_in_an_own_folder(tmp_path, suffix):
    put(tmp_path, f"a{suffix}", f"b{suffix.upper()}")
    assert [picture.path for picture in open_folder(tmp_path, "own").pictures()] == [
        f"a{suffix}",
        f"b{suffix.upper()}",
    ]


def test_loops_of_links_end_and_linked_folders_never_hide_real_ones(tmp_path):
    put(tmp_path, "own/real/1.jpg", "own/real/deep/2.jpg", "elsewhere/there/3.jpg")
    own = tmp_path / "own"
    (own / "a-link").symlink_to("real", target_is_directory=True)
    (own / "z-link").symlink_to("real", target_is_directory=True)
    (own / "real" / "deep" / "up").symlink_to("..", target_is_directory=True)
    (own / "real" / "self").symlink_to("self")
    (own / "outside").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(own, target_is_directory=True)
    (own / "linked.jpg").symlink_to(tmp_path / "elsewhere" / "there" / "3.jpg")

    assert open_folder(own, "own").pictures() == [
        Picture("linked.jpg", ()),
        Picture("outside/there/3.jpg", ("outside", "there")),
        Picture("real/1.jpg", ("real",)),
        Picture("real/deep/2.jpg", ("deep", "real")),
    ]


def test_an_own_folder_that_is_itself_a_link_is_read(tmp_path):
    put(tmp_path, "real/1.jpg")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert open_folder(tmp_path / "link", "own").pictures() == [Picture("1.jpg", ())]


@pytest.mark.parametrize("problem", ["does not exist", "is not a folder"])
def test_an_own_folder_that_is_none_is_refused(tmp_path, problem):
    if problem == "is not a folder":
        put(tmp_path, "own")
    with pytest.raises(DatasetError, match=problem):
        open_folder(tmp_path / "own", "own")


def test_an_own_folder_without_images_is_refused(tmp_path):
    put(tmp_path, "notes.txt")
    with pytest.raises(DatasetError, match=r"holds no image .*\.jpg"):
        open_folder(tmp_path, "own").pictures()


def test_a_folder_that_the_system_does_not_show_is_named(tmp_path, monkeypatch):
    put(tmp_path, "locked/1.jpg")
    published = Path.is_dir

    def refuse(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return published(path)

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(DatasetError, match=r"cannot be read \(Permission denied\)"):
        open_folder(tmp_path / "locked", "own")


def test_a_sub_folder_that_cannot_be_listed_is_skipped_with_the_reason(tmp_path, monkeypatch):
    put(tmp_path, "a/broken/1.jpg", "2.jpg")
    published = os.scandir

    def refuse(path):
        if Path(path).name == "broken":
            raise OSError(5, "Input/output error", str(path))
        return published(path)

    monkeypatch.setattr(os, "scandir", refuse)
    reached, broken = open_folder(tmp_path, "own").pictures()
    assert (reached.path, reached.missing) == ("2.jpg", "")
    assert (broken.path, broken.labels) == ("a/broken", ("a",))
    assert "cannot be listed (Input/output error)" in broken.missing
    assert is_one_sentence(broken.missing)
    with pytest.raises(DatasetError, match=r"cannot be listed \(Input/output error\)"):
        open_folder(tmp_path / "a" / "broken", "own").pictures()


NAMES = st.text("ab-.", min_size=1, max_size=3).filter(lambda name: name.strip("."))


@given(st.sets(st.lists(NAMES, min_size=1, max_size=4).map(tuple), max_size=12))
def test_every_visible_image_is_found_once_and_in_order(tmp_path_factory, ways):
    folder = tmp_path_factory.mktemp("own")
    wanted = {}
    for way in ways:
        path = "/".join((*(f"{name}_" for name in way[:-1]), f"{way[-1]}.png"))
        put(folder, path)
        if not any(name.startswith(".") for name in path.split("/")):
            wanted[path] = tuple(sorted(set(path.split("/")[:-1])))
    put(folder, "always.png")
    wanted["always.png"] = ()

    pictures = open_folder(folder, "own").pictures()

    assert [picture.path for picture in pictures] == sorted(wanted)
    assert {picture.path: picture.labels for picture in pictures} == wanted
