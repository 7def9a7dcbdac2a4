"""A draft keeps what it was given, and a gallery is put in its place whole or not at all."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.errors import StorageError, UsageError
from app.gallery import Draft, Folders, files, gallery_names
from app.values import ImageRecord, Skipped
from app.values.gallery import Manifest
from tests.conftest import Home, fill
from tests.gallery.conftest import PICTURES, open_index


def test_each_rebuild_is_a_generation_and_takes_the_files_of_the_last_away(galleries, open_gallery):
    folders = galleries.folders("mine")
    (folders.indexes / "NOTICE").write_text("kept")
    for generation in (2, 3):
        galleries.build(galleries.path / "mine", index="IVF100,SQ8")
        assert open_gallery(galleries).manifest.generation == generation
        assert sorted(path.name for path in folders.features.iterdir()) == [
            f"vectors.{generation}.faiss"
        ]
        assert sorted(path.name for path in folders.indexes.iterdir() if path.name != "lock") == [
            "NOTICE",
            "gallery.db",
            f"shortlist.{generation}.faiss",
            f"thumbnails.{generation}.db",
        ]
    galleries.build(galleries.path / "mine", index="Flat")
    assert not list(folders.indexes.glob("shortlist*"))


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_putting_a_gallery_in_place_can_stop_at_every_step(
    galleries, monkeypatch, open_gallery, every
):
    new = fill(galleries.path / "new", 45, first=500)
    galleries.build(new, "whole", index="IVF100,SQ8")
    expected = open_gallery(galleries, "whole")
    steps_left = 0

    def one_step_before(step: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            nonlocal steps_left
            steps_left -= 1
            if steps_left < 0:
                raise Killed
            return step(*arguments, **options)

        return run

    def build() -> int:
        reported: list[tuple[str, int, int]] = []
        galleries.build(new, index="IVF100,SQ8", on_progress=lambda *step: reported.append(step))
        return next(done for stage, done, _ in reported if stage == "embed")

    finish = Draft.finish

    def finish_and_stop(draft: Draft, manifest: Manifest) -> Manifest:
        with monkeypatch.context() as patched:
            for name in ("sync", "seal", "copy_compact"):
                patched.setattr(files, name, one_step_before(getattr(files, name)))
            patched.setattr(Path, "replace", one_step_before(Path.replace))
            patched.setattr(Path, "unlink", one_step_before(Path.unlink))
            patched.setattr(shutil, "rmtree", one_step_before(shutil.rmtree))
            return finish(draft, manifest)

    stopped_at = []
    for steps in range(0, 100, every):
        steps_left = steps
        with monkeypatch.context() as patched:
            patched.setattr(Draft, "finish", finish_and_stop)
            try:
                build()
            except Killed:
                gallery = open_gallery(galleries)
                assert gallery.manifest.images in (PICTURES, 45)
                assert open_index(gallery).rows == gallery.manifest.images
                gallery.images(range(gallery.manifest.images))
                stopped_at.append(gallery.manifest.images)
            else:
                break
    assert stopped_at == sorted(stopped_at, reverse=True)
    assert len(stopped_at) * every > 12
    assert set(stopped_at) == {PICTURES, 45}

    monkeypatch.undo()
    remade = open_gallery(galleries)
    assert remade.images(range(45)) == expected.images(range(45))
    np.testing.assert_array_equal(
        open_index(remade).vectors(np.arange(45)), open_index(expected).vectors(np.arange(45))
    )
    names = [path.name for path in galleries.folders("mine").features.iterdir()]
    assert names == [remade.manifest.files["vectors"].name], "something was left behind"


def test_a_first_build_stopped_while_it_is_put_in_place_is_no_gallery_yet(tmp_path, monkeypatch):
    home = Home(tmp_path)
    images = fill(tmp_path / "images", 45)
    sync = files.sync

    def stop_at_folders(path: Path) -> None:
        if path.is_dir():  # the files are in place by then, but for the database
            raise Killed
        sync(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "sync", stop_at_folders)
        with pytest.raises(Killed):
            home.build(images)
    assert (home.folders("mine").indexes / "thumbnails.db").is_file()
    assert gallery_names(tmp_path / "indexes") == []

    reported: list[tuple[str, int, int]] = []
    home.build(images, on_progress=lambda *step: reported.append(step))
    assert reported[1] == ("embed", 45, 45), "nothing is embedded again"
    assert gallery_names(tmp_path / "indexes") == ["mine"]


# The draft


def records(first: int, count: int) -> list[ImageRecord]:
    return [
        ImageRecord(-1, f"{row:03}.jpg", f"{row:064x}", 4, 3, 100, ("all", f"no {row}"))
        for row in range(first, first + count)
    ]


def rows_of(first: int, count: int, dim: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(100, dim))[first : first + count]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def add(draft: Draft, count: int, *skipped: Skipped) -> None:
    first = draft.rows
    thumbnails = [b"webp %d" % row for row in range(first, first + count)]
    draft.add(records(first, count), thumbnails, rows_of(first, count), skipped)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.of("mine", tmp_path / "features", tmp_path / "indexes")


def test_a_draft_of_the_same_recipe_goes_on_where_it_stopped(folders):
    draft = Draft(folders, recipe="one", dim=8)
    assert (draft.rows, draft.done) == (0, 0)
    add(draft, 5, Skipped("b.jpg", "It is empty."))
    add(draft, 3, Skipped("a.jpg", "It is a text."))
    draft.close()

    again = Draft(folders, recipe="one", dim=8)

    assert (again.rows, again.done) == (8, 10)
    assert again.skipped() == [Skipped("a.jpg", "It is a text."), Skipped("b.jpg", "It is empty.")]
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 8).astype(np.float16))
    add(again, 2)
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 10).astype(np.float16))
    again.close()


def test_what_was_written_before_the_commit_that_never_came_is_cut_off(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    draft.close()
    with (folders.features / "building" / "vectors.fp16").open("ab") as raw:
        raw.write(b"half a batch")
    with sqlite3.connect(folders.indexes / "building" / "thumbnails.db") as thumbnails:
        thumbnails.execute("INSERT INTO thumbnail VALUES (5, ?)", [b"of a row that is not there"])
    thumbnails.close()

    again = Draft(folders, recipe="one", dim=8)
    add(again, 3)

    assert (again.rows, again.done) == (8, 8)
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 8).astype(np.float16))
    again.close()


def test_a_draft_of_another_recipe_is_started_over(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    draft.close()
    other = Draft(folders, recipe="two", dim=16)
    assert (other.rows, other.done, other.skipped()) == (0, 0, [])
    assert (folders.features / "building" / "vectors.fp16").stat().st_size == 0
    other.close()


def empty_database(building: Folders) -> None:
    (building.indexes / "gallery.db").write_bytes(b"")


def text_for_a_database(building: Folders) -> None:
    (building.indexes / "gallery.db").write_text("a shopping list " * 100)


def database_without_progress(building: Folders) -> None:
    with sqlite3.connect(building.indexes / "gallery.db") as database:
        database.execute("DELETE FROM progress")
    database.close()


def no_thumbnails(building: Folders) -> None:
    (building.indexes / "thumbnails.db").unlink()


def lost_thumbnail(building: Folders) -> None:
    with sqlite3.connect(building.indexes / "thumbnails.db") as thumbnails:
        thumbnails.execute("DELETE FROM thumbnail WHERE image = 2")
    thumbnails.close()


def no_vectors(building: Folders) -> None:
    (building.features / "vectors.fp16").unlink()


def lost_vectors(building: Folders) -> None:
    with (building.features / "vectors.fp16").open("r+b") as raw:
        raw.truncate(7)


@pytest.mark.parametrize(
    "damage",
    [
        *(empty_database, text_for_a_database, database_without_progress, no_thumbnails),
        *(lost_thumbnail, no_vectors, lost_vectors),
    ],
)
def test_a_draft_that_has_lost_something_is_started_over_and_still_guarded(folders, damage):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    draft.close()
    damage(Folders(folders.features / "building", folders.indexes / "building"))

    again = Draft(folders, recipe="one", dim=8)

    assert (again.rows, again.done) == (0, 0)
    with pytest.raises(UsageError, match="Another build of mine is running"):
        Draft(folders, recipe="one", dim=8)
    add(again, 5)
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 5).astype(np.float16))
    again.close()


def test_a_second_build_at_the_same_time_is_refused_until_the_first_has_ended(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    for recipe in ("one", "two"):
        with pytest.raises(UsageError, match="Another build of mine is running"):
            Draft(folders, recipe=recipe, dim=8)
    assert draft.rows == 5
    add(draft, 1)
    draft.close()
    again = Draft(folders, recipe="one", dim=8)
    assert again.rows == 6
    again.discard()
    Draft(folders, recipe="one", dim=8).close()


def test_a_batch_is_kept_whole_or_not_at_all(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    twice = [*records(5, 2), *records(0, 1)]  # a path is there once
    with pytest.raises(StorageError):
        draft.add(twice, [b"webp"] * 3, rows_of(5, 3), [Skipped("x.jpg", "It is empty.")])
    draft.close()

    again = Draft(folders, recipe="one", dim=8)

    assert (again.rows, again.done, again.skipped()) == (5, 5, [])
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 5).astype(np.float16))
    add(again, 2)
    again.close()


def test_a_draft_that_is_discarded_leaves_nothing_but_its_lock(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    draft.discard()
    assert not folders.features.exists()
    assert {path.name for path in folders.indexes.iterdir()} <= {"lock"}
    assert gallery_names(folders.indexes.parent) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    for blocked in ("features", "indexes"):
        home = tmp_path / blocked
        home.mkdir()
        (home / blocked).write_text("a file where the folder should be")
        with pytest.raises(StorageError) as refused:
            Draft(Folders.of("mine", home / "features", home / "indexes"), recipe="one", dim=8)
        assert str(refused.value).startswith(str(home / blocked))
        assert "\n" not in str(refused.value)
