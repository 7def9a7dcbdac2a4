"""URL → bytes of a picture, within limits of size, time, redirects and addresses.

A name is looked up once. Every address that it has must be public, and the connection goes to an
address that was checked: a name that gives another answer a moment later gains nothing by it. The
Host header and the check of the certificate keep the name.

The standard library's HTTP client is used because it does no more than it is told: it follows no
redirect, asks no proxy of the environment, sends no cookie or password and unpacks nothing.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import certifi

from app import __version__
from app.errors import AddressError, FetchError
from app.images.formats import recognise

_HEADERS = {
    "User-Agent": f"reverse-image-search/{__version__}",
    "Accept": "image/*, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})  # what the same request may outlive
_CHUNK_BYTES = 64 * 1024
_MAX_URL_CHARACTERS = 8192
_MAX_ADDRESSES = 4
_KEPT_IN_A_PATH = "!#$%&'()*+,/:;=?@[]~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV6_GLOBAL = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata service answers there
        "192.88.99.0/24",  # relays to 6to4
        "168.63.129.16/32",  # a cloud's own service to its virtual machines, on a public address
        "3fff::/20",  # documentation
    )
)
"""What Python 3.11's ``is_global`` lets through and should not be asked."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Endpoint = tuple[socket.AddressFamily, Any]  # a family, and what its sockets connect to


@dataclass(frozen=True)
class FetchLimits:
    """What one fetch may cost, redirects included, and whether this machine may be asked."""

    timeout_seconds: float = 10
    max_bytes: int = 20 * 1024 * 1024  # less than may be sent: it is this server that must wait
    max_redirects: int = 3
    allow_loopback: bool = False


_DEFAULT_LIMITS = FetchLimits()


def fetch(url: str, *, limits: FetchLimits = _DEFAULT_LIMITS) -> bytes:
    """Return the picture at an http or https address, as it is stored there.

    ``limits.timeout_seconds`` is the time on the clock for all of it: the lookup of names, the
    connections, every redirect and the last byte. A redirect from https to http is followed:
    nothing secret is sent, and what comes back is treated as untrusted either way.

    Raises AddressError for an address that must not be asked (not http(s), with a password, not
    public, or no address at all), FetchError if no picture comes back; nothing else, whatever the
    text and the answer are.
    """
    clock = _Clock(limits.timeout_seconds)
    for _ in range(limits.max_redirects + 1):
        place = _parse(url)
        with _explaining(place.host, limits):
            answer = _ask(place, limits, clock)
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise FetchError(
        f"{place.host} redirects once more after {limits.max_redirects} redirects: "
        "use the address where the picture itself is."
    )


@dataclass(frozen=True)
class _Place:
    """A URL, taken apart and checked for form; ``host`` is ASCII, without brackets."""

    url: str
    secure: bool
    host: str
    port: int
    target: str


class _Clock:
    """The moment when all must be done."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raise TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _TimedSocket(socket.socket):
    """A socket that waits for bytes no longer than its clock says, however they drip."""

    clock: _Clock

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.clock.left())
        return super().recv_into(buffer, nbytes, flags)


class _TimedTLSSocket(ssl.SSLSocket):
    """The same, encrypted."""

    clock: _Clock

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.clock.left())
        return super().recv_into(buffer, nbytes, flags)


def _parse(url: str) -> _Place:
    """Return the parts of a URL; raise AddressError if it is not one that can be asked."""
    url = url.strip()
    shown = url if len(url) <= 100 else f"{url[:100]}…"
    if len(url) > _MAX_URL_CHARACTERS or _CONTROL.search(url):
        raise AddressError(f"{shown!r} is too long, or has characters that no address has.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            host = str(ipaddress.IPv6Address(host))
        else:
            host = host.encode("idna").decode("ascii").lower().removesuffix(".")
        target = quote(parts.path or "/", safe=_KEPT_IN_A_PATH)
        if parts.query:
            target += "?" + quote(parts.query, safe=_KEPT_IN_A_PATH)
    except ValueError as error:
        raise AddressError(f"{shown!r} is not an address: copy it once more.") from error
    if parts.scheme not in ("http", "https"):
        raise AddressError(f"{shown!r} must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise AddressError(f"The address at {host} has a user or a password in it: leave them out.")
    if not _HOST_NAME.fullmatch(host) and (":" not in host or "%" in host):
        raise AddressError(f"{shown!r} names no host: copy the whole address.")
    secure = parts.scheme == "https"
    return _Place(url, secure, host, port if port is not None else 443 if secure else 80, target)


def _ask(place: _Place, limits: FetchLimits, clock: _Clock) -> bytes | str:
    """Return the picture at a place, or the URL to which it redirects."""
    endpoints = _look_up(place, clock, allow_loopback=limits.allow_loopback)
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.default_port = 443 if place.secure else 80  # decides what the Host header says
    connection.auto_open = 0  # it never opens a connection itself, to an address not checked
    with closing(connection):
        connection.sock = _connect(endpoints, clock)
        if place.secure:
            connection.sock = _encrypt(connection.sock, place.host, clock)
        connection.request("GET", place.target, headers=_HEADERS)
        with closing(connection.getresponse()) as response:
            if response.status in _REDIRECTS:
                return _redirect(place, response)
            body = _read(place.host, response, limits.max_bytes)
    _check_picture(place.host, body)
    return body


def _look_up(place: _Place, clock: _Clock, *, allow_loopback: bool) -> list[_Endpoint]:
    """Return where a place's host can be reached; raise AddressError unless all of it is public.

    The operating system's lookup knows no time limit, so it runs in a thread that may be left.
    """
    answers: SimpleQueue[list[_Endpoint] | OSError | ValueError] = SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
            answers.put([(family, endpoint) for family, _, _, _, endpoint in found])
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=clock.left())
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception) or not answer:
        raise FetchError(
            f"No host named {place.host} can be found: check the address.",
            may_pass=isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN,
            unreachable=True,
        )
    for _, endpoint in answer:
        address = ipaddress.ip_address(endpoint[0])
        if not (_is_public(address) or (allow_loopback and _is_loopback(address))):
            raise AddressError(
                f"{place.host} is not a public address, and only those are asked: "
                "save the picture and upload it instead."
            )
    return answer[:_MAX_ADDRESSES]


def _is_public(address: _Address) -> bool:
    """Return whether an address, and the IPv4 address that may be inside it, is on the internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return _is_public(inside)
        if address not in _IPV6_GLOBAL:
            return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def _is_loopback(address: _Address) -> bool:
    """Return whether an address is this machine itself."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _connect(endpoints: list[_Endpoint], clock: _Clock) -> _TimedSocket:
    """Return a connection to the first endpoint that takes one; raise OSError if none does."""
    failure: OSError = ConnectionError()
    for tried, (family, endpoint) in enumerate(endpoints):
        sock = _TimedSocket(family, socket.SOCK_STREAM)
        sock.clock = clock
        try:
            sock.settimeout(clock.left() / (len(endpoints) - tried))
            sock.connect(endpoint)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _encrypt(sock: _TimedSocket, host: str, clock: _Clock) -> ssl.SSLSocket:
    """Return the same connection under TLS, with the host's name checked in its certificate."""
    sock.settimeout(clock.left())  # the whole handshake keeps to it
    encrypted = _tls_context().wrap_socket(sock, server_hostname=host)
    assert isinstance(encrypted, _TimedTLSSocket)
    encrypted.clock = clock
    encrypted.settimeout(clock.left())
    return encrypted


@cache
def _tls_context() -> ssl.SSLContext:
    """Return what certificates are checked with: the system's authorities and certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = _TimedTLSSocket
    return context


def _redirect(place: _Place, response: http.client.HTTPResponse) -> str:
    """Return the absolute URL to which a response redirects."""
    location = response.headers.get("Location")
    if location is None:
        raise FetchError(f"{place.host} redirects without saying where to.")
    try:
        # Headers arrive as Latin-1; servers that put other letters there mean UTF-8.
        return urljoin(place.url, location.encode("latin-1").decode("utf-8", "replace"))
    except ValueError as error:
        raise AddressError(f"{place.host} redirects to something that is no address.") from error


def _read(host: str, response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return a response's body, at most ``max_bytes`` long; raise FetchError otherwise."""
    if response.status != HTTPStatus.OK:
        phrase = http.client.responses.get(response.status, "")
        raise FetchError(
            f"{host} answered {response.status} {phrase}".rstrip() + ", no picture.",
            may_pass=response.status in _MAY_PASS,
            overloaded=response.status in (429, 503),
            retry_after_seconds=_retry_after(response.headers.get("Retry-After", "")),
        )
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in ("", "identity"):
        raise FetchError(f"{host} sent its answer compressed ({encoding!r}), unlike asked.")
    too_large = FetchError(
        f"The picture at {host} is larger than {max_bytes / 1024**2:g} MB: "
        "save it and make it smaller."
    )
    declared = response.length
    if declared is not None and declared > max_bytes:
        raise too_large
    body = bytearray()
    while chunk := response.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    if declared is not None and len(body) < declared:
        raise http.client.IncompleteRead(bytes(body), declared - len(body))
    return bytes(body)


def _retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3); None if none."""
    if re.fullmatch("[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - time.time())


def _check_picture(host: str, body: bytes) -> None:
    """Raise FetchError unless the bytes begin like a picture; what a server calls them is moot."""
    if recognise(body):
        return
    head = body[:4096].lower()
    if not body:
        raise FetchError(f"{host} sent an empty answer, no picture.")
    if b"<html" in head or b"<!doctype html" in head:
        raise FetchError(
            f"The address at {host} is a web page, not a picture: "
            "open it and copy the address of the picture itself."
        )
    if b"<svg" in head:
        raise FetchError(f"{host} sent an SVG drawing, which has no pixels: save it as PNG first.")
    raise FetchError(f"What {host} sent is not a picture in a known format.")


@contextmanager
def _explaining(host: str, limits: FetchLimits) -> Iterator[None]:
    """Turn what goes wrong on the way to ``host`` into one sentence."""
    try:
        yield
    except FetchError:
        raise
    except TimeoutError as error:
        raise FetchError(
            f"{host} took longer than {limits.timeout_seconds:g} seconds to send the picture.",
            may_pass=True,
            unreachable=True,
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise FetchError(
            f"The certificate of {host} cannot be trusted ({error.verify_message})."
        ) from error
    except ssl.SSLError as error:
        raise FetchError(f"No secure connection to {host} can be made.") from error
    except http.client.IncompleteRead as error:
        raise FetchError(
            f"{host} broke off before the picture was whole: try again.", may_pass=True
        ) from error
    except (http.client.HTTPException, ValueError) as error:
        hung_up = isinstance(error, OSError)  # RemoteDisconnected is both
        raise FetchError(f"What {host} answered is not HTTP.", may_pass=hung_up) from error
    except OSError as error:
        raise FetchError(
            f"{host} cannot be reached ({error.strerror or 'no connection'}).",
            may_pass=True,
            unreachable=True,
        ) from error
