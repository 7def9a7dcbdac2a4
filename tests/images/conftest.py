"""Servers on loopback, and no connection that would leave the machine."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.images.site import Site


@pytest.fixture
def server() -> Iterator[Site]:
    with contextlib.closing(Site()) as server:
        yield server


@pytest.fixture
def raw() -> Iterator[Callable[[bytes | None], int]]:
    """Give a function that starts a server which sends these bytes (None: nothing)."""
    with contextlib.ExitStack() as stack:

        def start(data: bytes | None) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    if data is not None:
                        connection.sendall(data)
                        connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(thread.join)
            return int(listener.getsockname()[1])

        yield start


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse every connection that would leave the machine; list all that were tried."""
    tried: list[str] = []
    connect = socket.socket.connect

    def guarded(self: socket.socket, endpoint: Any) -> None:
        tried.append(endpoint[0])
        if endpoint[0] not in ("127.0.0.1", "::1"):
            raise ConnectionRefusedError(111, "Connection refused")
        connect(self, endpoint)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    return tried
