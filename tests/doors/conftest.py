"""A running server with the page, and its application without a port, asked as browsers do."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import errors
from app.doors.server import make_application, serve
from app.search.service import SearchService, Watcher
from app.settings import Settings, read_settings
from app.wiring import make_keeper, make_maker
from tests.conftest import (
    Home,
    closing_loops,
    fill,
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home with a gallery "mine" and a damaged one, "broken"."""
    home = Home(tmp_path_factory.mktemp("served"))
    images = fill(home.path / "pictures", 20)
    for name in ("mine", "broken"):
        home.build(images, name)
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    return read_settings(
        {
            "PORT": str(free_port()),
            "RIS_HOME": str(home.path),
            "RIS_CACHE_DIR": str(home.path / "cache"),
            "RIS_CREATE_GALLERIES": "1",
        }
    )


@pytest.fixture(scope="module")
def loops_closed() -> Iterator[None]:
    with closing_loops():
        yield


@dataclass(frozen=True)
class Served:
    """A running server: where it is, and where it keeps what visitors upload."""

    client: httpx.Client
    uploads: Path


@pytest.fixture(scope="module")
def served(
    settings: Settings, loops_closed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
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


def component_of(client: httpx.Client, part: str) -> int:
    """Return the id of the component that a part of the page sends its requests to."""
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
def failing(loops_closed: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An application for a public address, over the service whose thumbnails fail."""
    maker, keeper = make_maker(read_settings({})), make_keeper(read_settings({}))
    uploads = tmp_path_factory.mktemp("uploads")
    return make_application(Failing(), uploads, maker, keeper, host="0.0.0.0")


def asgi(
    application: Any, method: str, path: str, headers: Mapping[str, str | bytes] | None = None
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())
