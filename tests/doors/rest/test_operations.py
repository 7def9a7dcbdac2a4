"""Galleries and images over HTTP, health, readiness, measurements, the token, and the document."""

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
from app.doors.access import Access
from app.doors.answers import gallery_answer, image_answer, search_answer
from app.doors.problems import kinds, problem
from app.doors.rest.metrics import Metrics
from app.doors.rest.schemas import EXAMPLES, Image, Result, SearchAnswer
from app.errors import FetchError, TokenError
from app.search.service import SearchService
from app.values import ImageRecord
from app.values.gallery import GalleryFacts, GalleryStatus
from tests.conftest import Home, encoded, is_one_sentence, picture
from tests.doors.rest.conftest import IMAGES, TOKEN, Served, problem_of, service_of, serving
from tests.doors.rest.test_searching import SEARCH
from tests.doors.test_problems import error_classes

FILE = {"file": ("mine.jpg", encoded(picture(3)))}


# --- galleries and images ------------------------------------------------------------------------


def test_galleries_and_images_are_as_at_every_door(client: httpx.Client, served: Served) -> None:
    listed = [gallery_answer(info) for info in served.service.galleries()]
    assert client.get("/galleries").json() == {"galleries": listed}
    assert client.get("/galleries/mine").json() == listed[1]
    image = image_answer("mine", served.service.image("mine", 3))
    image |= {key: "/" + image[key] for key in ("image_url", "thumbnail_url")}
    assert client.get("/galleries/mine/images/3").json() == image


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/galleries/nothing", 404, "'nothing'"),
        ("/galleries/" + "x" * 300, 422, "gallery"),
        (f"/galleries/mine/images/{IMAGES}", 404, str(IMAGES)),
        ("/galleries/mine/images/x%0Ay", 404, "/docs"),
        ("/galleries/mine/images/" + "1" * 2000, 422, "image"),
        ("/galleries/mine/images/7/similar?gallery=mine", 422, "'gallery'"),
        ("/galleries/mine/pictures", 404, "'/galleries/mine/pictures'"),
        ("/problems/nothing", 404, "'nothing'"),
    ],
)
def test_what_is_not_there_is_named(
    client: httpx.Client, path: str, status: int, named: str
) -> None:
    assert named in problem_of(client.get(path), status)


def test_the_wrong_method_is_refused_with_the_right_one(client: httpx.Client) -> None:
    for method, path, right in (
        ("GET", SEARCH, "POST"),
        ("DELETE", "/galleries/mine", "GET, HEAD"),
    ):
        answer = client.request(method, path)
        assert method in problem_of(answer, 405)
        assert answer.headers["allow"] == right


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/galleries/mine/images/3/image", "/galleries/mine/images/3/thumbnail"],
)
def test_head_is_answered_as_get_without_the_body(served: Served, path: str) -> None:
    served.wait_until_ready()
    whole, head = served.client.get(path), served.client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag"):
        assert head.headers.get(name) == whole.headers.get(name)
    assert served.client.head("/galleries/no/images/3/image").status_code == 404


def test_the_models_of_the_document_have_the_fields_of_the_answers(served: Served) -> None:
    answer = search_answer(served.service.search("mine", 1, k=1))
    assert set(SearchAnswer.model_fields) == set(answer)
    assert set(Result.model_fields) == set(answer["results"][0])
    record = ImageRecord(7, "x.jpg", "", 1, 1, 1)
    assert set(Image.model_fields) == set(image_answer("g", record))


def test_a_problem_leads_to_what_its_kind_means(client: httpx.Client) -> None:
    for name, kind in kinds().items():
        meaning = client.get(problem(kind("x"))["type"]).json()
        assert meaning["kind"] == name
        assert meaning["status"] == kind.http_status
        assert is_one_sentence(f"{meaning['title']}.")
        assert "`" not in meaning["title"]
    assert len(kinds()) == len({kind.__name__ for kind in error_classes()})


def test_below_another_path_every_address_begins_with_it(home: Home, tmp_path: Path) -> None:
    import asyncio

    from starlette.applications import Starlette

    from app.doors.rest import RestRoutes, make_rest

    rest = make_rest(service_of(home), access=Access(), is_ready=lambda: True)
    application = Starlette(routes=[RestRoutes(rest)])

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(application, root_path="/below")
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    image = asyncio.run(ask("/below/galleries/mine/images/3")).json()
    assert image["image_url"] == "/below/galleries/mine/images/3/image"
    assert asyncio.run(ask("/below/galleries/no")).json()["type"] == "/below/problems/not-found"
    assert '"/below/docs-files/swagger-ui.css"' in asyncio.run(ask("/below/docs")).text


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


# --- the token -----------------------------------------------------------------------------------

PROGRAMS = (
    ("POST", SEARCH),
    ("POST", "/similarity-search/batch"),
    ("POST", "/embed"),
    ("GET", "/galleries"),
    ("GET", "/galleries/mine"),
    ("GET", "/galleries/mine/images/3"),
    ("GET", "/galleries/mine/images/3/similar"),
    ("GET", "/metrics"),
)


@pytest.mark.parametrize(("method", "path"), PROGRAMS)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
def test_programs_must_send_the_token(
    guarded: Served, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = guarded.client.request(method, path, headers=headers)
    assert "RIS_API_TOKEN" in problem_of(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in answer.text


@pytest.mark.parametrize(("method", "path"), PROGRAMS)
def test_with_the_token_programs_are_answered(guarded: Served, method: str, path: str) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        answer = guarded.client.request(method, path, headers=headers)
        assert answer.status_code == (415 if method == "POST" else 200)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz",
        "/readyz",
        "/docs",
        "/openapi.json",
        "/problems/token",
        "/galleries/mine/images/3/image",
        "/galleries/mine/images/3/thumbnail",
    ],
)
def test_the_page_and_its_pictures_need_no_token(guarded: Served, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_a_token_of_other_characters_is_compared_too() -> None:
    with pytest.raises(TokenError):
        Access("token").check("Bearer tökén\ud800")
    Access().check("")


# --- the document --------------------------------------------------------------------------------


def test_the_document_names_a_token_where_one_is_needed(served: Served, guarded: Served) -> None:
    assert "securitySchemes" not in served.client.get("/openapi.json").json()["components"]
    document = guarded.client.get("/openapi.json").json()
    paths = document["paths"]
    assert paths[SEARCH]["post"]["security"] == [{"HTTPBearer": []}]
    assert "security" not in paths["/healthz"]["get"]


def test_every_answer_of_the_document_has_a_schema_and_every_problem_an_example(
    client: httpx.Client,
) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")):
                    content = answer["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                    assert content["example"]["status"] == int(status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_image_of_the_examples_is_one_as_answers_have_it() -> None:
    image = EXAMPLES["image"]
    assert image["path"] == "butterfly/image_0017.jpg"
    assert set(image) == set(Image.model_fields)


# --- addresses that there are not --------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/galleries/mine/images",
        "/galleries/mine/images/",
        "/galleries//images/3",
        "/galleries//images/",
        "/galleries/mine/image",
        "/problems/",
        "/similarity-search/x",
        "//galleries",
    ],
)
def test_an_address_that_is_no_route_is_called_so(client: httpx.Client, path: str) -> None:
    """And not an image or a gallery without a name."""
    for method in ("GET", "POST"):
        answer = client.request(method, str(client.base_url) + path, follow_redirects=True)
        assert answer.status_code == 404
        problem = answer.json()
        assert problem["type"] == "about:blank"
        assert repr(path) in problem["detail"]
        assert "/docs" in problem["detail"]
    head = client.head(str(client.base_url) + path, follow_redirects=True)
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("path", ["/image", "/thumbnail", "3/", "3//", "/3"])
def test_an_id_with_a_slash_is_named_whole(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{client.base_url}/galleries/mine/images/{path}", follow_redirects=True)
    assert answer.status_code == 404
    assert repr(path) in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/galleries", "/galleries/mine", "/healthz", "/readyz"])
def test_a_slash_at_the_end_leads_to_the_route(client: httpx.Client, path: str) -> None:
    client.get("/readyz")
    answer = client.get(f"{path}/", follow_redirects=True)
    assert answer.history[0].status_code == 307
    assert answer.url.path == path
    assert answer.status_code == 200
