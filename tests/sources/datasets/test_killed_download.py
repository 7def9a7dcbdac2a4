"""A download that is stopped at any moment leaves the old data set or the new one, never a half."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.sources.datasets.conftest import CALTECH, CALTECH_TREE, Download, Request, one_sentence

OLD = {"caltech101/ant/image_0001.jpg": b"old"}

# Runs what Python is given, writes each change of the disk to standard error before it is made, and
# kills itself at the one that MOMENT names.
WATCHER = """
import os, runpy, signal, sys

def watch(event, arguments):
    changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir")
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if (changes or writes) and str(arguments[0]).startswith(datasets):
        change = f"{event} {os.path.relpath(arguments[0], datasets)}"
        sys.stderr.write(f"{change}\\n")
        if change == os.environ.get("MOMENT"):
            os.kill(os.getpid(), signal.SIGKILL)

datasets = os.environ["RIS_DATASETS_DIR"]
if sys.argv[1] == "-P":
    sys.addaudithook(watch)
    module, sys.argv = sys.argv[3], sys.argv[3:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def watched(download: Download, tmp_path: Path) -> Download:
    """Return a machine with an old folder, whose Python is watched."""
    for path, content in OLD.items():
        (download.datasets / path).parent.mkdir(parents=True)
        (download.datasets / path).write_bytes(content)
    (tmp_path / "watcher.py").write_text(WATCHER)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/watcher.py" "$@"\n')
    python.chmod(0o755)
    return Download(download.datasets, download.environment | {"PYTHON": str(python)})


MOMENTS = [
    "open caltech-101.zip.part",
    "os.rename caltech-101.zip.part",  # the archive gets its name
    "os.mkdir .unpacking-caltech101",
    "os.rmdir caltech101",  # which it is not: it is not empty
    "os.rename caltech101",  # the old folder goes aside
    "os.rename .unpacking-caltech101",  # the new one gets its name
    "os.remove caltech-101.zip",
    "os.remove caltech-101.zip.part",
]
INSIDE = ["os.mkdir .unpacking-caltech101/ant", "open .unpacking-caltech101/ant/image_0002.jpg"]


@pytest.mark.parametrize("moment", MOMENTS + INSIDE)
def test_a_run_killed_at_any_step_leaves_old_or_new_and_the_next_run_mends_it(
    download, watched, moment
):
    assert watched.bash("caltech", MOMENT=moment).returncode == -signal.SIGKILL
    target = download.datasets / "caltech101"
    assert not target.exists() or {
        file.relative_to(download.datasets).as_posix(): file.read_bytes()
        for file in target.rglob("*")
        if file.is_file()
    } in (CALTECH_TREE, OLD)

    assert download.bash("caltech").returncode == 0
    assert download.tree() == {**CALTECH_TREE, "caltech101.old-1/ant/image_0001.jpg": b"old"}


def test_these_are_all_the_steps_that_change_the_disk(watched):
    result = watched.bash("caltech")
    assert result.returncode == 0
    steps = result.stderr.splitlines()
    assert set(INSIDE) < set(steps)
    outside = [step for step in steps if ".unpacking-caltech101/" not in step]
    assert outside == ["os.mkdir .", "open .download.lock", *MOMENTS]


@pytest.fixture
def half(download, mirror):
    """Start a download that gets half of the archive and then waits; return it."""
    mirror.cut_after = len(CALTECH) // 2
    mirror.hold = threading.Event()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored
    with subprocess.Popen(**download.command("caltech")) as process:
        signal.signal(signal.SIGINT, before)
        part = download.datasets / "caltech-101.zip.part"
        while process.poll() is None and not (part.exists() and part.stat().st_size):
            mirror.hold.wait(0.005)
        yield process
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_download_that_is_stopped_is_resumed(download, mirror, half, how):
    half.send_signal(how)
    _, errors = half.communicate(timeout=30)
    if how == signal.SIGINT:
        stopped = subprocess.CompletedProcess([], half.returncode, stderr=errors.lstrip())
        assert stopped.returncode == 130
        assert "stopped" in one_sentence(stopped)
    part = download.datasets / "caltech-101.zip.part"
    arrived = part.stat().st_size
    mirror.hold.set()
    assert 0 < arrived <= len(CALTECH) // 2

    mirror.cut_after = mirror.hold = None
    assert download.bash("caltech").returncode == 0
    assert mirror.requests[-1] == Request(
        "/caltech-101.zip", f"bytes={arrived}-", len(CALTECH) - arrived
    )
    assert download.tree() == CALTECH_TREE
