"""`ris` and the servers that it finds: asked, passed over, and sent nothing that is not theirs."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest

from app.doors.cli.remote import RemoteServer
from app.doors.running import announced, servers_of
from app.errors import NoServerError
from app.settings import read_settings
from tests.conftest import ROOT
from tests.doors.cli.conftest import TOKEN, addresses, free_port, something_else


def was_answered_here(ended: tuple[int, str, str]) -> bool:
    code, out, err = ended
    assert (code, err) == (0, "")
    return json.loads(out)["results"][0]["image_url"].startswith("galleries/")


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
    assert "relative" in err
    assert err.count("\n") == 1


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


def test_a_killed_process_holds_its_file_no_more(tmp_path):
    code = (
        "from pathlib import Path; from app.doors.running import announced\n"
        f"with announced('http://127.0.0.1:1', home=Path({str(tmp_path)!r}), "
        f"cache_dir=Path({str(tmp_path)!r})): print('there', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"there\n"
        assert addresses(tmp_path, tmp_path) == ["http://127.0.0.1:1"]
        other.kill()
        other.wait(60)
    assert len(list((tmp_path / "servers").iterdir())) == 1
    assert addresses(tmp_path, tmp_path) == []
    with announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path):
        assert addresses(tmp_path, tmp_path) == ["http://127.0.0.1:1"]


def test_two_that_ask_at_the_same_time_do_not_take_each_other_for_the_server(tmp_path):
    with announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path):
        (server,) = servers_of(tmp_path, tmp_path)
        text = server.file.read_text()
    server.file.write_text(text)  # as a killed server leaves it
    question = f"""
import fcntl
from pathlib import Path
from app.doors.running import servers_of
ask = fcntl.flock
def slow(*arguments):
    ask(*arguments)
    print("asking", flush=True)
    input()
fcntl.flock = slow
servers_of(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
"""
    with subprocess.Popen(
        [sys.executable, "-c", question], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"asking\n"
        assert servers_of(tmp_path, tmp_path) == []
        other.stdin.close()
        assert other.wait(60) != 0  # input() found no line


def test_a_server_that_takes_over_an_address_keeps_its_file_when_the_first_one_ends(tmp_path):
    first = announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path)
    with ExitStack() as servers:
        with first:
            servers.enter_context(
                announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path)
            )
        assert addresses(tmp_path, tmp_path) == ["http://127.0.0.1:1"]
    assert addresses(tmp_path, tmp_path) == []


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
    monkeypatch.setattr("app.doors.cli.remote.HEALTH_SECONDS", 0.05)
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
