"""Where there is no room, or no folder, a build says so in one sentence and loses nothing."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from app.errors import StorageError
from app.gallery import gallery_names
from tests.build.conftest import CountingRuntime, StoppedError, build_with, content
from tests.conftest import ROOT, Home

# Files cannot grow beyond `room` bytes, which ends as a full disk does, in the middle of a write.
WITH_LITTLE_ROOM = """
import resource, sys
from app.doors.cli import create_index
room = 300
while True:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    sys.stderr.write(f"--- {room}\\n")
    code = create_index(sys.argv[1:])
    sys.stderr.write(f"=== {code}\\n")
    if code != 7:
        sys.exit(code)
    room = room * 5 // 4
"""


WITH_LITTLE_ROOM_LATER = """
import resource, sys
from pathlib import Path
from app.errors import StorageError
from tests.build.conftest import CountingRuntime, build_with
from tests.conftest import Home
home, images = Home(Path(sys.argv[1])), Path(sys.argv[2])
no_limit = resource.RLIM_INFINITY
for name, stage in (("one", "train"), ("two", "measure"), ("two", "train")):
    for room in (0, 1_000, 5_000, 8_000, 11_000, 20_000, 30_000, 40_000, 60_000, 10**6):
        runtime = CountingRuntime()
        def on_progress(at, done, total):
            if at == stage:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, no_limit))
        try:
            build_with(runtime, home, images, name, on_progress=on_progress)
            print(name, stage, runtime.batches, "ended", flush=True)
            break
        except StorageError as exc:
            print(name, stage, runtime.batches, exc, flush=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (no_limit, no_limit))
"""


def run_script(script: str, home: Home, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ
        | {"RIS_HOME": str(home.path), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_says_that_there_is_no_room(said: str, home: Home) -> None:
    assert said.startswith(str(home.path)), said
    assert "cannot be written" in said
    assert said.endswith("what is done is kept.")


def test_with_too_little_room_a_build_stops_with_one_sentence_and_goes_on_with_more(
    home, images, whole
):
    command = ("--images", images, "--name", "mine", "--model", "mean_colour")
    run = run_script(WITH_LITTLE_ROOM, home, *command, "--index", "IVF100,SQ8", "--no-copies")

    assert run.returncode == 0, run.stderr
    tries = re.findall(r"^--- \d+\n(.*?)^=== (\d)$", run.stderr, flags=re.DOTALL | re.MULTILINE)
    assert len(tries) > 10
    for said, code in tries[:-1]:
        assert code == "7"
        assert_says_that_there_is_no_room(said.splitlines()[-1], home)
        assert "Traceback" not in said
    gone_on = [int(done) for done in re.findall(r"Going on after (\d+) of 100", run.stderr)]
    assert gone_on == sorted(gone_on)
    assert 0 < gone_on[0] < 100
    assert content(home) == whole


def test_room_that_ends_behind_the_embedding_costs_no_embedding(home, images, whole):
    run = run_script(WITH_LITTLE_ROOM_LATER, home, home.path, images)

    assert run.returncode == 0, run.stderr
    tries = [line.split(" ", 3) for line in run.stdout.splitlines()]
    for stage in (["one", "train", "13"], ["two", "measure", "13"], ["two", "train", "0"]):
        first, *rest = [each[2] for each in tries if each[:2] == stage[:2]]
        assert first == stage[2]
        assert len(rest) > 2
        assert set(rest) == {"0"}, "pictures were embedded again"
    for *_, said in tries:
        if said != "ended":
            assert_says_that_there_is_no_room(said, home)
    assert content(home, "one").images == content(home, "two").images == whole.images
    assert content(home, "one").vectors == content(home, "two").vectors == whole.vectors


def test_a_disk_without_enough_room_is_seen_before_the_work(home, images, whole, monkeypatch):
    free = 1_000_000
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    runtime = CountingRuntime()
    with pytest.raises(StorageError) as refused:
        build_with(runtime, home, images)
    message = str(refused.value)
    assert message.startswith(str(home.folders("mine").indexes))
    assert "1 MB" in message
    assert "make room" in message
    assert runtime.batches == 0
    assert gallery_names(home.path / "indexes") == []

    free = 2_000_000
    build_with(runtime, home, images)
    assert content(home) == whole


def test_less_room_is_needed_for_what_is_left(home, images, monkeypatch):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(12), home, images)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=800_000))
    build_with(CountingRuntime(), home, images)


@pytest.mark.parametrize("blocked", ["features", "indexes", "features/mine", "indexes/mine"])
def test_a_folder_that_cannot_be_made_is_named(home, images, blocked):
    (home.path / blocked).parent.mkdir(parents=True)
    (home.path / blocked).write_text("a file where the folder should be")
    runtime = CountingRuntime()
    with pytest.raises(StorageError) as refused:
        build_with(runtime, home, images)
    assert str(refused.value).startswith(str(home.path / blocked))
    assert "\n" not in str(refused.value)
    assert runtime.batches == 0
    (home.path / blocked).unlink()
    build_with(runtime, home, images)
