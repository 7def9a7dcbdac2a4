"""A write, sync, rename or deletion that fails anywhere leaves a gallery as before or as after."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.build.additions import NewImage
from app.build.manage import delete_gallery, move_gallery, rename_gallery, set_title
from app.errors import AppError, NotFoundError
from app.gallery import MANIFEST, Gallery, gallery_names
from tests.build.lives.faults import Crash, disk_that_fails
from tests.build.lives.world import World, direction, jpeg, seen_items, stray_files
from tests.conftest import Home

Change = Callable[[World], object]


CHANGES: dict[str, Change] = {
    "build": lambda world: fresh(world).build(),
    "rebuild": lambda world: world.build("IVF100,SQ8"),
    "update": lambda world: world.update(),
    "add": lambda world: world.add(
        NewImage("new.jpg", jpeg(500)), NewImage("v", vector=direction(501), key="k9")
    ),
    "replace": lambda world: world.add(NewImage("new.jpg", jpeg(502), key="k1")),
    "remove": lambda world: world.remove(*world.open().ids()[[0, 3]].tolist()),
    "merge": lambda world: world.merge("other"),
    "compact": lambda world: world.compact(),
    "rename": lambda world: rename_gallery(world.name, "renamed", **world.dirs),
    "delete": lambda world: delete_gallery(world.name, **world.dirs),
    "set_title": lambda world: set_title(world.folders, "Titled"),
    "move": lambda world: move_gallery(world.folders, world.home.path / "moved"),
}
NEW_NAMES = {"build": "fresh", "rename": "renamed"}
FAULTS = {
    "crash": (None, False),
    "once": (errno.EIO, False),
    "full": (errno.ENOSPC, True),
}
"""An error, and whether all writing fails from then on."""


def fresh(world: World) -> World:
    return World(world.home, name="fresh")


class Trials:
    """A home that is put back before each trial, at its place: galleries know their folders."""

    def __init__(self, folder: Path) -> None:
        self._home, self._original = folder / "home", folder / "original"
        _fill(World(Home(self._home)))
        shutil.copytree(self._home, self._original)

    def begin(self) -> World:
        shutil.rmtree(self._home, ignore_errors=True)
        for folder in self._original.iterdir():  # no test writes into a picture
            copy = shutil.copy2 if folder.name in ("features", "indexes") else os.link
            shutil.copytree(folder, self._home / folder.name, copy_function=copy)
        return World(Home(self._home))


def _fill(world: World) -> None:
    """Make a gallery with several segments, keys and removed images; and then change its folder."""
    for n in range(80):
        world.write(f"kind_{n % 3}/{n:03}.jpg", jpeg(n))
    world.build("IVF100,SQ8")
    world.add(NewImage("a.jpg", jpeg(300), key="k1", labels=("red",)), NewImage("b.jpg", jpeg(301)))
    world.remove(7, 80)
    world.add(NewImage("a.jpg", jpeg(302), key="k1"))
    world.build_other("other", [1, 600, 601])
    World(world.home, "other").add(NewImage("c.jpg", jpeg(602), key="k7"))
    shutil.copytree(world.pictures, world.home.path / "moved")
    world.write("kind_0/000.jpg", jpeg(400))
    world.write("kind_0/new.jpg", jpeg(401))
    (world.pictures / "kind_0/003.jpg").unlink()
    (world.pictures / "kind_1/001.jpg").rename(world.pictures / "kind_1/moved.jpg")
    world.touch("kind_2/002.jpg")


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tmp_path_factory.mktemp("trials"))


State = dict[str, object]


def states_of(home: Home) -> State:
    """Return what every gallery holds, each opened and verified."""
    states: State = {}
    for name in gallery_names(home.path / "indexes"):
        gallery = Gallery(home.folders(name))
        facts = gallery.manifest
        seen = gallery.seen()
        states[name] = (seen_items(gallery), seen, facts.title, facts.sources, facts.images)
        gallery.close()
    return states


def stopped_at(world: World, change: Change, at: int, fault: str) -> bool:
    """Do a change on a disk that fails; return whether it got so far."""
    error, for_good = FAULTS[fault]
    with disk_that_fails(at, error, for_good=for_good) as disk:
        try:
            change(world)
        except Crash:
            pass
        except AppError:
            assert disk.failed
    return disk.failed


def again(world: World, name: str, change: Change, state: State, after: State) -> None:
    """Do a change once more; what has happened already may be refused as that."""
    try:
        change(world)
    except NotFoundError:
        assert state == after
        assert name in ("remove", "delete", "rename")


def expected_after(name: str, before: State, after: State) -> list[State]:
    allowed = [before, after]
    if name == "rename":
        allowed.append(before | after)  # the new one is whole before the old one goes
    return allowed


def try_all(trials: Trials, name: str, fault: str, places: Sequence[float] = ()) -> int:
    """Stop a change at every step, or at these parts of it; return how many trials that were."""
    change = CHANGES[name]
    before = states_of(trials.begin().home)
    world = trials.begin()
    with disk_that_fails() as disk:
        change(world)
    after = states_of(world.home)
    steps = [int(len(disk.steps) * place) for place in places] or range(len(disk.steps))
    for at in steps:
        world = trials.begin()
        assert stopped_at(world, change, at, fault)
        try:
            state = states_of(world.home)
            assert state in expected_after(name, before, after)
            again(world, name, change, state, after)
            done = states_of(world.home)
            if name in ("add", "remove") and state == after:  # then it is done twice
                continue
            assert done == after
            if name != "delete":
                left = World(world.home, NEW_NAMES.get(name, world.name))
                check_leftovers(left)
        except BaseException as exc:
            exc.add_note(f"{name}, {fault} at step {at} of {len(disk.steps)}: {disk.steps[at]}")
            raise
    return len(steps)


def check_leftovers(world: World) -> None:
    """Check that the next change takes all away that was left."""
    set_title(world.folders, "next")
    world.compact(everything=False)
    assert not stray_files(world)


@pytest.mark.parametrize("name", ["add", "replace", "remove", "update", "merge", "compact"])
def test_what_changes_leave_that_are_stopped_over_and_over_does_not_pile_up(
    trials, name, monkeypatch
):
    world = trials.begin()
    before = states_of(world.home)
    renamed = Path.replace

    def crash_at_the_manifest(path: Path, target: Path) -> Path:
        if target.name == MANIFEST:
            raise Crash
        return renamed(path, target)

    left = []
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash_at_the_manifest)
        for _ in range(4):
            with pytest.raises(Crash):
                CHANGES[name](world)
            left.append(len(stray_files(world)))
    assert left[0] > 0
    assert left == left[:1] * 4
    assert states_of(world.home) == before
    check_leftovers(world)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.slow
def test_wherever_a_change_is_stopped_the_gallery_is_as_before_or_as_after(trials, name, fault):
    assert try_all(trials, name, fault) > 5


@pytest.mark.parametrize("name", CHANGES)
def test_where_a_change_is_stopped_here_and_there_the_gallery_is_as_before_or_as_after(
    trials, name
):
    for fault, places in zip(FAULTS, [(0.2, 0.95), (0.6, 0.8), (0.4, 0.9)], strict=True):
        try_all(trials, name, fault, places)
