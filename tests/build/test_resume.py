"""A build can stop anywhere and goes on; what it ends with is the same as without the stop."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import BusyError, ModelError
from app.gallery import Draft, gallery_names
from tests.build.conftest import (
    BATCH,
    Content,
    CountingRuntime,
    StoppedError,
    build_with,
    content,
    done_in_draft,
)
from tests.conftest import ROOT, Home, encoded, fill, picture

# Stopped in the middle


@pytest.mark.parametrize("fails_at", [0, 1, 6, 12])
def test_after_an_error_the_next_run_embeds_only_what_was_not_done(home, images, whole, fails_at):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(fails_at), home, images)
    assert done_in_draft(home) == fails_at * BATCH
    assert gallery_names(home.path / "indexes") == []

    rest = CountingRuntime()
    reported: list[tuple[str, int, int]] = []
    report = build_with(rest, home, images, on_progress=lambda *step: reported.append(step))

    assert rest.batches == 13 - fails_at  # a hundred pictures are thirteen batches
    assert reported[1] == ("embed", fails_at * BATCH, 100)
    assert report.embedded == 100 - fails_at * BATCH
    assert content(home) == whole


def test_a_build_stopped_again_and_again_gets_there(home, images, whole):
    batches = 0
    for _ in range(20):
        runtime = CountingRuntime(fails_at=2)
        try:
            build_with(runtime, home, images)
        except StoppedError:
            batches += runtime.batches
        else:
            break
    assert batches + runtime.batches == 13
    assert content(home) == whole


@pytest.mark.parametrize("stage", ["train", "measure"])
def test_after_a_stop_behind_the_embedding_nothing_is_embedded_again(home, images, whole, stage):
    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_with(CountingRuntime(), home, images, on_progress=stop)
    rest = CountingRuntime()
    build_with(rest, home, images)
    assert rest.batches == 0
    assert content(home) == whole


def test_a_stopped_build_may_go_on_with_another_index(home, images):
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "measure":
            raise StoppedError

    with pytest.raises(StoppedError):
        build_with(CountingRuntime(), home, images, on_progress=stop)
    rest = CountingRuntime()
    manifest = build_with(rest, home, images, index="Flat").manifest
    assert (rest.batches, manifest.index) == (0, "Flat")
    assert set(manifest.segments[0].files) == {"vectors", "thumbnails", "items"}
    assert not list(home.folders("mine").indexes.rglob("shortlist*"))


class Bf16Runtime(CountingRuntime):
    precision = "bf16"


def test_a_stopped_build_in_another_precision_is_not_gone_on_with(home, images):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(6), home, images)
    all_anew = Bf16Runtime()
    assert build_with(all_anew, home, images).manifest.precision == "bf16"
    assert all_anew.batches == -(-100 // BATCH)


def test_a_stopped_build_of_other_pictures_is_not_gone_on_with(home, images, tmp_path):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(6), home, images)
    others = CountingRuntime()
    report = build_with(others, home, fill(tmp_path / "others", 30, first=7000))
    assert (others.batches, report.manifest.images) == (4, 30)
    assert all(int(image.path[-9:-4]) >= 7000 for image in content(home).images)


def test_a_network_that_gives_no_numbers_stops_the_build_which_goes_on(home, images, whole):
    class Broken(MeanColourRuntime):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().run(batch) * np.float32("nan")

    with pytest.raises(ModelError, match="weights are damaged"):
        build_with(Broken(), home, images)
    build_with(CountingRuntime(), home, images)
    assert content(home) == whole


def test_after_an_interrupt_the_batches_that_wait_are_not_embedded(home, images, monkeypatch):
    runtime = CountingRuntime()
    add = Draft.add

    def interrupt(draft: Draft, *arguments: object, **stamps: object) -> None:
        add(draft, *arguments, **stamps)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Draft, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_with(runtime, home, images)
    assert done_in_draft(home) == BATCH
    assert runtime.batches <= 4  # of thirteen: the one kept, and those already under way


def test_a_second_build_is_refused_while_the_first_goes_on(home, images, whole):
    refused: list[str] = []

    def start_another(stage: str, done: int, total: int) -> None:
        if stage in ("embed", "train", "measure"):
            with pytest.raises(BusyError, match="Another build of mine is running") as second:
                build_with(CountingRuntime(), home, images)
            refused.append(str(second.value))

    build_with(CountingRuntime(), home, images, on_progress=start_another)

    assert len(refused) >= 4
    assert content(home) == whole


# Stopped from outside


@contextlib.contextmanager
def children_on_one_core() -> Iterator[None]:
    """Keep a machine of many cores from ending a build before it can be stopped."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Program:
    """`create_index.py` as a process of its own."""

    def __init__(self, home: Home, *arguments: object) -> None:
        with children_on_one_core():
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "create_index.py", *map(str, arguments)],
                env=os.environ | {"RIS_HOME": str(home.path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Where the tests run in the background, Ctrl-C is ignored, and that is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self._said = b""

    def wait_for_progress(self) -> None:
        """Return when its progress bar shows that something is done, but not all."""
        assert self.process.stderr is not None
        while not re.search(rb"[1-9][0-9]*/[0-9]+ \[", self._said):
            said = os.read(self.process.stderr.fileno(), 4096)
            assert said, f"it ended before: {self._said.decode()}"
            self._said += said

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit status and all of stderr when it has ended."""
        self.process.send_signal(number)
        _, said = self.process.communicate()
        return self.process.returncode, (self._said + said).decode()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start_it(home: Home, *arguments: object) -> Program:
        programs.append(Program(home, *arguments))
        return programs[-1]

    yield start_it
    for program in programs:
        program.process.kill()
        program.process.communicate()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred pictures that take a while."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(400):
        place = folder / f"kind_{number % 7}"
        place.mkdir(exist_ok=True)
        (place / f"{number:05}.jpg").write_bytes(encoded(picture(number, (400, 300))))
    return folder


@pytest.fixture(scope="module")
def whole_of_many(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    home = Home(tmp_path_factory.mktemp("whole"))
    build_with(CountingRuntime(), home, many, index="IVF100,PQ8", copies=True)
    return content(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_ctrl_c_or_kill_the_next_run_goes_on(home, many, whole_of_many, start, number):
    program = start(home, "--images", many, "--name", "mine", "--model", "mean_colour")
    program.wait_for_progress()
    status, said = program.stop(number)

    if number == signal.SIGINT:
        assert status == 130
        assert "the same command goes on from there" in said.splitlines()[-1]
        assert "Traceback" not in said
    else:
        assert status == -signal.SIGKILL
    done = done_in_draft(home)
    assert 0 < done < 400
    assert gallery_names(home.path / "indexes") == []

    rest = CountingRuntime()
    report = build_with(rest, home, many, index="IVF100,PQ8", copies=True)

    assert report.embedded == 400 - done
    assert rest.batches == (400 - done) // BATCH, "a batch that was kept is embedded again"
    assert content(home) == whole_of_many


def test_the_gallery_that_was_there_stays_while_its_rebuild_is_killed(
    home, images, whole, many, start
):
    build_with(CountingRuntime(), home, images)
    program = start(home, "--images", many, "--name", "mine", "--model", "mean_colour", "--force")
    program.wait_for_progress()
    assert content(home) == whole, "while it is built anew"
    program.stop(signal.SIGKILL)
    assert content(home) == whole
    assert done_in_draft(home) > 0
