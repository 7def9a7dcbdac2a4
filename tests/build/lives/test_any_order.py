"""Random changes in random order, some cut short: the gallery is what plain dictionaries say."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.build import compact as compaction
from app.build.additions import NewImage
from app.build.manage import rename_gallery
from app.errors import UsageError
from tests.build.lives.faults import Crash, disk_that_fails
from tests.build.lives.model import Model
from tests.build.lives.world import World, check, direction, jpeg, seen_items
from tests.conftest import Home

# 80 pictures have a shortlist of two cells; a few of them are copies of each other.
FIRST = {f"kind_{n % 3}/{n:03}.jpg": 100 + n % 76 for n in range(80)}
KEEP = "kind_0/000.jpg"
SEEDS = st.integers(100, 112) | st.integers(0, 6)
PATHS = st.sampled_from([f"kind_{n}/{name}.jpg" for n in range(3) for name in ("001", "x", "y")])
NAMES = st.sampled_from(["mine", "yours", "ours"])
STEPS = st.integers(0, 80)
KEYS = st.sampled_from(["", "", "k1", "k2", "k3"])
LABELS = st.sampled_from([(), ("red",), ("blue", "red")])


@st.composite
def new_images(draw: st.DrawFn) -> NewImage:
    key, labels, seed = draw(KEYS), draw(LABELS), draw(SEEDS)
    if draw(st.booleans()):
        return NewImage("", vector=direction(seed), key=key, labels=labels)
    return NewImage("", data=jpeg(seed), key=key, labels=labels)


def lives(home: Path, original: Path) -> type[RuleBasedStateMachine]:
    class Lives(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(original, home)
            self.world = World(Home(home))
            self.model = Model.built(self.files)
            self.others: dict[str, Model] = {}
            self.added = self.made = 0

        @property
        def files(self) -> dict[tuple[int, str], Path]:
            folders = [home / "pictures", *(home / name for name in getattr(self, "others", ()))]
            return {
                (source, path.relative_to(folder).as_posix()): path
                for source, folder in enumerate(folders)
                for path in folder.rglob("*.jpg")
            }

        # --- files -------------------------------------------------------------------------------

        @rule(path=PATHS, seed=SEEDS)
        def write(self, path: str, seed: int) -> None:
            self.world.write(path, jpeg(seed))

        @rule(data=st.data(), kind=st.sampled_from(["delete", "touch", "move", "copy"]), to=PATHS)
        def disturb(self, data: st.DataObject, kind: str, to: str) -> None:
            source, path = data.draw(st.sampled_from(sorted(self.files)))
            file = self.files[source, path]
            if kind == "touch" and not source:
                self.world.touch(path)
            elif kind == "copy":
                self.world.write(to, file.read_bytes())
            elif (source, path) != (0, KEEP):
                if kind == "move":
                    (home / "pictures" / to).parent.mkdir(exist_ok=True)
                    shutil.move(file, home / "pictures" / to)
                elif kind == "delete":
                    file.unlink()

        # --- changes -----------------------------------------------------------------------------

        @rule(
            new=st.lists(new_images(), min_size=1, max_size=3, unique_by=lambda n: n.key or id(n))
        )
        def add(self, new: list[NewImage]) -> None:
            new = self.named(new)
            ids = self.model.add(new)
            assert self.world.add(*new).ids == tuple(ids)

        @rule(data=st.data(), count=st.integers(1, 40))
        def remove(self, data: st.DataObject, count: int) -> None:
            ids = self.some_ids(data, count)
            self.model.remove(ids)
            self.world.remove(*ids)

        @rule()
        def update(self) -> None:
            self.model.update(self.files)
            self.world.update()

        @rule(everything=st.booleans())
        def compact(self, everything: bool) -> None:
            assert self.world.compact(everything=everything) or not everything

        @rule(name=NAMES)
        def rename(self, name: str) -> None:
            if name != self.world.name:
                rename_gallery(self.world.name, name, **self.world.dirs)
                self.world.name = name

        @precondition(lambda self: len(self.others) < 2)
        @rule(seeds=st.lists(SEEDS, min_size=1, max_size=4, unique=True))
        def merge(self, seeds: list[int]) -> None:
            self.made += 1
            name = f"other_{self.made}"  # not one whose folder a rebuilt gallery has left
            self.world.build_other(name, seeds)
            if self.model.has_keys:
                with pytest.raises(UsageError, match="keys"):
                    self.world.merge(name)
                shutil.rmtree(home / name)
                for folder in self.world.dirs.values():
                    shutil.rmtree(folder / name)
                return
            files = {(0, f"given/{seed}.jpg"): home / name / f"given/{seed}.jpg" for seed in seeds}
            self.others[name] = Model.built(files)
            self.model.merge(self.others[name], len(self.others))
            self.world.merge(name)

        @precondition(lambda self: self.others and not self.model.has_keys)
        @rule(data=st.data())
        def merge_again(self, data: st.DataObject) -> None:
            source, name = data.draw(st.sampled_from(list(enumerate(self.others, 1))))
            self.model.merge(self.others[name], source)
            self.world.merge(name)

        @rule()
        def rebuild(self) -> None:
            self.others = {}
            self.world.build("IVF100,SQ8")
            self.model = Model.built(self.files)

        # --- changes that are cut short ----------------------------------------------------------

        @rule(
            new=st.lists(new_images(), min_size=1, max_size=2, unique_by=lambda n: n.key or id(n)),
            at=STEPS,
        )
        def crash_add(self, new: list[NewImage], at: int) -> None:
            after, new = self.model.copy(), self.named(new)
            after.add(new)
            self.crash(lambda: self.world.add(*new), after, at)

        @rule(data=st.data(), at=STEPS)
        def crash_remove(self, data: st.DataObject, at: int) -> None:
            after, ids = self.model.copy(), self.some_ids(data, 3)
            after.remove(ids)
            self.crash(lambda: self.world.remove(*ids), after, at)

        @rule(at=STEPS)
        def crash_update(self, at: int) -> None:
            after = self.model.copy()
            after.update(self.files)
            self.crash(self.world.update, after, at)

        @rule(at=STEPS)
        def crash_compact(self, at: int) -> None:
            self.crash(self.world.compact, self.model, at)

        @rule(at=STEPS)
        def crash_rebuild(self, at: int) -> None:
            others, self.others = self.others, {}
            after = Model.built(self.files)
            before = self.model
            self.crash(lambda: self.world.build("IVF100,SQ8"), after, at)
            if self.model is before and before is not after:
                self.others = others

        @rule(name=NAMES, at=STEPS)
        def crash_rename(self, name: str, at: int) -> None:
            if name != self.world.name:
                self.crash(
                    lambda: rename_gallery(self.world.name, name, **self.world.dirs),
                    self.model,
                    at,
                    both=name,
                )

        def crash(self, change, after: Model, at: int, both: str = "") -> None:  # type: ignore[no-untyped-def]
            try:
                with disk_that_fails(at, error=None):
                    change()
            except Crash:
                if both:
                    rename_gallery(self.world.name, both, **self.world.dirs)
            self.world.name = both or self.world.name
            gallery = self.world.open()
            items = seen_items(gallery)
            states = [each for each in (after, self.model) if each.is_in(gallery, items)]
            gallery.close()
            assert states, "neither before nor after"
            self.model = states[0]

        # --- what always holds -------------------------------------------------------------------

        @invariant()
        def agrees(self) -> None:
            if hasattr(self, "world"):
                gallery = self.world.open()
                check(gallery, self.model.items, self.model.gone)
                assert self.model.is_in(gallery, self.model.items)
                assert gallery.manifest.next_id == self.model.next_id
                gallery.close()

        def some_ids(self, data: st.DataObject, count: int) -> list[int]:
            ids = sorted(self.model.items)
            if not ids:
                return []
            return data.draw(st.lists(st.sampled_from(ids), max_size=count, unique=True))

        def named(self, new: list[NewImage]) -> list[NewImage]:
            """Return images with names that no other has: in a gallery with keys they are keys."""
            named = []
            for each in new:
                self.added += 1
                name = f"new_{self.added}.jpg"
                named.append(NewImage(name, each.data, each.vector, each.key, each.labels))
            return named

    return Lives


def test_any_order_of_changes_and_crashes_leaves_what_the_dictionary_says(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "MOST_SEGMENTS", 2)  # so that some are folded and some stay
    world = World(Home(tmp_path / "home"))
    for path, seed in FIRST.items():
        world.write(path, jpeg(seed))
    world.build("IVF100,SQ8")
    assert world.open().manifest.segments[0].index != "Flat"
    (tmp_path / "home").rename(tmp_path / "original")
    run_state_machine_as_test(
        lives(tmp_path / "home", tmp_path / "original"),
        settings=settings(
            settings.default,
            max_examples=max(3, settings.default.max_examples // 4),
            stateful_step_count=20,
        ),
    )
