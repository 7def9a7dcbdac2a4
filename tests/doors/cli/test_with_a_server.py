"""`ris` and a running server: the same answers, named, gone, none of ours."""

import json
import re
import shutil

import pytest

from app.doors.running import announced
from tests.conftest import ROOT, fill
from tests.doors.cli.conftest import TOKEN, free_port, program, serving, something_else


def answer_of(out: str) -> dict:
    answer = json.loads(out)
    for result in answer["results"]:
        for key in ("image_url", "thumbnail_url"):
            result[key] = result[key][result[key].index("galleries/") :]
    return {key: value for key, value in answer.items() if key != "timing_ms"}


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
def test_galleries_are_described_alike(run, server, command):
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
    ("arguments", "code", "named"),
    [
        (["--id", "99"], 2, r"99.*\b0\b.*\b29\b"),
        (["--id", "7", "--gallery", "nix"], 2, "nix.*mine, other"),
        (["--id", "7", "--label", "nix"], 2, "label.*'nix'"),
        (["--id", "7", "-k", "0"], 2, "^k .*1.*200.*0"),
        (["--id", "7", "-k", "1000000000"], 2, "^k .*1.*200.*1000000000"),
        (["--id", "7", "--min-score", "nan"], 2, "min_score.*nan"),
        ([str(ROOT / "pyproject.toml")], 3, "text"),
        (["file:///etc/passwd"], 3, "file:///etc/passwd"),
    ],
)
def test_an_error_of_the_server_keeps_its_sentence_and_code(run, server, arguments, code, named):
    ended, out, err = run("search", *arguments, "--server", server)
    assert (ended, out) == (code, ""), err
    assert re.search(named, err)
    assert err.count("\n") == 1


def test_the_token_is_sent(run, home, monkeypatch):
    with serving(home, TOKEN) as address:
        code, out, err = run("search", "--id", "7", "--server", address)
        assert (code, out) == (2, "")
        assert "RIS_API_TOKEN" in err
        assert "--no-server" in err
        monkeypatch.setenv("RIS_API_TOKEN", "other")
        code, out, other = run("search", "--id", "7", "--server", address)
        assert (code, out) == (2, "")
        assert "RIS_API_TOKEN" in other
        assert other != err, "a wrong token is not a missing one"
        monkeypatch.setenv("RIS_API_TOKEN", TOKEN)
        assert run("search", "--id", "7", "--server", address)[0] == 0


# Named


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_server_that_is_none_of_ours_is_named(run, status):
    with something_else(status, b"<html>hello</html>") as address:
        for command in (["search", "--id", "7"], ["galleries"], ["info", "mine"]):
            code, out, err = run(*command, "--server", address)
            assert (code, out) == (2, "")
            assert f"{address}/" in err
            assert err.count("\n") == 1


def test_a_wrong_path_of_a_server_is_named(run, server):
    for command in (["search", "--id", "7"], ["galleries"], ["info", "mine"]):
        code, out, err = run(*command, "--server", f"{server}/x")
        assert (code, out) == (2, "")
        assert f"{server}/x/" in err
        assert err.count("\n") == 1


def test_a_server_that_is_gone_is_named(run):
    address = f"http://127.0.0.1:{free_port()}"
    code, out, err = run("search", "--id", "7", "--server", address)
    assert (code, out) == (2, "")
    assert f"{address}/ (Connection refused)" in err
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
    assert repr(address) in err
    assert err.count("\n") == 1


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
            shutil.rmtree(folder)
