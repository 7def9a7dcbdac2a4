"""A merged gallery can be updated and merged again; no picture is there twice."""

import shutil
from dataclasses import replace

import pytest

from app.build.additions import NewImage
from app.build.layouts import followed_sources
from app.build.manage import move_gallery
from app.gallery import committing
from tests.build.lives.world import World, direction, jpeg, seen_items
from tests.conftest import Home


@pytest.fixture
def world(home: Home) -> World:
    """A gallery of pictures 0 to 4, and others of 0, 10, 11 and of 20."""
    world = World(home)
    for n in range(5):
        world.write(f"a/{n}.jpg", jpeg(n))
    world.build()
    world.build_other("other", [0, 10, 11])
    world.build_other("third", [20])
    return world


def places(world: World) -> dict[tuple[int, str], int]:
    gallery = world.open()
    items = seen_items(gallery)
    gallery.close()
    return {item.place: image for image, item in items.items() if item.place}


def test_an_update_after_a_merge_finds_nothing_new(world):
    assert world.merge("other")[1:] == (2, 1)
    report = world.update()
    assert not report.did_something
    assert report.unchanged == 8
    assert len(places(world)) == 7


def test_merged_pictures_are_kept_up_to_date_in_their_own_folder(world):
    world.merge("other")
    ids = places(world)
    (world.home.path / "other/given/10.jpg").unlink()
    (world.home.path / "other/given/11.jpg").write_bytes(jpeg(12))
    report = world.update()
    assert (report.added, report.changed, report.removed) == (0, 1, 1)
    after = places(world)
    assert (1, "given/10.jpg") not in after
    assert after[1, "given/11.jpg"] == ids[1, "given/11.jpg"]


def test_a_second_merge_of_the_same_gallery_changes_nothing(world):
    manifest, *_ = world.merge("other")
    again, *counted = world.merge("other")
    assert (again, counted) == (manifest, [0, 3])
    assert again.request["images"] == list(again.sources)


def test_pictures_that_were_removed_and_merged_again_are_those_of_their_files(world):
    world.merge("other")
    world.remove(places(world)[1, "given/10.jpg"])
    assert world.merge("other")[1] == 1
    (world.home.path / "other/given/10.jpg").unlink()
    assert world.update().removed == 1


def test_folders_keep_their_numbers_where_one_between_them_is_not_looked_at(world):
    World(world.home, "other").add(NewImage("by itself.jpg", jpeg(13)))
    world.merge("other")
    manifest, *_ = world.merge("third")
    assert followed_sources(manifest) == [0, 1, 3]
    assert not world.update().did_something
    assert (3, "given/20.jpg") in places(world)
    (world.home.path / "third/given/21.jpg").write_bytes(jpeg(21))
    world.update()
    assert (3, "given/21.jpg") in places(world)


def test_pictures_of_a_folder_that_is_not_followed_stay_in_an_update(world):
    with committing(world.folders) as commit:
        request = commit.manifest.request | {"limit": 5}
        commit.write(replace(commit.manifest, request=request))
    world.merge("other")
    shutil.rmtree(world.home.path / "other")
    assert world.update().removed == 0
    assert len(places(world)) == 7


def test_vectors_with_keys_are_merged_again_without_a_complaint(home):
    for name in ("mine", "other"):
        world = World(home, name)
        world.write("a.jpg", jpeg(1))
        world.build()
        world.add(NewImage(f"of {name}", vector=direction(len(name)), key=name))
    world = World(home)
    assert world.merge("other")[1:] == (1, 1)
    assert world.merge("other")[1:] == (0, 2)


def test_a_move_keeps_the_folders_that_a_merge_has_added(world):
    world.merge("other")
    shutil.copytree(world.pictures, world.home.path / "moved")
    before = str(world.pictures.resolve())
    manifest = move_gallery(world.folders, world.home.path / "moved", before=before)
    assert len(manifest.sources) == 2
    assert not world.update().did_something
