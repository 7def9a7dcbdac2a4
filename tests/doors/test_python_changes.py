"""The Python door's changes: the gallery that was opened answers with the new state."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import open_gallery
from app.doors.python import OpenGallery
from app.errors import AppError, DatasetError, NotFoundError, UsageError
from tests.commands import Site
from tests.commands import site as site  # a fixture
from tests.conftest import ROOT, Home, encoded, fill, picture

IMAGES = 12
DIM = 48


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.build(fill(home.path / "pictures", IMAGES), "mine")
    return home


@pytest.fixture
def gallery(home: Home, monkeypatch: pytest.MonkeyPatch) -> OpenGallery:
    monkeypatch.setenv("RIS_ALLOW_LOOPBACK_URLS", "1")
    gallery = open_gallery("mine", home=home.path)
    assert not has(gallery, 100), "it is open before it changes"
    return gallery


def has(gallery: OpenGallery, seed: int) -> bool:
    """Return whether a search finds this very picture."""
    return gallery.search(encoded(picture(seed), quality=90), k=1).hits[0].score > 0.999


def test_every_kind_of_picture_can_be_added(gallery, tmp_path, site: Site):
    path = tmp_path / "100.jpg"
    path.write_bytes(encoded(picture(100), quality=90))
    made = picture(101)
    address = site.shows("/102.jpg", 102)
    pixels = np.asarray(picture(103))
    data = encoded(picture(104), quality=90)
    report = gallery.add([path, made, address, pixels, data, str(path)])
    assert report.public_ids == [12, 13, 14, 15, 16, 12]
    became = [each.became for each in report.outcomes]
    assert became == ["added"] * 5 + ["known"]
    assert len(gallery) == IMAGES + 5
    for seed in range(100, 105):
        assert gallery.search(picture(seed), k=1).hits[0].image.id == seed - 88


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "image", "array"])
def test_one_picture_needs_no_list(gallery, tmp_path, kind):
    path = tmp_path / "100.png"
    picture(100).save(path)
    with Image.open(path) as opened:
        pictures = {
            "path": path,
            "text": str(path),
            "bytes": path.read_bytes(),
            "image": opened,
            "array": np.asarray(opened),
        }
        assert gallery.add(pictures[kind], keys="a", labels=["cat"]).public_ids == ["a"]
    assert gallery.search(picture(100), k=1, label="cat").hits[0].image.public_id == "a"
    assert gallery.image("a").labels == ("cat",)


def test_labels_are_those_of_all_or_of_each(gallery):
    gallery.add([picture(100), picture(101)], keys=["a", "b"], labels=["x", "y"])
    assert [gallery.image(key).labels for key in "ab"] == [("x", "y"), ("x", "y")]
    gallery.add([picture(102), picture(103)], keys=["c", "d"], labels=[["x"], ["y", "z"]])
    assert [gallery.image(key).labels for key in "cd"] == [("x",), ("y", "z")]


def test_an_image_with_the_key_is_replaced_and_what_cannot_be_read_is_named(gallery):
    gallery.add(encoded(picture(100), quality=90), keys="a")
    report = gallery.add([encoded(picture(101), quality=90), b"text"], keys=["a", "b"])
    assert (report.replaced, report.public_ids) == (1, ["a", None])
    assert "picture" in report.skipped[0].reason
    assert has(gallery, 101)
    assert not has(gallery, 100)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"keys": ["a", "b"]}, "2 keys"),
        ({"keys": ["5"]}, "'5'"),
        ({"labels": [["x"], ["y"]]}, "labels"),
    ],
)
def test_what_does_not_fit_is_refused(gallery, given, named):
    with pytest.raises(UsageError, match=named):
        gallery.add([picture(100)], **given)
    with pytest.raises(UsageError, match=named):
        gallery.add_vectors(np.ones((1, DIM)), **given)
    assert len(gallery) == IMAGES


def test_none_is_added_where_one_cannot_be_had(gallery, tmp_path):
    with pytest.raises(AppError, match=r"nix\.jpg"):
        gallery.add([picture(100), tmp_path / "nix.jpg"])
    assert len(gallery) == IMAGES


def test_vectors_are_added_and_found(gallery):
    vectors = np.random.default_rng(0).normal(size=(2, DIM))
    assert gallery.add_vectors(vectors, keys=["a", "b"]).added == 2
    assert gallery.search(id="b", k=1).hits[0].image.public_id == "b"
    stored = gallery.vectors()[-2:]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (stored * unit).sum(1) == pytest.approx([1, 1], abs=1e-3)
    assert gallery.add_vectors(np.ones(DIM)).public_ids == [14]
    with pytest.raises(UsageError, match="48"):
        gallery.add_vectors(np.ones((1, 3)))
    with pytest.raises(UsageError, match=r"\(1, 1, 48\)"):
        gallery.add_vectors(np.ones((1, 1, DIM)))


def test_images_are_removed_by_id_or_record_all_of_them_or_none(gallery):
    gallery.add(picture(100), keys="a")
    record = gallery.search(encoded(picture(3), quality=90), k=1).hits[0].image
    assert has(gallery, 3)
    gallery.remove(0)
    gallery.remove(["a", record])
    left = {*range(1, IMAGES)} - {record.id}
    assert {each.id for each in gallery.images()} == left
    assert gallery.info.images == IMAGES - 2
    assert not has(gallery, 3)
    with pytest.raises(NotFoundError, match="99"):
        gallery.remove([1, 99])
    assert gallery.image(1)


def test_an_update_says_what_has_changed(gallery, home):
    images = fill(home.path / "pictures", 2, first=100)
    stages = []
    report = gallery.update(on_progress=lambda stage, done, total: stages.append(stage))
    assert (report.added, report.unchanged) == (2, IMAGES)
    assert stages[0] == "list"
    assert has(gallery, 101)
    shutil.rmtree(images)
    with pytest.raises(DatasetError):
        gallery.update()
    assert len(gallery) == IMAGES + 2


def test_many_pictures_go_only_where_that_is_accepted(home):
    images = fill(home.path / "many", 60)
    home.build(images, "many")
    many = open_gallery("many", home=home.path)
    for number in range(4):
        shutil.rmtree(images / f"kind_{number}")
    with pytest.raises(DatasetError):
        many.update()
    assert many.update(accept_removals=True).removed == 48
    assert len(many) == 12


def test_galleries_are_merged(gallery, home):
    home.build(fill(home.path / "others", 3, first=100), "other")
    assert gallery.merge("other") == (3, 0)
    assert gallery.merge(open_gallery("other", home=home.path)) == (0, 3)
    assert has(gallery, 101)


def test_a_gallery_is_renamed_titled_moved_and_deleted(gallery, home, tmp_path):
    gallery.set_title("Mine and yours")
    gallery.rename("ours")
    assert (gallery.name, gallery.info.title, len(gallery)) == ("ours", "Mine and yours", IMAGES)
    moved = shutil.move(home.path / "pictures", tmp_path / "moved")
    gallery.move(moved)
    assert gallery.info.sources == (str(moved),)
    assert gallery.update().unchanged == IMAGES
    gallery.add(picture(100))
    gallery.compact()
    assert gallery.search(picture(100), k=1).hits[0].score > 0.999
    gallery.delete()
    with pytest.raises(NotFoundError):
        gallery.search(1)
    assert (tmp_path / "moved" / "kind_0" / "00000.jpg").is_file()


def test_the_code_of_the_document_runs_from_top_to_bottom(home, tmp_path, monkeypatch, capsys):
    (home.path / "indexes" / "mine").rename(tmp_path / "away")
    home.build(fill(home.path / "more", 20), "mine")
    home.build(fill(home.path / "others", 3, first=100), "holidays")
    (tmp_path / "photo.jpg").write_bytes(encoded(picture(200)))
    shutil.copytree(home.path / "more", tmp_path / "moved" / "pictures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIS_HOME", str(home.path))
    (code,) = re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out == "['a', 'b'] 2 0 0 ()\n0\n(3, 0)\n"
    assert home.service().names() == ["holidays"]
