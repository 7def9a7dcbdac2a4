"""Requests beyond what the server takes hear when to come again; slow bodies keep no place."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse

from app.doors import limits
from app.doors.access import EVERYBODY
from app.doors.limits import Limits
from app.doors.rest import costs_little, make_rest
from app.doors.server import make_application
from app.settings import read_settings
from app.wiring import make_keeper, make_maker
from tests.conftest import Home, encoded, fill, is_one_sentence, picture

CLIENTS = 12
PICTURE = "/galleries/mine/images/1/image"


def refused(error: Any, scope: Any) -> Any:
    headers = {"retry-after": str(getattr(error, "retry_after_seconds", ""))}
    return JSONResponse({"detail": str(error)}, error.http_status, headers=headers)


def asked(application: Any, asking: Callable[[httpx.AsyncClient], Any], *, of: str = "") -> Any:
    """Return what `asking` returns of a client, of the address `of`, with an application."""

    async def ask() -> Any:
        transport = httpx.ASGITransport(application, client=(of or "192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await asking(client)

    return asyncio.run(ask())


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Answer a moment after the whole body has come, with its length."""
    body = await Request(scope, receive).body()
    await asyncio.sleep(0.05)
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def test_of_many_requests_at_once_those_beyond_the_limit_hear_when_to_come_again() -> None:
    application = Limits(answering, most_at_once=4, costs_little=costs_little, refused=refused)

    async def all_at_once(client: httpx.AsyncClient) -> list[httpx.Response]:
        posts = [client.post("/search", content=b"abc") for _ in range(CLIENTS)]
        gets = [client.get(PICTURE) for _ in range(CLIENTS)]
        return list(await asyncio.gather(*posts, *gets))

    answers = asked(application, all_at_once)
    statuses = [each.status_code for each in answers]
    assert statuses[:CLIENTS].count(200) == 4
    assert statuses[:CLIENTS].count(429) == CLIENTS - 4
    assert set(statuses[CLIENTS:]) == {200}, "what asks for no work is not counted"
    late = next(each for each in answers if each.status_code == 429)
    assert late.headers["retry-after"] == "1"
    assert is_one_sentence(late.json()["detail"])
    again = asked(application, lambda client: client.post("/search", content=b"abc"))
    assert (again.status_code, again.text) == (200, "3"), "each place is given back"


def test_a_place_is_given_back_whatever_happens() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a fault")

    application = Limits(failing, most_at_once=1, costs_little=costs_little, refused=refused)
    for _ in range(3):
        with pytest.raises(ValueError, match="a fault"):
            asked(application, lambda client: client.post("/"))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_an_address_may_ask_so_often(first: str, second: str, same: bool) -> None:
    application = Limits(
        answering, most_at_once=9, rate="2/hour", costs_little=costs_little, refused=refused
    )
    for of in (first, second):
        answer = asked(application, lambda client: client.post("/"), of=of)
        assert answer.status_code == 200
    third = asked(application, lambda client: client.post("/"), of=first)
    assert third.status_code == (429 if same else 200)
    if same:
        assert 3_500 < int(third.headers["retry-after"]) <= 3_600
        assert "2 requests per hour" in third.json()["detail"]
        assert is_one_sentence(third.json()["detail"])
    assert asked(application, lambda client: client.get(PICTURE), of=first).status_code == 200


ROUTES_OF_LITTLE_COST = {
    *("/healthz", "/readyz", "/metrics", "/problems/{kind}", "/galleries", "/galleries/{gallery}"),
    *("/galleries/{gallery}/update", "/galleries/{gallery}/duplicates"),
    "/galleries/{gallery}/images/{image}/image",
    "/galleries/{gallery}/images/{image}/thumbnail",
}


def test_searches_by_get_count_and_every_route_that_is_not_known_to_cost_little(
    tmp_path: Path,
) -> None:
    settings = read_settings({"RIS_HOME": str(tmp_path), "RIS_CACHE_DIR": str(tmp_path)})
    programs = make_rest(
        Home(tmp_path).service(),
        keeper=make_keeper(settings),
        access=EVERYBODY,
        not_ready=str,
    )
    paths = {path for path, methods in programs.openapi()["paths"].items() if "get" in methods}
    assert "/galleries/{gallery}/images/{image}/similar" in paths
    for path in paths:
        asking = {"path": path, "root_path": ""}
        for method in ("GET", "HEAD"):
            little = costs_little({**asking, "method": method})
            assert little == (path in ROUTES_OF_LITTLE_COST), path
        assert not costs_little({**asking, "method": "POST"})


@pytest.mark.parametrize(
    ("path", "little"),
    [
        *[(path, True) for path in ("/", "/page/call.js", "/gradio_api/queue/data", "/mcp")],
        *[(path, True) for path in ("/docs", "/docs-files/a.js", "/openapi.json")],
        ("/galleries/mine/images/a/similar/b/image", True),
        ("/galleries/mine/images/a/image/similar", False),
        ("/galleries/mine/images/a/similar\n", False),
        ("/galleries/mine/images/1", False),
        ("/galleries/mine/counts", False),
        ("/similarity-search", False),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/photos"])
def test_what_a_get_costs_is_seen_by_its_path(path: str, little: bool, root_path: str) -> None:
    scope = {"method": "GET", "path": root_path + path, "root_path": root_path}
    assert costs_little(scope) == little


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_search_by_get_is_refused_beyond_the_limits(method: str) -> None:
    similar = "/galleries/mine/images/1/similar"

    async def all_at_once(client: httpx.AsyncClient) -> list[int]:
        asking = [client.request(method, similar) for _ in range(CLIENTS)]
        return [each.status_code for each in await asyncio.gather(*asking)]

    bounds: list[dict[str, Any]] = [
        {"most_at_once": 4},
        {"most_at_once": CLIENTS, "rate": "4/hour"},
    ]
    for bound in bounds:
        application = Limits(answering, **bound, costs_little=costs_little, refused=refused)
        statuses = asked(application, all_at_once)
        assert (statuses.count(200), statuses.count(429)) == (4, CLIENTS - 4)


@pytest.mark.parametrize("sent", ["nothing", "drops", "all but the end"])
def test_a_body_that_does_not_come_ends_its_request(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_SILENT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "MOST_BODY_SECONDS", 0.3)
    application = Limits(answering, most_at_once=1, costs_little=costs_little, refused=refused)
    started: list[Any] = []
    parts = {"nothing": 0, "drops": 1_000, "all but the end": 1}[sent]

    async def ask() -> None:
        left = parts

        async def receive() -> Any:
            nonlocal left
            if not left:
                await asyncio.sleep(60)
            await asyncio.sleep(0.05 if parts > 1 else 0)
            left -= 1
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message: Any) -> None:
            started.append(message)

        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        await asyncio.wait_for(application(scope, receive, send), 10)

    asyncio.run(ask())
    assert started[0]["status"] == 408
    assert [each["type"] for each in started] == ["http.response.start", "http.response.body"]
    after = asked(application, lambda client: client.post("/", content=b"abc"))
    assert after.status_code == 200, "its place is free"


def test_an_answer_may_take_longer_than_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_SILENT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "MOST_BODY_SECONDS", 0.1)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        await asyncio.sleep(0.3)
        assert not await request.is_disconnected()
        await PlainTextResponse("done")(scope, receive, send)

    application = Limits(slow, most_at_once=1, costs_little=costs_little, refused=refused)
    assert asked(application, lambda client: client.post("/", content=b"abc")).text == "done"


@pytest.mark.usefixtures("loops_closed")
def test_the_server_has_the_limits_of_its_settings(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.build(fill(tmp_path / "pictures", 4), "mine")
    settings = read_settings({"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(tmp_path)})
    service, free = home.service(), threading.Event()
    decoded = service.answer
    service.answer = lambda request: (free.wait(20), decoded(request))[1]  # type: ignore[method-assign]
    application = make_application(
        service,
        tmp_path,
        make_maker(settings),
        make_keeper(settings),
        host="127.0.0.1",
        most_at_once=3,
    )

    async def all_at_once(client: httpx.AsyncClient) -> list[httpx.Response]:
        client.base_url = httpx.URL("http://127.0.0.1")
        file = {"file": encoded(picture(3))}
        posts = [
            asyncio.ensure_future(client.post("/similarity-search?gallery=mine&k=2", files=file))
            for _ in range(5)
        ]
        await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        health = await client.get("/healthz")
        free.set()
        return [health, *await asyncio.gather(*posts)]

    health, *answers = asked(application, all_at_once)
    assert health.status_code == 200
    assert sorted(each.status_code for each in answers) == [200, 200, 200, 429, 429]
    late = next(each for each in answers if each.status_code == 429)
    assert late.json()["type"] == "/problems/too-many"
    assert late.headers["retry-after"] == "1"
