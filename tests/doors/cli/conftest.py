"""A home with a gallery, the command line in this process, and a server to ask, if wanted."""

import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn

from app.doors.access import Access
from app.doors.cli import main
from app.doors.rest import make_rest
from app.doors.running import servers_of
from tests.conftest import ROOT, Home, fill

IMAGES = 30
LABELS = 5
TOKEN = "open-sesame"
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
    rest = make_rest(service, keeper=home.keeper(), access=Access(token), not_ready=str)
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


@pytest.fixture(scope="package")
def server(home) -> Iterator[str]:
    with serving(home) as address:
        yield address


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def addresses(home: Path, cache: Path) -> list[str]:
    return [server.address for server in servers_of(home, cache)]


@contextmanager
def something_else(
    status: int, body: bytes, asked: list[tuple[str, str | None]] | None = None
) -> Iterator[str]:
    """A web server that is not one of ours; `asked` gets each path with the token sent."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if asked is not None:
                asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    other = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{other.server_address[1]}"
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
