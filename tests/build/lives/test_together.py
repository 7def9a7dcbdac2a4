"""Several processes change a gallery at once: every change is there in the end."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.build.lives.conftest import Changers
from tests.build.lives.world import World, check, jpeg, seen_items, stray_files
from tests.conftest import Home


def run(changers: Changers, home: Path, count: int, *names: str) -> World:
    """Build a gallery, let processes change it, and return it when they have ended."""
    world = World(Home(home))
    for n in range(count):
        world.write(f"a/{n:04}.jpg", jpeg(n))
        world.write(f"deleted/{n}.jpg", jpeg(60_000 + n))
    world.write("changing.jpg", jpeg(59_999))
    world.write("keep.jpg", jpeg(70_000))
    world.build()
    (home / "count").write_text(str(count))
    changers.ask("together", home, *names)
    assert changers.answer() == "ended"
    assert not (home / "error").exists(), (home / "error").read_text()
    return world


def contents(*numbers: int) -> list[str]:
    return sorted(hashlib.sha256(jpeg(number)).hexdigest() for number in numbers)


def run_all(changers: Changers, home: Path, count: int) -> None:
    names = ["adder", "remover", "twin", "other_twin", "updater", "other_updater", "compactor"]
    world = run(changers, home, count, *names)
    gallery = world.open()
    items = seen_items(gallery)
    check(gallery, items, set(range(count)))
    there = [  # a/… were removed, deleted/… deleted
        *(10_000 + n for n in range(count)),
        *(20_000 + n for n in range(count)),
        *(30_000 + n for n in range(count)),
        *(40_000 + n for n in range(count)),
        50_000 + count - 1,
        70_000,
    ]
    assert sorted(item.content for item in items.values()) == contents(*there)
    for name in ("adder", "twin", "other_twin"):
        for number, ids in json.loads((home / f"{name}.json").read_text()).items():
            for image, each in zip(ids if name != "adder" else [ids], (0, 10_000), strict=False):
                assert [items[image].content] == contents(int(number) + each)
    assert gallery.manifest.title == f"Title {count - 1}"
    gallery.close()
    world.compact()
    assert not stray_files(world)


def test_nothing_is_lost_where_processes_change_a_gallery_at_once(tmp_path, changers):
    run_all(changers, tmp_path, 6)


@pytest.mark.slow
def test_nothing_is_lost_in_many_changes_at_once(tmp_path, changers):
    run_all(changers, tmp_path, 150)
