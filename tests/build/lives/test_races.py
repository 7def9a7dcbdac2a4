"""What another does between the beginning of a change, or of an opening, and its end."""

import threading
from pathlib import Path

import numpy as np
import pytest

from app.build import keeper as keepers
from app.build.additions import NewImage, add_images, remove_images
from app.build.build import build_gallery
from app.build.change import being_updated
from app.build.keeper import GalleryKeeper
from app.build.manage import set_title
from app.errors import BusyError, StorageError
from app.gallery import COMPACTION, Gallery, compacting, local, read_manifest
from app.gallery import commit as commits
from app.sources.own import Listed
from app.sources.picture import Picture
from tests.build.lives.faults import disk_that_fails
from tests.build.lives.world import World, direction, jpeg, seen_items
from tests.conftest import Home


@pytest.fixture
def world(home: Home) -> World:
    world = World(home)
    for n in range(5):
        world.write(f"a/{n}.jpg", jpeg(n))
    (world.pictures / "a/broken.jpg").write_text("no picture")
    world.build()
    return world


def add(world: World, gallery: Gallery, *new: NewImage) -> list[int | None]:
    report = add_images(
        gallery,
        new,
        load_embedder=lambda name, **_: world.embedder,
        datasets_dir=world.home.path / "datasets",
    )
    return list(report.ids)


def test_a_picture_that_another_adds_at_the_same_time_is_there_once(world):
    gallery = world.open()
    [image] = world.add(NewImage("theirs.jpg", jpeg(10))).ids
    assert add(world, gallery, NewImage("mine.jpg", jpeg(10))) == [image]
    assert len(seen_items(world.open())) == 6


def test_nobody_else_looks_at_the_folders_while_an_update_does(world):
    with being_updated(world.folders):
        with pytest.raises(BusyError, match="mine"):
            world.update()
        world.build_other("other", [20])
        with pytest.raises(BusyError, match="mine"):
            world.merge("other")
    assert not world.update().did_something


def test_a_change_of_a_gallery_that_is_built_anew_meanwhile_touches_no_other_image(world):
    gallery = world.open()
    (world.pictures / "a/0.jpg").unlink()
    world.build()
    with pytest.raises(BusyError, match="anew"):
        remove_images(gallery, [2])
    with pytest.raises(BusyError, match="anew"):
        add(world, gallery, NewImage("new.jpg", jpeg(10)))
    assert len(seen_items(world.open())) == 4


def test_an_open_gallery_needs_no_file_that_a_change_takes_away(world):
    gallery = world.open()
    for path in ("0", "1", "2", "3"):
        (world.pictures / f"a/{path}.jpg").unlink()
    world.build()
    assert [skip.path for skip in gallery.skipped()] == ["a/broken.jpg"]
    assert gallery.search(direction(0)[None], 3, exact=True).rows.shape == (1, 3)
    assert len(seen_items(gallery)) == 5


def test_a_gallery_opens_though_a_change_takes_the_removed_ids_away(world, monkeypatch):
    world.remove(0)
    load = np.load

    def late(path: Path) -> object:
        monkeypatch.setattr(local.np, "load", load)
        world.remove(1)
        return load(path)

    monkeypatch.setattr(local.np, "load", late)
    assert world.open().ids().tolist() == [2, 3, 4]


def test_a_segment_never_has_the_name_of_an_older_one(world):
    names = set()
    for turn in range(3):
        world.add(NewImage(f"{turn}.jpg", jpeg(10 + turn)))
        added = {segment.name for segment in read_manifest(world.folders).segments}
        assert not added & names
        names |= added
        world.remove(*world.open().ids().tolist())
        world.compact()


def test_a_manifest_has_the_time_of_its_writing_to_the_nanosecond(world, monkeypatch):
    times = iter([1_000_000_001, 1_000_000_001, 1_000_000_002, 1_000_000_002])
    monkeypatch.setattr(commits.time, "time_ns", lambda: next(times))
    identities = set()
    for title in ("one", "two"):
        set_title(world.folders, title)
        identities.add((world.folders.indexes / "manifest.json").stat().st_mtime_ns)
    assert identities == {1_000_000_001, 1_000_000_002}


def test_what_cannot_be_cleaned_away_does_not_make_a_change_fail(world):
    world.remove(0)
    with disk_that_fails() as disk:
        world.remove(1)
    last = len(disk.steps) - 1
    with disk_that_fails(last) as disk:
        world.remove(2)
    assert (disk.steps[last], disk.failed) == ("unlink", True)
    assert world.open().ids().tolist() == [3, 4]


def test_a_picture_that_cannot_be_kept_is_an_error_for_people(world):
    (world.home.path / "datasets").mkdir()
    (world.home.path / "datasets/added").write_text("no folder")
    with pytest.raises(StorageError, match="added"):
        world.add(NewImage("new.jpg", jpeg(10)))
    assert len(seen_items(world.open())) == 5


def test_labels_that_are_given_with_a_known_key_and_content_are_taken(world):
    [image] = world.add(NewImage("a.jpg", jpeg(10), key="k", labels=("old",))).ids
    assert world.add(NewImage("a.jpg", jpeg(10), key="k")).known == 1
    assert world.add(NewImage("a.jpg", jpeg(10), key="k", labels=("new",))).replaced == 1
    gallery = world.open()
    assert gallery.ids_of_label("new") == [image]
    assert gallery.ids_of_content(seen_items(gallery)[image].content) == [image]


def test_facts_are_shown_though_the_first_image_was_removed(world):
    world.remove(0)
    [info] = world.home.service().galleries()
    assert (info.images, info.refused, info.pictures_missing) == (4, "", "")


def test_one_compaction_at_most_waits_for_the_one_that_runs(world, monkeypatch):
    began, go_on, compacted = threading.Event(), threading.Event(), []

    def compact(folders: object, **options: object) -> bool:
        compacted.append(folders)
        began.set()
        assert go_on.wait(60)
        return True

    monkeypatch.setattr(keepers, "choice", lambda manifest: range(2))
    monkeypatch.setattr(keepers, "compact", compact)
    keeper = GalleryKeeper(
        datasets_dir=world.home.path / "datasets",
        **world.dirs,
        load_embedder=lambda name, **_: world.embedder,
        update=lambda *args, **options: pytest.fail("nobody updates"),
        in_background=True,
    )
    before = threading.active_count()
    keeper.add("mine", [NewImage("0.jpg", jpeg(10))])
    assert began.wait(60)
    for n in range(1, 6):
        keeper.add("mine", [NewImage(f"{n}.jpg", jpeg(10 + n))])
    waiting = [each for each in threading.enumerate() if "_compact_one" in each.name]
    assert len(waiting) == threading.active_count() - before == 2
    go_on.set()
    for thread in waiting:
        thread.join(60)
    assert len(compacted) == 2


def test_a_list_has_the_keys_that_additions_have_taken(world, monkeypatch):
    def listed(**keys: str) -> Listed:
        pictures = [Picture(f"a/{name[1:]}.jpg", (), key=key) for name, key in keys.items()]
        return Listed("mine", world.pictures, pictures)

    build_gallery(
        listed(_0="zero", _1="one", _2="two"),
        world.embedder,
        folders=world.folders,
        index="Flat",
        limit=None,
        request={"csv": "list.csv", "name": "mine"},
        workers=1,
        on_progress=lambda *_: None,
    )
    ids = world.add(
        NewImage("3.jpg", jpeg(10), key="three"), NewImage("4.jpg", jpeg(11), key="four")
    ).ids
    now = listed(_0="zero", _1="two", _2="four", _3="three")  # 1 has the key that 2 had
    assert world.update(open_list=lambda request: now).did_something
    gallery = world.open()
    found = {item.key: (image, item.place) for image, item in seen_items(gallery).items()}
    assert found == {
        "zero": (0, (0, "a/0.jpg")),
        "two": (1, (0, "a/1.jpg")),
        "four": (2, (0, "a/2.jpg")),
        "three": (ids[0], (0, "a/3.jpg")),
    }
    assert world.compact()
    assert not world.update(open_list=lambda request: now).did_something


def test_a_change_takes_away_what_a_killed_compaction_has_left_and_disturbs_none_that_runs(world):
    scratch = world.folders.below(COMPACTION)
    for folder in (scratch.features, scratch.indexes):
        folder.mkdir()
        (folder / "vectors.faiss").write_text("half of it")
    with compacting(world.folders):
        set_title(world.folders, "one")
        assert scratch.features.is_dir()
    set_title(world.folders, "two")
    assert not scratch.features.exists()
    assert not scratch.indexes.exists()
