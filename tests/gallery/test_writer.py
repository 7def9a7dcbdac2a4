"""A draft keeps what it was given, whatever happens next, and one build has it at a time."""

import dataclasses
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from app.errors import BusyError, StorageError
from app.gallery import Draft, Folders, committing, discard_draft, gallery_names
from app.values import ImageRecord, Skipped


def records(first: int, count: int) -> list[ImageRecord]:
    return [
        ImageRecord(-1, f"{row:03}.jpg", f"{row:064x}", 4, 3, 100, ("all", f"no {row}"))
        for row in range(first, first + count)
    ]


def numbered(images: list[ImageRecord]) -> list[ImageRecord]:
    """Return images with their rows as ids."""
    return [dataclasses.replace(image, id=row) for row, image in enumerate(images)]


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
    assert draft.rows == 0
    add(draft, 5, Skipped("b.jpg", "It is empty."))
    add(draft, 3, Skipped("a.jpg", "It is a text."))
    draft.close()

    again = Draft(folders, recipe="one", dim=8)

    assert again.rows == 8
    assert again.skipped() == [Skipped("a.jpg", "It is a text."), Skipped("b.jpg", "It is empty.")]
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 8).astype(np.float16))
    assert list(again.records()) == numbered(records(0, 8))
    assert list(again.thumbnails([7, 0, 7])) == [b"webp 7", b"webp 0", b"webp 7"]
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
        thumbnails.execute(
            "INSERT INTO thumbnail VALUES (5, ?, x'')", [b"of a row that is not there"]
        )
    thumbnails.close()

    again = Draft(folders, recipe="one", dim=8)
    add(again, 3)

    assert again.rows == 8
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 8).astype(np.float16))
    again.close()


def test_a_draft_of_another_recipe_is_started_over(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    draft.close()
    other = Draft(folders, recipe="two", dim=16)
    assert (other.rows, other.skipped(), other.entries()) == (0, [], {})
    assert (folders.features / "building" / "vectors.fp16").stat().st_size == 0
    other.close()


def empty_database(building: Folders) -> None:
    (building.indexes / "draft.db").write_bytes(b"")


def text_for_a_database(building: Folders) -> None:
    (building.indexes / "draft.db").write_text("a shopping list " * 100)


def database_without_progress(building: Folders) -> None:
    with sqlite3.connect(building.indexes / "draft.db") as database:
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

    assert (again.rows, again.skipped(), again.entries()) == (0, [], {})
    with pytest.raises(BusyError, match="Another build of mine is running"):
        Draft(folders, recipe="one", dim=8)
    add(again, 5)
    np.testing.assert_array_equal(again.raw_vectors(), rows_of(0, 5).astype(np.float16))
    again.close()


def test_a_second_build_at_the_same_time_is_refused_until_the_first_has_ended(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    for recipe in ("one", "two"):
        with pytest.raises(BusyError, match="Another build of mine is running"):
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
    bad = [*records(5, 2), dataclasses.replace(records(7, 1)[0], path=None)]
    with pytest.raises(StorageError):
        draft.add(bad, [b"webp"] * 3, rows_of(5, 3), [Skipped("x.jpg", "It is empty.")])
    draft.close()

    again = Draft(folders, recipe="one", dim=8)

    assert (again.rows, again.skipped()) == (5, [])
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


# What it knows of files


def test_a_draft_knows_the_stamps_of_its_files_and_of_those_that_could_not_be_read(folders):
    draft = Draft(folders, recipe="one", dim=8)
    image = dataclasses.replace(records(0, 1)[0], source=2, bytes=70, key="k")
    stamps = {(2, image.path): (70, 123), (1, "b.jpg"): (9, 456)}
    skipped = [Skipped("b.jpg", "It is empty.", 1), Skipped("a.jpg", "It is a text.", 0)]
    draft.add([image], [b"webp"], rows_of(0, 1), skipped, stamps=stamps)
    draft.close()

    again = Draft(folders, recipe="one", dim=8)

    [(place, entry)] = again.entries().items()
    assert place == (2, image.path)
    assert (entry.row, entry.stamp) == (0, (70, 123))
    assert entry.record == dataclasses.replace(image, id=0)
    assert again.skipped() == [skipped[1], skipped[0]]  # by folder, then path
    assert again.skipped_stamps() == {(1, "b.jpg"): (9, 456), (0, "a.jpg"): (-1, 0)}
    again.forget_skipped([(1, "b.jpg")])
    assert again.skipped() == [skipped[1]]
    again.close()


def test_a_file_that_was_changed_between_two_stops_is_there_as_it_is_now(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 3)
    changed = dataclasses.replace(records(1, 1)[0], sha256="ab" * 32)
    draft.add([changed], [b"new"], rows_of(50, 1), [])
    assert draft.entries()[0, changed.path].row == 3
    assert draft.row_of_content("ab" * 32) == 3
    assert draft.row_of_content(f"{1:064x}") == 1
    assert draft.row_of_content("cd" * 32) is None
    draft.close()


# Beside changes of the gallery that is there


def test_a_gallery_that_will_be_replaced_cannot_be_changed_meanwhile(galleries):
    folders = galleries.folders("mine")
    draft = Draft(folders, recipe="one", dim=48)
    with pytest.raises(BusyError), committing(folders, wait_seconds=0):
        pass
    draft.release_commit()
    with committing(folders, wait_seconds=0):
        pass
    draft.close()


def test_a_draft_of_pictures_to_be_added_holds_up_no_change(galleries):
    folders = galleries.folders("mine")
    draft = Draft(folders, recipe="one", dim=48, replaces=False)
    with committing(folders, wait_seconds=0):
        pass
    draft.discard()


def test_a_draft_is_thrown_away_unless_a_build_is_at_work_on_it(folders):
    draft = Draft(folders, recipe="one", dim=8)
    add(draft, 5)
    with pytest.raises(BusyError, match="A build of mine is running"):
        discard_draft(folders)
    draft.close()
    discard_draft(folders)
    assert not folders.features.exists()
    assert not folders.indexes.exists()


def test_throwing_a_draft_away_leaves_the_gallery_that_is_there(galleries, open_gallery):
    folders = galleries.folders("mine")
    before = open_gallery(galleries)
    Draft(folders, recipe="one", dim=48).close()
    discard_draft(folders)
    assert not (folders.indexes / "building").exists()
    assert not before.replaced()
    assert open_gallery(galleries).rows == before.rows
