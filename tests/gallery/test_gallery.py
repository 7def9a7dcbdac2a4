"""A gallery on disk is seen whole or as it was before; what does not belong is refused by name."""

import contextlib
import copy
import dataclasses
import hashlib
import json
import pickle
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import GalleryError, NotFoundError, StorageError, UsageError
from app.gallery import (
    Draft,
    Folders,
    Gallery,
    files,
    gallery_names,
    manifest_from_json,
    manifest_to_json,
    recipe_of,
    writing_to,
)
from app.index import SearchEffort, VectorIndex
from app.values import (
    GalleryFacts,
    GalleryInfo,
    ImageRecord,
    Manifest,
    Skipped,
    StoredFile,
    command_for,
    request_of,
)
from tests.conftest import Home, encoded, fill, picture

read_manifest = partial(manifest_from_json, place=Path("gallery.db"), mend="Build it anew.")
PICTURES = 80  # enough for a shortlist of two cells


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two galleries, `mine` and `yours`, and their pictures; to be copied, not changed."""
    home = Home(tmp_path_factory.mktemp("original") / "home")
    for name, first in (("mine", 0), ("yours", 1000)):
        images = fill(home.path / name, PICTURES, first=first)
        home.build(images, name, index="IVF100,SQ8")
    return home


@pytest.fixture
def galleries(original: Home, tmp_path: Path) -> Home:
    shutil.copytree(original.path, tmp_path / "home")
    return Home(tmp_path / "home")


OpenGallery = Callable[..., Gallery]


@pytest.fixture
def open_gallery() -> Iterator[OpenGallery]:
    """Return a function that opens a gallery which is closed when the test ends."""
    with contextlib.ExitStack() as opened:

        def open_it(home: Home, name: str = "mine") -> Gallery:
            gallery = Gallery(home.folders(name))
            opened.callback(gallery.close)
            return gallery

        yield open_it


def open_index(gallery: Gallery) -> VectorIndex:
    return VectorIndex(
        vectors=gallery.vectors_path, shortlist=gallery.shortlist_path, effort=SearchEffort(8, 80)
    )


def place_of(home: Home, file: str, name: str = "mine") -> Path:
    folders = home.folders(name)
    return (folders.features if file.startswith("vectors") else folders.indexes) / file


def files_below(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


# Damage


def remove(file: Path, other: Path) -> None:
    file.unlink()


def truncate(file: Path, other: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def truncate_to_nothing(file: Path, other: Path) -> None:
    file.write_bytes(b"")


def flip_one_byte(file: Path, other: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def put_lfs_pointer(file: Path, other: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    size = file.stat().st_size
    file.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
    )


def put_the_other_gallery_s(file: Path, other: Path) -> None:
    shutil.copyfile(other, file)


def put_a_text(file: Path, other: Path) -> None:
    file.write_text("a shopping list " * 400)


def the_command(home: Home, name: str = "mine") -> str:
    return f"python3 create_index.py --images {home.path / name} --name {name}"


@pytest.mark.parametrize(
    "file", ["gallery.db", "thumbnails.db", "shortlist.faiss", "vectors.faiss"]
)
@pytest.mark.parametrize(
    "damage",
    [
        *(remove, truncate, truncate_to_nothing, flip_one_byte, put_lfs_pointer),
        *(put_the_other_gallery_s, put_a_text),
    ],
)
def test_a_damaged_file_is_named_with_the_command_that_mends_it(
    original, galleries, file, damage, open_gallery
):
    path = place_of(galleries, file)
    damage(path, place_of(galleries, file, "yours"))

    with pytest.raises(GalleryError) as refused:
        open_gallery(galleries)

    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    if damage is put_lfs_pointer:
        assert message.endswith("Run: git lfs pull")
    elif file == "gallery.db":  # what it was built from is written in the file that is wrong
        assert message.endswith("or python3 create_index.py --images DIR --name mine --force")
    else:
        assert message.endswith(f"or {the_command(original)} --force")
    if damage is not put_lfs_pointer:
        assert "git checkout -- indexes/mine features/mine" in message
    open_gallery(galleries, "yours")  # the others load
    assert gallery_names(galleries.path / "indexes") == ["mine", "yours"]


@pytest.mark.parametrize("file", ["gallery.db", "vectors.faiss"])
def test_the_command_that_a_damaged_gallery_names_mends_it(original, galleries, file, open_gallery):
    remove(place_of(galleries, file), galleries.path)
    galleries.build(galleries.path / "mine", index="IVF100,SQ8")
    mended, before = (open_gallery(home) for home in (galleries, original))
    assert mended.images(range(PICTURES)) == before.images(range(PICTURES))
    np.testing.assert_array_equal(*(open_index(each).vector(7) for each in (mended, before)))


def test_no_byte_of_the_database_can_change_unseen(galleries, open_gallery):
    path = place_of(galleries, "gallery.db")
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 397), *range(len(whole) - 32, len(whole))]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(GalleryError, match=re.escape(str(path))):
            open_gallery(galleries)


@pytest.mark.parametrize("model", ["mean_colour", "caltech101-efficientnet_lite0-finetuned"])
def test_a_published_gallery_without_its_database_is_rebuilt_from_its_data_set(
    galleries, open_gallery, model
):
    name = f"caltech101-{model}"
    for kind in ("features", "indexes"):
        (galleries.path / kind / "mine").rename(galleries.path / kind / name)
    open_gallery(galleries, name)  # a gallery may be given another name
    remove(place_of(galleries, "gallery.db", name), galleries.path)
    with pytest.raises(
        GalleryError,
        match=rf"or python3 create_index\.py --data caltech101 --model {model} --force$",
    ):
        open_gallery(galleries, name)


def test_a_file_that_may_not_be_read_is_named(galleries, monkeypatch, open_gallery):
    def refuse(file: Path) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(files, "sha256_of", refuse)
    with pytest.raises(GalleryError, match=r"^/.*\.faiss cannot be read \(Permission denied\)"):
        open_gallery(galleries)


# Without the vectors


def test_without_its_features_folder_a_gallery_opens_and_is_approximate(galleries, open_gallery):
    shutil.rmtree(galleries.folders("mine").features)
    gallery = open_gallery(galleries)
    assert gallery.vectors_path is None
    index = open_index(gallery)
    assert (index.approximate, index.rows) == (True, PICTURES)


def test_the_draft_of_a_rebuild_is_no_features_folder(galleries, open_gallery):
    shutil.rmtree(galleries.folders("mine").features)
    draft = Draft(galleries.folders("mine"), recipe="another", dim=48)
    assert galleries.folders("mine").features.is_dir()

    gallery = open_gallery(galleries)

    assert open_index(gallery).approximate
    draft.discard()
    assert not galleries.folders("mine").features.exists()
    assert open_index(open_gallery(galleries)).approximate


def test_a_gallery_that_is_only_searched_exactly_cannot_do_without_its_features(
    galleries, open_gallery
):
    galleries.build(galleries.path / "mine", index="Flat")
    path = galleries.folders("mine").features / "vectors.2.faiss"
    shutil.rmtree(galleries.folders("mine").features)
    with pytest.raises(GalleryError) as refused:
        open_gallery(galleries)
    assert f"{path} is missing" in str(refused.value)
    assert f"{the_command(galleries)} --force" in str(refused.value)


# Generations


def test_a_gallery_that_is_open_keeps_answering_while_it_is_replaced(galleries, open_gallery):
    before = open_gallery(galleries)
    index = open_index(before)
    asked = [3, 79, 0]
    said = (
        before.images(asked),
        before.thumbnail(79),
        index.search(index.vectors(np.array(asked)), 20),
    )
    assert not before.replaced()

    galleries.build(fill(galleries.path / "new", 50, first=500), index="IVF100,SQ8")

    assert before.replaced()
    assert before.images(asked) == said[0]
    assert before.thumbnail(79) == said[1]
    found = index.search(index.vectors(np.array(asked)), 20)
    np.testing.assert_array_equal(found.rows, said[2].rows)
    np.testing.assert_array_equal(found.scores, said[2].scores)
    after = open_gallery(galleries)
    assert (after.manifest.images, after.replaced()) == (50, False)
    assert after.images([0])[0].path == "kind_0/00500.jpg"


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


def test_opening_while_a_rebuild_ends_gives_the_new_gallery(galleries, monkeypatch, open_gallery):
    verify = files.verify_file

    def verify_after_a_rebuild(path: Path, file: StoredFile, mend: str) -> None:
        monkeypatch.setattr(files, "verify_file", verify)
        galleries.build(fill(galleries.path / "new", 50, first=500), index="IVF100,SQ8")
        verify(path, file, mend)

    monkeypatch.setattr(files, "verify_file", verify_after_a_rebuild)
    assert open_gallery(galleries).manifest.images == 50


def test_a_gallery_that_was_removed_counts_as_replaced(galleries, open_gallery):
    gallery = open_gallery(galleries)
    shutil.rmtree(galleries.folders("mine").indexes)
    assert gallery.replaced()


def test_reading_a_gallery_writes_nothing(galleries, open_gallery):
    before = files_below(galleries.path)
    gallery = open_gallery(galleries)
    gallery.images([0])
    gallery.thumbnail(0)
    gallery.labels_by_row()
    open_index(gallery).search(np.ones((1, 48), np.float32), 5)
    gallery.close()
    assert files_below(galleries.path) == before


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
        progress: list[tuple[str, int, int]] = []
        galleries.build(new, index="IVF100,SQ8", on_progress=lambda *what: progress.append(what))
        return next(done for stage, done, _ in progress if stage == "embed")

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

    progress: list[tuple[str, int, int]] = []
    home.build(images, on_progress=lambda *what: progress.append(what))
    assert progress[1] == ("embed", 45, 45), "nothing is embedded again"
    assert gallery_names(tmp_path / "indexes") == ["mine"]


# What is in it


def test_an_image_has_its_path_size_content_and_labels(original, open_gallery):
    gallery = open_gallery(original)
    record = gallery.images([34])[0]  # 16 pictures of each of kind_0, kind_1, then kind_2
    assert record == ImageRecord(
        id=34,
        path="kind_2/00012.jpg",
        sha256=hashlib.sha256((original.path / "mine/kind_2/00012.jpg").read_bytes()).hexdigest(),
        width=64,
        height=48,
        bytes=(original.path / "mine/kind_2/00012.jpg").stat().st_size,
        labels=("kind_2",),
    )


def test_images_come_in_the_order_asked_for_also_twice(original, open_gallery):
    gallery = open_gallery(original)
    assert [image.id for image in gallery.images([7, 79, 7, 0])] == [7, 79, 7, 0]
    assert gallery.images([]) == []


@pytest.mark.parametrize("image", [-1, PICTURES, 2**31, 2**70, -(2**70)])
def test_an_unknown_image_is_not_found(original, image, open_gallery):
    gallery = open_gallery(original)
    with pytest.raises(NotFoundError, match=f"no image {image}: its ids go from 0 to 79"):
        gallery.images([0, image])
    with pytest.raises(NotFoundError, match=f"no image {image}: its ids go from 0 to 79"):
        gallery.thumbnail(image)


def test_every_image_has_a_small_webp_of_its_own(original, open_gallery):
    gallery = open_gallery(original)
    thumbnails = [gallery.thumbnail(image) for image in range(PICTURES)]
    assert all(data[:4] == b"RIFF" and data[8:12] == b"WEBP" for data in thumbnails)
    assert len(set(thumbnails)) == PICTURES


def test_the_same_content_is_found_under_every_path_it_has(tmp_path, open_gallery):
    home = Home(tmp_path)
    images = fill(tmp_path / "images", 12, labels=3)
    for name in ("kind_1/aaa.jpg", "zzz.jpg"):
        shutil.copyfile(images / "kind_0/00003.jpg", images / name)
    home.build(images)
    gallery = open_gallery(home)
    digest = hashlib.sha256((images / "zzz.jpg").read_bytes()).hexdigest()

    ids = gallery.ids_of_content(digest)

    assert [image.path for image in gallery.images(ids)] == [
        "kind_0/00003.jpg",
        "kind_1/aaa.jpg",
        "zzz.jpg",
    ]
    assert ids == sorted(ids)
    assert gallery.ids_of_content("00" * 32) == []


def test_an_image_may_have_several_labels_or_none(tmp_path, open_gallery):
    home = Home(tmp_path)
    images = tmp_path / "images"
    for path in ("plain.jpg", "zoo/big/lion.jpg", "zoo/big/cat's.jpg", "zoo/zoo/twice.jpg"):
        (images / path).parent.mkdir(parents=True, exist_ok=True)
        (images / path).write_bytes(encoded(picture(len(path))))
    home.build(images)
    gallery = open_gallery(home)
    labels = {image.path: image.labels for image in gallery.images(range(4))}
    assert labels == {
        "plain.jpg": (),
        "zoo/big/cat's.jpg": ("big", "zoo"),
        "zoo/big/lion.jpg": ("big", "zoo"),
        "zoo/zoo/twice.jpg": ("zoo",),
    }
    assert gallery.labels_by_row() == [image.labels for image in gallery.images(range(4))]


def test_random_images_are_different_from_each_other_and_at_each_call(original, open_gallery):
    gallery = open_gallery(original)
    draws = [gallery.random_ids(20) for _ in range(5)]
    assert all(len(set(ids)) == 20 and set(ids) <= set(range(PICTURES)) for ids in draws)
    assert len({tuple(ids) for ids in draws}) == 5
    assert sorted(gallery.random_ids(1000)) == list(range(PICTURES))


# Names


@pytest.mark.parametrize(
    "name", ["../x", "", ".hidden", "..", "a/b", "a\\b", "with space", "ä", "a\0", "/etc", "a\n"]
)
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="letters, digits"):
        Folders.of(name, tmp_path / "features", tmp_path / "indexes")


@pytest.mark.parametrize("name", ["caltech101-efficientnet_lite0", "My.cats-2", "_", "-"])
def test_a_plain_name_is_a_folder_below_both(tmp_path, name):
    folders = Folders.of(name, tmp_path / "features", tmp_path / "indexes")
    assert folders == Folders(tmp_path / "features" / name, tmp_path / "indexes" / name)


def test_only_galleries_are_listed(galleries):
    indexes = galleries.path / "indexes"
    for other in (".hidden", "with space", "empty", "notice"):
        (indexes / other).mkdir()
        (indexes / other / "gallery.db").write_bytes(b"")
    for nothing in ("empty/gallery.db", "notice/gallery.db"):
        (indexes / nothing).unlink()
    (indexes / "notice" / "NOTICE").write_text("of pictures yet to come")
    (indexes / "README.md").write_text("the format")
    draft = Draft(galleries.folders("draft"), recipe="one", dim=48)
    assert gallery_names(indexes) == ["mine", "yours"]
    draft.close()
    (indexes / "mine" / "gallery.db").unlink()
    assert gallery_names(indexes) == ["mine", "yours"], "a damaged gallery is one"


def test_without_the_folder_there_is_no_gallery(tmp_path):
    assert gallery_names(tmp_path / "missing") == []


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


def test_what_goes_wrong_while_writing_names_the_file_and_keeps_other_errors(tmp_path):
    with pytest.raises(StorageError) as full, writing_to(tmp_path):
        raise sqlite3.OperationalError("database or disk is full")
    assert str(full.value).startswith(f"{tmp_path} cannot be written (database or disk is full):")
    with pytest.raises(StorageError, match="No space left on device"), writing_to(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(StorageError) as nowhere, writing_to(tmp_path):
        (tmp_path / "x" / "y").mkdir()
    assert str(nowhere.value).startswith(f"{tmp_path / 'x' / 'y'} cannot be written")
    with pytest.raises(UsageError, match="as it was"), writing_to(tmp_path):
        raise UsageError("as it was")
    with pytest.raises(ZeroDivisionError), writing_to(tmp_path):
        raise ZeroDivisionError


# The manifest


def test_a_manifest_is_the_same_after_it_was_written_and_read(original, open_gallery):
    manifest = open_gallery(original).manifest
    assert read_manifest(manifest_to_json(manifest)) == manifest
    noted = dataclasses.replace(manifest, notes=("a", "b"), preprocessing={"mean": [1.5]})
    assert read_manifest(manifest_to_json(noted)) == noted


@pytest.mark.parametrize(
    ("change", "named"), [({"format": 2}, "format 2"), ({"of_tomorrow": 5}, "of_tomorrow")]
)
def test_a_manifest_of_a_newer_version_is_no_damage(original, open_gallery, change, named):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    with pytest.raises(GalleryError, match="newer version") as refused:
        read_manifest(json.dumps(values | change))
    assert named in str(refused.value)
    assert "Build it anew" not in str(refused.value)


@pytest.mark.parametrize("change", [{"format": 0}, {"format": "1"}, {"files": []}, {"notes": 1}])
def test_a_manifest_with_a_value_that_no_version_writes_is_damaged(original, open_gallery, change):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(json.dumps(values | change))


@pytest.mark.parametrize("key", ["images", "recall_raw", "weights_sha256", "files"])
def test_a_manifest_without_what_every_gallery_has_is_damaged(original, open_gallery, key):
    values = json.loads(manifest_to_json(open_gallery(original).manifest))
    del values[key]
    with pytest.raises(GalleryError, match="Build it anew"):
        read_manifest(json.dumps(values))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"data": "caltech101", "model": "efficientnet_lite0", "index": "IVF100,PQ8"},
        {"images": "/my pictures", "name": "mine", "model": "resnet50.gem", "limit": 7},
        {"csv": "/a.csv", "name": "a", "pca": 64, "expand": 3, "alpha": 2.5, "delimiter": ";"}
        | {"label_column": ["kind", "it's"]},
    ],
)
def test_the_request_of_an_old_gallery_is_read_from_its_command_line(original, open_gallery, asked):
    manifest = open_gallery(original).manifest
    values = json.loads(manifest_to_json(manifest))
    del values["request"]
    old = read_manifest(json.dumps(values | {"command": command_for(asked)}))
    assert old == dataclasses.replace(manifest, request=asked)
    assert old.command == command_for(asked)


def test_a_request_with_an_option_that_the_command_line_lacks_is_a_mistake():
    with pytest.raises(TypeError, match="colour"):
        request_of(images=Path("/a"), colour="red")


def test_the_facts_of_a_gallery_are_its_manifests(original):
    info = original.service().gallery("mine")
    assert info.manifest is not None
    assert {name: getattr(info, name) for name in GalleryFacts.__dataclass_fields__} == {
        name: getattr(info.manifest, name) for name in GalleryFacts.__dataclass_fields__
    }
    assert info.images == PICTURES
    assert copy.copy(info) == info == pickle.loads(pickle.dumps(info))
    with pytest.raises(AttributeError, match="imagez"):
        info.imagez  # noqa: B018
    refused = GalleryInfo("gone", refused="It is damaged.")
    assert (refused.images, refused.model, refused.floor, refused.notes) == (0, "", None, ())


@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(json.dumps),
        st.dictionaries(st.sampled_from(["format", "files", "notes", "name", "x"]), st.just(1)).map(
            json.dumps
        ),
    )
)
def test_what_is_no_manifest_is_refused_and_nothing_else_happens(text):
    with pytest.raises(GalleryError):
        read_manifest(text)


def test_a_recipe_tells_order_and_kind_of_its_parts_apart():
    recipes = {
        recipe_of(parts)
        for parts in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], [1], ["1"], ["a\nb"], [("a",)])
    }
    assert len(recipes) == 9
    assert recipe_of(["a", 1]) == recipe_of(["a", 1])
