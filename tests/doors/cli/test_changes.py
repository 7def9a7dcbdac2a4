"""`ris add`, `remove`, `merge`, `rename`, `title`, `delete`, `move` and `compact`."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.gallery import Gallery
from app.search.picture import Item
from tests import commands
from tests.commands import Site
from tests.conftest import Home, encoded, fill, picture

IMAGES = 12
DIM = 48


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of each test's own, with the gallery "mine" of a folder."""
    home = Home(tmp_path / "home")
    home.build(fill(home.path / "pictures", IMAGES), "mine")
    return home


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(picture(100)))
    return file


run = commands.run
ris = commands.ris
site = commands.site


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts a text on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def paths(home: Home, name: str = "mine") -> dict[int | str, str]:
    """Return the paths by public id."""
    gallery = Gallery(home.folders(name))
    try:
        return {each.public_id: each.path for each in gallery.images(gallery.ids().tolist())}
    finally:
        gallery.close()


# add


def test_pictures_are_added_and_the_next_search_finds_them(ris, home, photo):
    service = home.service()
    assert service.search("mine", photo.read_bytes(), k=1).hits[0].score < 0.99
    code, out, _ = ris("add", "mine", photo, "--key", "a", "--label", "cat", "--label", "night")
    assert code == 0
    assert out.splitlines() == [
        f"{photo}: added, with the id a",
        "mine: 1 added, 0 replaced, 0 there already",
    ]
    hit = service.search("mine", photo.read_bytes(), k=1).hits[0]
    assert (hit.image.public_id, hit.image.labels) == ("a", ("cat", "night"))
    assert hit.score > 0.999
    assert service.picture("mine", hit.image.id)[0] == photo.read_bytes(), "its file is kept"


def test_a_picture_that_is_there_is_known_and_one_with_its_key_is_replaced(ris, home, photo):
    ris("add", "mine", photo, "--key", "a")
    _, out, _ = ris("add", "mine", photo)
    assert out.splitlines() == [
        f"{photo}: is there already, with the id a",
        "mine: 0 added, 0 replaced, 1 there already",
    ]
    photo.write_bytes(encoded(picture(101)))
    _, out, _ = ris("add", "mine", photo, "--key", "a", "--json")
    assert json.loads(out) == {"name": str(photo), "id": "a", "became": "replaced"}
    assert len(paths(home)) == IMAGES + 1


def test_a_key_among_numbers_makes_no_keys_of_names_and_may_still_be_no_number(ris, home, photo):
    ris("add", "mine", photo, "--key", "a")
    photo.write_bytes(encoded(picture(101)))
    assert ris("add", "mine", photo, "--key", "3")[0] == 2
    _, out, _ = ris("add", "mine", photo, "--json")
    assert json.loads(out)["id"] == IMAGES + 1
    assert home.service().id_of("mine", "3") == 3


def test_an_address_is_fetched_and_named_after_itself(ris, site: Site):
    address = site.shows("/cat.jpg", 100)
    code, out, _ = ris("add", "mine", address, "--json")
    assert code == 0
    assert json.loads(out) == {"name": address, "id": IMAGES, "became": "added"}


def test_paths_on_standard_input_are_one_a_line_and_of_each_is_said_what_became(
    ris, home, photo, tmp_path, typed
):
    text = tmp_path / "text.jpg"
    text.write_text("a shopping list")
    typed(f"{photo}\n\n{tmp_path / 'nix.jpg'}\n{text}\n")
    code, out, err = ris("add", "mine", "-", "--json")
    assert code == 2, "that of the first that failed"
    first, missing, unreadable = map(json.loads, out.splitlines())
    assert first == {"name": str(photo), "id": IMAGES, "became": "added"}
    assert "nix.jpg" in missing["error"]
    assert "text" in unreadable["error"]
    assert len([line for line in err.splitlines() if line.startswith(str(tmp_path))]) == 2
    typed(f"{text}\n")
    assert ris("add", "mine", "-")[0] == 3
    assert len(paths(home)) == IMAGES + 1


def test_many_pictures_are_added_in_parts(ris, home, tmp_path, monkeypatch):
    monkeypatch.setattr("app.doors.cli.images._MOST_AT_ONCE", 10)
    files = sorted(fill(tmp_path / "many", 25, first=100).rglob("*.jpg"))
    code, out, _ = ris("add", "mine", *files)
    assert (code, out) == (0, "mine: 25 added, 0 replaced, 0 there already\n")
    assert len(paths(home)) == IMAGES + 25


def test_vectors_are_added_with_their_keys(ris, home, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "keys.txt").write_text("a\nb\nc\n")
    code, out, _ = ris(
        *("add", "mine", "--vector", tmp_path / "v.npy", "--keys", tmp_path / "keys.txt"),
        *("--label", "made", "--json"),
    )
    assert code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["a", "b", "c"]
    service = home.service()
    hit = service.search("mine", Item("b"), k=1).hits[0]
    assert (hit.image.public_id, hit.image.labels) == ("b", ("made",))
    stored = service.vectors("mine")[-3:]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (stored * unit).sum(1) == pytest.approx(np.ones(3), abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nix", "photo.jpg"), "'nix'"),
        (("mine",), "--vector"),
        (("mine", "photo.jpg", "--vector", "v.npy"), "--vector"),
        (("mine", "photo.jpg", "--key", "a", "--key", "b"), "1 images and 2 keys"),
        (("mine", "photo.jpg", "photo.jpg", "--key", "a", "--key", "a"), "'a'"),
        (("mine", "photo.jpg", "--key", "7"), "'7'"),
        (("mine", "photo.jpg", "--keys", "nix.txt"), "nix.txt"),
        (("mine", "--vector", "nix.npy"), "nix.npy"),
        (("mine", "--vector", "photo.jpg"), "photo.jpg"),
        (("mine", "--vector", "flat.npy"), r"\(3,\)"),
        (("mine", "--vector", "short.npy"), "48 numbers"),
        (("mine", "--vector", "text.npy"), "numbers"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_is(
    ris, home, photo, tmp_path, monkeypatch, arguments, named
):
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.zeros(3))
    np.save("short.npy", np.ones((2, 3)))
    np.save("text.npy", np.array([["a"]]))
    code, out, err = ris("add", *arguments)
    assert (code, out) == (2, "")
    assert re.search(named, err.splitlines()[-1])
    assert len(paths(home)) == IMAGES


# remove


def test_images_are_removed_by_id_and_by_path_and_found_no_more(ris, home, typed):
    service = home.service()
    folder = home.path / "pictures"
    gone = [folder / f"kind_{seed}" / f"{seed:05}.jpg" for seed in range(4)]
    assert service.search("mine", gone[0].read_bytes(), k=1).hits[0].image.id == 0
    relative = gone[1].relative_to(folder)
    code, out, _ = ris("remove", "mine", 0, "--path", relative, "--path", gone[2])
    assert (code, out) == (0, f"mine: 3 removed, {IMAGES - 3} left\n")
    typed(f"{gone[3].relative_to(folder)}\n")
    assert ris("remove", "mine", "--path", "-")[0] == 0
    assert len(paths(home)) == IMAGES - 4
    for file in gone:
        assert service.search("mine", file.read_bytes(), k=1).hits[0].score < 0.999
        assert file.is_file()
    assert service.gallery("mine").images == IMAGES - 4


def test_ids_are_taken_from_standard_input(ris, home, typed):
    typed("1\n2\n")
    assert ris("remove", "mine", "-")[:2] == (0, f"mine: 2 removed, {IMAGES - 2} left\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("nix", "0"), "'nix'"),
        (("mine",), "--path"),
        (("mine", "0", "99"), "99"),
        (("mine", "0", "--path", "nix.jpg"), "'nix.jpg'"),
    ],
)
def test_all_images_are_removed_or_none(ris, home, arguments, named):
    code, out, err = ris("remove", *arguments)
    assert (code, out) == (2, "")
    assert named in err
    assert len(paths(home)) == IMAGES


# Galleries as wholes


def test_a_gallery_is_merged_into_another(ris, home):
    home.build(fill(home.path / "others", 3, first=100), "other")
    code, out, _ = ris("merge", "mine", "other")
    assert (code, out) == (0, "mine: 3 images of other added, 0 there already\n")
    assert len(paths(home)) == IMAGES + 3
    assert ris("merge", "mine", "nix")[0] == 2
    assert ris("merge", "mine", "mine")[0] == 2


def test_a_gallery_gets_a_title_and_another_name(ris, home):
    assert ris("title", "mine", "Photographs since 1998")[0] == 0
    assert ris("rename", "mine", "photographs")[:2] == (
        0,
        "mine is called photographs now\n",
    )
    folder = home.path / "pictures"
    _, out, _ = ris("galleries", "--no-server")
    assert out == (
        f"photographs (Photographs since 1998): {IMAGES} images of {folder}, mean_colour, Flat\n"
    )
    _, out, _ = ris("info", "photographs", "--no-server")
    assert "  title     Photographs since 1998\n" in out
    assert f"  folder    {folder}\n" in out
    ris("remove", "photographs", 0)
    for command in (("info", "photographs"), ("galleries",)):
        assert re.search(r"changed +20\d\d-", ris(*command, "--no-server")[1])
    assert ris("title", "photographs", "")[1] == "photographs: without a title\n"


def test_a_name_that_is_taken_is_refused_even_where_the_pictures_are_the_same(ris, home):
    home.build(home.path / "pictures", "other")
    code, _, err = ris("rename", "mine", "other")
    assert code == 2
    assert "other" in err
    assert ris("galleries", "--names")[1] == "mine\nother\n"


def test_a_gallery_is_deleted_when_that_is_confirmed(ris, home, monkeypatch, typed):
    typed("yes\n")
    code, out, err = ris("delete", "mine")
    assert (code, out) == (2, "")
    assert "--yes" in err, "nobody sits at a pipe"

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    assert ris("delete", "mine")[0] == 2
    assert len(paths(home)) == IMAGES
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert ris("delete", "mine")[0] == 0
    assert ris("galleries")[1] == ""
    assert (home.path / "pictures" / "kind_0" / "00000.jpg").is_file()
    assert ris("delete", "mine", "--yes")[0] == 2


def test_yes_deletes_without_a_question(ris):
    assert ris("delete", "mine", "--yes")[0] == 0
    assert ris("galleries")[1] == ""


def test_pictures_that_have_moved_are_found_again(ris, home, tmp_path):
    moved = tmp_path / "moved"
    shutil.move(home.path / "pictures", moved)
    code, out, _ = ris("move", "mine", moved)
    assert (code, out) == (0, f"mine: its pictures are in {moved}\n")
    assert home.service().picture("mine", 0)[0] == (moved / "kind_0" / "00000.jpg").read_bytes()
    assert "unchanged 12" in ris("update", "mine")[1]
    assert ris("move", "mine", tmp_path)[0] == 4
    assert ris("move", "mine", moved, "--from", tmp_path / "nix")[0] == 2
    assert ris("move", "mine", moved, "--from", moved)[0] == 0


def test_a_gallery_is_compacted(ris, home, photo):
    ris("add", "mine", photo)
    gallery = Gallery(home.folders("mine"))
    assert len(gallery.manifest.segments) == 2
    gallery.close()
    before = paths(home)
    assert ris("compact", "mine")[:2] == (0, "mine: compacted\n")
    gallery = Gallery(home.folders("mine"))
    assert len(gallery.manifest.segments) == 1
    gallery.close()
    assert paths(home) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("title", "nix", "x"),
        ("rename", "nix", "x"),
        ("move", "nix", "."),
        ("compact", "nix"),
        ("delete", "nix", "--yes"),
        ("merge", "nix", "mine"),
    ],
)
def test_a_gallery_that_is_not_there_is_named(ris, arguments):
    code, out, err = ris(*arguments)
    assert (code, out) == (2, "")
    assert "'nix'" in err
