"""Galleries follow their folders: changes arrive by themselves, and nothing ends the watch."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from app.build import events, watch
from app.build.update import UpdateReport
from app.build.watch import Watch, folders_of, following
from app.errors import BusyError, NotFoundError, StorageError, UsageError
from app.gallery import open_gallery
from app.values.names import text_of
from tests.build.watching import NEVER, Watching, put
from tests.conftest import Home, encoded, fill, is_one_sentence, picture

PICTURES = 30


@pytest.fixture
def images(home: Home) -> Path:
    """The folder of the gallery "mine"."""
    images = fill(home.path.parent / "pictures", PICTURES)
    home.build(images)
    return images


def paths(home: Home, name: str = "mine") -> set[str]:
    gallery = open_gallery(
        name, features_dir=home.path / "features", indexes_dir=home.path / "indexes"
    )
    try:
        return {each.path for each in gallery.images(gallery.ids().tolist())}
    finally:
        gallery.close()


def nothing(name: str, on_progress: object) -> UpdateReport:
    return UpdateReport(manifest=None)  # type: ignore[arg-type]


def test_new_changed_moved_and_deleted_files_reach_the_gallery(home, images):
    with Watching(home) as watching:
        watching.until_updated(1)
        put(images / "new" / "deep" / "1.jpg", 1000)
        watching.until(lambda: watching.counts() == (1, 0, 0, 0))
        put(images / "new" / "deep" / "2.jpg", 1001)
        watching.until(lambda: watching.counts() == (2, 0, 0, 0))
        put(images / "kind_0" / "00000.jpg", 1002)
        watching.until(lambda: watching.counts() == (2, 1, 0, 0))
        (images / "kind_1" / "00001.jpg").rename(images / "new" / "renamed.jpg")
        watching.until(lambda: watching.counts() == (2, 1, 1, 0))
        (images / "kind_2" / "00002.jpg").unlink()
        watching.until(lambda: watching.counts() == (2, 1, 1, 1))
        watching.until(lambda: not watching.watch.waiting())
    there = paths(home)
    assert {"new/deep/1.jpg", "new/deep/2.jpg", "new/renamed.jpg"} <= there
    assert not {"kind_1/00001.jpg", "kind_2/00002.jpg"} & there
    assert watching.said[:2] == [f"mine: following {images}.", "mine: added 1"]
    assert watching.said[-1] == "mine: removed 1"


def test_what_changed_while_nobody_followed_is_found_at_the_start(home, images):
    put(images / "new.jpg", 1000)
    with Watching(home) as watching:
        watching.until_said("mine: added 1")


def test_many_files_at_once_are_few_updates(home, images):
    with Watching(home) as watching:
        watching.until_updated(1)
        fill(images, 300, first=1000)
        watching.until(lambda: watching.counts()[0] == 300)
    assert len(watching.updates) < 10


def test_an_update_waits_until_it_has_been_quiet(home, images):
    with Watching(home, update=nothing, quiet_seconds=NEVER, most_seconds=NEVER) as watching:
        watching.until_updated(1)
        put(images / "new.jpg", 1000)
        watching.until(lambda: watching.watch.waiting() == {"mine"})
        watching.until_turned()
        assert len(watching.updates) == 1


def test_a_stream_of_events_that_never_ends_does_not_put_the_update_off_for_ever(home, images):
    with Watching(home, update=nothing, quiet_seconds=NEVER, most_seconds=0.5) as watching:
        watching.until_updated(1)
        put(images / "new.jpg", 1000)
        watching.until_updated(2)


@pytest.mark.slow  # like test_many_files_at_once_are_few_updates, with 10,000
def test_ten_thousand_files_during_an_update_are_few_more_and_their_events_are_not_kept(
    home, images
):
    go_on = threading.Event()
    whole = encoded(picture(0))

    def update(name, on_progress):
        go_on.wait()
        return nothing(name, on_progress)

    with Watching(home, update=update) as watching:
        watching.until_updated(0)
        watching.until(lambda: watching.at_work == 1)
        before = watching.watch.events
        for number in range(10_000):
            (images / f"{number}.jpg").write_bytes(whole)
        watching.until(lambda: watching.watch.events - before >= 10_000)
        assert len(watching.updates) == 1
        go_on.set()
        watching.until_updated(2)
        watching.until(lambda: not watching.watch.waiting())
    assert len(watching.updates) < 10


def test_events_are_taken_while_an_update_is_at_work(home, images):
    go_on = threading.Event()

    def update(name, on_progress):
        go_on.wait()
        return nothing(name, on_progress)

    with Watching(home, update=update) as watching:
        watching.until(lambda: watching.at_work == 1)
        fill(images, 50, first=1000)
        watching.until(lambda: watching.watch.events >= 50)
        assert watching.watch.waiting() == {"mine"}
        go_on.set()
        watching.until_updated(2)


def test_a_file_that_is_still_being_written_is_taken_when_it_is_whole(home, images):
    whole = encoded(picture(1000), quality=90)
    with Watching(home) as watching, (images / "slow.jpg").open("wb", buffering=0) as file:
        watching.until_updated(1)
        file.write(whole[: len(whole) // 2])
        watching.until_said("mine: cannot read 1", "slow.jpg")
        file.write(whole[len(whole) // 2 :])
        watching.until_said("mine: added 1")
    assert "slow.jpg" in paths(home)


def test_a_folder_that_goes_away_is_waited_for_and_the_gallery_stays(home, images):
    before = paths(home)
    away = images.with_name("away")
    with Watching(home) as watching:
        watching.until_updated(1)
        images.rename(away)
        line = watching.until_said("mine: ", str(images), "is not there")
        assert is_one_sentence(line)
        watching.until_turned()
        updates = len(watching.updates)
        assert paths(home) == before
        put(away / "new.jpg", 1000)
        away.rename(images)
        watching.until_said("mine: ", "is back")
        watching.until_said("mine: added 1")
        watching.until(lambda: not watching.watch.waiting())
        assert len(watching.updates) == updates + 1
        put(images / "newer.jpg", 1001)
        watching.until(lambda: watching.counts()[0] == 2)
    assert len(watching.lines("is not there")) == 1


def test_a_folder_that_is_missing_at_the_start_is_waited_for(home, images):
    away = images.with_name("away")
    images.rename(away)
    with Watching(home) as watching:
        watching.until_said("is not there")
        watching.until_turned()
        put(away / "new.jpg", 1000)
        away.rename(images)
        watching.until_said("mine: added 1")
    assert len(watching.updates) == 1


def test_another_folder_in_the_same_place_is_followed_too(home, images):
    """As a share that was unmounted and is mounted again within a moment."""
    other = shutil.copytree(images, images.with_name("other"))
    with Watching(home, check_seconds=NEVER) as watching:
        watching.until_updated(1)
        images.rename(images.with_name("away"))
        other.rename(images)
        watching.until(lambda: len(watching.updates) == 2 and not watching.watch.waiting())
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")


def test_another_file_system_in_the_same_place_is_looked_at(home, images, monkeypatch):
    device = {"now": 1}
    monkeypatch.setattr(watch, "_device", lambda folder: device["now"])
    with Watching(home, update=nothing) as watching:
        watching.until_updated(1)
        device["now"] = 2
        watching.until_updated(2)


def test_where_no_events_come_the_folder_is_looked_at_again_and_again(home, images, monkeypatch):
    def refuse(folders):
        raise events.NotFollowedError("this is a test")

    monkeypatch.setattr(events, "_opened", refuse)
    with Watching(home, rescan_seconds=0.3) as watching:
        line = watching.until_said("this is a test")
        assert is_one_sentence(line)
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")
        watching.until_updated(len(watching.updates) + 2)
    assert len(watching.lines("this is a test")) == 1


def test_a_rescan_of_unchanged_files_opens_none(home, images, monkeypatch):
    with Watching(home, rescan_seconds=0.2) as watching:
        watching.until_updated(1)
        opened = []
        read_bytes = Path.read_bytes
        monkeypatch.setattr(Path, "read_bytes", lambda p: opened.append(p) or read_bytes(p))
        watching.until_updated(len(watching.updates) + 3)
        assert not [path for path in opened if images in path.parents]
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")
        assert [path for path in opened if images in path.parents] == [images / "new.jpg"]


def test_an_error_is_said_once_and_tried_again_until_it_is_over(home, images):
    errors = [
        BusyError("mine is being built."),
        BusyError("mine is being built."),
        StorageError("The disk is full (4 bytes free)."),
        StorageError("The disk is full (8 bytes free)."),
        ZeroDivisionError("a mistake"),
        ZeroDivisionError("a mistake"),
        None,
    ]

    def update(name, on_progress):
        error = errors.pop(0)
        if error:
            raise error
        return nothing(name, on_progress)

    with Watching(home, update=update, retry_seconds=0.01) as watching:
        watching.until_said("mine: up to date again")
    assert watching.said[1:] == [
        "mine: mine is being built.",
        "mine: The disk is full (4 bytes free).",
        "mine: not updated because of a mistake in this program (ZeroDivisionError('a mistake')).",
        "mine: up to date again",
    ]


def test_nothing_unforeseen_ends_it_but_that_nobody_reads(home, images):
    lists = [{"mine": (images,)}, OSError("the disk"), ValueError("a mistake"), {"mine": (images,)}]
    said = []

    def galleries():
        found = lists.pop(0) if len(lists) > 1 else lists[0]
        if isinstance(found, Exception):
            raise found
        return found

    def say(line):
        said.append(line[6:])
        if "added" in line:
            raise BrokenPipeError

    follower = Watch(
        galleries,
        update=lambda name, on_progress: UpdateReport(None, added=int(len(lists) == 1)),  # type: ignore[arg-type]
        say=say,
        rescan_seconds=0.1,
        retry_seconds=0.1,
    )
    with pytest.raises(BrokenPipeError):
        follower.run(threading.Event())
    assert said == [f"mine: following {images}.", "the disk", "mine: added 1"]


def test_where_more_than_half_is_gone_it_says_so_once_and_waits(home, images):
    before = paths(home)
    away = images.with_name("away")
    with Watching(home) as watching:
        watching.until_updated(1)
        away.mkdir()
        for kind in sorted(images.glob("kind_*"))[1:]:
            kind.rename(away / kind.name)
        watching.until_said("mine: ", "24 of the 30")
        watching.until_updated(len(watching.updates) + 2)
        assert paths(home) == before
        for kind in sorted(away.iterdir()):
            kind.rename(images / kind.name)
        watching.until_said("mine: up to date again")
    assert len(watching.lines("of the 30")) == 1
    assert paths(home) == before


def test_it_stops_in_the_middle_of_an_update(home, images):
    def update(name, on_progress):
        while True:
            on_progress("embed", 0, 1)

    with Watching(home, update=update) as watching:
        watching.until(lambda: watching.at_work == 1)
    assert watching.reports == []


def test_it_runs_beside_something_and_stops_with_it(home, images):
    watching = Watching(home)
    with following(watching.watch):
        put(images / "new.jpg", 1000)
        thread = next(each for each in threading.enumerate() if each.name == "watch")
        watching.thread = thread
        watching.until_said("mine: added 1")
    assert not thread.is_alive()
    assert not [each for each in threading.enumerate() if each.name == "folder-events"]


def test_several_galleries_are_updated_one_after_another_each_for_its_own_folders(home, images):
    others = fill(home.path.parent / "others", 5, first=100)
    home.build(others, "other")
    with Watching(home) as watching:  # which fails where two are at work at once
        watching.until_updated(2)
        assert sorted(watching.updates) == ["mine", "other"]
        put(others / "new.jpg", 1000)
        watching.until_said("other: added 1")
        put(images / "new.jpg", 1001)
        put(others / "newer.jpg", 1002)
        watching.until(lambda: watching.counts()[0] == 3)
    assert watching.updates[2] == "other"


def test_a_gallery_that_was_made_later_is_followed_from_the_next_rescan_on(home, images):
    with Watching(home, rescan_seconds=0.5) as watching:
        watching.until_updated(1)
        others = fill(home.path.parent / "others", 5, first=100)
        home.build(others, "other")
        watching.until_said(f"other: following {others}")
        shutil.rmtree(home.path / "indexes" / "mine")
        watching.until_said("mine: not followed any more")


def test_what_an_update_writes_below_the_watched_folder_is_no_reason_for_another(tmp_path):
    images = fill(tmp_path / "pictures", 5)
    home = Home(images / ".program")
    home.build(images)
    with Watching(home) as watching:
        watching.until_updated(1)
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")
        seen = watching.watch.events
        (home.path / "indexes" / "mine" / "another").touch()  # after all that the update wrote
        watching.until(lambda: watching.watch.events > seen)
        assert watching.watch.waiting() == set()
        put(images / "newer.jpg", 1001)
        watching.until(lambda: watching.counts()[0] == 2)


def test_pictures_below_the_programs_own_folders_are_followed(home):
    images = fill(home.path / "datasets" / "uploaded" / "mine", 5)
    home.build(images)
    with Watching(home) as watching:
        watching.until_updated(1)
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")


def test_a_folder_whose_name_is_not_utf_8_leaves_rescans_and_no_endless_updates(home, images):
    (Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9"))).mkdir()
    with Watching(home, rescan_seconds=1.0) as watching:
        line = watching.until_said("not valid UTF-8")
        assert is_one_sentence(line)
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")
    assert len(watching.lines("not valid UTF-8")) == 1


def test_a_gallery_whose_own_folder_has_such_a_name_is_looked_at_again_and_again(home):
    images = Path(os.fsdecode(os.fsencode(home.path.parent) + b"/caf\xe9"))
    home.build(fill(images, 5), request={"images": text_of(images), "name": "mine"})
    with Watching(home, rescan_seconds=0.5) as watching:
        watching.until_said("not valid UTF-8")
        put(images / "new.jpg", 1000)
        watching.until_said("mine: added 1")


def test_the_folders_of_a_gallery_are_those_it_was_made_of(home, images):
    dirs = {"features_dir": home.path / "features", "indexes_dir": home.path / "indexes"}
    assert folders_of("mine", **dirs) == (images,)
    home.build(images, "data", request={"data": "caltech", "name": "data"})
    with pytest.raises(UsageError, match="ris update data"):
        folders_of("data", **dirs)
    with pytest.raises(NotFoundError, match="mine"):
        folders_of("absent", **dirs)
    with Watching(home) as watching:
        watching.until_updated(1)
    assert watching.updates == ["mine"]
