"""A running server → what a search over HTTP takes beyond the search itself."""

import json
import random
import time
from http.client import HTTPConnection
from statistics import median
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from benchmarks.report import Report, at_most
from benchmarks.server_speed import EXAMPLES, GALLERY, running_server

_WARM_UPS = 20
_SEARCHES = 200
_K = 10
_ANSWER_SECONDS = 60


def measure(report: Report) -> None:
    """Search with the page's photographs and with ids; the median of request minus search."""
    ids = random.Random(0).sample(range(9000), _WARM_UPS + _SEARCHES)
    with running_server() as (_, address):
        ask = f"{address}/similarity-search?gallery={GALLERY}&k={_K}"
        while requests.get(f"{address}/readyz", timeout=_ANSWER_SECONDS).status_code == 503:
            time.sleep(0.1)  # the gallery is still being opened
        pictures = [path.read_bytes() for path in EXAMPLES]
        by_file, by_id, bare = [], [], []
        http = HTTPConnection(urlsplit(address).netloc, timeout=_ANSWER_SECONDS)
        for number, image in enumerate(tqdm(ids, desc="Asking", unit=" pairs", disable=None)):
            picture = pictures[number % len(pictures)]
            by_file.append(_beyond(http, ask, files={"file": ("picture.jpg", picture)}))
            by_id.append(_beyond(http, ask, json={"id": image}))
            bare.append(_timed(http, requests.Request("GET", f"{address}/problems/usage"))[0])
        http.close()
    for what, milliseconds in (("a file", by_file), ("an id", by_id)):
        middle = median(milliseconds[_WARM_UPS:])
        report.add(
            f"HTTP request beyond the search, by {what}, k = {_K}, median of {_SEARCHES}",
            f"{middle:.2f} ms",
            at_most(middle, 5, "5 ms"),
        )
    report.add("a request that does nothing, median", f"{median(bare[_WARM_UPS:]):.2f} ms")


def _beyond(http: HTTPConnection, ask: str, **query: object) -> float:
    """Return the milliseconds of a request that were not the search's own."""
    took, answer = _timed(http, requests.Request("POST", ask, **query))  # type: ignore[arg-type]
    return took - float(json.loads(answer)["timing_ms"]["total"])


def _timed(http: HTTPConnection, request: requests.Request) -> tuple[float, bytes]:
    """Return the milliseconds until the whole answer is there, and the answer.

    The connection is kept, and the request written before: the server is measured, no client.
    """
    ready = request.prepare()
    started = time.perf_counter()
    http.request(str(ready.method), str(ready.path_url), ready.body, dict(ready.headers))
    answer = http.getresponse()
    body = answer.read()
    took = 1000 * (time.perf_counter() - started)
    if answer.status != 200:
        raise SystemExit(f"The server answered {answer.status}: {body[:200]!r}")
    return took, body
