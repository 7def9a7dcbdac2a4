"""`kill -9` at random moments: the gallery is as before or as after the change under way."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from app.build.manage import set_title
from tests.build.lives.child import OTHERS, files_in, load, save
from tests.build.lives.conftest import Changers
from tests.build.lives.model import Model
from tests.build.lives.world import World, check_searches, jpeg, seen_items, stray_files
from tests.conftest import Home

CHANGES = "add,add,add,remove,remove,update,update,merge,compact,compact"
MOST_SECONDS = 0.4  # of a few changes; a change takes a tenth of it or so


class Victims:
    """Processes that change the gallery of a home and are killed."""

    def __init__(self, home: Path, changers: Changers) -> None:
        self.home, self._changers = home, changers
        self._random = random.Random(0)

    def one(self, seed: int, kinds: str) -> None:
        """Let one begin, and kill it after its first change has begun, at any moment."""
        before = (self.home / "state.pickle").stat().st_ino
        self._changers.ask("killed", self.home, seed, kinds)
        child = int(self._changers.answer())
        while (self.home / "state.pickle").stat().st_ino == before:
            assert not (self.home / "error").exists(), (self.home / "error").read_text()
            time.sleep(0.001)
        time.sleep(MOST_SECONDS * self._random.random() ** 2)
        os.kill(child, signal.SIGKILL)
        assert self._changers.answer() == "ended"
        assert not (self.home / "error").exists(), (self.home / "error").read_text()


def live(changers: Changers, home: Path, kills: int, kinds: str) -> dict[str, int]:
    """Kill so many; return how often the change under way had not, and had, happened."""
    world = World(Home(home))
    for n in range(40):
        world.write(f"kind_{n % 3}/{n:03}.jpg", jpeg(n))
    world.write("keep.jpg", jpeg(40))
    for name, seeds in OTHERS.items():
        world.build_other(name, seeds)
    world.build("IVF100,SQ8")
    state = (Model.built(files_in(home, [])), [])
    save(home, [state, state])
    counted = {"before": 0, "after": 0}
    most_files = 0
    victims = Victims(home, changers)
    for seed in range(kills):
        victims.one(seed, kinds)
        before, after = load(home)
        gallery = world.open()
        try:
            items = seen_items(gallery)
            check_searches(gallery, items)
            is_after = after[0].is_in(gallery, items)
            is_before = before[0].is_in(gallery, items)
        finally:
            gallery.close()
        assert is_after or (is_before and not (home / "done").exists()), f"seed {seed}"
        counted["after" if is_after else "before"] += 1
        save(home, [after if is_after else before] * 2)
        most_files = max(most_files, len(stray_files(world)))
        if len(items) < 20 or len(items) > 200:
            world.build("IVF100,SQ8")
            fresh = (Model.built(files_in(home, [])), [])
            save(home, [fresh, fresh])
    # One segment that was not named yet, one of a compaction, one in its scratch folder.
    assert most_files < 40
    world.compact()
    set_title(world.folders, "The next change takes all away.")
    assert not stray_files(world)
    return counted


def test_a_killed_change_has_happened_or_has_not(tmp_path, changers):
    live(changers, tmp_path, 10, CHANGES)


def test_a_killed_rebuild_has_happened_or_has_not(tmp_path, changers):
    live(changers, tmp_path, 3, "rebuild")


@pytest.mark.slow
def test_of_1000_killed_changes_each_has_happened_or_has_not(tmp_path, changers):
    counted = live(changers, tmp_path, 900, CHANGES)
    assert min(counted.values()) > 50


@pytest.mark.slow
def test_of_100_killed_rebuilds_each_has_happened_or_has_not(tmp_path, changers):
    counted = live(changers, tmp_path, 100, "rebuild,rebuild,update,add")
    assert min(counted.values()) > 5
