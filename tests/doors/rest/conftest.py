"""The whole application on a port of its own, over small galleries; and a site with pictures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from app.doors.access import EVERYBODY, Access
from app.doors.server import make_application
from app.errors import FetchError
from app.images.fetch import FetchLimits, fetch
from app.search.service import SearchService
from app.settings import is_loopback, read_settings
from app.wiring import make_maker
from tests.conftest import Home, closing_loops, encoded, fill, is_one_sentence, mean_colour, picture

TOKEN = "a.token-of_this~test+only/="
IMAGES = 24
OFF = "To change galleries here, start the server with RIS_CREATE_GALLERIES=1."
Serve = Callable[..., Any]


@dataclass(frozen=True)
class Served:
    """A running server, the service that it asks, and where its pictures are."""

    address: str
    client: httpx.Client
    service: SearchService
    pictures: Path

    def wait_until_ready(self) -> None:
        """Return when every gallery was opened."""
        while self.client.get("/readyz").status_code == 503:
            pass


def problem_of(answer: httpx.Response, status: int) -> str:
    """Return the sentence of a problem of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert is_one_sentence(problem["detail"].replace("?", ".")), problem["detail"]
    return str(problem["detail"])


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "broken", which cannot be searched, and "mine"."""
    home = Home(tmp_path_factory.mktemp("served"))
    images = fill(home.path / "pictures", IMAGES)
    for name in ("broken", "mine"):
        home.build(images, name)
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    return home


@pytest.fixture(scope="package", autouse=True)
def loops_closed() -> Iterator[None]:
    with closing_loops():
        yield


def fetch_here(url: str) -> bytes:
    """Fetch from this machine alone: the tests ask nobody else."""
    if not is_loopback(urlsplit(url).hostname or "localhost"):
        raise FetchError(f"{url} is not asked by a test: ask this machine.")
    return fetch(url, limits=FetchLimits(allow_loopback=True))


def service_of(
    home: Home,
    *,
    fetch: Callable[[str], bytes] = fetch_here,
    kind: type[SearchService] = SearchService,
) -> SearchService:
    """Return a service of a home."""
    return kind(
        datasets_dir=home.path / "datasets",
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda name, **_: mean_colour(),
        fetch=fetch,
    )


@contextmanager
def serving(
    home: Home,
    uploads: Path,
    *,
    access: Access = EVERYBODY,
    service: SearchService | None = None,
    off: str = OFF,
) -> Iterator[Served]:
    """Run the application until the block ends; `off` says why it changes no gallery."""
    asked = service or service_of(home)
    maker = make_maker(read_settings({"RIS_HOME": str(home.path)}))
    application = make_application(
        asked, uploads, maker, home.keeper(off=off), host="127.0.0.1", access=access
    )
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    config = uvicorn.Config(application, port=0, log_level="warning", timeout_graceful_shutdown=3)
    server = Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(120)
    port = server.servers[0].sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            yield Served(address, client, asked, home.path / "pictures")
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="package")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where Gradio keeps what is uploaded."""
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GRADIO_TEMP_DIR", str(folder))
        patched.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield folder


@pytest.fixture(scope="package")
def served(home: Home, uploads: Path) -> Iterator[Served]:
    with serving(home, uploads) as running:
        yield running


@pytest.fixture(scope="package")
def guarded(home: Home, uploads: Path) -> Iterator[Served]:
    """A server whose programs must send `TOKEN`."""
    with serving(home, uploads, access=Access(TOKEN)) as running:
        yield running


@pytest.fixture
def client(served: Served) -> httpx.Client:
    return served.client


@pytest.fixture(scope="package")
def site() -> Iterator[str]:
    """The address of a site with /cat.jpg and /page.html, and nothing else."""
    files = {"/cat.jpg": encoded(picture(3)), "/page.html": b"<title>No picture</title>"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files.get(self.path)
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
