"""An address → the bytes of its file, from a given one on; with the standard library alone."""

import http.client
import ssl
import string
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
    getproxies,
)

from app import __version__

_CHUNK_BYTES = 64 * 1024
_SCHEMES = ("http", "https")

FAILURES = (OSError, http.client.HTTPException, ValueError)
"""The errors of `open_from` and `Rest.chunks` about a host; a URLError is an OSError."""


@dataclass(frozen=True)
class Patience:
    """How long a host is waited for.

    It is given up when it cannot be connected to in `connect_seconds`, when nothing comes for
    `stall_seconds`, or fewer than `least_bytes_per_second` on average over those.
    """

    connect_seconds: float = 30
    stall_seconds: float = 60
    least_bytes_per_second: int = 1000


_PATIENT = Patience()


class Rest:
    """The rest of a file, while its host sends it.

    Attributes
    ----------
    start
        The first byte that comes: the requested one, or 0 from a host that cannot resume.
    whole_bytes
        The size of the whole file; None if the host does not say.
    """

    def __init__(self, response: Any, start: int, patience: Patience) -> None:
        self._response = response
        self._patience = patience
        length = response.headers["Content-Length"]
        self.start = start
        self.whole_bytes = start + int(length) if length else None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes as they come; one of `FAILURES` if the connection breaks or stalls."""
        patience = self._patience
        position = self.start
        since, recent_bytes = time.monotonic(), 0
        while chunk := self._response.read1(_CHUNK_BYTES):
            yield chunk
            position += len(chunk)
            recent_bytes += len(chunk)
            seconds = time.monotonic() - since
            if seconds >= patience.stall_seconds:
                if recent_bytes < seconds * patience.least_bytes_per_second:
                    raise TimeoutError(f"{recent_bytes} bytes in {seconds:.0f} s")
                since, recent_bytes = time.monotonic(), 0
        if self.whole_bytes is not None and position < self.whole_bytes:
            raise ConnectionError("the host closed it")


@contextmanager
def open_from(url: str, start: int, *, patience: Patience = _PATIENT) -> Iterator[Rest | None]:
    """Request a file from the byte `start` on; give None if the host has no more of it.

    Proxies are those of the environment; certificates are checked, and redirections are followed
    to http and https alone.

    Raises
    ------
    OSError
        The host cannot be reached, or refuses (HTTPError, which has the status as its `code`).
    HTTPException, ValueError
        What it answers is not HTTP, or the address is none.
    """
    request = _request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with _opener(patience).open(request, timeout=patience.connect_seconds) as response:
            resumed = response.status == http.client.PARTIAL_CONTENT
            yield Rest(response, start if resumed else 0, patience)
    except HTTPError as exc:
        exc.close()
        if not start or exc.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        yield None


def host_of(url: str) -> str:
    """Return an address's host and port, without a password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def reason_of(failure: BaseException) -> str:
    """Return a failure in a few words: ``HTTP 404``, ``Connection refused``."""
    if isinstance(failure, HTTPError):
        return f"HTTP {failure.code}"
    if isinstance(failure, URLError):
        if not isinstance(failure.reason, BaseException):
            return failure.reason
        failure = failure.reason
    if isinstance(failure, ssl.SSLError):
        return failure.reason or str(failure)
    if isinstance(failure, OSError) and failure.strerror:
        return failure.strerror
    return str(failure) or type(failure).__name__


class _Connection(http.client.HTTPConnection):
    """A connection that may be made in one time, and be silent for another."""

    def __init__(self, host: str, *, stall_seconds: float, **options: Any) -> None:
        super().__init__(host, **options)
        self._stall_seconds = stall_seconds

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self._stall_seconds)


class _TlsConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS; the certificate is checked when it is made."""


class _Http(HTTPHandler):
    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self._connect = partial(_Connection, stall_seconds=patience.stall_seconds)

    def http_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, request)


class _Https(HTTPSHandler):
    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self._connect = partial(_TlsConnection, stall_seconds=patience.stall_seconds)

    def https_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(self._connect, request)


def _request(url: str) -> Request:
    """Return the request for an address, in which may be spaces, other letters and a password."""
    parts = urlsplit(url)
    path, query = (quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    plain = parts._replace(netloc=host_of(url), path=path, query=query)
    agent = {"User-Agent": f"reverse-image-search/{__version__}"}
    request = Request(plain.geturl(), headers=agent)  # noqa: S310 (`_opener` knows no file:)
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        token = b64encode(user.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _opener(patience: Patience) -> OpenerDirector:
    """Return an opener of http and https addresses alone: no file, no ftp, no data."""
    configured = getproxies()
    proxies = {each: configured.get(each) or configured.get("all") for each in _SCHEMES}
    opener = OpenerDirector()
    for handler in (
        ProxyHandler({scheme: proxy for scheme, proxy in proxies.items() if proxy}),
        UnknownHandler(),
        _Http(patience),
        _Https(patience),
        HTTPDefaultErrorHandler(),
        HTTPRedirectHandler(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
