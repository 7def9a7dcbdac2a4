"""An address gives its file from any byte on, over http and https alone, or a reason why not."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest

from app import __version__
from app.sources.datasets.download import FAILURES, Patience, host_of, open_from, reason_of
from tests.commands import Answer, Site, sending

CONTENT = bytes(range(200))
BOUND_SECONDS = 20  # after which a test fails that would wait forever


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def content(url: str, start: int = 0, patience: Patience | None = None) -> bytes:
    with open_from(url, start, patience=patience or Patience()) as rest:
        assert rest is not None
        return b"".join(rest.chunks())


def recording(into: list[BaseHTTPRequestHandler], answer: Answer) -> Answer:
    def page(request: BaseHTTPRequestHandler) -> None:
        into.append(request)
        answer(request)

    return page


def test_a_redirection_is_followed_and_still_asks_for_the_rest(site):
    requests: list[BaseHTTPRequestHandler] = []
    site.pages["/moved"] = [sending(b"", 302, Location="/file")]
    site.pages["/file"] = [recording(requests, sending(CONTENT[50:], 206))]
    with open_from(f"{site.url}/moved", 50) as rest:
        assert (rest.start, rest.whole_bytes) == (50, 200)
        assert b"".join(rest.chunks()) == CONTENT[50:]
    (request,) = requests
    assert request.headers["Range"] == "bytes=50-"
    assert request.headers["User-Agent"] == f"reverse-image-search/{__version__}"


def test_a_host_that_cannot_resume_is_known_by_its_answer(site):
    site.pages["/file"] = [sending(CONTENT)]
    with open_from(f"{site.url}/file", 50) as rest:
        assert (rest.start, rest.whole_bytes) == (0, 200)


def test_a_host_that_has_no_more_is_no_failure_and_one_that_refuses_is(site):
    site.pages["/file"] = [sending(b"", 416)]
    with open_from(f"{site.url}/file", 50) as rest:
        assert rest is None
    with pytest.raises(HTTPError, match="416"), open_from(f"{site.url}/file", 0):
        pass


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_no_other_scheme_is_asked_whether_named_or_redirected_to(
    site, tmp_path, monkeypatch, scheme
):
    monkeypatch.setenv("ftp_proxy", site.url)
    (tmp_path / "file").write_bytes(CONTENT)
    other = {"file": f"{tmp_path}/file", "ftp": f"//{host_of(site.url)}/file", "data": ",text"}
    address = f"{scheme}:{other[scheme]}"
    site.pages["/moved"] = [sending(b"", 302, Location=address)]
    for url in (address, f"{site.url}/moved"):
        with pytest.raises(FAILURES):
            content(url)
    assert set(site.asked) == {"/moved"}


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_asked_but_for_the_hosts_that_it_leaves_out(
    site, monkeypatch, variable
):
    monkeypatch.setenv(variable, site.url)
    site.pages["http://archives.invalid/file"] = [sending(CONTENT)]
    assert content("http://archives.invalid/file") == CONTENT
    monkeypatch.setenv("no_proxy", "archives.invalid")
    with pytest.raises(FAILURES):
        content("http://archives.invalid/file")


def test_a_password_in_an_address_goes_to_its_host_alone_and_into_no_message(site):
    requests: list[BaseHTTPRequestHandler] = []
    host = host_of(site.url)
    site.pages["/moved"] = [recording(requests, sending(b"", 302, Location="/file"))]
    site.pages["/file"] = [recording(requests, sending(CONTENT))]
    assert content(f"http://me:se%20cret@{host}/moved") == CONTENT
    assert [each.headers["Authorization"] for each in requests] == ["Basic bWU6c2UgY3JldA==", None]
    assert host_of(f"http://me:secret@{host}/moved") == host


def test_spaces_and_letters_beyond_ascii_in_an_address_are_sent_as_addresses_need_them(site):
    site.pages["/a%20b/%C3%BC.zip?x=%C3%A9"] = [sending(CONTENT)]
    assert content(f"{site.url}/a b/ü.zip?x=é") == CONTENT
    assert content(f"{site.url}/a%20b/%C3%BC.zip?x=%C3%A9") == CONTENT


# Hosts that give not all


def unfinished(sent: int, site: Site) -> Answer:
    """Return an answer that announces CONTENT, sends a part, and keeps the connection open."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:sent])
        site.over.wait(BOUND_SECONDS)

    return answer


def test_a_connection_that_stays_open_after_the_last_byte_is_not_waited_for(site):
    site.pages["/file"] = [unfinished(len(CONTENT), site)]
    assert content(f"{site.url}/file") == CONTENT


def test_a_host_that_falls_silent_is_given_up(site):
    site.pages["/file"] = [unfinished(100, site)]
    with pytest.raises(TimeoutError):
        content(f"{site.url}/file", patience=Patience(stall_seconds=0.2))


def test_a_host_that_sends_too_slowly_is_given_up(site):
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(500):
                site.over.wait(0.01)
                request.wfile.write(b"x")

    site.pages["/file"] = [drip]
    with pytest.raises(TimeoutError, match="bytes in"):
        content(f"{site.url}/file", patience=Patience(stall_seconds=1))


@pytest.mark.parametrize(
    ("scheme", "patience"),
    [
        ("http", Patience(connect_seconds=600, stall_seconds=0.2)),
        ("https", Patience(connect_seconds=0.2, stall_seconds=600)),  # no answer to its greeting
    ],
)
def test_a_host_that_never_answers_is_given_up(scheme, patience):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        bound = threading.Timer(BOUND_SECONDS, silent.close)
        bound.start()
        with pytest.raises(OSError, match="timed out"):
            content(f"{scheme}://127.0.0.1:{port}/", patience=patience)
        bound.cancel()


def test_a_connection_that_is_closed_too_early_is_a_failure(site):
    site.pages["/file"] = [sending(CONTENT[:50], Content_Length="200")]
    with pytest.raises(ConnectionError):
        content(f"{site.url}/file")


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for the name ``localhost`` that nobody has signed; key in the file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command, which makes the test's certificate, is not installed")
    file = tmp_path / "certificate.pem"
    request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    made = subprocess.run(
        [openssl, *request.split(), *names.split(), "-keyout", "-", "-out", "-"],
        check=True,
        capture_output=True,
    )
    file.write_bytes(made.stdout)
    return file


@pytest.fixture
def secure_port(site: Site, certificate: Path) -> int:
    """Put the site under TLS; give its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.pages["/file"] = [sending(CONTENT)]
    return site.server.server_port


def test_a_certificate_must_be_trusted_and_be_of_the_host(secure_port, certificate, monkeypatch):
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED") as raised:
        content(f"https://localhost:{secure_port}/file")
    assert "CERTIFICATE_VERIFY_FAILED" in reason_of(raised.value)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert content(f"https://localhost:{secure_port}/file") == CONTENT
    with pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
        content(f"https://127.0.0.1:{secure_port}/file")


# Reasons


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (HTTPError("http://a/", 404, "Not Found", None, None), "HTTP 404"),
        (URLError(ConnectionRefusedError(111, "Connection refused")), "Connection refused"),
        (URLError("unknown url type: ftp"), "unknown url type: ftp"),
        (URLError(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_reason_is_a_few_words(failure, reason):
    assert reason_of(failure) == reason
