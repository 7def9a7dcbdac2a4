"""Uploads to a running server, alone and from many clients → how long their results take.

Run by `make bench-query`; README.md beside this file says how each figure is measured.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import requests

from app.embed import Embedder
from app.images import decode
from app.settings import read_settings
from app.sources.datasets.register import open_data_set
from app.wiring import make_loader
from benchmarks.report import Report, arguments, at_most, real_data
from benchmarks.server_speed import GALLERY, running_server

_ROUNDS = 5
_A_ROUND = 40
_WARM_UPS = 20
_EACH_CLIENT = 25
_FIRST = 5  # of each client's searches do not count: the network for several is compiled then
_CLIENTS = 16
_SECONDS = 60


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    parser = arguments("Measure uploads to a server over HTTP, alone and from many clients.")
    parser.add_argument("--clients", type=int, default=_CLIENTS, help=f"default: {_CLIENTS}")
    options = parser.parse_args()
    data = real_data()
    if data is None:
        parser.error("REAL_DATA must name the folder that holds caltech101/")
    report = Report("Queries over HTTP", "make bench-query")
    pictures = _pictures(data, _WARM_UPS + _ROUNDS * _A_ROUND + options.clients * _EACH_CLIENT)
    embedder = make_loader(read_settings(), "query")("efficientnet_lite0")
    with running_server() as (_, address):
        with requests.Session() as session:
            for path in itertools.islice(pictures, _WARM_UPS):
                _ask(session, address, path)
            bare, whole = _alone(session, address, pictures, embedder)
        _report_alone(report, bare, whole)
        _crowd(report, address, pictures, options.clients, median(whole))
    return report.finish(options.save)


def _alone(
    session: requests.Session, address: str, pictures: Iterator[Path], embedder: Embedder
) -> tuple[list[float], list[float]]:
    """Return the milliseconds of the bare network and of whole requests, taken by turns."""
    bare, whole = [], []
    for _ in range(_ROUNDS):
        paths = list(itertools.islice(pictures, _A_ROUND))
        prepared = [embedder.prepare(decode.decode(path.read_bytes())) for path in paths]
        for each in prepared:
            started = time.perf_counter()
            embedder.embed_prepared([each])
            bare.append(1000 * (time.perf_counter() - started))
        whole += [_ask(session, address, path) for path in paths]
    return bare, whole


def _report_alone(report: Report, bare: list[float], whole: list[float]) -> None:
    report.add("bare network, one picture, median", f"{median(bare):.1f} ms")
    report.add(f"upload to results, one client, median of {len(whole)}", f"{median(whole):.1f} ms")
    more = median(whole) - median(bare)
    report.add(
        "upload to results beyond the bare network", f"{more:.1f} ms", at_most(more, 10, "10 ms")
    )


def _crowd(
    report: Report, address: str, pictures: Iterator[Path], clients: int, alone: float
) -> None:
    shares = [list(itertools.islice(pictures, _EACH_CLIENT)) for _ in range(clients)]

    def ask_all(paths: list[Path]) -> list[float]:
        with requests.Session() as session:
            return [_ask(session, address, path) for path in paths]

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        taken = [each for share in pool.map(ask_all, shares) for each in share[_FIRST:]]
    seconds = time.perf_counter() - started
    middle, slow = np.percentile(taken, [50, 99])
    report.add(f"searches a second, {clients} clients", f"{clients * _EACH_CLIENT / seconds:.0f}")
    report.add("searches a second, one client", f"{1000 / alone:.0f}")
    report.add(f"upload to results, {clients} clients, median", f"{middle:.0f} ms")
    report.add(
        f"upload to results, {clients} clients, 99th percentile",
        f"{slow:.0f} ms",
        at_most(slow, 3 * middle, "3 × the median"),
    )


def _ask(session: requests.Session, address: str, path: Path) -> float:
    """Search with a file; return the milliseconds until its answer is there."""
    data = path.read_bytes()
    started = time.perf_counter()
    answer = session.post(
        f"{address}/similarity-search",
        params={"k": 10, "gallery": GALLERY},
        files={"file": (path.name, data)},
        timeout=_SECONDS,
    )
    answer.raise_for_status()
    assert len(answer.json()["ids"]) == 10
    return 1000 * (time.perf_counter() - started)


def _pictures(data: Path, count: int) -> Iterator[Path]:
    """Yield that many different images of Caltech101: none is in the server's cache."""
    layout = open_data_set("caltech101", data)
    drawn = random.Random(1).sample(layout.pictures(), count)
    return (layout.folder / picture.path for picture in drawn)


if __name__ == "__main__":
    sys.exit(main())
