"""Gradio's own routes reach no other host, and no file but uploads."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.doors.page.forwarding import is_forwarded
from tests.commands import Site
from tests.conftest import ROOT, encoded, picture
from tests.doors.conftest import Served

HOSTS = ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0", "127.1", "１２７.0.0.1")
FORWARDED = (
    *("proxy={}", "proxy=/{}", "proxy=https://example.org@{}", "file={}", "file/{}", "file=%09{}"),
    *("/proxy={}", "/file={}", "proxy%3D{}", "file%3D{}", "FILE={}"),
)


@pytest.fixture(scope="module")
def canary() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        site.shows("/cat.jpg", 1)
        yield site


def addresses(canary: Site) -> list[str]:
    port = canary.url.rpartition(":")[2]
    return [f"http://{host}:{port}/cat.jpg" for host in HOSTS]


@pytest.mark.parametrize("form", FORWARDED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_handed_on_from_another_host(
    client: httpx.Client, canary: Site, form: str, method: str
) -> None:
    for address in addresses(canary):
        for written in (address, quote(address, safe=""), address.replace("http", "HTTP")):
            path = "/gradio_api/" + form.format(written)
            assert client.request(method, path).status_code in (400, 403, 404, 405), path
    assert not canary.asked


def calls(client: httpx.Client, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the ways to give a file's path to one of the endpoints: route, body."""
    file = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}
    described = client.get("/gradio_api/info").json()["named_endpoints"]["/search"]
    rest = [each.get("parameter_default") for each in described["parameters"][1:]]
    bodies = [
        {"data": [each, *rest]} for each in (file, path, {"path": path}, {"url": path, **file})
    ]
    return [
        (route, body | {"session_hash": "x"})
        for body in bodies
        for route in ("/gradio_api/run/search", "/gradio_api/api/search", "/gradio_api/call/search")
    ]


def test_no_file_is_downloaded_by_gradio_itself(client: httpx.Client, canary: Site) -> None:
    for address in addresses(canary):
        for route, body in calls(client, address):
            answer = client.post(route, json=body)
            if "/call/" not in route:
                assert answer.status_code == 500, answer.text
                assert "results" not in answer.json()
            elif answer.status_code == 200:
                event = answer.json()["event_id"]
                assert "results" not in client.get(f"{route}/{event}").text
        join = {"fn_index": 0, "session_hash": "x", "data": calls(client, address)[0][1]["data"]}
        client.post("/gradio_api/queue/join", json=join)
    assert not canary.asked


def test_the_sentence_of_url_queries_is_given_for_a_files_address(
    client: httpx.Client, canary: Site
) -> None:
    route, body = calls(client, addresses(canary)[0])[0]
    assert "not a public address" in json.dumps(client.post(route, json=body).json())


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"),
        *("{uploads}/../secret.txt", "{uploads}/%2e%2e/secret.txt", "{uploads}/x/../../secret.txt"),
        *("{uploads}-beside/secret.txt", "{uploads}/link.txt", "file:///etc/passwd", "~/.profile"),
        *("{root}/requirements.txt", "{root}/app/../pyproject.toml", "app/settings.py"),
    ],
)
def test_no_file_but_an_upload_is_read(served: Served, path: str) -> None:
    secret = served.uploads.parent / "secret.txt"
    secret.write_text("secret")
    beside = served.uploads.parent / f"{served.uploads.name}-beside"
    beside.mkdir(exist_ok=True)
    try:
        (beside / "secret.txt").write_text("secret")
        link = served.uploads / "link.txt"
        if not link.is_symlink():
            link.symlink_to(secret)
        path = path.format(uploads=served.uploads, root=ROOT)
        for route in ("file=", "file/"):
            answer = served.client.get(f"/gradio_api/{route}{path}")
            assert answer.status_code in (400, 403, 404), (path, answer.text[:100])
        for route, body in calls(served.client, path):
            if "/call/" not in route:
                assert served.client.post(route, json=body).status_code in (403, 500)
    finally:
        (served.uploads / "link.txt").unlink(missing_ok=True)
        (beside / "secret.txt").unlink()
        beside.rmdir()


def test_an_upload_under_a_name_that_leads_elsewhere_stays_in_its_folder(served: Served) -> None:
    data = encoded(picture(7))
    for name in ("../../x.jpg", "/etc/x.jpg", "..\\x.jpg", "http://127.0.0.1/x.jpg"):
        (path,) = served.client.post("/gradio_api/upload", files={"files": (name, data)}).json()
        assert str(path).startswith(f"{served.uploads}/")
        assert ".." not in path.split("/")


@pytest.mark.parametrize("path", ["/", "/gradio_api/file=/tmp/a.jpg", "/gradio_api/upload"])
def test_the_pages_own_requests_are_none_of_these(path: str) -> None:
    assert not is_forwarded(path)
