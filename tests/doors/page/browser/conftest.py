"""A real server over small galleries, a real Chromium, and visitors whose browsers are watched."""

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from app.build.build import build_gallery
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.settings import read_settings
from app.sources.own import open_folder
from tests.conftest import ROOT, Home, fill
from tests.doors.page.browser import pictures
from tests.doors.page.browser.visitor import Visitor

# The first of them in alphabetical order is the one that the page opens with.
ALBUM = "album"
APPROXIMATE = "approximate"
COLOURS = "colours"
DAMAGED = "damaged"
UNRUNNABLE = "unrunnable"
PREBUILT = "caltech101-efficientnet_lite0"
TEXTS = "wordnet-nouns"

Contexts = Callable[[dict[str, Any]], BrowserContext]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A webcam that shows a moving pattern. Whether a page may use it is left to each visitor.
    "--use-fake-device-for-media-stream",
)
_START_SECONDS = 90
_STOP_SECONDS = 30
_WAIT_MILLISECONDS = 20_000


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; without it the tests are skipped, or fail where it is required."""
    given = os.environ.get("CHROMIUM")
    for name in [given] if given else _BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    reason = "No Chromium was found: install it, or name its program with CHROMIUM."
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def galleries(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder with a gallery for each state that the page has to show."""
    home = Home(tmp_path_factory.mktemp("home"))
    images = tmp_path_factory.mktemp("images")
    pictures.write_album(images / ALBUM)
    run_create_index(home, images / ALBUM, name=ALBUM, model="efficientnet_lite0")

    home.build(fill(images / APPROXIMATE, 300), name=APPROXIMATE)
    shutil.rmtree(home.folders(APPROXIMATE).features)

    home.build(fill(images / COLOURS, 40, first=1000), name=COLOURS)

    home.build(fill(images / DAMAGED, 12, first=2000), name=DAMAGED)
    vectors = home.folders(DAMAGED).features / "1" / "vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-100])

    _build_with_weights_of_another_machine(home, fill(images / UNRUNNABLE, 24, first=3000))
    for kind in ("features", "indexes"):
        (home.path / kind / TEXTS).symlink_to(ROOT / kind / TEXTS)
        if (ROOT / "indexes" / PREBUILT / "gallery.db").is_file():
            (home.path / kind / PREBUILT).symlink_to(ROOT / kind / PREBUILT)
    return home


def run_create_index(home: Home, images: Path, *, name: str, model: str) -> None:
    """Build a gallery of a folder as a person does."""
    command = [sys.executable, "create_index.py", "--images", str(images)]
    done = subprocess.run(
        [*command, "--name", name, "--model", model],
        cwd=ROOT,
        env=_environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _build_with_weights_of_another_machine(home: Home, images: Path) -> None:
    """Build a gallery of resnet50, whose weights are not here."""
    model = dataclasses.replace(model_named("mean_colour"), name="resnet50")
    build_gallery(
        open_folder(images, UNRUNNABLE),
        Embedder(model, MeanColourRuntime(), weights_sha256="0" * 64),
        folders=home.folders(UNRUNNABLE),
        index="IVF100,PQ8",
        limit=None,
        request={"images": str(images), "name": UNRUNNABLE},
        workers=2,
        on_progress=lambda stage, done, total: None,
    )


def _environment(home: Home) -> dict[str, str]:
    """Return the environment of the program's processes: this home, no weights but the package's.

    The converted network is shared with the machine's own cache, since making it takes seconds.
    """
    cache = home.path / "cache"
    if not cache.exists():
        converted = read_settings().cache_dir / "networks"
        converted.mkdir(parents=True, exist_ok=True)
        cache.mkdir(parents=True)
        (cache / "networks").symlink_to(converted)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RIS_")}
    return kept | {
        "RIS_HOME": str(home.path),
        "RIS_CACHE_DIR": str(cache),
        "RIS_ALLOW_LOOPBACK_URLS": "1",
        "TORCH_HOME": str(cache / "torch"),
        "HOST": "127.0.0.1",
    }


@dataclass(frozen=True)
class Server:
    """A running `python -m app serve`; `log` is what it writes to standard error."""

    url: str
    log: Path


@contextmanager
def serving(home: Home, log: Path, **settings: str) -> Iterator[Server]:
    """Run `python -m app serve` over a home; what it writes to standard error is in `log`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT,
            env=_environment(home) | settings | {"PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        too_late = threading.Timer(_START_SECONDS, process.kill)
        too_late.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        too_late.cancel()
        try:
            assert line.startswith("Open http://"), f"{line}{log.read_text()}"
            yield Server(line.removeprefix("Open ").strip(), log)
            assert process.poll() is None, f"the server ended by itself: {process.returncode}"
            process.send_signal(signal.SIGINT)
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()  # does nothing if it has ended; a test that failed must not wait for it


@pytest.fixture(scope="session")
def server(galleries: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(galleries, tmp_path_factory.mktemp("server") / "stderr") as server:
        yield server


# For one package, not for the session: Playwright keeps an event loop running in this thread.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=_WAIT_MILLISECONDS)
        launched = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def context_with(browser: Browser) -> Iterator[Contexts]:
    """Give the browser context for Playwright's options: one for all, so that its cache is warm."""
    contexts: dict[str, BrowserContext] = {}

    def give(options: dict[str, Any]) -> BrowserContext:
        key = repr(sorted(options.items()))
        if key not in contexts:
            # Without animations: what a test scrolls to is there at once.
            contexts[key] = browser.new_context(**{"reduced_motion": "reduce"} | options)
            contexts[key].set_default_timeout(_WAIT_MILLISECONDS)
        return contexts[key]

    yield give
    for context in contexts.values():
        context.close()


@contextmanager
def visiting(server: Server, context_with: Contexts) -> Iterator[Callable[..., Visitor]]:
    """Let a visitor open a server's page in a new tab, with Playwright's options.

    Afterwards: no error in the page or its console, no other host asked, no word in the server's
    log.
    """
    visitors: list[Visitor] = []
    already_logged = server.log.stat().st_size

    def visit(
        *, at: str = "", ready: bool = True, panels: str = "editor options ways", **options: Any
    ) -> Visitor:
        context, url = context_with(options), urljoin(server.url, at)
        visitors.append(Visitor(context, url, ready=ready, panels=panels))
        return visitors[-1]

    yield visit
    problems = [problem for visitor in visitors for problem in visitor.leave()]
    assert problems == []
    assert server.log.read_bytes()[already_logged:].decode() == ""


@pytest.fixture
def new_visitor(server: Server, context_with: Contexts) -> Iterator[Callable[..., Visitor]]:
    with visiting(server, context_with) as visit:
        yield visit


@pytest.fixture
def visitor(new_visitor: Callable[..., Visitor]) -> Visitor:
    """A visitor at a desk, who has just opened the page."""
    return new_visitor()


class Site:
    """A web site on loopback; requests for `/slow/…` wait until `released` is set."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked = threading.Event()
        self._files: dict[str, tuple[str, bytes]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/slow/"):
                    site.asked.set()
                    site.released.wait(60)
                kind, data = site._files[self.path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def put(self, path: str, data: bytes, kind: str = "image/jpeg") -> str:
        """Serve `data` at `path`; return its address."""
        self._files[path] = (kind, data)
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site
