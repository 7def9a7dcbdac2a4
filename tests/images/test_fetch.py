"""Pictures from URLs: real HTTP on loopback, answers that drip, redirects."""

import gzip
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from app import __version__
from app.errors import AddressError, FetchError
from app.images.fetch import fetch
from tests.images.site import LOCAL, PICTURE, Site, answer, picture

# Answers


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"])
def test_a_picture_comes_back_byte_for_byte_whatever_the_server_calls_it(
    server: Site, kind: str
) -> None:
    server.pages["/it"] = answer(picture(kind), Content_Type="text/html")
    assert fetch(f"{server.url}/it", limits=LOCAL) == picture(kind)


def test_no_length_or_chunks_are_fine(server: Site) -> None:
    server.pages["/open"] = answer(length=None)
    halves = [PICTURE[:40], PICTURE[40:], b""]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in halves)
    server.pages["/chunks"] = answer(chunked, length=None, Transfer_Encoding="chunked")
    assert fetch(f"{server.url}/open", limits=LOCAL) == PICTURE
    assert fetch(f"{server.url}/chunks", limits=LOCAL) == PICTURE


def test_the_request_names_the_program_alone(server: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.pages["/a%20cat/%C3%B6.png?x=1&y=%20b"] = answer()
    assert fetch(f"  {server.url}/a cat/ö.png?x=1&y=%20b#part\n", limits=LOCAL) == PICTURE
    headers = dict(server.requests[0].headers)
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": f"reverse-image-search/{__version__}",
        "Accept": "image/*, */*;q=0.1",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\n<!-- hi --><!DOCTYPE HTML><title>Cats</title>", "web page.*copy the address"),
        (b'<html lang="en">', "web page.*copy the address"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG.*as PNG"),
        (b'{"error": "no such picture"}', "known format"),
        (b"", "empty"),
    ],
)
def test_what_is_no_picture_is_known_by_its_content(server: Site, body: bytes, words: str) -> None:
    server.pages["/cat.jpg"] = answer(body, Content_Type="image/jpeg")
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{words}"):
        fetch(f"{server.url}/cat.jpg", limits=LOCAL)


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 403, 404, 410, 429, 500, 503, 599])
def test_any_status_but_200_is_named(server: Site, status: int) -> None:
    server.pages["/"] = answer(PICTURE, status)
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{status}"):
        fetch(server.url, limits=LOCAL)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the same for each of the processes that run tests


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzipped(PICTURE)),
        (" GZip ", gzipped(PICTURE)),
        ("x-gzip", gzipped(PICTURE)),
        ("gzip", gzipped(PICTURE[:50]) + gzipped(PICTURE[50:])),
        ("gzip", gzipped(PICTURE) + bytes(100)),
        ("deflate", zlib.compress(PICTURE)),
        ("deflate", bare(PICTURE)),
        ("gzip, deflate", zlib.compress(gzipped(PICTURE))),
        ("identity, gzip", gzipped(PICTURE)),
        *((coding, PICTURE) for coding in ("", "identity", "none", "binary", "utf-8")),
    ],
    ids=lambda value: value.strip() if isinstance(value, str) else f"{len(value)} bytes",
)
def test_a_compressed_answer_is_unpacked_although_it_was_not_asked_for(
    server: Site, coding: str, body: bytes
) -> None:
    server.pages["/"] = answer(body, Content_Encoding=coding)
    assert fetch(server.url, limits=LOCAL) == PICTURE
    server.pages["/"] = answer(body, length=None, Content_Encoding=coding)
    assert fetch(server.url, limits=LOCAL) == PICTURE


@pytest.mark.parametrize(
    ("coding", "body", "words"),
    [
        ("gzip", PICTURE, "gzip.*damaged"),
        ("deflate", PICTURE, "deflate.*damaged"),
        ("gzip", gzipped(PICTURE)[:-9], "broke off"),
        ("gzip", b"", "empty"),
        ("br", b"\x0b\x02\x80abc\x03", "'br'.*gzip and deflate"),
        ("zstd", b"(\xb5/\xfd", "'zstd'"),
        ("gzip, " * 9, gzipped(PICTURE), "9 times over"),
        ("gzip", gzipped(b"<html>"), "web page"),
    ],
    ids=lambda value: value.strip() if isinstance(value, str) else f"{len(value)} bytes",
)
def test_an_answer_that_cannot_be_unpacked_is_refused(
    server: Site, coding: str, body: bytes, words: str
) -> None:
    server.pages["/"] = answer(body, Content_Encoding=coding)
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{words}"):
        fetch(server.url, limits=LOCAL)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip"])
def test_what_is_unpacked_is_cut_at_the_limit_too(server: Site, coding: str) -> None:
    bomb = zlib.compress(bytes(300 * 2**20)) if coding == "deflate" else b""
    if not bomb:
        bomb = gzipped(bytes(300 * 2**20))
    if "," in coding:
        bomb = gzipped(bomb)
    server.pages["/"] = answer(bomb, Content_Encoding=coding)
    tracemalloc.start()
    try:
        with pytest.raises(FetchError, match="larger than 2 MB"):
            fetch(server.url, limits=replace(LOCAL, max_bytes=2 * 2**20))
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()
    server.pages["/"] = answer(gzipped(PICTURE), Content_Encoding="gzip")
    just = replace(LOCAL, max_bytes=max(len(PICTURE), len(gzipped(PICTURE))))
    assert fetch(server.url, limits=just) == PICTURE


def test_a_picture_that_breaks_off_is_refused(server: Site) -> None:
    server.pages["/length"] = answer(length=len(PICTURE) + 1)
    server.pages["/chunks"] = answer(
        b"%x\r\n%s" % (len(PICTURE) + 1, PICTURE), length=None, Transfer_Encoding="chunked"
    )
    for path in server.pages:
        with pytest.raises(FetchError, match=r"127\.0\.0\.1 broke off") as refusal:
            fetch(server.url + path, limits=LOCAL)
        assert refusal.value.retryable


@pytest.mark.parametrize(
    "noise", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 500, b"\xff" * 99]
)
def test_noise_is_not_http(raw: Callable[[bytes | None], int], noise: bytes) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*(not HTTP|cannot be reached)"):
        fetch(f"http://127.0.0.1:{raw(noise)}/", limits=LOCAL)


def test_a_closed_port_is_named(server: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 cannot be reached"):
        fetch(f"http://127.0.0.1:{port}/", limits=LOCAL)


# How much and how long


def test_a_declared_size_over_the_limit_is_refused_at_once(server: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        answer(b"", length=1001)(handler)
        server.over.wait(30)  # whoever waits for the body waits until the test is over

    server.pages["/"] = page
    with pytest.raises(FetchError, match="larger than"):
        fetch(server.url, limits=replace(LOCAL, max_bytes=1000))


def test_an_endless_body_is_cut_at_the_limit(server: Site) -> None:
    sent = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        answer(length=None)(handler)
        while not server.over.is_set():
            handler.wfile.write(bytes(10_000))
            sent.append(10_000)

    server.pages["/"] = page
    with pytest.raises(FetchError, match="larger than 1 MB"):
        fetch(server.url, limits=replace(LOCAL, max_bytes=2**20))
    assert sum(sent) < 50 * 2**20


def test_a_picture_of_just_the_limit_passes(server: Site) -> None:
    server.pages["/"] = answer(length=None)
    assert fetch(server.url, limits=replace(LOCAL, max_bytes=len(PICTURE))) == PICTURE
    with pytest.raises(FetchError, match="larger than"):
        fetch(server.url, limits=replace(LOCAL, max_bytes=len(PICTURE) - 1))


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_drip_is_cut_by_the_clock(server: Site, part: str) -> None:
    head = b"HTTP/1.0 200 OK\r\n"

    def page(handler: BaseHTTPRequestHandler) -> None:
        if part == "headers":
            server.drip(handler, head + b"A: b\r\n" * 30 + b"\r\n")
            handler.wfile.write(PICTURE)
        else:
            handler.wfile.write(head + b"\r\n" + PICTURE)
            server.drip(handler, bytes(200))

    server.pages["/"] = page
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*0\.4 seconds"):
        fetch(server.url, limits=replace(LOCAL, timeout_seconds=0.4))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_is_cut_by_the_clock(raw: Callable[[bytes | None], int], scheme: str) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*0\.2 seconds"):
        fetch(f"{scheme}://127.0.0.1:{raw(None)}/", limits=replace(LOCAL, timeout_seconds=0.2))


def test_a_slow_lookup_is_cut_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        with pytest.raises(FetchError, match=r"slow\.test.*0\.2 seconds"):
            fetch("http://slow.test/", limits=replace(LOCAL, timeout_seconds=0.2))
    finally:
        over.set()


def test_redirects_share_one_clock(server: Site) -> None:
    def slow(page: Callable[[BaseHTTPRequestHandler], None]) -> Any:
        return lambda handler: page(handler) if not server.over.wait(0.25) else None

    server.pages["/2"] = slow(answer(b"", 302, Location="/1"))
    server.pages["/1"] = slow(answer(b"", 302, Location="/0"))
    server.pages["/0"] = slow(answer())
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*0\.5 seconds"):
        fetch(f"{server.url}/2", limits=replace(LOCAL, timeout_seconds=0.5))


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_as_many_redirects_are_followed_as_the_limit_says_and_no_more(
    server: Site, status: int
) -> None:
    server.pages["/4"] = answer(b"", status, Location="3")
    server.pages["/3"] = answer(b"", status, Location=f"{server.url}/2")
    server.pages["/2"] = answer(b"", status, Location=f"//127.0.0.1:{server.port}/1")
    server.pages["/1"] = answer(b"", status, Location="/%C3%A9?a=b")
    server.pages["/%C3%A9?a=b"] = answer()
    assert fetch(f"{server.url}/3", limits=replace(LOCAL, max_redirects=3)) == PICTURE
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*3.*the picture itself"):
        fetch(f"{server.url}/4", limits=replace(LOCAL, max_redirects=3))


def test_a_redirect_with_letters_beyond_ascii_is_followed(server: Site) -> None:
    server.pages["/"] = answer(b"", 302, Location="/é.png".encode().decode("latin-1"))
    server.pages["/%C3%A9.png"] = answer()
    assert fetch(server.url, limits=LOCAL) == PICTURE


def test_a_circle_of_redirects_ends(server: Site) -> None:
    server.pages["/a"] = answer(b"", 302, Location="/b")
    server.pages["/b"] = answer(b"", 302, Location="/a")
    with pytest.raises(FetchError, match="redirects"):
        fetch(f"{server.url}/a", limits=LOCAL)
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://192.168.1.1:8443/",
        "http://[fd00::1]/",
        "file:///etc/passwd",
        "ftp://example.com/cat.jpg",
        "http://user:secret@127.0.0.1/",
        "http://[",
    ],
)
def test_every_redirect_is_checked_like_the_first_address(
    server: Site, connections: list[str], target: str
) -> None:
    server.pages["/"] = answer(b"", 302, Location=target)
    with pytest.raises(AddressError):
        fetch(server.url, limits=LOCAL)
    assert connections == ["127.0.0.1"]


def test_a_redirect_to_nowhere_is_refused(server: Site) -> None:
    server.pages["/"] = answer(b"", 302)
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*without saying where"):
        fetch(server.url, limits=LOCAL)
