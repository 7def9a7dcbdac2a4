"""A home with galleries, and the official client on both of the server's ways in."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, Tool

from app.search.service import SearchService
from tests.conftest import ROOT, Home, fill


@dataclass(frozen=True)
class Place:
    """Where the tests' galleries are, and the folder whose pictures may be named by their paths."""

    home: Home
    pictures: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RIS_HOME": str(self.home.path),
            "RIS_CACHE_DIR": str(self.home.path / "cache"),
            "RIS_ALLOW_LOOPBACK_URLS": "1",
            "RIS_HOSTS": "photos.example",
            "RIS_MCP_FOLDERS": os.pathsep.join([str(self.home.path / "none"), str(self.pictures)]),
        }


@dataclass(frozen=True)
class Asked:
    """A connected client, asked without `await`."""

    client: Client
    portal: BlockingPortal

    def tools(self) -> dict[str, Tool]:
        listed = self.portal.call(self.client.list_tools)
        return {tool.name: tool for tool in listed.tools}

    def call(self, name: str, **arguments: Any) -> CallToolResult:
        answered = self.portal.call(self.client.call_tool, name, arguments)
        assert isinstance(answered, CallToolResult)
        return answered


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Galleries "mine", of 40 pictures in 5 folders, and "broken", which is refused."""
    home = Home(tmp_path_factory.mktemp("mcp"))
    pictures = fill(home.path / "pictures", 40)
    for name in ("broken", "mine"):
        home.build(pictures, name)
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    return Place(home, pictures)


@pytest.fixture(scope="session")
def service(place: Place) -> SearchService:
    """The service in this process, to compare with."""
    return place.home.service()


@pytest.fixture(scope="session")
def address(place: Place) -> Iterator[str]:
    """Run the server; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = os.environ | place.environment | {"HOST": "127.0.0.1", "PORT": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout
        announced = server.stdout.readline()
        assert announced.startswith("Open ")
        yield announced.removeprefix("Open ").strip()
        server.terminate()


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def over_stdio(place: Place, portal: BlockingPortal) -> Iterator[Asked]:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "app", "mcp"], env=place.environment, cwd=ROOT
    )
    with portal.wrap_async_context_manager(Client(command)) as client:
        yield Asked(client, portal)


@pytest.fixture(scope="session")
def over_http(address: str, portal: BlockingPortal) -> Iterator[Asked]:
    with portal.wrap_async_context_manager(Client(f"{address}/mcp")) as client:
        yield Asked(client, portal)


@pytest.fixture(scope="session", params=["stdio", "http"])
def asked(request: pytest.FixtureRequest) -> Asked:
    """The client on either way in; each test that takes it runs on both."""
    connected = request.getfixturevalue(f"over_{request.param}")
    assert isinstance(connected, Asked)
    return connected
