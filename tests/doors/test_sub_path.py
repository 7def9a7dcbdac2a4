"""Under a path of another site, every address in every answer can be followed."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import uvicorn

from app.doors.cli import main
from app.doors.server import make_application
from app.errors import SettingsError
from app.settings import read_settings
from app.wiring import make_maker
from tests.conftest import PHOTOGRAPHS, Home, closing_loops, fill

ROOT_PATH = "/photos"
TOOLS = {"Accept": "application/json, text/event-stream"}


class Proxy(httpx.HTTPTransport):
    """Answers below `ROOT_PATH` alone; takes that off before it asks the server, or leaves it."""

    def __init__(self, *, takes_off: bool) -> None:
        super().__init__()
        self.takes_off = takes_off

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        if not path.startswith(f"{ROOT_PATH}/"):
            return httpx.Response(404, text="another site's", request=request)
        if self.takes_off:
            request.url = request.url.copy_with(raw_path=path.removeprefix(ROOT_PATH).encode())
        return super().handle_request(request)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "mine" and of "broken", which cannot be searched."""
    home = Home(tmp_path_factory.mktemp("sub_path"))
    images = fill(home.path / "pictures", 12)
    for name in ("broken", "mine"):
        home.build(images, name)
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    return home


@pytest.fixture(scope="module", params=["taken off", "left", "by the ASGI server"])
def address(
    request: pytest.FixtureRequest, home: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a running server; the proxy takes the path off, or leaves it."""
    by_server = request.param == "by the ASGI server"
    with pytest.MonkeyPatch.context() as patched, closing_loops():
        uploads = tmp_path_factory.mktemp("uploads")
        patched.setenv("GRADIO_TEMP_DIR", str(uploads))
        patched.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        application = make_application(
            home.service(),
            uploads,
            make_maker(read_settings({"RIS_HOME": str(home.path)})),
            home.keeper(),
            host="127.0.0.1",
            root_path="" if by_server else ROOT_PATH,
        )
        started = threading.Event()

        class Server(uvicorn.Server):
            async def startup(self, sockets: Any = None) -> None:
                await super().startup(sockets)
                started.set()

        server = Server(
            uvicorn.Config(
                application,
                port=0,
                log_level="warning",
                timeout_graceful_shutdown=3,
                root_path=ROOT_PATH if by_server else "",
            )
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert started.wait(120)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.fixture
def client(address: str, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    takes_off = request.node.callspec.params["address"] != "left"
    with httpx.Client(
        base_url=address + ROOT_PATH, transport=Proxy(takes_off=takes_off), timeout=60
    ) as client:
        yield client


def page_of(client: httpx.Client) -> str:
    """Return the address of the page."""
    return str(client.base_url)


def addresses_in(value: Any) -> set[str]:
    """Return every address in an answer of JSON, by what it is called."""
    if isinstance(value, dict):
        named = {"image_url", "thumbnail_url", "type", "src", "start_url", "picture", "thumbnail"}
        own = {each for key, each in value.items() if key in named and isinstance(each, str)}
        return own.union(*map(addresses_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(addresses_in, value))
    return set()


def follow(client: httpx.Client, base: str, addresses: set[str]) -> None:
    """Assert that each address, as seen at `base`, leads to something."""
    assert addresses
    for each in addresses:
        answer = client.get(urljoin(base, each))
        assert answer.status_code == 200, each


def call(client: httpx.Client, name: str, request: object) -> Any:
    """Call one of the page's functions as its scripts do."""
    components = client.get("/config").json()["components"]
    (part,) = [each["id"] for each in components if each["props"].get("elem_id") == "session"]
    body = {"session_hash": "anybody", "component_id": part, "fn_name": name, "data": request}
    answer = client.post("/gradio_api/component_server", json=body)
    assert answer.status_code == 200
    return answer.json()


def test_the_page_and_all_that_it_links_come(client: httpx.Client) -> None:
    page = client.get("/")
    config = client.get("/config").json()
    linked = r"""(?:href|src)="([^"#]+)\""""
    addresses = set(re.findall(linked, page.text)) | set(re.findall(linked, config["head"]))
    scripts = " ".join(str(each["props"].get("js_on_load")) for each in config["components"])
    addresses |= set(re.findall(r'new URL\("([^"]+)", document', scripts))
    addresses |= {f"theme.css?v={config['theme_hash']}", "favicon.ico"}
    assert len(addresses) > 15
    follow(client, page_of(client), {each for each in addresses if not each.startswith("http")})
    assert f"{config['root']}/" == page_of(client)


def test_the_web_manifest_and_its_icons_come(client: httpx.Client) -> None:
    (link,) = re.findall(r'<link rel="manifest" href="([^"]*)"', client.get("/").text)
    place = urljoin(page_of(client), link)
    manifest = client.get(place)
    assert manifest.headers["content-type"] == "application/manifest+json"
    assert manifest.json()["icons"]
    follow(client, place, {icon["src"] for icon in manifest.json()["icons"]})
    assert urljoin(place, manifest.json()["start_url"]) == page_of(client)


def test_the_document_for_programs_and_its_files_come(client: httpx.Client) -> None:
    docs = client.get("/docs")
    addresses = set(re.findall(r"""['"]((?:/|https?:)[^'"]*)['"]""", docs.text))
    assert any(each.endswith("/openapi.json") for each in addresses)
    follow(client, page_of(client), addresses)


def test_the_routes_of_the_document_are_where_it_says(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    (server,) = document["servers"]
    values = {"{gallery}": "mine", "{image}": "3", "{kind}": "usage"}
    for route, methods in document["paths"].items():
        path = re.sub(r"\{\w+\}", lambda found: values[found[0]], route)
        needed = {"column": "label"} if route.endswith("/counts") else {}
        answer = client.get(urljoin(page_of(client), server["url"] + path), params=needed)
        assert answer.status_code == (200 if "get" in methods else 405), route


def test_addresses_in_answers_of_rest_are_followed(client: httpx.Client) -> None:
    photograph = PHOTOGRAPHS[0].read_bytes()
    answers = [
        client.post("/similarity-search", files={"file": photograph}, params={"gallery": "mine"}),
        client.post("/similarity-search", json={"id": 3}, params={"gallery": "mine"}),
        client.post(
            "/similarity-search/batch",
            files=[("files", photograph), ("files", b"no picture")],
            params={"gallery": "mine"},
        ),
        client.get("/galleries/mine/images/3"),
        client.get("/galleries/mine/images/3/similar"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        follow(client, str(answer.url), addresses_in(answer.json()))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/galleries/nothing", 404),
        ("/galleries/mine/images/99", 404),
        ("/galleries/broken/images/1/thumbnail", 503),
        ("/galleries/mine/images/3/similar?k=0", 422),
        ("/galleries/mine/images/3/similar?x=0", 422),
        ("/problems/nothing", 404),
    ],
)
def test_the_kinds_of_problems_are_followed(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    follow(client, page_of(client), addresses_in(answer.json()))


def test_another_site_s_page_gets_a_problem_that_is_followed(client: httpx.Client) -> None:
    answer = client.post("/similarity-search", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    follow(client, page_of(client), addresses_in(answer.json()))


@pytest.mark.parametrize(
    "path", ["/galleries/mine/images", "/galleries/mine/images/3/similar?x=0", "/healthz/x"]
)
def test_addresses_in_sentences_are_those_of_the_site(client: httpx.Client, path: str) -> None:
    detail = client.get(path).json()["detail"]
    named = set(re.findall(r"(?<![\w.'])/[\w/]*docs\b", detail))
    follow(client, page_of(client), named)


@pytest.mark.parametrize("path", ["/galleries/", "/healthz/", "/galleries/mine/"])
def test_redirects_stay_below_the_path(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 307
    follow(client, str(answer.url), {answer.headers["location"]})


def test_addresses_over_mcp_are_followed(client: httpx.Client) -> None:
    for name, arguments in (
        ("describe_image", {"gallery": "mine", "id": 3}),
        ("search_similar", {"gallery": "mine", "id": 3, "pictures": 0}),
    ):
        asked = {"name": name, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
        answer = client.post("/mcp", json=body, headers=TOOLS)
        found = addresses_in(answer.json()["result"]["structuredContent"])
        assert all(each.startswith(page_of(client)) for each in found)
        follow(client, page_of(client), found)


def test_the_page_s_answers_are_followed(client: httpx.Client) -> None:
    opened = call(client, "open", {})
    query = {"kind": "image", "gallery": "mine", "id": 3}
    answered = call(client, "ask", {"gallery": "mine", "query": query})
    assert answered["results"]["hits"]
    follow(client, page_of(client), addresses_in(opened) | addresses_in(answered))


def test_the_named_endpoints_are_where_gradio_client_asks(client: httpx.Client) -> None:
    answer = client.post("/gradio_api/call/galleries", json={"data": []})
    assert answer.status_code == 200
    assert client.get("/gradio_api/info").status_code == 200


@pytest.mark.parametrize("address", ["taken off", "left"], indirect=True)
def test_ris_asks_a_server_under_a_path(
    address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIS_API_TOKEN", raising=False)
    for server in (f"{address}{ROOT_PATH}", f"{address}{ROOT_PATH}/"):
        asked = ["search", "--id", "3", "--gallery", "mine", "--json", "--server", server]
        assert main(asked) == 0
        found = addresses_in(json.loads(capsys.readouterr().out))
        assert found
        for each in found:
            assert each.startswith(f"{address}{ROOT_PATH}/galleries/")
            assert httpx.get(each).status_code == 200, each


def test_a_server_is_asked_without_the_path_too(address: str) -> None:
    """The command line finds it at its port, and Docker reads its health there."""
    assert httpx.get(f"{address}/healthz").status_code == 200
    found = addresses_in(httpx.get(f"{address}/galleries/mine/images/3").json())
    assert {each.startswith(f"{ROOT_PATH}/galleries/") for each in found} == {True}


# The setting


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("", ""),
        ("/", ""),
        ("/photos", "/photos"),
        ("/photos/", "/photos"),
        ("/my/photos-2.0_~", "/my/photos-2.0_~"),
    ],
)
def test_the_path_is_read_from_the_environment(value: str, path: str) -> None:
    assert read_settings({"RIS_ROOT_PATH": value}).root_path == path


@pytest.mark.parametrize(
    "value",
    ["photos", "https://example.com/photos", "/a b", "/a//b", "/..", "/a/./b", "/ü", "/a?b"],
)
def test_what_is_no_path_is_refused(value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"RIS_ROOT_PATH": value})
    assert repr(value) in str(refused.value)
    assert "RIS_ROOT_PATH" in str(refused.value)


@pytest.mark.parametrize("path", ["/galleries", "/docs/photos", "/mcp", "/gradio_api", "/page"])
def test_a_path_that_begins_like_the_server_s_own_addresses_is_refused(
    home: Home, tmp_path: Path, path: str
) -> None:
    """Else nobody could know whether the proxy took it off."""
    maker = make_maker(read_settings({"RIS_HOME": str(home.path)}))
    with pytest.raises(SettingsError, match=path):
        make_application(
            home.service(), tmp_path, maker, home.keeper(), host="127.0.0.1", root_path=path
        )
