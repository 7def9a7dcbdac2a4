"""`ris` and a running server: found, named, gone, not one of ours; the same answers."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.cli.remote import NoServerError, RemoteServer
from app.running import announced, servers_of
from app.settings import read_settings
from tests.cli.conftest import program, serving
from tests.conftest import ROOT, fill

TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def server(home) -> Iterator[str]:
    with serving(home) as address:
        yield address


def answer_of(out: str) -> dict:
    answer = json.loads(out)
    for result in answer["results"]:
        for key in ("image_url", "thumbnail_url"):
            result[key] = result[key][result[key].index("galleries/") :]
    return {key: value for key, value in answer.items() if key != "timing_ms"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def addresses(home: Path, cache: Path) -> list[str]:
    return [server.address for server in servers_of(home, cache)]


def was_answered_here(ended: tuple[int, str, str]) -> bool:
    code, out, err = ended
    assert (code, err) == (0, "")
    return json.loads(out)["results"][0]["image_url"].startswith("galleries/")


@contextmanager
def something_else(
    status: int, body: bytes, asked: list[tuple[str, str | None]] | None = None
) -> Iterator[str]:
    """A web server that is not one of ours; `asked` gets each path with the token sent."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if asked is not None:
                asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    other = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{other.server_address[1]}"
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


# The same answers


@pytest.mark.parametrize(
    "options",
    [
        ["--id", "7"],
        ["--id", "7", "--exact", "-k", "20"],
        ["PICTURE"],
        ["PICTURE", "--box", "0.25,0,0.75,0.5", "--gallery", "mine"],
        ["PICTURE", "--label", "kind_1", "--min-score", "0.25"],
        ["PICTURE", "--gallery", "other", "-k", "200"],
    ],
)
def test_a_server_gives_the_answer_that_galleries_opened_here_give(
    run, server, picture_of, options
):
    asked = [str(picture_of(7)) if option == "PICTURE" else option for option in options]
    code, there, err = run("search", *asked, "--json", "--server", server)
    assert (code, err) == (0, "")
    _, here, _ = run("search", *asked, "--json", "--no-server")
    assert answer_of(there) == answer_of(here)
    assert json.loads(there)["results"][0]["image_url"].startswith(f"{server}/galleries/")


def test_a_picture_on_standard_input_is_sent(run, server, picture_of):
    _, out, _ = run("search", "-", "--json", "--server", server, stdin=picture_of(9).read_bytes())
    assert json.loads(out)["results"][0]["same_file"]


@pytest.mark.parametrize("command", [["galleries"], ["info"], ["info", "mine"]])
def test_galleries_are_told_alike(run, server, command):
    there = run(*command, "--server", server)
    here = run(*command, "--no-server")
    assert there == here
    assert there[0] == 0


def test_a_contact_sheet_is_made_of_what_a_server_sends(run, server, picture_of, tmp_path):
    sheets = tmp_path / "there.png", tmp_path / "here.png"
    for sheet, who in zip(sheets, (["--server", server], ["--no-server"]), strict=True):
        assert run("search", picture_of(3), "--id", "4", "--sheet", sheet, *who)[0] == 0
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--id", "99"], 2, "its ids go from 0 to 29"),
        (["--id", "7", "--gallery", "nix"], 2, "choose one of mine, other"),
        (["--id", "7", "--label", "nix"], 2, "has the label 'nix'"),
        (["--id", "7", "-k", "0"], 2, "from 1 to 200, not 0"),
        (["--id", "7", "-k", "1000000000"], 2, "from 1 to 200, not 1000000000"),
        (["--id", "7", "--min-score", "nan"], 2, "not nan"),
        ([str(ROOT / "pyproject.toml")], 3, "This is a text file"),
        (["file:///etc/passwd"], 3, "file:///etc/passwd"),
    ],
)
def test_an_error_of_the_server_is_told_with_its_sentence_and_code(
    run, server, arguments, code, message
):
    ended, out, err = run("search", *arguments, "--server", server)
    assert (ended, out) == (code, ""), err
    assert message in err
    assert err.count("\n") == 1


def test_the_token_is_sent(run, home, monkeypatch):
    with serving(home, TOKEN) as address:
        code, out, err = run("search", "--id", "7", "--server", address)
        assert (code, out) == (2, "")
        assert "The token is missing" in err
        assert err.endswith(
            "set RIS_API_TOKEN to the one that it was started with, or use --no-server.\n"
        )
        monkeypatch.setenv("RIS_API_TOKEN", "other")
        assert "The token is not the one of" in run("search", "--id", "7", "--server", address)[2]
        monkeypatch.setenv("RIS_API_TOKEN", TOKEN)
        assert run("search", "--id", "7", "--server", address)[0] == 0


# Found


def test_a_server_of_the_same_home_is_found_and_asked(run, home, cache, server):
    with announced(server, home=home.path, cache_dir=cache):
        _, out, _ = run("search", "--id", "7", "--json")
        assert json.loads(out)["results"][0]["image_url"].startswith(server)
        _, out, _ = run("search", "--id", "7", "--json", "--no-server")
        assert json.loads(out)["results"][0]["image_url"].startswith("galleries/")
    _, out, _ = run("search", "--id", "7", "--json")
    assert json.loads(out)["results"][0]["image_url"].startswith("galleries/")


def test_paths_are_absolute_where_a_server_on_this_machine_answers(
    run, home, cache, server, picture_of
):
    with announced(server, home=home.path, cache_dir=cache):
        code, out, _ = run("search", picture_of(7), "--paths", "-k", "1")
    assert (code, out) == (0, f"{picture_of(7)}\n")
    code, out, err = run("search", picture_of(7), "--paths", "-k", "1", "--server", server)
    assert (code, out) == (0, "kind_2/00007.jpg\n"), "it may be another machine's"
    assert err == "The paths are relative to the gallery's folder, where the server has it.\n"


def test_a_server_of_another_home_is_not_asked(run, home, cache, server, tmp_path):
    with announced(server, home=tmp_path, cache_dir=cache):
        _, out, _ = run("search", "--id", "7", "--json")
    assert json.loads(out)["results"][0]["image_url"].startswith("galleries/")


def test_a_server_that_was_killed_is_passed_over(run, home, cache):
    with announced(f"http://127.0.0.1:{free_port()}", home=home.path, cache_dir=cache):
        code, out, err = run("search", "--id", "7", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["ids"][0] == 7


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"status": "ok"}'])
def test_what_listens_now_where_a_server_was_is_passed_over(run, home, cache, body):
    with (
        something_else(200, body) as address,
        announced(address, home=home.path, cache_dir=cache),
    ):
        code, out, err = run("search", "--id", "7", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["ids"][0] == 7


def test_what_listens_where_a_killed_server_was_gets_neither_picture_nor_token(
    run, home, cache, picture_of, monkeypatch
):
    monkeypatch.setenv("RIS_API_TOKEN", TOKEN)
    asked: list[tuple[str, str | None]] = []
    with something_else(200, b'{"version": "0.1.0", "results": []}', asked) as address:
        with announced(address, home=home.path, cache_dir=cache):
            (file,) = (cache / "servers").iterdir()
            left_behind = file.read_bytes()
        file.write_bytes(left_behind)
        assert was_answered_here(run("search", picture_of(7), "--json"))
    assert asked == []


def test_a_server_that_ends_meanwhile_is_sent_no_more(home, cache):
    asked: list[tuple[str, str | None]] = []
    with something_else(200, b'{"version": "0.1.0"}', asked) as address:
        with announced(address, home=home.path, cache_dir=cache):
            (running,) = servers_of(home.path, cache)
        with (
            closing(RemoteServer(address, TOKEN, read_settings({}), running)) as server,
            pytest.raises(NoServerError),
        ):
            server.check()
    assert asked == []


def test_the_health_of_a_server_is_asked_without_the_token(run, home, cache, monkeypatch):
    monkeypatch.setenv("RIS_API_TOKEN", TOKEN)
    asked: list[tuple[str, str | None]] = []
    with (
        something_else(200, b'{"version": "0.1.0", "results": []}', asked) as address,
        announced(address, home=home.path, cache_dir=cache),
    ):
        run("search", "--id", "7", "--json")
    assert [token for path, token in asked if path == "/healthz"] == [None]
    assert [token for path, token in asked if path != "/healthz"] == [f"Bearer {TOKEN}"]


def test_what_others_could_have_written_is_not_believed(run, home, cache, server):
    with announced(server, home=home.path, cache_dir=cache):
        (file,) = (cache / "servers").iterdir()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert addresses(home.path, cache) == [server]
        file.parent.chmod(0o770)
        assert addresses(home.path, cache) == []


def test_a_server_that_hangs_is_passed_over(run, home, cache, monkeypatch):
    monkeypatch.setattr("app.cli.remote._HEALTH_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        address = f"http://127.0.0.1:{hung.getsockname()[1]}"
        with announced(address, home=home.path, cache_dir=cache):
            assert was_answered_here(run("search", "--id", "7", "--json"))


REFUSED = b'{"type": "/problems/sender", "detail": "no"}'


@pytest.mark.parametrize(("status", "body"), [(403, REFUSED), (500, b""), (200, b"\xff")])
def test_a_server_that_is_found_and_refuses_is_passed_over(run, home, cache, status, body):
    with (
        something_else(status, body) as address,
        announced(address, home=home.path, cache_dir=cache),
    ):
        assert was_answered_here(run("search", "--id", "7", "--json"))


@pytest.mark.parametrize("address", ["here", "http://", "http://127.0.0.1:x", "http://a b:1"])
def test_a_file_that_names_no_address_is_passed_over(run, home, cache, address):
    with announced(address, home=home.path, cache_dir=cache):
        assert was_answered_here(run("search", "--id", "7", "--json"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": 7}', "\udcff"])
def test_a_damaged_file_in_the_cache_is_passed_over(home, cache, text):
    (cache / "servers").mkdir(parents=True, mode=0o700)
    (cache / "servers" / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert servers_of(home.path, cache) == []


def test_the_newest_server_of_a_home_is_asked_first_and_ends_for_itself_alone(tmp_path):
    here = {"home": tmp_path, "cache_dir": tmp_path}
    with announced("http://127.0.0.1:1", **here):
        with announced("http://[::1]:2", **here):
            (first,) = (tmp_path / "servers").glob("127*")
            os.utime(first, (0, 0))
            assert addresses(tmp_path, tmp_path) == ["http://[::1]:2", "http://127.0.0.1:1"]
        assert addresses(tmp_path, tmp_path) == ["http://127.0.0.1:1"]
    assert servers_of(tmp_path, tmp_path) == []
    assert list((tmp_path / "servers").iterdir()) == []


def test_a_server_whose_cache_cannot_be_written_works_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    with announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path / "file"):
        assert servers_of(tmp_path, tmp_path / "file") == []


# Named


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_server_that_is_none_of_ours_is_told_of(run, status):
    with something_else(status, b"<html>hello</html>") as address:
        for command in (["search", "--id", "7"], ["galleries"], ["info", "mine"]):
            code, out, err = run(*command, "--server", address)
            assert (code, out) == (2, "")
            assert f"No server of this program answers at {address}/" in err
            assert err.count("\n") == 1


def test_a_wrong_path_of_a_server_is_told_of(run, server):
    for command in (["search", "--id", "7"], ["galleries"], ["info", "mine"]):
        code, out, err = run(*command, "--server", f"{server}/x")
        assert (code, out) == (2, "")
        assert f"No server of this program answers at {server}/x/" in err
        assert err.count("\n") == 1


def test_a_server_that_is_gone_is_told_of(run):
    address = f"http://127.0.0.1:{free_port()}"
    code, out, err = run("search", "--id", "7", "--server", address)
    assert (code, out) == (2, "")
    assert f"No server of this program answers at {address}/ (Connection refused)" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    [
        *("", "here", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://[::1"),
        *("http://127.0.0.1:x", "http://127.0.0.1/?a=b", "file:///etc/passwd", "http://a b:1"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused(run, address):
    code, out, err = run("search", "--id", "7", "--server", address)
    assert (code, out) == (2, "")
    assert f"{address!r} is not a server's address" in err
    assert err.count("\n") == 1


# serve


def test_serve_says_where_it_is_until_it_is_stopped(home, tmp_path):
    environment = {
        **os.environ,
        "RIS_HOME": str(home.path),
        "RIS_CACHE_DIR": str(tmp_path),
        "PORT": str(free_port()),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as serving_process:
        try:
            address = serving_process.stdout.readline().removeprefix("Open ").strip()
            assert addresses(home.path, tmp_path) == [address]
            ended = program(
                *("-m", "app", "search", "--id", "7", "--json"),
                home=home,
                RIS_CACHE_DIR=str(tmp_path),
            )
            assert json.loads(ended.stdout)["results"][0]["image_url"].startswith(address)
        finally:
            serving_process.send_signal(signal.SIGTERM)
            serving_process.wait(60)
    assert servers_of(home.path, tmp_path) == []


def test_a_client_loads_nothing_heavy(home, server, cache, picture_of):
    with announced(server, home=home.path, cache_dir=cache):
        ended = program(
            *("-X", "importtime", "-m", "app", "search", picture_of(7), "--json"),
            home=home,
            RIS_CACHE_DIR=str(cache),
        )
    assert json.loads(ended.stdout)["results"][0]["image_url"].startswith(server)
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    heavy = {"numpy", "PIL", "faiss", "openvino", "torch", "gradio", "fastapi", "requests", "rich"}
    assert "app" in loaded
    assert not loaded & heavy


def test_a_search_without_a_server_loads_no_page_and_no_torch(home, cache, picture_of):
    ended = program(
        *("-X", "importtime", "-m", "app", "search", picture_of(7), "--json"),
        home=home,
        RIS_CACHE_DIR=str(cache),
    )
    assert json.loads(ended.stdout)["results"][0]["same_file"]
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert "faiss" in loaded
    assert not loaded & {"gradio", "fastapi", "torch", "torchvision", "rich", "textual_image"}


def test_a_gallery_made_meanwhile_is_found_by_a_server(run, home, server, tmp_path):
    home.build(fill(tmp_path / "new", 3, first=500), "new")
    try:
        assert run("search", "--id", "1", "--gallery", "new", "--server", server)[0] == 0
    finally:
        for folder in (home.folders("new").features, home.folders("new").indexes):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
