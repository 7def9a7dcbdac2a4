"""Through a proxy, where the settings say so: what it is sent, and what is never sent to it."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from app.errors import AddressError, FetchError
from app.images.fetch import fetch
from app.images.proxies import proxy_of
from tests.images.site import LOCAL, PICTURE, PUBLIC, Site, answer, resolver


@pytest.fixture
def proxy() -> Iterator[Site]:
    """Give a proxy that answers every request itself, and lists what it was asked to connect to."""
    with contextlib.closing(Site()) as site:

        def connect(handler: BaseHTTPRequestHandler) -> None:
            site.requests.append(handler)
            handler.send_error(407)

        site.server.RequestHandlerClass.do_CONNECT = connect  # type: ignore[attr-defined]
        yield site


def test_an_address_is_asked_for_through_the_proxy_and_the_name_is_not_looked_up_here(
    proxy: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], asked=looked_up))
    url = "http://example.test/cat.jpg?x=1"
    proxy.pages[url] = answer()
    limits = replace(LOCAL, proxies={"http": f"http://me:p%40ss@proxy.test:{proxy.port}"})
    assert fetch(url, limits=limits) == PICTURE
    assert looked_up == ["proxy.test"]
    headers = proxy.requests[0].headers
    assert (headers["Host"], headers["Proxy-Authorization"]) == (
        "example.test",
        "Basic bWU6cEBzcw==",
    )


def test_under_tls_the_proxy_only_connects(proxy: Site) -> None:
    limits = replace(LOCAL, proxies={"all": f"127.0.0.1:{proxy.port}"})
    with pytest.raises(FetchError, match=r"proxy 127\.0\.0\.1.*example\.test.*407"):
        fetch("https://example.test/cat.jpg", limits=limits)
    assert (proxy.requests[0].command, proxy.requests[0].path) == ("CONNECT", "example.test:443")


def test_the_bytes_after_a_connection_are_the_servers(
    server: Site, raw: Callable[[bytes | None], int]
) -> None:
    port = raw(b"HTTP/1.1 200 Connected\r\n\r\nno TLS")
    limits = replace(LOCAL, proxies={"https": f"http://127.0.0.1:{port}"})
    with pytest.raises(FetchError, match="secure connection to example"):
        fetch("https://example.test/cat.jpg", limits=limits)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "10.0.0.1", "[::1]"),
        *("169.254.169.254", "[::ffff:10.0.0.1]", "[2002:a00:1::]", "localhost", "a.localhost."),
    ],
)
def test_a_proxy_is_not_asked_for_an_address_that_is_known_not_to_be_public(
    proxy: Site, host: str
) -> None:
    limits = replace(LOCAL, allow_loopback=False, proxies={"all": f"http://127.0.0.1:{proxy.port}"})
    for scheme in ("http", "https"):
        with pytest.raises(AddressError):
            fetch(f"{scheme}://{host}/", limits=limits)
    proxy.pages["http://example.test/"] = answer(b"", 302, Location=f"http://{host}/")
    with pytest.raises(AddressError):
        fetch("http://example.test/", limits=limits)
    assert [each.path for each in proxy.requests] == ["http://example.test/"]


def test_what_no_proxy_names_is_checked_and_asked_directly(
    proxy: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["10.0.0.1"]))
    limits = replace(LOCAL, proxies={"http": f"127.0.0.1:{proxy.port}", "no": "inside.test"})
    with pytest.raises(AddressError):
        fetch("http://inside.test/", limits=limits)
    assert (connections, proxy.requests) == ([], [])


@pytest.mark.parametrize(
    ("rules", "straight"),
    [
        *(("*", True), ("example.org", True), (".example.org", True), ("*.example.org", True)),
        *(("a, www.example.org ,b", True), ("EXAMPLE.org", True), ("www.example.org:8080", True)),
        *(("www.example.org:80", False), ("ample.org", False), ("", False), ("org.example", False)),
        *((" , ,", False), ("10.0.0.0/8", False), ("x/y", False)),
    ],
)
def test_no_proxy_is_read_as_most_programs_read_it(rules: str, straight: bool) -> None:
    proxies = {"http": "http://proxy", "no": rules}
    found = proxy_of("www.example.org", 8080, secure=False, proxies=proxies)
    assert (found is None) == straight


def test_no_proxy_may_name_addresses_and_networks() -> None:
    for rules, host in (
        ("8.8.0.0/16", "8.8.8.8"),
        ("2606:4700::/32", "2606:4700::1"),
        ("[::1]", "::1"),
    ):
        proxies = {"all": "http://proxy", "no": rules}
        assert proxy_of(host, 80, secure=True, proxies=proxies) is None


@pytest.mark.parametrize(
    "address", ["socks5://127.0.0.1:1", "https://proxy", "http://", "http://["]
)
def test_a_proxy_of_another_kind_is_refused_in_one_sentence(
    connections: list[str], address: str
) -> None:
    with pytest.raises(FetchError, match="RIS_PROXY"):
        fetch(f"http://{PUBLIC}/", limits=replace(LOCAL, proxies={"http": address}))
    assert connections == []


def test_a_proxy_that_does_not_listen_is_named_as_what_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch("http://example.test/", limits=replace(LOCAL, proxies={"http": f"127.0.0.1:{port}"}))
