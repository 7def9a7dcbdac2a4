"""A host → a connection to it, every wait on which ends at one moment.

Python's sockets bound each wait by itself: a server that sends a byte now and then keeps them for
ever.
"""

import socket
import ssl
import threading
import time
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

import certifi

from app.errors import FetchError

Endpoint = tuple[socket.AddressFamily, Any]
"""A family of addresses, and its argument for socket.connect."""


class Deadline:
    """The moment when everything must be done."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds until then; raise TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _TimedSocket(socket.socket):
    """A socket that waits for bytes no longer than its deadline, however slowly they drip."""

    deadline: Deadline

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(buffer, nbytes, flags)


class _TimedTLSSocket(ssl.SSLSocket):
    """The same under TLS."""

    deadline: Deadline

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(buffer, nbytes, flags)


def endpoints_of(host: str, port: int, deadline: Deadline) -> list[Endpoint]:
    """Return the addresses of a host, at least one.

    getaddrinfo has no time limit, so it runs in a thread that may be abandoned.
    """
    answers: SimpleQueue[list[Endpoint] | OSError | ValueError] = SimpleQueue()

    def resolve() -> None:
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, endpoint) for family, _, _, _, endpoint in addresses])
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=resolve, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception) or not answer:
        raise FetchError(
            f"No host named {host} was found: check the address.",
            retryable=isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN,
            unreachable=True,
        )
    return answer


def connect(endpoints: list[Endpoint], deadline: Deadline) -> socket.socket:
    """Return a connection to the first endpoint that accepts one; raise OSError if none does."""
    failure: OSError = ConnectionError()
    for tried, (family, endpoint) in enumerate(endpoints):
        sock = _TimedSocket(family, socket.SOCK_STREAM)
        sock.deadline = deadline
        try:
            sock.settimeout(deadline.left() / (len(endpoints) - tried))
            sock.connect(endpoint)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def encrypt(sock: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    """Return the same connection under TLS, its certificate checked for the host's name."""
    sock.settimeout(deadline.left())  # holds for the whole handshake
    encrypted = tls_context().wrap_socket(sock, server_hostname=host)
    assert isinstance(encrypted, _TimedTLSSocket)
    encrypted.deadline = deadline
    encrypted.settimeout(deadline.left())
    return encrypted


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings: certificates are checked with the system's and certifi's roots."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = _TimedTLSSocket
    return context
