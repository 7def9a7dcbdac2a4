"""The application over real HTTP on loopback: its content policy, start and stop."""

import contextlib
import os
import socket
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from app.doors import server
from app.doors.file_manager import show_file
from app.doors.server import address_of, listen, serve
from app.errors import GalleryError, UsageError
from app.settings import Settings
from tests.conftest import ROOT, Home, encoded, is_one_sentence, picture
from tests.doors.conftest import Served

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


def test_the_pages_own_files_come_compressed(client: httpx.Client) -> None:
    script = client.get("/page/searches.js")
    assert script.headers["content-encoding"] == "gzip"
    assert int(script.headers["content-length"]) < len(script.content) / 2


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


# --- start and stop ------------------------------------------------------------------------------


def test_an_upload_goes_to_the_servers_own_folder_and_is_served_from_there(
    served: Served,
) -> None:
    data = encoded(picture(200))
    sent = served.client.post("/gradio_api/upload", files={"files": ("mine.jpg", data)})
    (path,) = sent.json()
    assert Path(path).is_relative_to(served.uploads)
    shown = served.client.get(f"/gradio_api/file={path}")
    assert (shown.headers["content-type"], shown.content) == ("image/jpeg", data)


def test_gradio_is_set_to_report_nothing(served: Served) -> None:
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["GRADIO_TEMP_DIR"] == str(served.uploads)


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
    return replace(settings, host=host, port=port)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "x" * 70 + ".example"])
def test_an_address_that_cannot_be_used_is_refused_with_the_settings(
    settings: Settings, host: str
) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as refusal:
            serve(with_address(settings, host, port), nobody)
    message = str(refusal.value)
    assert all(name in message for name in (f"{host}:{port}", "HOST", "PORT"))
    assert is_one_sentence(message)


@pytest.mark.parametrize(("hosts", "given"), [(set(), show_file), ({"a.example"}, None)])
def test_files_are_shown_in_the_file_manager_where_nobody_else_reaches_the_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hosts: set[str], given: object
) -> None:
    class MadeError(Exception):
        pass

    def make(*parts: object, **options: object) -> None:
        raise MadeError(options["show_file"])

    monkeypatch.setattr(server, "make_application", make)
    monkeypatch.setattr(server, "listen", lambda host, port: None)
    monkeypatch.setattr(server, "_keep_gradio_to_itself", lambda uploads: None)
    with pytest.raises(MadeError) as made:
        serve(replace(settings, hosts=frozenset(hosts)), nobody)
    assert made.value.args == (given,)


def test_a_gallery_error_is_no_reason_not_to_start(served: Served, settings: Settings) -> None:
    service = Home(settings.indexes_dir.parent).service()
    with pytest.raises(GalleryError):
        service.search("broken", 0)
    assert served.client.get("/").status_code == 200
