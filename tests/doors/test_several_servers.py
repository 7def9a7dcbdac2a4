"""Several server processes over one home: any request may go to any of them."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file

from benchmarks import rolling
from benchmarks.balancer import balancing
from tests.conftest import Home, encoded, fill, picture

COUNT = 3
PICTURE = encoded(picture(3), quality=90)
KINDS = {
    *("REST: file", "REST: facts", "REST: thumbnail", "MCP: tool"),
    *("page: itself", "page: list", "page: upload", "page: ask", "page: picture"),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("several") / "home")
    home.build(fill(home.path / "pictures", 20), "mine")
    return home


@pytest.fixture(scope="module")
def running(
    home: Home, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[rolling.Server]]:
    """Run the servers; they share nothing but the home and one folder."""
    environment = {
        "RIS_HOME": str(home.path),
        "RIS_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
        "RIS_SHARED_DIR": str(shared),
        "RIS_DRAIN_SECONDS": str(rolling.DRAIN_SECONDS),
        "RIS_CREATE_GALLERIES": "1",
        "RIS_API_TOKEN": rolling.TOKEN,
    }
    with rolling.servers(COUNT, environment) as servers:
        yield servers


@contextlib.contextmanager
def client_of(server: rolling.Server) -> Iterator[rolling.Client]:
    client = rolling.Client(server.url, "mine", PICTURE, rolling.Asked())
    with contextlib.closing(client):
        yield client


def test_what_the_page_uploads_to_one_server_is_searched_and_shown_by_another(
    running: list[rolling.Server], shared: Path
) -> None:
    sent = httpx.post(f"{running[0].url}/gradio_api/upload", files={"files": ("a.jpg", PICTURE)})
    (path,) = sent.json()
    assert Path(path).is_relative_to(shared)
    with client_of(running[1]) as other:
        query = {"kind": "upload", "path": path, "name": "a.jpg"}
        answer = other.page_function("ask", {"gallery": "mine", "query": query})
    assert answer is not None
    assert answer.json()["results"]["hits"][0]["path"] == "kind_3/00003.jpg"
    shown = httpx.get(f"{running[2].url}/{answer.json()['query']['src']}")
    assert shown.content == PICTURE


def test_no_server_hands_out_what_lies_beside_the_uploads(
    running: list[rolling.Server], shared: Path
) -> None:
    (shared / "secret").write_text("not for visitors")
    for server in running:
        for path in (shared / "secret", shared / "uploads" / ".." / "secret"):
            assert httpx.get(f"{server.url}/gradio_api/file={path}").status_code == 403
        with client_of(server) as client:
            query = {"kind": "upload", "path": str(shared / "secret"), "name": "a"}
            answer = client.page_function("ask", {"gallery": "mine", "query": query})
        assert answer is not None
        assert set(answer.json()) == {"message"}


def asked(server: rolling.Server, path: str, method: str = "GET") -> Any:
    """Return what a server answers, as JSON, to one who sends the token."""
    headers = {"Authorization": f"Bearer {rolling.TOKEN}"}
    answer = httpx.request(method, f"{server.url}{path}", headers=headers, timeout=60)
    assert answer.is_success, answer.text
    return answer.json()


def ended(server: rolling.Server, path: str) -> Any:
    """Return the progress of work in the background once it has ended."""
    while (progress := asked(server, path))["state"] in ("idle", "running"):
        time.sleep(0.05)
    return progress


def test_an_update_that_one_server_does_is_seen_to_its_end_by_every_other(
    running: list[rolling.Server], home: Home
) -> None:
    fill(home.path / "pictures", 1, first=100)
    path = "/galleries/mine/update"
    assert asked(running[0], path)["state"] == "idle"
    assert asked(running[0], path, "POST")["state"] == "running"
    for server in (running[1], running[2], running[0]):
        progress = ended(server, path)
        assert (progress["state"], progress["report"]["added"]) == ("done", 1)
        assert asked(server, "/galleries/mine")["images"] == 21


def test_duplicates_that_one_server_has_found_are_listed_by_every_other(
    running: list[rolling.Server], home: Home
) -> None:
    pictures = fill(home.path / "twice", 3)
    copy = pictures / "copy.png"
    picture(1).save(copy)
    home.build(pictures, "twice")
    path = "/galleries/twice/duplicates"
    asked(running[0], path, "POST")
    answers = [ended(server, path) for server in (running[1], running[2], running[0])]
    assert answers[0]["state"] == "done"
    assert answers[0]["duplicates"]["groups_found"] == 1
    assert answers[1:] == [answers[0]] * 2


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # in Gradio's client
def test_gradio_client_finds_its_answers_behind_the_balancer_of_the_compose_file(
    running: list[rolling.Server], home: Home
) -> None:
    file = home.path / "pictures" / "kind_3" / "00003.jpg"
    with rolling.haproxy([server.port for server in running]) as front:
        url = f"http://127.0.0.1:{front.port}"
        while not rolling.is_ready(url):
            time.sleep(0.05)
        token = {"Authorization": f"Bearer {rolling.TOKEN}"}
        with contextlib.closing(Client(url, verbose=False, headers=token)) as client:
            for _ in range(2 * COUNT):  # each turn of each server
                job = client.submit(handle_file(file), gallery="mine", k=1, api_name="/search")
                answer = job.result(timeout=60)  # it waits for ever where the two do not meet
                assert answer["results"][0]["file"] == "kind_3/00003.jpg"


def test_a_gallery_that_changes_is_seen_by_every_server(
    running: list[rolling.Server], home: Home
) -> None:
    for server in running:  # all have it open
        assert asked(server, "/galleries/mine")["title"] != "Holidays"
    home.keeper().set_title("mine", "Holidays")
    for server in running:
        assert asked(server, "/galleries/mine")["title"] == "Holidays"


@pytest.mark.scale  # most of a minute
def test_every_server_is_restarted_in_turn_without_a_failed_request(
    running: list[rolling.Server],
) -> None:
    rolled = rolling.roll(running, gallery="mine", picture=PICTURE, clients=2, front=balancing)
    assert rolled.failures == []
    assert set(rolled.answered) == KINDS
