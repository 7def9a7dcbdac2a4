"""An address → the proxy that it is asked through, if there is to be one, and the way through."""

import base64
import http.client
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from app.errors import FetchError

NO_PROXIES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Proxy:
    """Where a proxy listens, and the credentials that it wants, as a header's value or ''."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers for the proxy itself."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_of(host: str, port: int, *, secure: bool, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for requests to a host; None where they go straight there.

    `proxies` are those of the environment: "http", "https", "all" and "no" → their value.
    FetchError for a proxy that is not spoken to over HTTP.
    """
    text = proxies.get("https" if secure else "http") or proxies.get("all") or ""
    if not text:
        return None
    if any(_goes_straight(host, port, rule) for rule in proxies.get("no", "").split(",")):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        name, number = parts.hostname or "", parts.port or 80
    except ValueError:
        name, number = "", 0
    if not name or parts.scheme != "http":
        raise FetchError(
            "The proxy that the environment names is none that is spoken to over HTTP: "
            "set it as http://host:port, or start without RIS_PROXY."
        )
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return Proxy(name, number, authorization)


def _goes_straight(host: str, port: int, rule: str) -> bool:
    """Return whether a rule of NO_PROXY, as most programs agree on them, is for a host.

    That is *, a name or address, with a port or without, which is for the names below it too, or a
    network such as 10.0.0.0/8.
    """
    rule = rule.strip().lower()
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name = rule.removesuffix(f":{port}").strip("[]").removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have a proxy connect `sock` to a host (RFC 9110, 9.3.6); FetchError if it refuses."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers().items()]
    sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    response = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        response.begin()
        if response.status != 200:
            phrase = http.client.responses.get(response.status, "")
            raise FetchError(
                f"The proxy {proxy.host} does not connect to {host} "
                f"({response.status} {phrase}".rstrip()
                + ")."
            )
    finally:
        response.close()
