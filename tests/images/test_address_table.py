"""However an address of this machine or its network is written, no request ever reaches it.

The table is made of combinations: an inner address, the ways to write it as a host, the ways to
write that host into a URL. Each is asked for directly and as what a public server redirects to; a
server on loopback, the canary, must stay untouched.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from app.errors import AddressError, FetchError
from app.images.fetch import FetchLimits, fetch
from tests.images.site import PICTURE, PUBLIC, Site, answer, resolver

INNER = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "198.18.0.1"),
)
FULLWIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
BOLD = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
CIRCLED = str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")


def spellings_of_4(inner: str) -> list[str]:
    """Return an IPv4 address in every way in which resolvers and browsers read numbers."""
    a, b, c, d = map(int, inner.split("."))
    number = int(ipaddress.IPv4Address(inner))
    return [
        inner,
        f"{inner}.",
        str(number),
        f"{number:#x}",
        f"{number:#X}",
        f"{number:#o}".replace("0o", "0"),
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:#x}.{b << 16 | c << 8 | d}",
        f"{a}.{b}.{c << 8 | d}",
        f"0{a:o}.{b}.{c << 8 | d:#x}",
        f"000{a:o}.{b}.{c}.{d}",
        inner.translate(FULLWIDTH),
        inner.translate(BOLD),
        inner.translate(CIRCLED),
        inner.replace(".", "。"),
        inner.replace(".", "｡"),
        inner.replace(".", "%2e"),
        "".join(f"%{ord(sign):02x}" for sign in inner),
        inner.replace(".", ".\u00ad"),
    ]


def spellings_of_6(inner: str) -> list[str]:
    """Return the IPv6 addresses that hold an IPv4 address and may be led to it."""
    number = int(ipaddress.IPv4Address(inner))
    high, low = number >> 16, number & 0xFFFF
    inverse = number ^ 0xFFFF_FFFF
    inside = [
        f"::ffff:{inner}",
        f"::ffff:{high:x}:{low:x}",
        f"0:0:0:0:0:FFFF:{high:04X}:{low:04X}",
        f"::{inner}",
        f"::ffff:0:{inner}",
        f"64:ff9b::{inner}",
        f"64:ff9b:1::{inner}",
        f"64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 0xFF) << 8:x}::",
        f"2002:{high:x}:{low:x}::",
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::",
        f"2001:0:808:808:0:0:{inverse >> 16:x}:{inverse & 0xFFFF:x}",
        f"2606:4700::5efe:{inner}",
        f"2606:4700::200:5efe:{high:x}:{low:x}",
        f"2002:808:808::5efe:{inner}",
        f"fe80::5efe:{inner}",
    ]
    return [f"[{each}]" for each in inside]


OTHER_HOSTS = (
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]"),
    *("[fd00::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[100::1]", "[5f00::1]", "[2001:db8::1]"),
    *("localhost", "LOCALHOST", "localhost.", "ｌｏｃａｌｈｏｓｔ", "ⓛocalhost", "a.localhost"),
    *("0", "00", "0x0", "127.1", "127.0.1", "127.0.0.1.nip.io", "①27.0.0.1", "local\u00adhost"),
    *("localhost.localdomain", "ip6-localhost", "metadata.google.internal", "[::ffff:127.1]"),
)
HOSTS = [
    *(host for inner in INNER for host in spellings_of_4(inner)),
    *(host for inner in INNER for host in spellings_of_6(inner)),
    *OTHER_HOSTS,
]
IN_A_URL = (
    *("http://{}/", "https://{}/", "HTTP://{}/", "http://{}", "http://{}?a@example.org/"),
    *("http://{}#@example.org/", "http://example.org@{}/", "http://a:b@{}/", "http://@{}/"),
    *(
        "http://example.org#@{}/",
        "http://example.org\\@{}/",
        "http:\\\\{}\\",
        "http:/{}/",
        "http:{}",
    ),
    *(
        "//{}/",
        "///{}/",
        " http://{}/ ",
        "http://\t{}/",
        "ht\ntp://{}/",
        "ftp://{}/",
        "gopher://{}/",
    ),
    *("http://{}:/", "http://{}:０/", "http://example.org:80@{}/", "http://{}%2f@example.org/"),
    *(
        "file://{}/etc/passwd",
        "jar:http://{}/!/",
        "http://example.org%40{}/",
        "http://{}%00.example/",
    ),
)
WRITTEN = ("127.0.0.1", "[::1]", "2130706433", "localhost")
URLS = [
    *(f"http://{host}:{{port}}/cat.jpg" for host in HOSTS),
    *(form.format(f"{host}:{{port}}") for form in IN_A_URL for host in WRITTEN),
]


def test_the_table_is_long() -> None:
    assert len(set(URLS)) >= 400


@pytest.fixture(scope="module")
def canary() -> Iterator[Site]:
    """Give a server on loopback that hands out a picture, and lists who came."""
    with contextlib.closing(Site()) as site:

        def page(handler: BaseHTTPRequestHandler) -> None:
            answer(PICTURE)(handler)

        class Every(dict[str, Any]):
            def __missing__(self, path: str) -> Any:
                return page

        site.pages = Every()
        yield site


@pytest.fixture(scope="module")
def public() -> Iterator[Site]:
    """Give the server that plays the public one."""
    with contextlib.closing(Site()) as site:
        yield site


@pytest.fixture
def network(connections: list[str], public: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lead PUBLIC to the public server, every other name to the canary; list the connections."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        if host == "public.test":
            return resolver([PUBLIC])(host, port)
        with contextlib.suppress(OSError):
            return look_up(host, port, flags=socket.AI_NUMERICHOST, **options)
        return resolver(["127.0.0.1"])(host, port)

    def routed(self: socket.socket, endpoint: Any) -> None:
        if endpoint[0] == PUBLIC:
            connect(self, ("127.0.0.1", public.port))
            connections[-1] = PUBLIC
        else:
            connect(self, endpoint)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", routed)
    return connections


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_it_is_not_asked(canary: Site, network: list[str], url: str) -> None:
    with pytest.raises(FetchError) as refusal:
        fetch(url.replace("{port}", str(canary.port)), limits=FetchLimits(timeout_seconds=5))
    assert len(str(refusal.value)) < 250
    assert (network, canary.requests) == ([], [])


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_no_redirect_leads_there(canary: Site, public: Site, network: list[str], url: str) -> None:
    url = url.replace("{port}", str(canary.port)).strip().replace("\n", "").replace("\t", "")
    location = url.encode().decode("latin-1")
    public.pages = {"/": answer(b"", 302, Location=location)}
    with pytest.raises(FetchError):
        fetch("http://public.test/", limits=FetchLimits(timeout_seconds=5, max_redirects=2))
    assert canary.requests == []
    assert set(network) == {PUBLIC}


@pytest.mark.parametrize("inner", [*INNER, "::1", "fd00::1", "::ffff:10.0.0.1", "2002:7f00:1::"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_name_with_such_an_address_among_public_ones_is_not_asked(
    canary: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch, inner: str, place: int
) -> None:
    addresses = [PUBLIC, "8.8.8.8"]
    addresses.insert(place, inner)
    monkeypatch.setattr(socket, "getaddrinfo", resolver(addresses))
    with pytest.raises(AddressError):
        fetch(f"http://mixed.test:{canary.port}/")
    assert (connections, canary.requests) == ([], [])


@pytest.mark.parametrize("inner", ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254"])
def test_a_name_is_asked_where_it_was_checked_whatever_it_resolves_to_next(
    canary: Site, network: list[str], public: Site, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC], [inner]))
    public.pages = {"/": answer()}
    assert fetch(f"http://rebind.test:{canary.port}/") == PICTURE
    assert (network, canary.requests) == ([PUBLIC], [])
    # A redirect to the same name is looked up, and checked, again.
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC], [inner]))
    public.pages = {"/": answer(b"", 302, Location="/again")}
    with pytest.raises(AddressError):
        fetch(f"http://rebind.test:{canary.port}/")
    assert (network, canary.requests) == ([PUBLIC] * 2, [])


def test_the_table_would_reach_the_canary_where_loopback_is_allowed(canary: Site) -> None:
    reached = 0
    for url in URLS:
        with contextlib.suppress(FetchError):
            url = url.replace("{port}", str(canary.port))
            fetch(url, limits=FetchLimits(allow_loopback=True, timeout_seconds=5))
            reached += 1
    assert reached >= 20
    assert len(canary.requests) == reached
    canary.requests.clear()
