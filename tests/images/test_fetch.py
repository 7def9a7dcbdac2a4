"""Pictures from URLs: real HTTP on loopback, names that lie, answers that drip."""

import contextlib
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import certifi
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app import __version__
from app.errors import AddressError, AppError, FetchError
from app.images.fetch import FetchLimits, fetch, tls_context

LOCAL = FetchLimits(timeout_seconds=10, allow_loopback=True)
PUBLIC, OTHER_PUBLIC = "93.184.215.14", "8.8.8.8"


def picture(kind: str = "PNG") -> bytes:
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(file)
    else:
        image.save(file, kind)
    return file.getvalue()


PICTURE = picture()


class Site:
    """A web server on loopback; ``pages`` maps a path to the function that answers it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[BaseHTTPRequestHandler] = []
        self.over = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self)
                site.pages[self.path](self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:  # clients hang up on purpose here
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def drip(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        """Send a byte every 20 ms: each comes soon, all of them together take long."""
        for byte in data:
            if self.over.wait(0.02):
                return
            handler.wfile.write(bytes([byte]))


def answer(
    body: bytes = PICTURE, status: int = 200, *, length: int | None = -1, **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a page; ``length`` is its Content-Length (−1: the right one, None: no header)."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(len(body) if length == -1 else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return page


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site


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


def resolver(*answers: list[str]) -> Callable[..., Any]:
    """Return a getaddrinfo whose first call gives the first answer, and so on; the last stays."""
    left = list(answers)

    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, port))
            for address in addresses
        ]

    return getaddrinfo


# Answers


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"])
def test_a_picture_comes_back_byte_for_byte_whatever_the_server_calls_it(
    site: Site, kind: str
) -> None:
    site.pages["/it"] = answer(picture(kind), Content_Type="text/html")
    assert fetch(f"{site.url}/it", limits=LOCAL) == picture(kind)


def test_no_length_or_chunks_are_fine(site: Site) -> None:
    site.pages["/open"] = answer(length=None)
    halves = [PICTURE[:40], PICTURE[40:], b""]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in halves)
    site.pages["/chunks"] = answer(chunked, length=None, Transfer_Encoding="chunked")
    assert fetch(f"{site.url}/open", limits=LOCAL) == PICTURE
    assert fetch(f"{site.url}/chunks", limits=LOCAL) == PICTURE


def test_the_request_says_who_asks_and_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    site.pages["/a%20cat/%C3%B6.png?x=1&y=%20b"] = answer()
    assert fetch(f"  {site.url}/a cat/ö.png?x=1&y=%20b#part\n", limits=LOCAL) == PICTURE
    headers = dict(site.requests[0].headers)
    assert headers == {
        "Host": f"127.0.0.1:{site.port}",
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
def test_what_is_no_picture_is_refused_by_its_content(site: Site, body: bytes, words: str) -> None:
    site.pages["/cat.jpg"] = answer(body, Content_Type="image/jpeg")
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{words}"):
        fetch(f"{site.url}/cat.jpg", limits=LOCAL)


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 403, 404, 410, 429, 500, 503, 599])
def test_any_status_but_200_is_named(site: Site, status: int) -> None:
    site.pages["/"] = answer(PICTURE, status)
    with pytest.raises(FetchError, match=rf"127\.0\.0\.1.*{status}"):
        fetch(site.url, limits=LOCAL)


def test_a_compressed_answer_is_refused(site: Site) -> None:
    site.pages["/"] = answer(Content_Encoding="gzip")
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*gzip"):
        fetch(site.url, limits=LOCAL)


def test_a_picture_that_breaks_off_is_refused(site: Site) -> None:
    site.pages["/length"] = answer(length=len(PICTURE) + 1)
    site.pages["/chunks"] = answer(
        b"%x\r\n%s" % (len(PICTURE) + 1, PICTURE), length=None, Transfer_Encoding="chunked"
    )
    for path in site.pages:
        with pytest.raises(FetchError, match=r"127\.0\.0\.1 broke off") as refusal:
            fetch(site.url + path, limits=LOCAL)
        assert refusal.value.retryable


@pytest.mark.parametrize(
    "noise", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 500, b"\xff" * 99]
)
def test_noise_is_not_http(raw: Callable[[bytes | None], int], noise: bytes) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*(not HTTP|cannot be reached)"):
        fetch(f"http://127.0.0.1:{raw(noise)}/", limits=LOCAL)


def test_a_closed_port_is_named(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 cannot be reached"):
        fetch(f"http://127.0.0.1:{port}/", limits=LOCAL)


# How much and how long


def test_a_declared_size_over_the_limit_is_refused_at_once(site: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        answer(b"", length=1001)(handler)
        site.over.wait(30)  # whoever waits for the body waits until the test is over

    site.pages["/"] = page
    with pytest.raises(FetchError, match="larger than"):
        fetch(site.url, limits=replace(LOCAL, max_bytes=1000))


def test_an_endless_body_is_cut_at_the_limit(site: Site) -> None:
    sent = []

    def page(handler: BaseHTTPRequestHandler) -> None:
        answer(length=None)(handler)
        while not site.over.is_set():
            handler.wfile.write(bytes(10_000))
            sent.append(10_000)

    site.pages["/"] = page
    with pytest.raises(FetchError, match="larger than 1 MB"):
        fetch(site.url, limits=replace(LOCAL, max_bytes=2**20))
    assert sum(sent) < 50 * 2**20


def test_a_picture_of_just_the_limit_passes(site: Site) -> None:
    site.pages["/"] = answer(length=None)
    assert fetch(site.url, limits=replace(LOCAL, max_bytes=len(PICTURE))) == PICTURE
    with pytest.raises(FetchError, match="larger than"):
        fetch(site.url, limits=replace(LOCAL, max_bytes=len(PICTURE) - 1))


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_drip_is_cut_by_the_clock(site: Site, part: str) -> None:
    head = b"HTTP/1.0 200 OK\r\n"

    def page(handler: BaseHTTPRequestHandler) -> None:
        if part == "headers":
            site.drip(handler, head + b"A: b\r\n" * 30 + b"\r\n")
            handler.wfile.write(PICTURE)
        else:
            handler.wfile.write(head + b"\r\n" + PICTURE)
            site.drip(handler, bytes(200))

    site.pages["/"] = page
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*0\.4 seconds"):
        fetch(site.url, limits=replace(LOCAL, timeout_seconds=0.4))


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


def test_redirects_share_one_clock(site: Site) -> None:
    def slow(page: Callable[[BaseHTTPRequestHandler], None]) -> Any:
        return lambda handler: page(handler) if not site.over.wait(0.25) else None

    site.pages["/2"] = slow(answer(b"", 302, Location="/1"))
    site.pages["/1"] = slow(answer(b"", 302, Location="/0"))
    site.pages["/0"] = slow(answer())
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*0\.5 seconds"):
        fetch(f"{site.url}/2", limits=replace(LOCAL, timeout_seconds=0.5))


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_three_redirects_are_followed_and_not_four(site: Site, status: int) -> None:
    site.pages["/4"] = answer(b"", status, Location="3")
    site.pages["/3"] = answer(b"", status, Location=f"{site.url}/2")
    site.pages["/2"] = answer(b"", status, Location=f"//127.0.0.1:{site.port}/1")
    site.pages["/1"] = answer(b"", status, Location="/%C3%A9?a=b")
    site.pages["/%C3%A9?a=b"] = answer()
    assert fetch(f"{site.url}/3", limits=replace(LOCAL, max_redirects=3)) == PICTURE
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*3.*the picture itself"):
        fetch(f"{site.url}/4", limits=replace(LOCAL, max_redirects=3))


def test_a_redirect_with_letters_beyond_ascii_is_followed(site: Site) -> None:
    site.pages["/"] = answer(b"", 302, Location="/é.png".encode().decode("latin-1"))
    site.pages["/%C3%A9.png"] = answer()
    assert fetch(site.url, limits=LOCAL) == PICTURE


def test_a_circle_of_redirects_ends(site: Site) -> None:
    site.pages["/a"] = answer(b"", 302, Location="/b")
    site.pages["/b"] = answer(b"", 302, Location="/a")
    with pytest.raises(FetchError, match="redirects"):
        fetch(f"{site.url}/a", limits=LOCAL)
    assert len(site.requests) == 4


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
    site: Site, connections: list[str], target: str
) -> None:
    site.pages["/"] = answer(b"", 302, Location=target)
    with pytest.raises(AddressError):
        fetch(site.url, limits=LOCAL)
    assert connections == ["127.0.0.1"]


def test_a_redirect_to_nowhere_is_refused(site: Site) -> None:
    site.pages["/"] = answer(b"", 302)
    with pytest.raises(FetchError, match=r"127\.0\.0\.1.*without saying where"):
        fetch(site.url, limits=LOCAL)


# Addresses


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "１２７.0.0.1", "[::1]"),
        *("0.0.0.0", "0", "[::]", "localhost", "localhost."),
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fd00::1]"),
        *("192.0.0.192", "192.88.99.1", "168.63.129.16", "198.18.0.1", "203.0.113.9"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "[ff02::1]", "[fe80::1]", "[fec0::1]"),
        *("[2001:db8::1]", "[3fff::1]", "[64:ff9b:1::1]", "[100::1]", "[5f00::1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[::8.8.8.8]"),
        *("[64:ff9b::127.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:7f00:1::]", "[2002:a00:1::1]"),
        "[2001:0:808:808::]",
    ],
)
def test_no_request_goes_to_an_address_that_is_not_public(
    connections: list[str], host: str
) -> None:
    with pytest.raises(AddressError, match=r"not a public address.*upload it") as refusal:
        fetch(f"http://{host}:8080/cat.jpg")
    assert refusal.value.http_status == 403
    assert connections == []


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "10.0.0.1", "169.254.169.254", "100.64.0.1", "[::]", "[fd00::1]"),
        *("[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::ffff:10.0.0.1]"),
    ],
)
def test_allowing_loopback_allows_nothing_else(connections: list[str], host: str) -> None:
    with pytest.raises(AddressError):
        fetch(f"http://{host}/", limits=LOCAL)
    assert connections == []


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"],
)
def test_a_request_goes_to_a_public_address(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([address]))
    with pytest.raises(FetchError, match=r"public\.test cannot be reached") as refusal:
        fetch("http://public.test/")
    assert not isinstance(refusal.value, AddressError)
    assert connections == [address]


@pytest.mark.parametrize("others", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], [OTHER_PUBLIC, "::1"]])
def test_one_address_that_is_not_public_rules_out_the_name(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC, *others]))
    with pytest.raises(AddressError, match=r"mixed\.test is not a public address"):
        fetch("http://mixed.test/")
    assert connections == []


def test_a_name_that_resolves_differently_a_moment_later_gains_nothing(
    site: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC], ["127.0.0.1"]))
    with pytest.raises(FetchError, match=r"rebind\.test cannot be reached"):
        fetch(f"http://rebind.test:{site.port}/")
    assert connections == [PUBLIC]
    assert site.requests == []


def test_the_request_goes_to_the_checked_address_under_the_given_name(
    site: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver(["127.0.0.1"], [PUBLIC]))
    assert fetch(f"http://Rebind.Test.:{site.port}/", limits=LOCAL) == PICTURE
    assert connections == ["127.0.0.1"]
    assert site.requests[0].headers["Host"] == f"rebind.test:{site.port}"


def test_the_next_address_is_tried_when_the_first_refuses(
    site: Site, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages["/"] = answer()
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC, "127.0.0.1"]))
    assert fetch(f"http://two.test:{site.port}/", limits=LOCAL) == PICTURE
    assert connections == [PUBLIC, "127.0.0.1"]


def test_a_name_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(FetchError, match=r"nowhere\.test.*check the address"):
        fetch("http://nowhere.test/cat.jpg")


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "cat.jpg", "example.com/cat.jpg", "//example.com/cat.jpg", "http:", "http://"),
        *("http:///cat.jpg", "ftp://example.com/", "file:///etc/passwd", "data:image/png;base64,"),
        *("javascript:alert(1)", "http://[", "http://[::1", "http://[1.2.3.4]/", "http://a:b/"),
        *("http://example.com:99999/", "http://user@example.com/", "https://u:p@example.com/"),
        *("http://@example.com/", "http://example.com\\@10.0.0.1/", "http://exa mple.com/"),
        *("http://example.com/\r\nHost: x", "http://exam\x00ple.com/", "http://a..b/"),
        *("http://%31%32%37.0.0.1/", "http://[fe80::1%25lo]/", "http://.../", "http://é\udc80/"),
        *("http://" + "a" * 64 + ".com/", "http://example.com/" + "a" * 9000),
    ],
)
def test_what_is_no_web_address_is_refused(
    connections: list[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver([PUBLIC]))
    with pytest.raises(AddressError) as refusal:
        fetch(url)
    assert len(str(refusal.value)) < 250
    assert connections == []


@settings(max_examples=500, deadline=None)
@given(
    st.text()
    | st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["http", "https", "HTTP", "ftp", "http\t", ""]),
        st.sampled_from(["", "a@", "a:b@", "[", "]", "xn--", "ⓛ", "-", "."]),
        st.text(max_size=20) | st.ip_addresses().map(str) | st.just("[::1%1]"),
        st.sampled_from(["", ":", ":80", ":0", ":-1", ":65536", ":x"]),
        st.text(max_size=20).map("/{}".format),
    ),
    st.sampled_from([[], [PUBLIC], ["10.0.0.1"], ["fe80::1%1"], ["2606:4700::1111"]]),
)
def test_no_text_raises_anything_but_the_two_errors(url: str, addresses: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolver(addresses))
        with pytest.raises(FetchError) as refusal:
            fetch(url)
    assert isinstance(refusal.value, AppError)
    assert "\n" not in str(refusal.value)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for the name ``localhost``, with its key in the file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes the test's certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(
        [openssl, *request.split(), *names.split(), *files], check=True, capture_output=True
    )
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


@pytest.fixture
def secure_site(certificate: Path) -> Iterator[tuple[Site, list[str | None]]]:
    """Give a site under TLS and the list of the server names that clients send."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with contextlib.closing(Site(context)) as site:
        yield site, names


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the certificate one of certifi's authorities."""
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.mark.usefixtures("trusted")
def test_https_checks_the_name_and_sends_it(
    secure_site: tuple[Site, list[str | None]], connections: list[str], site: Site
) -> None:
    secure, names = secure_site
    secure.pages["/"] = answer()
    assert fetch(f"https://localhost:{secure.port}/", limits=LOCAL) == PICTURE
    assert names == ["localhost"]
    assert secure.requests[0].headers["Host"] == f"localhost:{secure.port}"
    with pytest.raises(FetchError, match=r"certificate of 127\.0\.0\.1"):
        fetch(f"https://127.0.0.1:{secure.port}/", limits=LOCAL)
    site.pages["/"] = answer()
    secure.pages["/down"] = answer(b"", 302, Location=site.url)
    assert fetch(f"https://localhost:{secure.port}/down", limits=LOCAL) == PICTURE


@pytest.mark.usefixtures("trusted")
def test_a_drip_under_tls_is_cut_by_the_clock(
    secure_site: tuple[Site, list[str | None]],
) -> None:
    secure, _ = secure_site

    def page(handler: BaseHTTPRequestHandler) -> None:
        answer(length=None)(handler)
        secure.drip(handler, bytes(200))

    secure.pages["/"] = page
    with pytest.raises(FetchError, match=r"localhost.*0\.4 seconds"):
        fetch(f"https://localhost:{secure.port}/", limits=replace(LOCAL, timeout_seconds=0.4))


def test_a_certificate_that_nobody_signed_is_not_trusted(
    secure_site: tuple[Site, list[str | None]],
) -> None:
    secure, _ = secure_site
    secure.pages["/"] = answer()
    with pytest.raises(FetchError, match=r"certificate of localhost.*self.signed"):
        fetch(f"https://localhost:{secure.port}/", limits=LOCAL)
    assert secure.requests == []


def test_https_to_a_plain_server_is_refused(site: Site) -> None:
    with pytest.raises(FetchError, match=r"secure connection to 127\.0\.0\.1"):
        fetch(f"https://127.0.0.1:{site.port}/", limits=LOCAL)


# Whether to try again, and when


@pytest.mark.parametrize(
    ("status", "retryable", "overloaded"),
    [
        *[(408, True, False), (429, True, True), (500, True, False), (502, True, False)],
        *[(503, True, True), (504, True, False)],
        *[(400, False, False), (403, False, False), (404, False, False), (410, False, False)],
    ],
)
def test_an_error_says_whether_the_same_request_may_succeed_later(
    site: Site, status: int, retryable: bool, overloaded: bool
) -> None:
    site.pages["/"] = answer(b"", status)
    with pytest.raises(FetchError) as refusal:
        fetch(f"{site.url}/", limits=LOCAL)
    assert (refusal.value.retryable, refusal.value.overloaded) == (retryable, overloaded)
    assert refusal.value.retry_after_seconds is None


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 120),
        (" 7 ", 7, 7),
        (formatdate(time.time() + 3600, usegmt=True), 3000, 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
    ],
    ids=["seconds", "padded", "a date to come", "a date that is past"],  # the same in each process
)
def test_an_error_says_how_long_a_pause_the_server_asked_for(
    site: Site, header: str, least: float, most: float
) -> None:
    site.pages["/"] = answer(b"", 503, Retry_After=header)
    with pytest.raises(FetchError) as refusal:
        fetch(f"{site.url}/", limits=LOCAL)
    assert refusal.value.retry_after_seconds is not None
    assert least <= refusal.value.retry_after_seconds <= most


@pytest.mark.parametrize("header", ["soon", "-1", "1e9", "9" * 40, ""])
def test_a_retry_after_that_is_not_valid_is_left_out(site: Site, header: str) -> None:
    site.pages["/"] = answer(b"", 503, Retry_After=header)
    with pytest.raises(FetchError) as refusal:
        fetch(site.url, limits=LOCAL)
    assert refusal.value.overloaded
    assert refusal.value.retry_after_seconds is None


def test_a_refused_connection_is_worth_another_try_and_a_forbidden_address_is_not(
    site: Site,
) -> None:
    port = site.port
    site.close()
    with pytest.raises(FetchError) as refused:
        fetch(f"http://127.0.0.1:{port}/", limits=LOCAL)
    assert refused.value.retryable
    with pytest.raises(AddressError) as forbidden:
        fetch("ftp://example.org/a.jpg")
    assert not forbidden.value.retryable
