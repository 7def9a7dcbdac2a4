"""Health, readiness and measurements of a server, at work too."""

import contextlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import __version__
from app.doors.rest.metrics import Metrics
from app.errors import FetchError
from app.search.service import SearchService
from app.values.gallery import GalleryFacts, GalleryStatus
from tests.conftest import Home, encoded, picture
from tests.doors.rest.conftest import IMAGES, TOKEN, Served, problem_of, service_of, serving
from tests.doors.rest.test_searching import SEARCH

FILE = {"file": ("mine.jpg", encoded(picture(3)))}


# --- health and readiness ------------------------------------------------------------------------


def test_health_has_the_version_and_every_gallery_s_facts(client: httpx.Client) -> None:
    health = client.get("/healthz").json()
    assert set(health) == {"status", "version", "galleries"}
    assert (health["status"], health["version"]) == ("ok", __version__)
    by_name = {gallery["name"]: gallery for gallery in health["galleries"]}
    assert set(by_name) == {"mine", "broken"}
    for gallery in by_name.values():
        assert set(gallery) == {
            "summary",
            *(each.name for kind in (GalleryStatus, GalleryFacts) for each in fields(kind)),
        }
    mine = by_name["mine"]
    assert (mine["images"], mine["model"], mine["dim"]) == (IMAGES, "mean_colour", 48)
    assert (mine["refused"], mine["uploads_off"]) == ("", "")
    assert "thumbnails.db" in by_name["broken"]["refused"]


def test_it_is_ready_when_every_gallery_was_opened(home: Home, uploads: Path) -> None:
    opened = threading.Event()

    class Slow(SearchService):
        def warm_up(self) -> None:
            assert opened.wait(60)
            super().warm_up()

    with serving(home, uploads, service=service_of(home, kind=Slow)) as running:
        assert "again" in problem_of(running.client.get("/readyz"), 503)
        assert running.client.get("/healthz").status_code == 200
        opened.set()
        while (answer := running.client.get("/readyz")).status_code == 503:
            pass
        assert answer.json() == {"status": "ready"}


def test_it_is_not_ready_while_its_folder_cannot_be_read(home: Home, uploads: Path) -> None:
    class Lost(SearchService):
        def unreadable(self) -> str:
            return lost[0]

    lost = [""]
    with serving(home, uploads, service=service_of(home, kind=Lost)) as running:
        while running.client.get("/readyz").status_code == 503:
            pass
        lost[0] = "The disk is gone: look at it."
        assert "The disk is gone" in problem_of(running.client.get("/readyz"), 503)
        assert running.client.get("/healthz").status_code == 200
        lost[0] = ""
        assert running.client.get("/readyz").status_code == 200


def in_threads(ask: Callable[[], object], count: int = 45) -> contextlib.ExitStack:
    """Ask so often at once, until the block ends; Starlette has 40 threads."""
    stack = contextlib.ExitStack()
    pool = stack.enter_context(ThreadPoolExecutor(count))
    for _ in range(count):
        pool.submit(ask)
    return stack


def test_health_does_not_wait_for_the_threads_that_others_use(home: Home, uploads: Path) -> None:
    began, go_on = threading.Semaphore(0), threading.Event()
    service = service_of(home)

    def slow(gallery: str, image: int) -> bytes:
        began.release()
        assert go_on.wait(60)
        return b""

    service.thumbnail = slow  # type: ignore[method-assign]
    with serving(home, uploads, service=service) as running:
        running.wait_until_ready()
        url = f"{running.address}/galleries/mine/images/3/thumbnail"
        with in_threads(lambda: httpx.get(url, timeout=60)):
            for _ in range(40):
                assert began.acquire(timeout=60)
            try:
                with httpx.Client(base_url=running.address, timeout=10) as client:
                    assert len(client.get("/healthz").json()["galleries"]) == 2
                    assert client.get("/readyz").json() == {"status": "ready"}
            finally:
                go_on.set()


def ask_rest(address: str, url: str) -> None:
    httpx.post(address + SEARCH, json={"url": url}, timeout=60)


def ask_mcp(address: str, url: str) -> None:
    asked = {"name": "search_similar", "arguments": {"image": url}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    headers = {"Accept": "application/json, text/event-stream"}
    httpx.post(f"{address}/mcp", json=body, headers=headers, timeout=60)


def ask_page(address: str, url: str) -> None:
    components = httpx.get(f"{address}/config").json()["components"]
    [session] = [each["id"] for each in components if each["props"].get("elem_id") == "session"]
    data = {"gallery": "mine", "query": {"kind": "url", "url": url}}
    body = {"session_hash": "x", "component_id": session, "fn_name": "ask", "data": data}
    httpx.post(f"{address}/gradio_api/component_server", json=body, timeout=60)


@pytest.mark.parametrize(("ask", "most"), [(ask_rest, 16), (ask_mcp, 16), (ask_page, 32)])
def test_slow_addresses_leave_threads_to_what_needs_none(
    home: Home, uploads: Path, ask: Callable[[str, str], None], most: int
) -> None:
    began, go_on = threading.Semaphore(0), threading.Event()
    fetching: list[str] = []

    def slow(url: str) -> bytes:
        fetching.append(url)
        began.release()
        assert go_on.wait(60)
        raise FetchError(f"{url} gave no picture.")

    service = service_of(home, fetch=slow)
    with serving(home, uploads, service=service) as running:
        running.wait_until_ready()
        with in_threads(lambda: ask(running.address, "http://127.0.0.1:1/slow.jpg")):
            for _ in range(most):
                assert began.acquire(timeout=60)
            try:
                with httpx.Client(base_url=running.address, timeout=10) as client:
                    assert client.get("/galleries/mine/images/3/thumbnail").status_code == 200
                    assert client.post(SEARCH, files=FILE).status_code == 200
                assert len(fetching) == most
            finally:
                go_on.set()


def test_without_the_token_health_names_no_gallery(guarded: Served) -> None:
    without = guarded.client.get("/healthz").json()
    assert without == {"status": "ok", "version": __version__, "galleries": []}
    for header, count in ((f"Bearer {TOKEN}", 2), ("Bearer other", 0)):
        answer = guarded.client.get("/healthz", headers={"Authorization": header})
        assert (answer.status_code, len(answer.json()["galleries"])) == (200, count)


# --- measurements --------------------------------------------------------------------------------


def samples(client: httpx.Client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_searches_and_sizes_are_measured(home: Home, uploads: Path, site: str) -> None:
    with serving(home, uploads) as running:
        client = running.client
        assert client.post(SEARCH, json={"url": f"{site}/cat.jpg"}).status_code == 200
        assert client.post(SEARCH, files=FILE, params={"label": "no"}).status_code == 404
        for number in range(20):
            client.get(f"/galleries/mine/nothing/{number}")
            client.request(f"METHOD{number}", f"/galleries/{number}")
            client.get(f"/no/such/page/{number}")
        client.post("/mcp", json={})
        running.service.search("mine", 3)  # as the page does
        measured = samples(client)
    assert measured["ris_requests_total", "POST", SEARCH, "200"] == 1
    assert measured["ris_requests_total", "POST", SEARCH, "404"] == 1
    assert measured["ris_requests_total", "GET", "other", "404"] == 20
    assert measured["ris_requests_total", "other", "/galleries/{gallery}", "405"] == 20
    assert measured["ris_requests_total", "GET", "page", "404"] == 20
    assert [counted[1:3] for counted in measured if "/mcp" in counted][:1] == [("POST", "/mcp")]
    assert not [counted for counted in measured if "/no/such/page/1" in counted]
    assert measured["ris_request_seconds_count", SEARCH] == 2
    assert measured["ris_searches_total", "answered"] == 2
    assert measured["ris_searches_total", "failed"] == 1
    assert measured[("ris_searches_in_progress",)] == 0
    for stage, count in {"fetch": 1, "decode": 1, "embed": 1, "rerank": 2, "lookup": 2}.items():
        assert measured["ris_search_stage_seconds_count", stage] == count
    assert measured["ris_gallery_images", "mine"] == IMAGES
    assert measured["ris_gallery_searchable", "mine"] == 1
    assert measured["ris_gallery_searchable", "broken"] == 0


def test_two_applications_measure_apart(home: Home) -> None:
    one, other = service_of(home), service_of(home)
    of_one, of_other = Metrics(one), Metrics(other)
    one.search("mine", 3)
    assert 'ris_searches_total{outcome="answered"} 1.0' in of_one.text().decode()
    assert 'outcome="answered"' not in of_other.text().decode()


def test_a_search_in_progress_is_counted(home: Home) -> None:
    seen: list[str] = []

    def in_progress() -> str:
        line = re.search(r"^ris_searches_in_progress (\S+)", metrics.text().decode(), re.MULTILINE)
        assert line
        return line[1]

    def look(url: str) -> bytes:
        seen.append(in_progress())
        raise FetchError("It gave no picture.")

    service = service_of(home, fetch=look)
    metrics = Metrics(service)
    with pytest.raises(FetchError):
        service.search("mine", "http://127.0.0.1:1/x.jpg")
    assert (seen, in_progress()) == (["1.0"], "0.0")
