"""An update finds what has changed by path, size, time, then content, and embeds the new alone."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.build.update import UpdateReport, update_gallery
from app.embed import Embedder, model_named
from app.errors import DatasetError
from app.gallery import Gallery
from app.values.vectors import unit
from tests.build.conftest import CountingRuntime
from tests.conftest import Home, encoded, fill, picture
from tests.gallery.format_1 import rewrite_as_format_1

PICTURES = 60


class Album:
    """A folder of pictures, its gallery, and a runtime that counts what it embeds."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.images = fill(home.path / "pictures", PICTURES)
        self.runtime = CountingRuntime()
        home.build(self.images, index="IVF100,SQ8")

    def update(self, **options: object) -> UpdateReport:
        self.runtime.batches = 0
        embedder = Embedder(model_named("mean_colour"), self.runtime, weights_sha256="")
        arguments: dict[str, object] = {
            "datasets_dir": self.home.path / "datasets",
            "features_dir": self.home.path / "features",
            "indexes_dir": self.home.path / "indexes",
            "load_embedder": lambda name, **_: embedder,
            "open_list": lambda request: pytest.fail("there is no list"),
            "workers": 1,
            "on_progress": lambda stage, done, total: None,
        }
        return update_gallery("mine", **(arguments | options))  # type: ignore[arg-type]

    def add(self, path: str, seed: int) -> Path:
        place = self.images / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(picture(seed), quality=90))
        return place

    def ids(self) -> dict[str, int]:
        """Return the ids by path, each checked to find itself with its own vector."""
        gallery = Gallery(self.home.folders("mine"))
        try:
            ids = gallery.ids()
            found = gallery.search(unit(gallery.vectors(ids)), 1)
            assert (found.scores[:, 0] > 0.99999).all()
            assert len(set(ids.tolist())) == len(ids) == gallery.manifest.images
            return {record.path: record.id for record in gallery.images(ids.tolist())}
        finally:
            gallery.close()


def counts(report: UpdateReport) -> tuple[int, int, int, int, int]:
    return report.added, report.changed, report.moved, report.removed, report.unchanged


@pytest.fixture
def album(home: Home) -> Album:
    return Album(home)


def test_nothing_changed_is_nothing_done(album, monkeypatch):
    before = (album.home.folders("mine").indexes / "manifest.json").read_bytes()
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was opened"))
    report = album.update()
    monkeypatch.undo()
    assert counts(report) == (0, 0, 0, 0, PICTURES)
    assert (album.home.folders("mine").indexes / "manifest.json").read_bytes() == before


def test_new_pictures_alone_are_embedded(album):
    album.add("kind_0/new.jpg", 1000)
    album.add("kind_9/new.jpg", 1001)
    report = album.update()
    assert counts(report) == (2, 0, 0, 0, PICTURES)
    assert (report.embedded, album.runtime.batches) == (2, 1)
    ids = album.ids()
    assert {ids["kind_0/new.jpg"], ids["kind_9/new.jpg"]} == {PICTURES, PICTURES + 1}
    assert counts(album.update()) == (0, 0, 0, 0, PICTURES + 2)


def test_a_deleted_picture_is_found_no_more_and_its_id_is_never_anothers(album):
    before = album.ids()
    (album.images / "kind_0/00000.jpg").unlink()
    assert counts(album.update()) == (0, 0, 0, 1, PICTURES - 1)
    assert album.ids() == {path: i for path, i in before.items() if path != "kind_0/00000.jpg"}
    album.add("kind_0/00000.jpg", 2000)
    assert counts(album.update()) == (1, 0, 0, 0, PICTURES - 1)
    assert album.ids()["kind_0/00000.jpg"] == PICTURES


def test_a_moved_picture_keeps_its_id_gets_its_new_labels_and_is_not_embedded(album):
    before = album.ids()
    (album.images / "kind_7").mkdir()
    shutil.move(album.images / "kind_0/00000.jpg", album.images / "kind_7/renamed.jpg")
    report = album.update()
    assert counts(report) == (0, 0, 1, 0, PICTURES - 1)
    assert (report.embedded, album.runtime.batches) == (0, 0)
    after = album.ids()
    assert after["kind_7/renamed.jpg"] == before["kind_0/00000.jpg"]
    gallery = Gallery(album.home.folders("mine"))
    assert gallery.ids_of_label("kind_7") == [after["kind_7/renamed.jpg"]]
    assert after["kind_7/renamed.jpg"] not in gallery.ids_of_label("kind_0")
    gallery.close()


def test_another_picture_under_the_same_name_has_the_id_and_its_own_vector(album):
    before = album.ids()
    album.add("kind_0/00000.jpg", 3000)
    assert counts(album.update()) == (0, 1, 0, 0, PICTURES - 1)
    assert album.ids() == before
    gallery = Gallery(album.home.folders("mine"))
    [record] = gallery.images([before["kind_0/00000.jpg"]])
    assert record.bytes == (album.images / "kind_0/00000.jpg").stat().st_size
    gallery.close()


def test_a_touched_picture_is_read_once_and_not_embedded(album):
    os.utime(album.images / "kind_0/00000.jpg", (1, 1))
    report = album.update()
    assert counts(report) == (0, 0, 0, 0, PICTURES)
    assert (report.embedded, report.did_something) == (0, False)
    assert album.update().embedded == 0


def test_a_copy_of_a_picture_is_added_without_embedding(album):
    shutil.copy(album.images / "kind_0/00000.jpg", album.images / "kind_1/copy.jpg")
    report = album.update()
    assert counts(report) == (1, 0, 0, 0, PICTURES)
    assert report.embedded == 0
    ids = album.ids()
    gallery = Gallery(album.home.folders("mine"))
    vectors = gallery.vectors(np.array([ids["kind_1/copy.jpg"], ids["kind_0/00000.jpg"]]))
    np.testing.assert_array_equal(vectors[0], vectors[1])
    gallery.close()


def test_what_cannot_be_read_is_skipped_with_the_reason_and_tried_again_when_it_has_changed(album):
    (album.images / "bad.jpg").write_text("a shopping list")
    report = album.update()
    assert [skip.path for skip in report.skipped] == ["bad.jpg"]
    assert counts(report) == (0, 0, 0, 0, PICTURES)
    again = album.update()
    assert (again.skipped, again.embedded) == (report.skipped, 0)
    album.add("bad.jpg", 5000)
    mended = album.update()
    assert (counts(mended), mended.skipped) == ((1, 0, 0, 0, PICTURES), ())


def test_a_folder_that_is_gone_or_nearly_empty_changes_nothing(album):
    before = album.ids()
    away = album.images.with_name("away")
    album.images.rename(away)
    with pytest.raises(DatasetError, match=r"does not exist.* ris move mine FOLDER\."):
        album.update()
    shutil.copytree(away / "kind_0", album.images / "kind_0")
    with pytest.raises(DatasetError, match=r"48 of the 60 .*ris update mine --accept"):
        album.update()
    assert album.ids() == before
    report = album.update(accept_removals=True)
    assert report.removed == 48


def test_a_gallery_of_format_1_is_updated_in_place(album):
    folders = album.home.folders("mine")
    rewrite_as_format_1(folders)
    before = album.ids()
    assert sorted(path.name for path in folders.features.iterdir()) == ["vectors.faiss"]
    (album.images / "kind_0/00000.jpg").unlink()
    album.add("kind_0/new.jpg", 1000)
    report = album.update()
    assert counts(report) == (1, 0, 0, 1, PICTURES - 1)
    assert report.embedded == 1, "the others are known by their content"
    after = album.ids()
    assert after.pop("kind_0/new.jpg") == PICTURES
    assert after == {path: i for path, i in before.items() if path != "kind_0/00000.jpg"}
    assert (folders.features / "vectors.faiss").is_file()
    assert counts(album.update()) == (0, 0, 0, 0, PICTURES)
