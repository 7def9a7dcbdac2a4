"""A server that is asked to stop says so first, goes on answering, and ends what it has begun."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.doors.draining import Draining
from app.doors.web_server import WebServer
from app.errors import SettingsError
from app.settings import read_settings
from tests.conftest import ROOT, Home, encoded, fill, is_one_sentence, picture
from tests.doors.conftest import free_port

LONG = 60  # seconds: no test waits for it
FILE = encoded(picture(3))


class Running:
    """A server process, started with so many seconds to drain."""

    def __init__(self, home: Home, drain: int) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=ROOT,
            env=os.environ
            | {"RIS_HOME": str(home.path), "PORT": str(self.port), "RIS_CACHE_DIR": str(home.path)}
            | {"RIS_DRAIN_SECONDS": str(drain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stdout
        assert self.process.stdout.readline().startswith("Open ")
        while self.get("/readyz").status_code != 200:
            time.sleep(0.05)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=60)

    def begin_to_drain(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        while self.get("/readyz").status_code != 503:
            time.sleep(0.05)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("drained") / "home")
    home.build(fill(home.path / "pictures", 5), "mine")
    return home


@pytest.fixture
def running(home: Home, request: pytest.FixtureRequest) -> Iterator[Running]:
    running = Running(home, getattr(request, "param", LONG))
    yield running
    running.process.kill()
    running.process.communicate()


def test_readiness_fails_first_and_everything_else_is_answered(running: Running) -> None:
    assert "connection" not in running.get("/").headers
    running.begin_to_drain()
    refused = running.get("/readyz")
    assert refused.headers["content-type"] == "application/problem+json"
    assert is_one_sentence(refused.json()["detail"].replace(":", ","))
    for path in ("/", "/healthz", "/galleries/mine/images/0/thumbnail"):
        answer = running.get(path)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"  # the next one goes to another server
    assert running.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(running: Running, number: signal.Signals) -> None:
    running.begin_to_drain()
    running.process.send_signal(number)
    assert running.process.wait(30) == 0
    assert running.process.stderr
    assert running.process.stderr.read() == ""


def test_ctrl_c_does_not_drain(running: Running) -> None:
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 0


@pytest.mark.parametrize("running", [2], indirect=True)
def test_a_request_that_has_begun_is_answered_and_the_server_ends_with_0(running: Running) -> None:
    boundary = "part"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body = head + FILE + f"\r\n--{boundary}--\r\n".encode()
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)) as connection:
        connection.putrequest("POST", "/similarity-search?k=2")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[:-20])
        running.process.send_signal(signal.SIGTERM)
        while listens(running.port):  # until it takes no new requests
            time.sleep(0.05)
        connection.send(body[-20:])
        answer = connection.getresponse()
        assert answer.status == 200
        assert len(json.loads(answer.read())["results"]) == 2
    assert running.process.wait(30) == 0


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_a_connection_is_kept_for_longer_than_balancers_keep_theirs() -> None:
    server = WebServer(None, draining=Draining(), on_start=list, on_stop=list)
    assert server.config.timeout_keep_alive > 60  # nginx, its ingress, and most clouds' balancers


def test_by_default_nothing_drains() -> None:
    assert read_settings({}).drain_seconds == 0
    assert not Draining(0).begin()
    draining = Draining(LONG)
    assert draining.begin()
    assert draining.has_begun
    assert not draining.is_over
    assert not draining.begin()


@pytest.mark.parametrize("value", ["-1", "601", "soon", "1.5"])
def test_a_time_to_drain_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="RIS_DRAIN_SECONDS"):
        read_settings({"RIS_DRAIN_SECONDS": value})


def test_a_folder_that_cannot_be_read_any_more_makes_a_server_not_ready(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    service = home.service()
    assert service.unreadable() == ""  # there is no gallery yet
    home.build(fill(tmp_path / "pictures", 3), "mine")
    service.warm_up()
    assert service.unreadable() == ""
    (home.path / "indexes").rename(home.path / "elsewhere")
    assert is_one_sentence(service.unreadable())
    assert str(home.path / "indexes") in service.unreadable()
    (home.path / "indexes").write_text("no folder")
    assert is_one_sentence(service.unreadable())
