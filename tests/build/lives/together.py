"""What a process does to a gallery while others change it too; each leaves a record."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.build.additions import NewImage
from app.build.manage import set_title
from app.errors import BusyError
from tests.build.lives.world import World, jpeg
from tests.conftest import Home

T = TypeVar("T")
MANY = 40


def count_of(home: Path) -> int:
    return int((home / "count").read_text())


def adder(home: Path, first: int = 10_000) -> None:
    """Add pictures that nobody else adds, one by one."""
    world, ids = World(Home(home)), {}
    for number in range(first, first + count_of(home)):
        [image] = patient(lambda n=number: world.add(NewImage(f"{n}.jpg", jpeg(n)))).ids
        ids[number] = image
    record(home, "adder", ids)


def twin(home: Path, name: str = "twin") -> None:
    """Add pictures, and others with keys, that another process adds at the same time."""
    world, ids = World(Home(home)), {}
    for number in range(20_000, 20_000 + count_of(home)):
        ids[number] = patient(
            lambda n=number: world.add(
                NewImage(f"{n}.jpg", jpeg(n)), NewImage("any", jpeg(n + 10_000), key=f"key {n}")
            )
        ).ids
    record(home, name, ids)


def other_twin(home: Path) -> None:
    twin(home, "other_twin")


def remover(home: Path) -> None:
    """Remove the first images one by one."""
    world = World(Home(home))
    for image in range(count_of(home)):
        patient(lambda i=image: world.remove(i))


def updater(home: Path) -> None:
    """Write, change and delete pictures, each time with an update."""
    world = World(Home(home))
    for number in range(count_of(home)):
        world.write(f"new/{number}.jpg", jpeg(40_000 + number))
        world.write("changing.jpg", jpeg(50_000 + number))
        (world.pictures / f"deleted/{number}.jpg").unlink()
        patient(world.update)
    patient(world.update)  # what a busy moment has left out


def other_updater(home: Path) -> None:
    """Look at the same folder at the same time."""
    world = World(Home(home))
    for _ in range(count_of(home)):
        patient(world.update)


def compactor(home: Path) -> None:
    world, drawn = World(Home(home)), random.Random(0)
    for number in range(count_of(home)):
        patient(lambda: world.compact(everything=drawn.random() < 0.5))
        patient(lambda n=number: set_title(world.folders, f"Title {n}"))


def patient(change: Callable[[], T]) -> T:
    """Do a change, again where another one is in its way."""
    while True:
        try:
            return change()
        except BusyError:
            time.sleep(0.01)


def record(home: Path, name: str, ids: object) -> None:
    (home / f"{name}.json").write_text(json.dumps(ids))
