"""URL → bytes of a picture, within limits of size, time, redirects and addresses.

A name is resolved once. All its addresses must be public, and the connection goes to one that was
checked: a name that resolves differently a moment later (DNS rebinding) gains nothing. The Host
header and the certificate's check use the name.

Where a proxy is the only way out, and the settings say to use it, it is the proxy that resolves
names: then only addresses written as numbers are checked.

The HTTP client is the standard library's: it follows no redirect, uses no proxy, sends no cookie or
password and decompresses nothing by itself. httpcore with a network backend that holds to the same
rules was tried and came out longer (304 lines of code for 290) and slower to import (by 15 ms of
47), because its time limits hold for each read and not for the whole, so that every stream had to
be wrapped.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit

from app import __version__
from app.errors import AddressError, FetchError
from app.images import others
from app.images.addresses import Address, is_loopback, is_public
from app.images.connections import Deadline, Endpoint, connect, encrypt, endpoints_of
from app.images.content_codings import CutOffError, LargerError, UnpackingError, unpacked
from app.images.formats import recognise
from app.images.host_names import ascii_name
from app.images.proxies import NO_PROXIES, proxy_of, tunnel

_HEADERS = {
    "User-Agent": f"reverse-image-search/{__version__}",
    "Accept": "image/*, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110, 15.5.9 and 15.6; RFC 8470, 5.2 (425); RFC 6585, 4 (429): the request itself was fine.
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES = 64 * 1024
_MAX_URL_CHARACTERS = 8192
_MAX_ADDRESSES = 4
_UNQUOTED = "!#$%&'()*+,/:;=?@[]~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class FetchLimits:
    """Limits of one fetch, redirects included; ``allow_loopback`` allows this machine itself.

    ``proxies`` are those that `app.images.proxies` takes; none unless the settings say so.
    """

    timeout_seconds: float = 10
    max_bytes: int = 20 * 1024 * 1024  # less than an upload: here it is the server that waits
    # Browsers follow 20 (the fetch standard, 4.4), imgproxy 10; each is checked like the first.
    max_redirects: int = 10
    allow_loopback: bool = False
    proxies: Mapping[str, str] = field(default_factory=lambda: NO_PROXIES, repr=False)


_DEFAULT_LIMITS = FetchLimits()


def fetch(url: str, *, limits: FetchLimits = _DEFAULT_LIMITS) -> bytes:
    """Return the bytes of the picture at an http or https address.

    ``limits.timeout_seconds`` is one deadline for everything: name resolution, connections, every
    redirect and the last byte. A redirect from https to http is followed: nothing secret is sent,
    and the answer is untrusted either way.

    Raises
    ------
    AddressError
        No request may be sent there: not http(s), with a password, not public, or no address.
    FetchError
        No picture came back. Nothing else is raised, whatever the text and the answer are.
    """
    deadline = Deadline(limits.timeout_seconds)
    for _ in range(limits.max_redirects + 1):
        target = _parse(url)
        with _as_fetch_errors(target.host, limits):
            answer = _request(target, limits, deadline)
        if isinstance(answer, bytes):
            return answer
        url = answer
    raise FetchError(
        f"{target.host} redirects more than {limits.max_redirects} times: "
        "use the address of the picture itself."
    )


@dataclass(frozen=True)
class _Target:
    """The parts of a well-formed URL; ``host`` is ASCII, without brackets."""

    url: str
    secure: bool
    host: str
    port: int
    path: str  # and query, percent-encoded


def _parse(url: str) -> _Target:
    """Return the parts of a URL; raise AddressError if it is no http(s) URL with a host."""
    url = url.strip()
    shown = url if len(url) <= 100 else f"{url[:100]}…"
    if len(url) > _MAX_URL_CHARACTERS or _CONTROL.search(url):
        raise AddressError(
            f"{shown!r} is too long for an address, or has control characters: copy it again."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            host = str(ipaddress.IPv6Address(host))
        elif host.strip("."):
            host = ascii_name(host)
        path = quote(parts.path or "/", safe=_UNQUOTED)
        if parts.query:
            path += "?" + quote(parts.query, safe=_UNQUOTED)
    except ValueError as error:
        raise AddressError(f"{shown!r} is not an address: copy it again.") from error
    if parts.scheme not in ("http", "https"):
        raise AddressError(f"{shown!r} must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise AddressError(f"The address at {host} has a user or a password in it: leave them out.")
    if not host.strip(".") or "%" in host:
        raise AddressError(f"{shown!r} names no host: copy the whole address.")
    secure = parts.scheme == "https"
    return _Target(url, secure, host, port if port is not None else 443 if secure else 80, path)


def _request(target: _Target, limits: FetchLimits, deadline: Deadline) -> bytes | str:
    """Return the picture at a URL, or the URL to which its server redirects."""
    proxy = proxy_of(target.host, target.port, secure=target.secure, proxies=limits.proxies)
    if proxy is None:
        endpoints = _resolve(target, deadline, allow_loopback=limits.allow_loopback)
    else:
        _check_number(target.host, allow_loopback=limits.allow_loopback)
        endpoints = endpoints_of(proxy.host, proxy.port, deadline)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.default_port = 443 if target.secure else 80  # the port that Host leaves out
    connection.auto_open = 0  # it never connects itself, to an address that was not checked
    with closing(connection):
        connection.sock = connect(endpoints[:_MAX_ADDRESSES], deadline)
        path, headers = target.path, _HEADERS
        if target.secure:
            if proxy is not None:
                tunnel(connection.sock, proxy, target.host, target.port)
            connection.sock = encrypt(connection.sock, target.host, deadline)
        elif proxy is not None:
            path, headers = f"http://{_authority(target)}{path}", _HEADERS | proxy.headers()
        connection.request("GET", path, headers=headers)
        with closing(connection.getresponse()) as response:
            if response.status in _REDIRECTS:
                return _redirect(target, response)
            body = _read(target.host, response, limits.max_bytes)
    _check_picture(target.host, body)
    return body


def _resolve(target: _Target, deadline: Deadline, *, allow_loopback: bool) -> list[Endpoint]:
    """Return the host's addresses; raise AddressError unless all of them are public."""
    endpoints = endpoints_of(target.host, target.port, deadline)
    for _, endpoint in endpoints:
        _check_public(target.host, ipaddress.ip_address(endpoint[0]), allow_loopback=allow_loopback)
    return endpoints


def _check_public(host: str, address: Address, *, allow_loopback: bool) -> None:
    if not (is_public(address) or (allow_loopback and is_loopback(address))):
        raise AddressError(
            f"{host} is not a public address, and pictures come from those only: "
            "save the picture and upload it instead."
        )


def _check_number(host: str, *, allow_loopback: bool) -> None:
    """Raise AddressError for a host that, without being looked up, is known not to be public."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        _check_public(host, ipaddress.IPv4Address("127.0.0.1"), allow_loopback=allow_loopback)
        return
    try:
        # Every way in which a system's resolver reads numbers: 2130706433, 0x7f.1, 127.1.
        address: Address = ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            return
    _check_public(host, address, allow_loopback=allow_loopback)


def _authority(target: _Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == 80 else f"{host}:{target.port}"


def _redirect(target: _Target, response: http.client.HTTPResponse) -> str:
    """Return the absolute URL to which a response redirects."""
    location = response.headers.get("Location")
    if location is None:
        raise FetchError(
            f"{target.host} redirects without saying where: use the address of the picture itself."
        )
    try:
        # Headers arrive as Latin-1; servers that put other letters there mean UTF-8.
        return urljoin(target.url, location.encode("latin-1").decode("utf-8", "replace"))
    except ValueError as error:
        raise AddressError(
            f"{target.host} redirects to {location[:100]!r}, which is no address."
        ) from error


def _read(host: str, response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return a response's body, unpacked, of ``max_bytes`` at most; raise FetchError otherwise."""
    if response.status != HTTPStatus.OK:
        phrase = http.client.responses.get(response.status, "")
        raise FetchError(
            f"{host} answered {response.status} {phrase}".rstrip() + ", no picture.",
            retryable=response.status in _RETRYABLE,
            overloaded=response.status in (429, 503),
            retry_after_seconds=_retry_after(response.headers.get("Retry-After", "")),
        )
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
    codings = ",".join(response.headers.get_all("Content-Encoding", []))
    try:  # although the request forbade to pack it
        return unpacked(bytes(body), codings, max_bytes=max_bytes)
    except LargerError:
        raise too_large from None
    except CutOffError:
        raise http.client.IncompleteRead(bytes(body)) from None
    except UnpackingError as exc:
        raise FetchError(
            f"{host} compressed its answer {exc}: save the picture and upload it instead."
        ) from exc


def _retry_after(value: str) -> float | None:
    """Return the seconds of a valid Retry-After header (RFC 9110, 10.2.3)."""
    if re.fullmatch("[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - time.time())


def _check_picture(host: str, body: bytes) -> None:
    """Raise FetchError unless the bytes begin like a picture, whatever their Content-Type is."""
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
    if other := others.recognise(body):
        raise FetchError(f"{host} sent {other.what}: {other.mend}.")
    raise FetchError(f"The file that {host} sent is not a picture in a known format.")


@contextmanager
def _as_fetch_errors(host: str, limits: FetchLimits) -> Iterator[None]:
    """Turn every error on the way to ``host`` into a FetchError."""
    try:
        yield
    except FetchError:
        raise
    except TimeoutError as error:
        raise FetchError(
            f"{host} took longer than {limits.timeout_seconds:g} seconds to send the picture.",
            retryable=True,
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
            f"{host} broke off before the picture was whole: try again.", retryable=True
        ) from error
    except (http.client.HTTPException, ValueError) as error:
        hung_up = isinstance(error, OSError)  # RemoteDisconnected is both
        raise FetchError(
            f"{host} answered with something that is not HTTP.", retryable=hung_up
        ) from error
    except OSError as error:
        raise FetchError(
            f"{host} cannot be reached ({error.strerror or 'no connection'}).",
            retryable=True,
            unreachable=True,
        ) from error
