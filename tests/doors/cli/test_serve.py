"""`ris serve` in a process of its own: found while it runs, and nothing is left when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.doors.running import servers_of
from tests.conftest import ROOT, Home
from tests.doors.cli.conftest import addresses, free_port, program


@dataclass(frozen=True)
class Ended:
    """A server that has ended: what it printed, and what was there while it ran."""

    printed: str
    port: int
    addresses: list[str]
    uploads: list[Path]
    answer: dict[str, Any]
    home: Path
    cache: Path
    temporary: Path


@pytest.fixture(scope="module")
def ended(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Run a server until it is terminated; ask it once, as `ris` finds it."""
    cache, temporary = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("temporary")
    port = free_port()
    own = {"RIS_CACHE_DIR": str(cache), "TMPDIR": str(temporary), "PORT": str(port)}
    with serving(home, own) as server:
        try:
            assert server.stdout
            printed = server.stdout.readline()
            found = addresses(home.path, cache)
            uploads = uploads_in(temporary)
            search = program("-m", "app", "search", "--id", "7", "--json", home=home, **own)
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
    answer = json.loads(search.stdout)
    return Ended(printed, port, found, uploads, answer, home.path, cache, temporary)


def serving(home: Home, own: dict[str, str]) -> subprocess.Popen[str]:
    """Start a server with settings of its own; Ctrl-C stops it, as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=os.environ | own | {"RIS_HOME": str(home.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def uploads_in(folder: Path) -> list[Path]:
    return list(folder.glob("reverse-image-search-*"))


def test_a_server_is_found_until_it_is_stopped(ended: Ended) -> None:
    address = f"http://127.0.0.1:{ended.port}"
    assert ended.printed == f"Open {address}\n"
    assert ended.addresses == [address]
    assert ended.answer["results"][0]["image_url"].startswith(address)
    assert servers_of(ended.home, ended.cache) == []


def test_nothing_of_the_visitors_stays_when_the_server_is_terminated(ended: Ended) -> None:
    assert len(ended.uploads) == 1
    assert uploads_in(ended.temporary) == []


MOMENTS = [0.0, 1.0, *(pytest.param(n / 4, marks=pytest.mark.slow) for n in range(1, 16) if n != 4)]


@pytest.mark.parametrize("seconds", MOMENTS)
def test_a_server_that_is_still_starting_ends_as_one_that_runs(home, tmp_path, seconds):
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    own = {"RIS_CACHE_DIR": str(cache), "TMPDIR": str(temporary), "PORT": str(free_port())}
    with serving(home, own) as server:
        try:
            while not uploads_in(temporary):
                assert server.poll() is None
                time.sleep(0.01)
            time.sleep(seconds)
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=60)
        finally:
            server.kill()
    assert errors == ""
    assert server.returncode == 0
    assert uploads_in(temporary) == []
    assert servers_of(home.path, cache) == []
