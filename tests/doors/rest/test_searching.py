"""Searches, batches and vectors over HTTP: the answers, and errors in one sentence."""

import io
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.doors.answers import search_answer
from app.doors.rest import bodies
from app.doors.rest.bodies import MOST_FILES
from app.search.picture import File, Item
from app.search.question import SearchRequest
from app.values import MAX_PICTURE_BYTES, Box, Edit
from tests.conftest import encoded, is_one_sentence, picture
from tests.doors.rest.conftest import IMAGES, Served, problem_of

SEARCH, BATCH, EMBED = "/similarity-search", "/similarity-search/batch", "/embed"
PICTURE = encoded(picture(3))
FILE = {"file": ("mine.jpg", PICTURE)}


def expected(served: Served, query: bytes | str | int, **options: Any) -> dict[str, Any]:
    """Return the answer that every door gives, with addresses from the root."""
    answer = search_answer(served.service.search("mine", query, **options))
    for hit in answer["results"]:
        for key in ("image_url", "thumbnail_url"):
            hit[key] = "/" + hit[key]
    return untimed(answer)


def untimed(answer: dict[str, Any]) -> dict[str, Any]:
    assert set(answer["timing_ms"]) >= {"decode", "embed", "total"}
    return answer | {"timing_ms": None}


# --- answers -------------------------------------------------------------------------------------


def test_a_file_gives_the_answer_of_every_door(client: httpx.Client, served: Served) -> None:
    answer = client.post(SEARCH, files=FILE)
    assert answer.status_code == 200
    found = answer.json()
    assert found["ids"] == [hit["id"] for hit in found["results"]]
    assert len(found["ids"]) == 10
    assert untimed(found) == expected(served, PICTURE)


@pytest.mark.parametrize("kind", ["json", "data", "multipart"])
def test_a_url_or_an_id_is_sent_as_json_or_as_a_form(
    client: httpx.Client, served: Served, site: str, kind: str
) -> None:
    for sent, query in (({"id": 7}, 7), ({"url": f"{site}/cat.jpg"}, f"{site}/cat.jpg")):
        as_sent: Any = {"files": {key: (None, str(value)) for key, value in sent.items()}}
        body = as_sent if kind == "multipart" else {kind: sent}
        answer = client.post(SEARCH, **body)
        assert untimed(answer.json()) == expected(served, query)


def test_the_parameters_reach_the_service(client: httpx.Client, served: Served) -> None:
    asked = {"gallery": "mine", "k": 3, "exact": "true", "min_score": 0.5, "label": "kind_2"}
    answer = client.post(SEARCH, params=asked | {"box": "0.1,0,0.9,0.5"}, files=FILE)
    options = {"k": 3, "exact": True, "min_score": 0.5, "label": "kind_2"}
    edit = Edit(box=Box(0.1, 0, 0.9, 0.5))
    assert untimed(answer.json()) == expected(served, PICTURE, edit=edit, **options)


def test_the_addresses_of_a_result_can_be_followed(client: httpx.Client) -> None:
    best = client.post(SEARCH, files=FILE, params={"k": 1}).json()["results"][0]
    assert client.get(best["image_url"]).content == PICTURE or best["score"] < 1
    shown = Image.open(io.BytesIO(client.get(best["thumbnail_url"]).content))
    assert shown.format == "WEBP"


def test_without_a_gallery_the_first_that_can_be_searched_is_asked(client: httpx.Client) -> None:
    listed = client.get("/galleries").json()["galleries"]
    assert [(each["name"], bool(each["refused"])) for each in listed] == [
        ("broken", True),
        ("mine", False),
    ]
    assert client.post(SEARCH, files=FILE).json()["gallery"] == "mine"


def test_the_empty_fields_of_a_browsers_form_count_as_left_out(client: httpx.Client) -> None:
    form = {"file": ("", b""), "url": (None, ""), "id": (None, "3")}
    assert client.post(SEARCH, files=form, params={"k": 1}).json()["ids"] == [3]


def test_the_images_similar_to_one_are_found_by_its_address(
    client: httpx.Client, served: Served
) -> None:
    answer = client.get("/galleries/mine/images/5/similar", params={"k": 4, "label": "kind_1"})
    assert untimed(answer.json()) == expected(served, 5, k=4, label="kind_1")


def test_a_vector_is_the_one_that_searches_compare(client: httpx.Client, served: Served) -> None:
    for body, query in (({"files": FILE}, File(PICTURE)), ({"json": {"id": 5}}, Item(5))):
        answer = client.post(EMBED, params={"box": "0,0,0.5,1"}, **body).json()  # type: ignore[arg-type]
        assert (answer["dim"], answer["model"], answer["gallery"]) == (48, "mean_colour", "mine")
        asked = SearchRequest(query=query, gallery="mine", box=Box(0, 0, 0.5, 1))
        assert np.allclose(answer["vector"], served.service.embed(asked))


# --- many files ----------------------------------------------------------------------------------


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.jpg", data)) for number, data in enumerate(contents)]


def test_each_file_of_a_batch_gets_an_answer_or_a_problem_in_order(
    client: httpx.Client, served: Served
) -> None:
    other = encoded(picture(400))
    sent = files(PICTURE, b"no picture", other, b"")
    answers = client.post(BATCH, files=sent, params={"k": 2}).json()["answers"]
    assert [answer["file"] for answer in answers] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert untimed(answers[0]["answer"]) == expected(served, PICTURE, k=2)
    assert untimed(answers[2]["answer"]) == expected(served, other, k=2)
    assert [answer["problem"] is None for answer in answers] == [True, False, True, False]
    for answer in (answers[1], answers[3]):
        assert answer["answer"] is None
        problem = answer["problem"]
        assert (problem["status"], problem["type"]) == (422, "/problems/decode")
        assert is_one_sentence(problem["detail"])


def test_one_file_of_a_batch_is_in_memory_at_a_time(
    client: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **options: Any) -> Any:
            did.append(name)
            return function(*arguments, **options)

        return noting

    monkeypatch.setattr(bodies, "contents", noted("read", bodies.contents))
    monkeypatch.setattr(served.service, "answer", noted("search", served.service.answer))
    assert client.post(BATCH, files=files(*[PICTURE] * 3)).status_code == 200
    assert did == ["read", "search"] * 3


def test_what_is_wrong_with_every_file_is_one_problem_of(client: httpx.Client) -> None:
    sent = files(PICTURE, PICTURE)
    for asked, status, words in (({"gallery": "no"}, 404, "'no'"), ({"k": "0"}, 422, "k must")):
        assert words in problem_of(client.post(BATCH, files=sent, params=asked), status)


def test_a_batch_has_at_most_so_many_files_and_at_least_one(client: httpx.Client) -> None:
    most = client.post(BATCH, files=files(*[PICTURE] * MOST_FILES), params={"k": 1})
    assert len(most.json()["answers"]) == MOST_FILES
    more = client.post(BATCH, files=files(*[PICTURE] * (MOST_FILES + 1)))
    assert str(MOST_FILES) in problem_of(more, 422)
    assert "files" in problem_of(client.post(BATCH, files={"files": (None, "text")}), 422)
    assert "file" in problem_of(client.post(BATCH, files=FILE), 422)
    assert "multipart/form-data" in problem_of(client.post(BATCH, json={}), 415)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SEARCH, EMBED, BATCH])
@pytest.mark.parametrize(
    ("asked", "status", "named"),
    [
        ({"gallery": "nothing"}, 404, "'nothing'"),
        ({"gallery": "x" * 3000}, 422, "gallery"),
        ({"gallery": "../mine"}, 404, "'../mine'"),
        ({"box": "-0.1,0,1,1"}, 422, "box.*-0.1"),
        ({"box": "0.6,0,0.4,1"}, 422, "box.*0.6"),
        ({"box": "0,0,1"}, 422, "box '0,0,1'"),
        ({"box": "0,0,1,1,1"}, 422, "box '0,0,1,1,1'"),
        ({"box": "0,0,nan,1"}, 422, "box.*nan"),
        ({"box": "0,0,inf,1"}, 422, "box.*inf"),
        ({"box": "a,b,c,d"}, 422, "box 'a,b,c,d'"),
        ({"box": ""}, 422, "box ''"),
        ({"box": "1," * 5000}, 422, "box"),
        ({"limit": "3"}, 422, "'limit'"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name_and_value(
    client: httpx.Client, path: str, asked: dict[str, str], status: int, named: str
) -> None:
    sent = files(PICTURE) if path == BATCH else FILE
    assert re.search(named, problem_of(client.post(path, params=asked, files=sent), status))


@pytest.mark.parametrize("place", ["post", "get"])
@pytest.mark.parametrize(
    ("asked", "status", "named"),
    [
        ({"k": "0"}, 422, "^k .*1.*200.*0"),
        ({"k": "-1"}, 422, "^k .*1.*200.*-1"),
        ({"k": str(10**9)}, 422, "^k .*1.*200.*1000000000"),
        ({"k": "9" * 5000}, 422, "^k .*digits"),
        ({"k": "NaN"}, 422, "^k .*whole number.*'NaN'"),
        ({"min_score": "x"}, 422, "^min_score .*number.*'x'"),
        ({"k": "ten"}, 422, "^k .*whole number.*'ten'"),
        ({"k": ""}, 422, "^k .*whole number.*''"),
        ({"exact": "maybe"}, 422, "^exact .*true.*false.*'maybe'"),
        ({"min_score": "nan"}, 422, "^min_score .*-1.*1.*nan"),
        ({"min_score": "1.01"}, 422, "^min_score .*-1.*1.*1.01"),
        ({"min_score": "-inf"}, 422, "^min_score .*-1.*1.*-inf"),
        ({"label": "kind_9"}, 404, "label.*'kind_9'"),
        ({"label": "x" * 5000}, 422, "^label "),
    ],
)
def test_a_wrong_parameter_of_a_search_is_refused_by_name_and_value(
    client: httpx.Client, place: str, asked: dict[str, str], status: int, named: str
) -> None:
    if place == "post":
        answer = client.post(SEARCH, params=asked, files=FILE)
    else:
        answer = client.get("/galleries/mine/images/3/similar", params=asked)
    message = problem_of(answer, status)
    assert re.search(named, message)
    assert len(message) < 300


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", [SEARCH, EMBED])
@pytest.mark.parametrize(
    ("sent", "status", "named"),
    [
        ({"json": {}}, 422, "a picture .file, url or id., words, or both"),
        ({"json": {"url": None, "id": ""}}, 422, "url"),
        ({"json": {"url": "http://x/", "id": 1}}, 422, "file, url and id.* url and id"),
        ({"files": FILE | {"url": (None, "http://x/")}}, 422, "file, url and id.* file and url"),
        ({"files": FILE | {"id": (None, "1")}}, 422, "file, url and id.* file and id"),
        ({"files": [*FILE.items(), *FILE.items()]}, 422, "^file .*once"),
        ({"files": [("id", (None, "1")), ("id", (None, "2"))]}, 422, "^id .*once"),
        ({"files": {"file": (None, "a.jpg")}}, 422, "^file "),
        ({"files": {"image": ("a.jpg", PICTURE)}}, 422, "'image'.*file.*url"),
        ({"json": {"id": 1, "k": 5}}, 422, "'k'.*file.*url"),
        ({"json": {"id": IMAGES}}, 404, rf"image {IMAGES}\b"),
        ({"json": {"id": -1}}, 404, "image '-1'"),
        ({"json": {"id": 10**30}}, 404, f"image.*{10**30}"),
        ({"json": {"id": "x\0y"}}, 404, "image"),
        ({"json": {"id": True}}, 422, r"\bid\b.*[Tt]rue"),
        ({"json": {"id": 1.5}}, 422, r"\bid\b.*1\.5"),
        ({"json": {"id": [1]}}, 422, r"\bid\b.*\[1\]"),
        ({"json": {"url": 17}}, 422, "^url .*17"),
        ({"content": b'{"id": "\\ud800"}', "headers": JSON}, 422, "surrogate"),
        ({"content": b"[]", "headers": JSON}, 422, "JSON"),
        ({"content": b"17", "headers": JSON}, 422, "JSON"),
        ({"content": b"{", "headers": JSON}, 422, "JSON"),
        ({"content": b"", "headers": JSON}, 422, "JSON"),
        ({"content": b"\xff\xfe{", "headers": JSON}, 422, "JSON"),
        ({"content": b"[" * 90_000, "headers": JSON}, 422, "JSON"),
        ({"content": b"1" * 200_000, "headers": JSON}, 413, "100 kB"),
        ({"content": PICTURE, "headers": {"content-type": "image/jpeg"}}, 415, "image/jpeg"),
        ({"content": b"id=1", "headers": {"content-type": "text/plain"}}, 415, "text/plain"),
        ({"content": b"id=1"}, 415, "multipart/form-data"),
        ({}, 422, "a picture .file, url or id., words, or both"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 422, "boundary"),
        ({"files": {"file": ("empty.jpg", b"")}}, 422, "empty.jpg"),
        ({"files": {"file": ("text.txt", b"no picture")}}, 422, "picture"),
        ({"json": {"url": "ftp://127.0.0.1/a.jpg"}}, 403, "http"),
        ({"json": {"url": "no address"}}, 403, "http"),
        ({"json": {"url": "http://127.0.0.1:1/a.jpg"}}, 502, "127.0.0.1"),
    ],
)
def test_a_wrong_query_is_refused_by_what_is_wrong(
    client: httpx.Client, path: str, sent: dict[str, Any], status: int, named: str
) -> None:
    message = problem_of(client.post(path, **sent), status)
    assert re.search(named, message)
    assert len(message) < 300


def test_a_parameter_that_comes_twice_is_refused(client: httpx.Client) -> None:
    for body in ({"files": FILE}, {"json": {"id": 3}}):
        answer = client.post(f"{SEARCH}?k=5&k=6", **body)  # type: ignore[arg-type]
        assert re.search("^k .*once", problem_of(answer, 422))
    twice = '{"id": 3, "id": 4}'
    answer = client.post(SEARCH, content=twice, headers={"Content-Type": "application/json"})
    assert re.search("'id'.*once", problem_of(answer, 422))


def test_a_url_that_gives_no_picture_is_refused(client: httpx.Client, site: str) -> None:
    assert "404" in problem_of(client.post(SEARCH, json={"url": f"{site}/gone.jpg"}), 502)
    assert "picture" in problem_of(client.post(SEARCH, json={"url": f"{site}/page.html"}), 502)


class Endless(httpx.SyncByteStream):
    """A body without an announced length, that counts what was taken of it."""

    def __init__(self, head: bytes) -> None:
        self.head, self.taken = head, 0

    def __iter__(self) -> Any:
        yield self.head
        while self.taken < 4 * MAX_PICTURE_BYTES:
            self.taken += 1_000_000
            yield b"x" * 1_000_000


@pytest.mark.parametrize("path", [SEARCH, EMBED])
def test_a_body_that_is_too_large_is_refused_before_it_is_all_read(
    served: Served, path: str
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'
    body = Endless(head)
    headers = {"content-type": "multipart/form-data; boundary=b", "transfer-encoding": "chunked"}
    with httpx.Client(base_url=served.address, trust_env=False, timeout=60) as client:
        answer = client.post(path, content=iter(body), headers=headers)
    assert "50 MB" in problem_of(answer, 413)
    assert MAX_PICTURE_BYTES < body.taken < 2 * MAX_PICTURE_BYTES


def test_a_body_that_says_it_is_too_large_is_refused_unread(served: Served) -> None:
    import socket

    address = served.address.removeprefix("http://")
    host, port = address.split(":")
    asked = (
        f"POST {SEARCH} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {10**9}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(asked.encode())
        received = iter(lambda: connection.recv(100_000), b"")
        answer = b"".join(received).decode()  # until the server closes
    assert answer.startswith("HTTP/1.1 413 ")
    body = json.loads(answer.partition("\r\n\r\n")[2])
    assert "50 MB" in body["detail"]
