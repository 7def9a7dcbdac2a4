"""Pictures over HTTPS: the certificate and the name are checked."""

import contextlib
import select
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import certifi
import pytest

from app.errors import FetchError
from app.images.connections import tls_context
from app.images.fetch import fetch
from tests.images.site import LOCAL, PICTURE, Site, answer


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
    """Give a server under TLS and the list of the server names that clients send."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with contextlib.closing(Site(context)) as server:
        yield server, names


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the certificate one of certifi's authorities."""
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.mark.usefixtures("trusted")
def test_https_checks_the_name_and_sends_it(
    secure_site: tuple[Site, list[str | None]], connections: list[str], server: Site
) -> None:
    secure, names = secure_site
    secure.pages["/"] = answer()
    assert fetch(f"https://localhost:{secure.port}/", limits=LOCAL) == PICTURE
    assert names == ["localhost"]
    assert secure.requests[0].headers["Host"] == f"localhost:{secure.port}"
    with pytest.raises(FetchError, match=r"certificate of 127\.0\.0\.1"):
        fetch(f"https://127.0.0.1:{secure.port}/", limits=LOCAL)
    server.pages["/"] = answer()
    secure.pages["/down"] = answer(b"", 302, Location=server.url)
    assert fetch(f"https://localhost:{secure.port}/down", limits=LOCAL) == PICTURE


@pytest.mark.usefixtures("trusted")
def test_through_a_proxy_the_site_s_own_certificate_is_checked(
    secure_site: tuple[Site, list[str | None]],
) -> None:
    secure, names = secure_site
    secure.pages["/"] = answer()
    asked: list[str] = []

    def connect(handler: BaseHTTPRequestHandler) -> None:
        """Connect to whatever is asked for, and hand on what either side sends."""
        asked.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        with socket.create_connection(("127.0.0.1", secure.port)) as there:
            here = handler.connection
            other = {here: there, there: here}
            while True:
                for side in select.select(list(other), [], [], 10)[0]:
                    data = side.recv(65_536)
                    if not data:
                        return
                    other[side].sendall(data)

    with contextlib.closing(Site()) as proxy:
        proxy.server.RequestHandlerClass.do_CONNECT = connect  # type: ignore[attr-defined]
        limits = replace(LOCAL, proxies={"https": f"http://127.0.0.1:{proxy.port}"})
        assert fetch(f"https://localhost:{secure.port}/", limits=limits) == PICTURE
        with pytest.raises(FetchError, match=r"certificate of 127\.0\.0\.1"):
            fetch(f"https://127.0.0.1:{secure.port}/", limits=limits)
    assert asked == [f"localhost:{secure.port}", f"127.0.0.1:{secure.port}"]
    assert names[0] == "localhost"
    assert secure.requests[0].headers["Host"] == f"localhost:{secure.port}"
    assert "Proxy-Authorization" not in secure.requests[0].headers


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


def test_https_to_a_plain_server_is_refused(server: Site) -> None:
    with pytest.raises(FetchError, match=r"secure connection to 127\.0\.0\.1"):
        fetch(f"https://127.0.0.1:{server.port}/", limits=LOCAL)
