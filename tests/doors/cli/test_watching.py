"""`ris update --watch` and `ris serve --watch`, in processes of their own, until stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Home, encoded, fill, picture
from tests.doors.cli.conftest import free_port


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return fill(tmp_path / "pictures", 6)


@pytest.fixture
def own(tmp_path: Path, images: Path) -> Home:
    """A home of the gallery "mine" that a test may change."""
    own = Home(tmp_path / "home")
    own.build(images)
    return own


@contextmanager
def running(home: Home, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {
        "RIS_HOME": str(home.path),
        "RIS_CACHE_DIR": str(home.path / "cache"),
        "PORT": str(free_port()),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until_printed(process: "subprocess.Popen[str]", *words: str) -> str:
    assert process.stdout
    for line in process.stdout:
        if all(word in line for word in words):
            return line
    assert process.stderr
    pytest.fail(f"it ended without {words}: {process.stderr.read()}")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_update_follows_a_folder_until_it_is_stopped(own: Home, images: Path, how: int) -> None:
    with running(own, "update", "mine", "--watch") as process:
        until_printed(process, f"mine: following {images}.")
        (images / "new.jpg").write_bytes(encoded(picture(1000)))
        line = until_printed(process, "mine: added 1")
        assert line[2] == ":"
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_server_follows_the_folders_waits_for_one_that_is_missing_and_stops_with_it(
    own: Home, images: Path
) -> None:
    away = images.with_name("away")
    images.rename(away)
    with running(own, "serve", "--watch", "--rescan", "0.5") as process:
        until_printed(process, f"mine: {images} is not there")
        until_printed(process, "Open http://")
        away.rename(images)
        until_printed(process, f"mine: {images} is back")
        (images / "new.jpg").write_bytes(encoded(picture(1000)))
        until_printed(process, "mine: added 1")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["update", "absent", "--watch"], "absent"),
        (["serve", "--watch", "absent"], "absent"),
        (["update", "mine", "--watch", "--accept-removals"], "--accept-removals"),
        (["update", "mine", "--watch", "--rescan", "0"], "--rescan"),
        (["update", "mine", "--watch", "--rescan", "soon"], "--rescan"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    run: Callable[..., tuple[int, str, str]], arguments: list[str], named: str
) -> None:
    code, _, errors = run(*arguments)
    assert code == 2
    assert named in errors


def test_update_without_watching_updates_once(
    own: Home,
    images: Path,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIS_HOME", str(own.path))
    (images / "new.jpg").write_bytes(encoded(picture(1000)))
    code, printed, _ = run("update", "mine")
    assert code == 0
    assert "mine: added 1, changed 0, moved 0, removed 0, unchanged 6" in printed
