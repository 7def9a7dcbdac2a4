"""Processes that change a gallery: one, over and over, to be killed; or several beside each other.

It reads lines. For one of `killed`, a home, a seed and kinds of changes, it begins a process, whose
number it prints, and which goes on from the state in `state.pickle` until it is killed. Before a
change that file holds the states before and after it; once it is done there is a file `done`.
For one of `together`, a home and names of `tests.build.lives.together`, it begins a process for
each of those, and waits for all.
"""

import os
import pickle
import random
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.build.additions import NewImage
from tests.build.lives import together
from tests.build.lives.model import Model
from tests.build.lives.world import Change, World, direction, jpeg, most_left
from tests.conftest import Home

OTHERS = {"other_0": (0, 900, 901), "other_1": (1, 902)}


def files_in(home: Path, others: list[str]) -> dict[tuple[int, str], Path]:
    folders = [home / "pictures", *(home / name for name in others)]
    return {
        (source, path.relative_to(folder).as_posix()): path
        for source, folder in enumerate(folders)
        for path in folder.rglob("*.jpg")
    }


class Life:
    """Changes in a random order, each told to the model first."""

    def __init__(self, home: Path, seed: int, kinds: tuple[str, ...]) -> None:
        self.home, self.random, self.kinds = home, random.Random(seed), kinds
        self.world = World(Home(home))
        self.world.clock += 1_000 * (seed + 1)
        self.model, self.others = load(home)[0]

    def go_on(self) -> None:
        while True:
            after, others = self.model.copy(), list(self.others)
            kind = self.random.choice(self.kinds)
            change = getattr(self, kind)(after, others)
            started = Change(kind, most_left(self.world))
            save(self.home, [(self.model, self.others), (after, others)], started)
            change()
            (self.home / "done").touch()
            self.model, self.others = after, others

    def add(self, after: Model, others: list[str]) -> Callable[[], object]:
        number = self.random.randrange(2000)
        new = [
            NewImage(f"{number}.jpg", jpeg(number % 500)),
            NewImage(f"v{number}", vector=direction(number), labels=("v",)),
        ]
        ids = tuple(after.add(new))

        def change() -> None:
            assert self.world.add(*new).ids == ids

        return change

    def remove(self, after: Model, others: list[str]) -> Callable[[], object]:
        ids = self.random.sample(
            sorted(after.items), min(len(after.items), 2 + len(after.items) // 40)
        )
        after.remove(ids)
        return lambda: self.world.remove(*ids)

    def update(self, after: Model, others: list[str]) -> Callable[[], object]:
        paths = sorted(path for source, path in files_in(self.home, []) if "keep" not in path)
        for path in self.random.sample(paths, min(4, len(paths))):
            what = self.random.random()
            if what < 0.3 and len(paths) > 20:
                (self.world.pictures / path).unlink()
            elif what < 0.6:
                (self.world.pictures / path).rename(
                    self.world.pictures / f"kind_0/{self.random.randrange(10**6)}.jpg"
                )
            else:
                self.write(path)
        self.write(f"kind_1/{self.random.randrange(10**6)}.jpg")
        after.update(files_in(self.home, others))
        return self.world.update

    def write(self, path: str) -> None:
        scratch = "kind_0/.scratch"
        self.world.write(scratch, jpeg(self.random.randrange(500)))
        (self.world.pictures / scratch).replace(self.world.pictures / path)

    def merge(self, after: Model, others: list[str]) -> Callable[[], object]:
        name = self.random.choice(sorted(OTHERS))
        if name not in others:
            others.append(name)
        other = Model.built(files_in(self.home / name, []) or self.given(name))
        after.merge(other, 1 + others.index(name))
        return lambda: self.world.merge(name)

    def given(self, name: str) -> dict[tuple[int, str], Path]:
        folder = self.home / name
        return {(0, path.relative_to(folder).as_posix()): path for path in folder.rglob("*.jpg")}

    def compact(self, after: Model, others: list[str]) -> Callable[[], object]:
        everything = self.random.random() < 0.7
        return lambda: self.world.compact(everything=everything)

    def rebuild(self, after: Model, others: list[str]) -> Callable[[], object]:
        others.clear()
        vars(after).update(vars(Model.built(files_in(self.home, []))))
        return lambda: self.world.build("IVF100,SQ8")


States = list[tuple[Model, list[str]]]


def save(home: Path, states: States, change: Change | None = None) -> None:
    """Keep the states that the gallery may be in, before and after a `change`.

    From then on the change before is forgotten.
    """
    (home / "state.new").write_bytes(pickle.dumps((states, change)))
    (home / "done").unlink(missing_ok=True)
    (home / "state.new").replace(home / "state.pickle")


def load(home: Path) -> States:
    states: States = pickle.loads((home / "state.pickle").read_bytes())[0]
    return states


def change_of(home: Path) -> Change:
    """Return the change whose states are kept."""
    change: Change = pickle.loads((home / "state.pickle").read_bytes())[1]
    return change


def main() -> None:
    for line in sys.stdin:
        what, home, *rest = line.split()
        if what == "killed":
            seed, kinds = rest
            life = Life(Path(home), int(seed), tuple(kinds.split(",")))
            children = [begin(Path(home), life.go_on)]
            say(str(children[0]))
        else:
            jobs = [getattr(together, name) for name in rest]
            children = [begin(Path(home), partial(job, Path(home))) for job in jobs]
        for child in children:
            os.waitpid(child, 0)
        say("ended")


def begin(home: Path, work: Callable[[], object]) -> int:
    """Begin a process, and return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        if status:
            (home / "error").write_text(traceback.format_exc())
        os._exit(status)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
