"""A renamed gallery is whole, and on the disk, before the old one goes."""

import os
from pathlib import Path

import pytest

from app.build.manage import delete_gallery, rename_gallery
from app.errors import BusyError, NotFoundError, UsageError
from app.gallery import Draft, gallery_names
from tests.build.lives.faults import Crash, disk_that_fails
from tests.build.lives.world import World, jpeg, seen_items
from tests.conftest import Home


@pytest.fixture
def world(home: Home) -> World:
    world = World(home)
    for n in range(5):
        world.write(f"a/{n}.jpg", jpeg(n))
    world.build()
    return world


def names(world: World) -> list[str]:
    return gallery_names(world.home.path / "indexes")


def rename(world: World, new: str = "new") -> None:
    rename_gallery("mine", new, **world.dirs)


def both(world: World) -> None:
    """Stop a renaming before the old gallery goes."""
    with disk_that_fails() as disk:
        rename(world, "counted")
    rename_gallery("counted", "mine", **world.dirs)
    for at in reversed(range(len(disk.steps))):
        try:
            with disk_that_fails(at, error=None):
                rename(world)
        except Crash:
            pass
        if names(world) == ["mine", "new"]:
            return
        rename_gallery("new", "mine", **world.dirs)
    pytest.fail("the two were never there together")


def test_a_gallery_that_has_the_name_already_is_not_deleted(world):
    with pytest.raises(UsageError, match="mine"):
        rename(world, "mine")
    assert len(seen_items(world.open())) == 5


def test_the_command_that_builds_a_renamed_gallery_anew_names_it(world):
    rename(world)
    manifest = World(world.home, "new").open().manifest
    assert "--name new" in manifest.command


def test_a_renaming_that_was_stopped_goes_on(world):
    both(world)
    rename(world)
    assert names(world) == ["new"]


def test_what_has_changed_since_a_renaming_was_stopped_is_not_lost(world):
    both(world)
    world.remove(0)
    with pytest.raises(UsageError, match="new exists already"):
        rename(world)
    assert sorted(seen_items(world.open())) == [1, 2, 3, 4]


def test_a_gallery_that_is_being_built_is_neither_renamed_nor_replaced(world):
    for name in ("new", "mine"):
        draft = Draft(world.home.folders(name), recipe="any", dim=2, replaces=False)
        with pytest.raises(BusyError, match=name):
            rename(world)
        draft.discard()
    draft = Draft(world.folders, recipe="any", dim=2, replaces=False)
    with pytest.raises(BusyError, match="mine"):
        delete_gallery("mine", **world.dirs)
    draft.close()
    assert len(seen_items(world.open())) == 5


def test_all_is_on_the_disk_before_the_old_gallery_goes(world, monkeypatch):
    done: list[tuple[str, object]] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(("sync", os.fstat(handle).st_ino))
        fsync(handle)

    def replaced(old: Path, new: Path) -> None:
        done.append(("replace", Path(new).name))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    rename(world)
    monkeypatch.undo()
    new = world.home.folders("new")
    first = done.index(("replace", "new"))  # the features; then the indexes
    there = done.index(("replace", "new"), first + 1)
    goes = done.index(("replace", ".mine.gone"))
    before = {inode for what, inode in done[:there] if what == "sync"}
    for folder in (new.features, new.indexes):
        for path in [folder, *folder.rglob("*")]:
            assert path.stat().st_ino in before, path
    for folder in world.dirs.values():
        assert ("sync", folder.stat().st_ino) in done[first:goes]


def test_a_deletion_that_was_stopped_goes_on(world):
    with disk_that_fails() as disk:
        delete_gallery("mine", **world.dirs)
    gone = disk.steps.index("replace") + 2
    world.build()
    with pytest.raises(Crash), disk_that_fails(gone, error=None):
        delete_gallery("mine", **world.dirs)
    assert not names(world)
    assert any(any(folder.iterdir()) for folder in world.dirs.values())
    delete_gallery("mine", **world.dirs)
    assert not any(any(folder.iterdir()) for folder in world.dirs.values())
    with pytest.raises(NotFoundError):
        delete_gallery("mine", **world.dirs)
