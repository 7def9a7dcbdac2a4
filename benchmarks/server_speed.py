"""A running server → the time of its start, its memory, and of an upload's results over HTTP."""

import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests
from tqdm import tqdm

from app.sources.datasets.register import open_data_set
from benchmarks.processes import MB, resident_bytes
from benchmarks.report import Report, at_most

GALLERY = "caltech101-efficientnet_lite0"
_PROGRAM = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((_PROGRAM / "app" / "doors" / "page" / "examples").glob("*.jpg"))
_STARTS = 5
_WARM_UPS = 50
_SEARCHES = 50
_START_SECONDS = 120
_ANSWER_SECONDS = 60
_RESULTS = 200  # what the page asks for, to show more of at once


def measure(data: Path, report: Report) -> None:
    """Measure 100 searches on one server: their time and its memory."""
    pictures = query_pictures(data, _WARM_UPS + _SEARCHES)
    with running_server() as (process, address):
        page = Page(address)
        milliseconds = []
        for picture in tqdm(pictures, desc="Searching", unit=" searches", disable=None):
            started = time.perf_counter()
            page.search(picture)
            milliseconds.append(1000 * (time.perf_counter() - started))
        resident = resident_bytes(process.pid)
    timed = sorted(milliseconds[_WARM_UPS:])
    middle = median(timed)
    report.add(
        f"upload to results over HTTP, median of {_SEARCHES} after {_WARM_UPS} others",
        f"{middle:.0f} ms",
        at_most(middle, 300, "300 ms"),
    )
    report.add("the slowest but two of them", f"{timed[-3]:.0f} ms")
    report.add(
        f"memory of the server after {len(pictures)} searches",
        f"{resident / MB:.0f} MB",
        at_most(resident, 900 * MB, "900 MB"),
    )


def measure_start(report: Report) -> None:
    """Time the first page and a bare import by turns, each in a process of its own; medians."""
    imports, starts = [], []
    for number in tqdm(range(_STARTS + 1), desc="Starting", unit=" starts", disable=None):
        imported = import_seconds()
        started = time.perf_counter()
        with running_server():
            answered = time.perf_counter() - started
        if number:  # the first of each brings the files into memory
            imports.append(imported)
            starts.append(answered)
    more = median(start - bare for start, bare in zip(starts, imports, strict=True))
    report.add(f"`import gradio`, median of {_STARTS}", f"{median(imports):.2f} s")
    report.add("start to first page, median", f"{median(starts):.2f} s")
    report.add(
        "start to first page beyond `import gradio`", f"{more:.2f} s", at_most(more, 0.5, "0.5 s")
    )


def import_seconds() -> float:
    """Return the seconds from the start of a Python to the return of its `import gradio`."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", "import gradio; print('imported', flush=True)"],
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - started


@contextmanager
def running_server(**settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start `python -m app serve` on a free port; yield it when its first page has come."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=_PROGRAM,
        env=os.environ | settings | {"HOST": "127.0.0.1", "PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for_page(process, address)
        yield process, address
    finally:
        process.terminate()
        process.wait()


class Page:
    """What the page in a browser sends: an upload, then what its session asks about it."""

    def __init__(self, address: str) -> None:
        self._api = f"{address}/gradio_api"
        self._http = requests.Session()
        self._session = secrets.token_hex(5)
        config = self._get(f"{address}/config").json()
        [self._component] = [
            component["id"]
            for component in config["components"]
            if component["props"].get("elem_id") == "session"
        ]
        self.call("open", {})
        self.call("gallery", {"gallery": GALLERY})

    def search(self, picture: Path) -> list[dict[str, Any]]:
        """Upload a picture and return its results."""
        query = {"kind": "upload", "path": self.upload(picture), "name": picture.name}
        answer = self.call("ask", {"gallery": GALLERY, "query": query})
        hits: list[dict[str, Any]] = answer["results"]["hits"]
        if len(hits) != _RESULTS:
            raise SystemExit(f"{picture} found {len(hits)} results, not {_RESULTS}.")
        return hits

    def call(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call one of the page's functions and return its answer."""
        body = {
            "session_hash": self._session,
            "component_id": self._component,
            "fn_name": name,
            "data": request,
        }
        answer: dict[str, Any] = self._post("component_server", json=body).json()
        if "message" in answer:
            raise SystemExit(f"The server cannot {name}: {answer['message']}")
        return answer

    def upload(self, picture: Path) -> str:
        """Send a picture's file, and return the name by which the server keeps it."""
        with picture.open("rb") as file:
            [path] = self._post("upload", files={"files": (picture.name, file)}).json()
        return str(path)

    def _get(self, url: str, **options: Any) -> requests.Response:
        answer = self._http.get(url, timeout=_ANSWER_SECONDS, **options)
        answer.raise_for_status()
        return answer

    def _post(self, route: str, **options: Any) -> requests.Response:
        answer = self._http.post(f"{self._api}/{route}", timeout=_ANSWER_SECONDS, **options)
        answer.raise_for_status()
        return answer


def query_pictures(data: Path, count: int) -> list[Path]:
    """Return the page's photographs by turns with `count` / 2 different images of Caltech101."""
    layout = open_data_set("caltech101", data)
    drawn = random.Random(0).sample(layout.pictures(), (count + 1) // 2)
    chosen: list[Path] = []
    for number, picture in enumerate(drawn):
        chosen += [layout.folder / picture.path, EXAMPLES[number % len(EXAMPLES)]]
    return chosen[:count]


def _wait_for_page(process: subprocess.Popen[bytes], address: str) -> None:
    ends = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            if requests.get(address, timeout=_ANSWER_SECONDS).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.01)  # it does not listen yet
    raise SystemExit(f"The server did not answer at {address}.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
