"""`kill -9` at random moments: the gallery is as before or as after the change under way."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from app.build.manage import set_title
from tests.build.lives.child import OTHERS, change_of, files_in, load, save
from tests.build.lives.conftest import Changers
from tests.build.lives.model import Model
from tests.build.lives.world import (
    MOST_OF_A_SEGMENT,
    World,
    check_searches,
    jpeg,
    seen_items,
    stray_files,
    stray_parts,
)
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


def dumped(world: World, about: str) -> str:
    """Return in what a gallery differs from the states it may be in; the text is kept beside it."""
    home = world.home.path
    said = [f"{about}, killed in or after: {change_of(home).kind}"]
    said.append(f"done: {(home / 'done').exists()}")
    with contextlib.closing(world.open()) as gallery:
        facts = gallery.manifest
        said.append(f"generation {facts.generation}, next id {facts.next_id}, {facts.sources}")
        said.append(f"segments {[(each.name, each.rows) for each in facts.segments]}")
        said.append(f"skipped {gallery.skipped()}")
        items = seen_items(gallery)
        for name, (model, others) in zip(("before", "after"), load(home), strict=True):
            said.append(f"not as {name} (next id {model.next_id}, others {others}):")
            said += [f"    {each}" for each in model.differences(gallery, items)]
    said += ["stray files:", *(f"    {each}" for each in stray_files(world))]
    (home / "dump.txt").write_text("\n".join(said))
    return "\n".join(said)


def check_stray_files(world: World) -> None:
    """Check that a killed change has left no more than its own, whatever was left before it."""
    compaction, others = stray_parts(world)
    change = change_of(world.home.path)
    assert len(compaction) <= MOST_OF_A_SEGMENT, compaction
    assert len(others) <= change.most_left, (change, others)


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
        is_done = (home / "done").exists()
        assert is_after or (is_before and not is_done), dumped(world, f"seed {seed}")
        counted["after" if is_after else "before"] += 1
        check_stray_files(world)
        save(home, [after if is_after else before] * 2)
        if len(items) < 20 or len(items) > 200:
            world.build("IVF100,SQ8")
            fresh = (Model.built(files_in(home, [])), [])
            save(home, [fresh, fresh])
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
