"""Only this server's own pages, and programs, are answered: no page of another site."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.doors.own_pages import OwnPagesOnly
from app.settings import Settings
from tests.conftest import encoded, fill, is_one_sentence, picture
from tests.doors.conftest import Served, asgi, call

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
    problem = answer.json()
    assert problem["type"] == "/problems/sender"
    assert is_one_sentence(problem["detail"])
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
    for name in (
        *("making", "may_make", "make_gallery", "make_selection", "go_on"),
        *("cancel_making", "forget_uploads"),
    ):
        assert is_refused(call(served.client, name, new, headers, part="galleries"))
    making = call(served.client, "making", {}, part="galleries").json()
    assert making["progress"]["state"] == "idle"
    before = served.client.get("/galleries/mine").json()
    for method, path in (
        ("POST", "/galleries/mine/update"),
        ("POST", "/galleries/mine/images"),
        ("DELETE", "/galleries/mine/images/1"),
        ("PATCH", "/galleries/mine"),
        ("DELETE", "/galleries/mine"),
        ("POST", "/galleries/mine/merge"),
    ):
        assert is_refused(served.client.request(method, path, headers=headers))
    assert served.client.get("/galleries/mine").json() == before
    assert served.client.get("/galleries/mine/update").json()["state"] == "idle"
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
        assert "progress" in call(client, "making", {}, headers, part="galleries").json()


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
    """A container listens at every address: without names it could not know who asks."""
    application = FastAPI()
    application.get("/")(lambda: "a secret")
    guarded = OwnPagesOnly(application, host=host, hosts={"photos.example"})
    answer = asgi(guarded, "GET", "/", {"Host": name})
    assert answer.status_code == status
    assert ("secret" in answer.text) == (status == 200)
