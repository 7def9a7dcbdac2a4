"""Fixtures: a web server on loopback that answers as a test says; commands run in this process."""

import contextlib
import csv
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.doors.cli import create_index, main
from tests.conftest import Home, encoded, picture

Answer = Callable[[BaseHTTPRequestHandler], None]
Run = Callable[..., tuple[int, str, str]]

ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""The environment in which Python takes names of files for ASCII."""


def sending(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Return an answer with a status, a body and headers (_ for -)."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with contextlib.suppress(OSError):  # a client that was stopped
            request.wfile.write(body)

    return answer


class Site:
    """A web server; `pages` maps a path to its answers, the last of which is given ever after."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Answer]] = {}
        self.asked: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most_at_once: defaultdict[str, int] = defaultdict(int)
        self.lock = threading.Lock()
        self.over = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host = self.headers["Host"].partition(":")[0]
                with site.lock:
                    answers = site.pages.get(self.path, [sending(b"", 404)])
                    answer = answers[min(site.asked[self.path], len(answers) - 1)]
                    site.asked[self.path] += 1
                    site.at_once[host] += 1
                    site.most_at_once[host] = max(site.most_at_once[host], site.at_once[host])
                # Before the answer: the client may ask again before this thread goes on.
                try:
                    answer(self)
                finally:
                    with site.lock:
                        site.at_once[host] -= 1

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:  # clients hang up on purpose here
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def shows(self, path: str, seed: int) -> str:
        """Put a picture at a path; return its address."""
        self.pages[path] = [sending(encoded(picture(seed)))]
        return self.url + path

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("RIS_HOME", str(home.path))
    monkeypatch.setenv("RIS_ALLOW_LOOPBACK_URLS", "1")
    for name in ("RIS_DATASETS_DIR", "RIS_WEIGHTS_DIR", "RIS_CACHE_DIR", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)

    def run_it(*arguments: object, command: Callable[[list[str]], int] = create_index):
        try:
            code = command([str(argument) for argument in arguments])
        except SystemExit as exc:  # argparse
            code = exc.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_it


@pytest.fixture
def ris(run: Run) -> Run:
    """Return a function that runs `ris …` in this process."""
    return lambda *arguments: run(*arguments, command=main)


def write_csv(file: Path, rows: Iterable[Iterable[object]], **options: Any) -> Path:
    """Write a CSV file."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, **options).writerows(rows)
    return file
