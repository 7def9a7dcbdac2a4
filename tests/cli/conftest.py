"""A home with a gallery, the command line in this process, and a server to ask, if wanted."""

import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from app.access import Access
from app.cli import main
from app.rest import make_rest
from tests.conftest import ROOT, Home, fill

IMAGES = 30
LABELS = 5
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "mine" and, later by name, "other"; the pictures of both are in pictures/."""
    home = Home(tmp_path_factory.mktemp("asked") / "home")
    images = fill(home.path / "pictures", IMAGES, labels=LABELS)
    home.build(images, "mine")
    home.build(fill(home.path / "others", 4, first=100), "other")
    return home


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder of its own, in which no server has said where it is."""
    return tmp_path / "cache"


@pytest.fixture
def run(
    home: Home, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs `ris` in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("RIS_HOME", str(home.path))
    monkeypatch.setenv("RIS_CACHE_DIR", str(cache))
    for name in ("RIS_DATASETS_DIR", "RIS_WEIGHTS_DIR", "RIS_API_TOKEN", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)

    def run_it(*arguments: object, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = main([str(argument) for argument in arguments], program="ris")
        except SystemExit as exc:  # argparse
            code = exc.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


@pytest.fixture
def picture_of(home: Home) -> Callable[[int], Path]:
    """Return a function that gives the file of an image of "mine" by its number."""
    return lambda seed: home.path / "pictures" / f"kind_{seed % LABELS}" / f"{seed:05}.jpg"


@contextmanager
def serving(home: Home, token: str = "") -> Iterator[str]:
    """Serve the routes for programs at a port of this machine; give the address."""
    listening = socket.create_server(("127.0.0.1", 0))
    service = home.service()
    rest = make_rest(service, access=Access(token), is_ready=lambda: True)
    server = uvicorn.Server(uvicorn.Config(rest, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def program(
    *arguments: object, home: Home | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    own = {"RIS_HOME": str(home.path)} if home else {}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
