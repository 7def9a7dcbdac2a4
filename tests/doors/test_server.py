"""The application over real HTTP on loopback: routes, errors, who may ask, start and stop."""

import asyncio
import contextlib
import inspect
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pillow_heif
import pytest
from fastapi import FastAPI
from PIL import Image

from app import __version__, errors
from app.doors.own_pages import OwnPagesOnly
from app.doors.problems import problem
from app.doors.server import address_of, listen, make_application, serve
from app.errors import AppError, GalleryError, UsageError
from app.search.service import SearchService, Watcher
from app.settings import Settings, read_settings
from app.values import GalleryFacts, GalleryStatus
from app.wiring import make_maker
from tests.conftest import PHOTOGRAPHS, ROOT, Home, closing_loops, encoded, fill, picture
from tests.doors.page.browser.visitor import is_one_sentence

HEIC, TIFF, GONE = "kind_a/heic.heic", "kind_a/tiff.tiff", "kind_a/gone.jpg"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home with a gallery "mine" and a damaged one, "broken"."""
    home = Home(tmp_path_factory.mktemp("served"))
    images = fill(home.path / "pictures", 20)
    (images / "kind_a").mkdir()
    pillow_heif.from_pillow(picture(100)).save(images / HEIC)
    (images / TIFF).write_bytes(encoded(picture(101), "TIFF"))
    (images / GONE).write_bytes(encoded(picture(102)))
    for name in ("mine", "broken"):
        home.build(images, name)
    (images / GONE).unlink()
    (home.path / "indexes" / "broken" / "thumbnails.db").write_bytes(b"")
    return read_settings(
        {
            "PORT": str(free_port()),
            "RIS_HOME": str(home.path),
            "RIS_CACHE_DIR": str(home.path / "cache"),
            "RIS_CREATE_GALLERIES": "1",
        }
    )


@pytest.fixture(scope="module", autouse=True)
def loops_closed() -> Iterator[None]:
    with closing_loops():
        yield


@dataclass(frozen=True)
class Served:
    """A running server: where it is, and where it keeps what visitors upload."""

    client: httpx.Client
    uploads: Path


@pytest.fixture(scope="module")
def served(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Run `serve` itself in a thread, until it announces its address; stop it at the end."""
    import uvicorn

    temporary = tmp_path_factory.mktemp("temporary")
    announced: list[str] = []
    ready = threading.Event()
    servers: list[uvicorn.Server] = []

    def announce(address: str) -> None:
        announced.append(address)
        ready.set()

    def run() -> None:
        try:
            serve(settings, announce)
        finally:
            ready.set()

    made = uvicorn.Server.__init__

    def remember(server: uvicorn.Server, *arguments: Any, **options: Any) -> None:
        made(server, *arguments, **options)
        servers.append(server)

    with pytest.MonkeyPatch.context() as patched:
        for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "GRADIO_TEMP_DIR"):
            patched.setenv(name, "")  # so that it is put back afterwards
        patched.setattr("tempfile.tempdir", str(temporary))
        patched.setattr(uvicorn.Server, "__init__", remember)
        thread = threading.Thread(target=run)
        thread.start()
        assert ready.wait(120)
        assert announced == [f"http://127.0.0.1:{settings.port}"]
        (uploads,) = temporary.glob("reverse-image-search-*")
        with httpx.Client(base_url=announced[0], trust_env=False, timeout=60) as client:
            yield Served(client, uploads)
        servers[0].should_exit = True
        thread.join(60)
        assert not thread.is_alive()
        assert not list(temporary.glob("reverse-image-search-*"))


@pytest.fixture
def client(served: Served) -> httpx.Client:
    return served.client


def ids(settings: Settings) -> dict[str, int]:
    service = Home(settings.indexes_dir.parent).service()
    records = (service.image("mine", image) for image in range(service.gallery("mine").images))
    return {record.path: record.id for record in records}


# --- health --------------------------------------------------------------------------------------


def test_healthz_tells_version_and_every_gallery(client: httpx.Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {"status", "version", "galleries"}
    assert (told["status"], told["version"]) == ("ok", __version__)
    by_name = {gallery["name"]: gallery for gallery in told["galleries"]}
    assert set(by_name) == {"mine", "broken"}
    for gallery in by_name.values():
        assert set(gallery) == {
            field.name for kind in (GalleryStatus, GalleryFacts) for field in fields(kind)
        }
    mine = by_name["mine"]
    assert (mine["images"], mine["model"], mine["dim"]) == (23, "mean_colour", 48)
    assert (mine["refused"], mine["uploads_off"]) == ("", "")
    assert "thumbnails.db" in by_name["broken"]["refused"]


# --- pictures ------------------------------------------------------------------------------------


def test_a_thumbnail_is_a_small_webp(client: httpx.Client) -> None:
    answer = client.get("/galleries/mine/images/0/thumbnail")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "private" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"


def test_a_picture_is_the_original_file(client: httpx.Client, settings: Settings) -> None:
    image = ids(settings)["kind_2/00002.jpg"]
    answer = client.get(f"/galleries/mine/images/{image}/image")
    assert answer.headers["content-type"] == "image/jpeg"
    original = settings.indexes_dir.parent / "pictures" / "kind_2" / "00002.jpg"
    assert answer.content == original.read_bytes()


@pytest.mark.parametrize("path", [HEIC, TIFF])
def test_a_picture_that_browsers_cannot_show_is_sent_as_png(
    client: httpx.Client, settings: Settings, path: str
) -> None:
    answer = client.get(f"/galleries/mine/images/{ids(settings)[path]}/image")
    assert answer.headers["content-type"] == "image/png"
    shown = Image.open(io.BytesIO(answer.content))
    assert (shown.format, shown.size) == ("PNG", (64, 48))


def test_a_picture_is_sent_again_only_when_it_is_another(client: httpx.Client) -> None:
    for path in ("/galleries/mine/images/0/thumbnail", "/galleries/mine/images/0/image"):
        first = client.get(path)
        assert first.headers["cache-control"] == "private, no-cache"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"another"'}).content == first.content


def test_a_missing_original_is_replaced_by_its_thumbnail(
    client: httpx.Client, settings: Settings
) -> None:
    image = ids(settings)[GONE]
    answer = client.get(f"/galleries/mine/images/{image}/image")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.content == client.get(f"/galleries/mine/images/{image}/thumbnail").content


def test_the_photographs_of_the_example_row_are_served(client: httpx.Client) -> None:
    for photograph in PHOTOGRAPHS:
        answer = client.get(f"/examples/{photograph.name}")
        assert (answer.headers["content-type"], answer.content) == (
            "image/jpeg",
            photograph.read_bytes(),
        )


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["/image", "/thumbnail"])
@pytest.mark.parametrize(
    ("place", "status", "words"),
    [
        ("nothing/images/0", 404, "There is no gallery 'nothing'"),
        ("mine/images/23", 404, "no image 23"),
        ("mine/images/-1", 404, "no image '-1'"),
        (f"mine/images/{10**30}", 404, f"no image '{10**30}'"),
        ("mine/images/abc", 404, "no image 'abc'"),
        ("mine/images/1.5", 404, "no image '1.5'"),
        ("broken/images/0", 503, "thumbnails.db"),
    ],
)
def test_errors_are_one_sentence_of_json(
    client: httpx.Client, what: str, place: str, status: int, words: str
) -> None:
    answer = client.get(f"/galleries/{place}{what}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == status
    assert words in told["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/galleries/..%2Fmine/images/0/thumbnail",
        "/galleries/mine%2F..%2Fmine/images/0/image",
        "/galleries/%00/images/0/image",
        "/examples/..%2Ffunctions.py",
        "/examples/%2Fetc%2Fpasswd",
        "/page/..%2Ffunctions.py",
        "/assets/..%2Ffunctions.py",
        "/assets/%2Fetc%2Fpasswd",
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={ROOT / 'requirements.txt'}",
    ],
)
def test_nothing_but_what_is_meant_to_be_served_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (400, 403, 404)


def error_classes(kind: type[AppError] = AppError) -> list[type[AppError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in error_classes(sub))]


class Failing(SearchService):
    """A service whose thumbnails raise the error that the gallery is called after."""

    def __init__(self) -> None:
        pass

    def warm_up(self) -> None:
        pass

    def watch(self, watcher: Watcher) -> None:
        pass

    def id_of(self, gallery: str, public_id: str) -> int:
        return int(public_id)

    def thumbnail(self, gallery: str, image: int) -> bytes:
        raise getattr(errors, gallery)(f"{gallery} of {image}.")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An application for a public address, over the service whose thumbnails fail."""
    maker = make_maker(read_settings({}))
    uploads = tmp_path_factory.mktemp("uploads")
    return make_application(Failing(), uploads, maker, host="0.0.0.0")


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_answered_with_its_status(
    failing: Any, kind: type[AppError]
) -> None:
    path = f"/galleries/{kind.__name__}/images/7/thumbnail"
    answer = asgi(failing, "GET", path)
    assert answer.status_code == kind.http_status
    assert answer.json() == problem(kind(f"{kind.__name__} of 7."))
    assert answer.headers.get("www-authenticate") == ("Bearer" if kind.http_status == 401 else None)
    assert "content-security-policy" in answer.headers


def asgi(
    application: Any, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


def test_every_error_is_in_the_tree_that_is_drawn_first() -> None:
    defined = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    assert set(error_classes()) == set(defined)
    assert errors.__doc__
    for kind in defined:
        assert f"{kind.__name__}\n" in errors.__doc__ or f"{kind.__name__} " in errors.__doc__


# --- the content policy --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/config", 200),
        ("GET", "/galleries/mine/images/0/image", 200),
        ("GET", "/galleries/mine/images/0/thumbnail", 200),
        ("GET", "/examples/chelsea.jpg", 200),
        ("GET", "/galleries/mine/images/99/image", 404),
        ("GET", "/galleries/mine/images/x/image", 404),
        ("GET", "/galleries/broken/images/0/image", 503),
        ("GET", "/no/such/page", 404),
        ("POST", "/healthz", 405),
        ("GET", "/gradio_api/file=/etc/passwd", 403),
    ],
)
def test_every_answer_tells_the_browser_to_ask_nobody_else(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    (policy,) = answer.headers.get_list("content-security-policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert rules["object-src"] == "'none'"
    sources = {source for rule in rules.values() for source in rule.split()}
    assert sources <= {*("'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:")}


# --- the page ------------------------------------------------------------------------------------

ASSETS = sorted((ROOT / "app" / "doors" / "page" / "assets").iterdir())


def component_of(client: httpx.Client, part: str) -> int:
    """Return the id of the component that a part of the page sends its questions to."""
    components = client.get("/config").json()["components"]
    (found,) = [
        component["id"] for component in components if component["props"].get("elem_id") == part
    ]
    return int(found)


def call(
    client: httpx.Client,
    name: str,
    request: object,
    headers: dict[str, str] | None = None,
    part: str = "session",
) -> httpx.Response:
    """Call one of the page's functions as its scripts do."""
    body = {
        "session_hash": "anybody",
        "component_id": component_of(client, part),
        "fn_name": name,
        "data": request,
    }
    return client.post("/gradio_api/component_server", json=body, headers=headers)


def ask(client: httpx.Client, query: object, **more: object) -> Any:
    answer = call(client, "ask", {"gallery": "mine", "query": query, **more})
    assert answer.status_code == 200
    return answer.json()


def test_the_page_comes_with_every_script_and_style_that_it_names(client: httpx.Client) -> None:
    page = client.get("/").text
    named = set(re.findall(r"""(?:src|href)="\./(assets/[^"]+\.(?:js|css))\"""", page))
    assert named
    for name in named:
        assert client.get(f"/{name}").status_code == 200, name


def test_the_pages_own_scripts_import_what_is_served_beside_them(client: httpx.Client) -> None:
    config = client.get("/config").json()
    started = " ".join(str(each["props"].get("js_on_load")) for each in config["components"])
    own = set(re.findall(r'new URL\("([^"]+)", document', started))
    assert any(name.endswith("/places.js") for name in own)
    seen: set[str] = set()
    while own - seen:
        name = min(own - seen)
        seen.add(name)
        answer = client.get(f"/{name}")
        assert answer.status_code == 200, name
        assert "javascript" in answer.headers["content-type"], name  # else browsers refuse it
        folder = name.rpartition("/")[0]
        own |= {
            f"{folder}/{other}"
            for other in re.findall(r'(?:from|import) "\./([^"]+)"', answer.text)
        }
    scripts = {path.name for path in ASSETS if path.suffix == ".js"}
    assert {name.rpartition("/")[2] for name in seen} == scripts


def test_the_scripts_call_the_functions_that_there_are(client: httpx.Client) -> None:
    scripts = "\n".join(path.read_text() for path in ASSETS if path.suffix == ".js")
    called = set(re.findall(r'\bcall\("(\w+)"', scripts))
    assert called == {"open", "gallery", "ask", "cut"}
    for name in called:
        assert call(client, name, {}).status_code == 200
    assert call(client, "fetch", {}).status_code == 404
    assert call(client, "__init__", {}).status_code == 404


def test_an_upload_is_searched_edited_and_cut_over_http(served: Served) -> None:
    opened = call(served.client, "open", {}).json()
    assert [gallery["name"] for gallery in opened["galleries"]] == ["broken", "mine"]
    data = encoded(picture(300, (320, 240)), "PNG")
    sent = served.client.post("/gradio_api/upload", files={"files": ("new.png", data)})
    query = {"kind": "upload", "path": sent.json()[0], "name": "new.png"}
    answer = ask(served.client, query)
    assert len(answer["results"]["hits"]) == 23
    best = answer["results"]["hits"][0]
    assert served.client.get(f"/{best['thumbnail_url']}").headers["content-type"] == "image/webp"
    assert served.client.get(f"/{best['image_url']}").status_code == 200
    assert served.client.get(f"/{answer['query']['src']}").content == data

    edited = answer["query"] | {"turns": 1, "box": [0, 0, 0.5, 1]}
    cut = call(served.client, "cut", {"query": edited}).json()["query"]
    shown = Image.open(io.BytesIO(served.client.get(f"/{cut['src']}").content))
    assert shown.size == (120, 320)
    assert (
        ask(served.client, cut)["results"]["hits"]
        == (ask(served.client, edited)["results"]["hits"])
    )


def test_nonsense_is_answered_in_one_sentence_over_http_too(client: httpx.Client) -> None:
    for name, request in (
        ("open", None),
        ("gallery", {"gallery": ["mine"]}),
        ("ask", {"gallery": "mine", "query": {"kind": "image", "id": 10**30, "turns": 10**30}}),
        ("ask", {"gallery": "mine", "query": {"kind": "upload", "path": "/etc/passwd"}}),
        ("cut", {"query": [None]}),
    ):
        answer = call(client, name, request)
        assert answer.status_code == 200
        assert set(answer.json()) == {"message"}


# --- pages of other sites ------------------------------------------------------------------------

ELSEWHERE = (
    "https://elsewhere.example",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "null",
    "",
    "http://[",
    "127.0.0.1:{port}",
    "http://127.0.0.1:{port}.elsewhere.example",
)
REBOUND = (
    "elsewhere.example",
    "elsewhere.example:{port}",
    "127.0.0.1.elsewhere.example",
    "localhost.elsewhere.example:{port}",
    "127.0.0.1@elsewhere.example",
    "192.0.2.1",
    "0.0.0.0:{port}",
    "[2001:db8::1]:{port}",
    "[",
    "",
)


def is_refused(answer: httpx.Response) -> bool:
    if answer.status_code != 403:
        return False
    assert "content-security-policy" in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == "/problems/sender"
    assert is_one_sentence(told["detail"])
    assert "the server printed" in told["detail"] or "that it printed" in told["detail"]
    return True


@pytest.mark.parametrize("name", REBOUND)
def test_a_name_of_another_site_that_leads_here_gets_nothing(
    served: Served, settings: Settings, name: str
) -> None:
    headers = {"Host": name.format(port=settings.port)}
    for path in ("/", "/healthz", "/config", "/galleries/mine/images/1/image", "/page/page.css"):
        assert is_refused(served.client.get(path, headers=headers)), path
        assert served.client.head(path, headers=headers).status_code == 403
    assert is_refused(served.client.options("/healthz", headers=headers))
    own = headers | {"Origin": f"http://{headers['Host']}"}  # as a page under that name has it
    assert is_refused(call(served.client, "open", {}, own))


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_the_page_of_another_site_can_store_and_change_nothing(
    served: Served, settings: Settings, tmp_path: Path, origin: str
) -> None:
    headers = {"Origin": origin.format(port=settings.port)}
    stored = sorted(served.uploads.rglob("*"))
    sent = {"files": ("x.jpg", encoded(picture(7)))}
    assert is_refused(served.client.post("/gradio_api/upload", files=sent, headers=headers))
    assert sorted(served.uploads.rglob("*")) == stored
    assert is_refused(call(served.client, "open", {}, headers))
    folder = {"kind": "folder", "folder": str(fill(tmp_path / "pictures", 3))}
    new = {"name": "new", "model": "mean_colour", "pictures": folder}
    for name in ("making", "may_make", "make_gallery", "go_on", "cancel_making", "forget_uploads"):
        assert is_refused(call(served.client, name, new, headers, part="create"))
    making = call(served.client, "making", {}, part="create").json()
    assert making["progress"]["state"] == "idle"
    forwarded = headers | {"X-Forwarded-Host": headers["Origin"].partition("://")[2]}
    assert is_refused(call(served.client, "open", {}, forwarded))
    assert served.client.get("/healthz", headers=headers).status_code == 200  # as a link does


@pytest.mark.parametrize(
    "name", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:1", "[::1]:{port}", "127.0.0.2"]
)
def test_every_name_of_this_machine_is_answered_with_and_without_a_page(
    client: httpx.Client, settings: Settings, name: str
) -> None:
    host = name.format(port=settings.port)
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host.lower()}"}):
        assert client.get("/galleries/mine/images/1/image", headers=headers).status_code == 200
        assert "galleries" in call(client, "open", {}, headers).json()
        assert "progress" in call(client, "making", {}, headers, part="create").json()


def test_a_public_server_answers_to_any_name_but_not_to_pages_of_others(failing: Any) -> None:
    post = partial(asgi, failing, "POST", "/gradio_api/reset")
    for host in ("pictures.example", "192.0.2.1:7860", "127.0.0.1:7860"):
        assert asgi(failing, "GET", "/page/page.css", {"Host": host}).status_code == 200
        assert not is_refused(post({"Host": host}))
        assert not is_refused(post({"Host": host, "Origin": f"https://{host}"}))
        for origin in ("https://elsewhere.example", f"https://{host}.example", "null", ""):
            assert is_refused(post({"Host": host, "Origin": origin}))
            assert is_refused(
                post({"Host": host, "Origin": origin, "X-Forwarded-Host": "elsewhere.example"})
            )
    assert is_refused(post({"Host": "", "Origin": "null"}))


# --- visitors ------------------------------------------------------------------------------------


def test_the_page_keeps_no_state_and_offers_no_calls_but_those_that_are_meant(
    client: httpx.Client,
) -> None:
    config = client.get("/config").json()
    assert {component["type"] for component in config["components"]}.isdisjoint({"state"})
    assert config["components"]
    info = client.get("/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {"/search", "/galleries"}


def test_an_upload_goes_to_the_servers_own_folder_and_is_served_from_there(
    served: Served,
) -> None:
    data = encoded(picture(200))
    sent = served.client.post("/gradio_api/upload", files={"files": ("mine.jpg", data)})
    (path,) = sent.json()
    assert Path(path).is_relative_to(served.uploads)
    shown = served.client.get(f"/gradio_api/file={path}")
    assert (shown.headers["content-type"], shown.content) == ("image/jpeg", data)


def test_gradio_is_told_to_report_nothing(served: Served) -> None:
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["GRADIO_TEMP_DIR"] == str(served.uploads)


# --- start and stop ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("pictures.example", "pictures.example"),
        ("::1", "[::1]"),
    ],
)
def test_the_address_that_is_announced_can_be_opened(host: str, shown: str) -> None:
    assert address_of(host, 7860) == f"http://{shown}:7860"


def test_what_is_accepted_sends_at_once() -> None:
    """Else every answer over a kept connection takes 40 ms more."""
    with (
        contextlib.closing(listen("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def nobody(address: str) -> None:
    raise AssertionError(f"{address} is announced, though nothing listens")


def with_address(settings: Settings, host: str, port: int) -> Settings:
    return Settings(**{**settings.__dict__, "host": host, "port": port})


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "x" * 70 + ".example"])
def test_an_address_that_cannot_be_used_is_told_with_the_settings(
    settings: Settings, host: str
) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as told:
            serve(with_address(settings, host, port), nobody)
    message = str(told.value)
    assert f"{host}:{port}" in message
    assert "HOST" in message
    assert "PORT" in message
    assert "\n" not in message


def test_nothing_of_the_visitors_stays_when_the_server_is_terminated(
    settings: Settings, tmp_path: Path
) -> None:
    environ = {
        **os.environ,
        "PORT": str(free_port()),
        "RIS_HOME": str(tmp_path / "home"),
        "RIS_CACHE_DIR": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == f"Open http://127.0.0.1:{environ['PORT']}\n"
        assert list(tmp_path.glob("reverse-image-search-*"))
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert not list(tmp_path.glob("reverse-image-search-*"))


def test_a_gallery_error_is_no_reason_not_to_start(served: Served, settings: Settings) -> None:
    service = Home(settings.indexes_dir.parent).service()
    with pytest.raises(GalleryError):
        service.search("broken", 0)
    assert served.client.get("/").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("photos.example", 200),
        ("Photos.Example:8443", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("rebound.example", 403),
        ("photos.example.rebound.example", 403),
        ("", 403),
    ],
)
def test_where_hosts_are_named_others_get_nothing_wherever_it_listens(
    host: str, name: str, status: int
) -> None:
    """A container listens at every address: without names it could not tell who asks."""
    application = FastAPI()
    application.get("/")(lambda: "a secret")
    guarded = OwnPagesOnly(application, host=host, hosts={"photos.example"})
    answer = asgi(guarded, "GET", "/", {"Host": name})
    assert answer.status_code == status
    assert ("secret" in answer.text) == (status == 200)
