"""Searches, batches and vectors over HTTP: the answers, and what is wrong told in one sentence."""

import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.doors.answers import search_answer
from app.doors.rest import bodies as queries
from app.doors.rest.bodies import MOST_FILES
from app.search.question import File, Item, SearchRequest
from app.values import MAX_PICTURE_BYTES, Box, Edit
from tests.conftest import encoded, picture
from tests.doors.page.browser.visitor import is_one_sentence
from tests.doors.rest.conftest import IMAGES, Served

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


def problem(answer: httpx.Response, status: int) -> str:
    """Return the sentence of a problem of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail"}
    assert told["status"] == status
    assert is_one_sentence(told["detail"].replace("?", ".")), told["detail"]
    return str(told["detail"])


# --- answers -------------------------------------------------------------------------------------


def test_a_file_gives_the_answer_of_every_door(client: httpx.Client, served: Served) -> None:
    answer = client.post(SEARCH, files=FILE)
    assert answer.status_code == 200
    told = answer.json()
    assert told["ids"] == [hit["id"] for hit in told["results"]]
    assert len(told["ids"]) == 10
    assert untimed(told) == expected(served, PICTURE)


@pytest.mark.parametrize("kind", ["json", "data", "multipart"])
def test_a_url_or_an_id_is_sent_as_json_or_as_a_form(
    client: httpx.Client, served: Served, site: str, kind: str
) -> None:
    for sent, query in (({"id": 7}, 7), ({"url": f"{site}/cat.jpg"}, f"{site}/cat.jpg")):
        as_sent: Any = {"files": {key: (None, str(value)) for key, value in sent.items()}}
        body = as_sent if kind == "multipart" else {kind: sent}
        answer = client.post(SEARCH, **body)
        assert untimed(answer.json()) == expected(served, query)


def test_the_parameters_are_what_the_service_is_asked_with(
    client: httpx.Client, served: Served
) -> None:
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


def test_the_images_similar_to_one_are_asked_for_by_its_address(
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
        told = answer["problem"]
        assert (told["status"], told["type"]) == (422, "/problems/decode")
        assert is_one_sentence(told["detail"])


def test_one_file_of_a_batch_is_in_memory_at_a_time(
    client: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **options: Any) -> Any:
            did.append(name)
            return function(*arguments, **options)

        return noting

    monkeypatch.setattr(queries, "contents", noted("read", queries.contents))
    monkeypatch.setattr(served.service, "answer", noted("search", served.service.answer))
    assert client.post(BATCH, files=files(*[PICTURE] * 3)).status_code == 200
    assert did == ["read", "search"] * 3


def test_what_is_wrong_with_every_file_is_one_problem(client: httpx.Client) -> None:
    sent = files(PICTURE, PICTURE)
    for asked, status, words in (({"gallery": "no"}, 404, "'no'"), ({"k": "0"}, 422, "k must be")):
        assert words in problem(client.post(BATCH, files=sent, params=asked), status)


def test_a_batch_has_at_most_so_many_files_and_at_least_one(client: httpx.Client) -> None:
    most = client.post(BATCH, files=files(*[PICTURE] * MOST_FILES), params={"k": 1})
    assert len(most.json()["answers"]) == MOST_FILES
    more = client.post(BATCH, files=files(*[PICTURE] * (MOST_FILES + 1)))
    assert str(MOST_FILES) in problem(more, 422)
    assert "files must be" in problem(client.post(BATCH, files={"files": (None, "text")}), 422)
    assert "file" in problem(client.post(BATCH, files=FILE), 422)
    assert "multipart/form-data" in problem(client.post(BATCH, json={}), 415)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SEARCH, EMBED, BATCH])
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"gallery": "nothing"}, 404, "There is no gallery 'nothing'"),
        ({"gallery": "x" * 300}, 422, "gallery cannot be"),
        ({"gallery": "../mine"}, 404, "There is no gallery"),
        ({"box": "-0.1,0,1,1"}, 422, "is not inside the picture"),
        ({"box": "0.6,0,0.4,1"}, 422, "is not inside the picture"),
        ({"box": "0,0,1"}, 422, "is not four numbers"),
        ({"box": "0,0,1,1,1"}, 422, "is not four numbers"),
        ({"box": "0,0,nan,1"}, 422, "is not inside the picture"),
        ({"box": "0,0,inf,1"}, 422, "is not inside the picture"),
        ({"box": "a,b,c,d"}, 422, "is not four numbers"),
        ({"box": ""}, 422, "is not four numbers"),
        ({"box": "1," * 5000}, 422, "box cannot be"),
        ({"limit": "3"}, 422, "There is no parameter 'limit'"),
    ],
)
def test_a_wrong_parameter_is_told(
    client: httpx.Client, path: str, asked: dict[str, str], status: int, words: str
) -> None:
    sent = files(PICTURE) if path == BATCH else FILE
    assert words in problem(client.post(path, params=asked, files=sent), status)


@pytest.mark.parametrize("place", ["post", "get"])
@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"k": "0"}, 422, "k must be from 1 to 200, not 0."),
        ({"k": "-1"}, 422, "k must be from 1 to 200, not -1."),
        ({"k": str(10**9)}, 422, "not 1000000000."),
        ({"k": "9" * 5000}, 422, "it has too many digits."),
        ({"k": "NaN"}, 422, "k must be a whole number, not 'NaN'."),
        ({"min_score": "x"}, 422, "min_score must be a number, not 'x'."),
        ({"k": "ten"}, 422, "k must be a whole number, not 'ten'."),
        ({"k": ""}, 422, "k must be a whole number, not ''."),
        ({"exact": "maybe"}, 422, "exact must be true or false, not 'maybe'."),
        ({"min_score": "nan"}, 422, "from -1 to 1, not nan."),
        ({"min_score": "1.01"}, 422, "from -1 to 1, not 1.01."),
        ({"min_score": "-inf"}, 422, "from -1 to 1, not -inf."),
        ({"label": "kind_9"}, 404, "has the label 'kind_9'"),
        ({"label": "x" * 5000}, 422, "label cannot be"),
    ],
)
def test_a_wrong_parameter_of_a_search_is_told(
    client: httpx.Client, place: str, asked: dict[str, str], status: int, words: str
) -> None:
    if place == "post":
        answer = client.post(SEARCH, params=asked, files=FILE)
    else:
        answer = client.get("/galleries/mine/images/3/similar", params=asked)
    told = problem(answer, status)
    assert words in told
    assert len(told) < 300


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", [SEARCH, EMBED])
@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"json": {}}, 422, "exactly one of file, url and id: none of them"),
        ({"json": {"url": None, "id": ""}}, 422, "url must be"),
        ({"json": {"url": "http://x/", "id": 1}}, 422, "not url and id"),
        ({"files": FILE | {"url": (None, "http://x/")}}, 422, "not file and url"),
        ({"files": FILE | {"id": (None, "1")}}, 422, "not file and id"),
        ({"files": [*FILE.items(), *FILE.items()]}, 422, "at most 1 file"),
        ({"files": [("id", (None, "1")), ("id", (None, "2"))]}, 422, "id is given 2 times"),
        ({"files": {"file": (None, "a.jpg")}}, 422, "file must be a file"),
        ({"files": {"image": ("a.jpg", PICTURE)}}, 422, "'image', which is none of"),
        ({"json": {"id": 1, "k": 5}}, 422, "'k', which is none of"),
        ({"json": {"id": IMAGES}}, 404, f"no image {IMAGES}"),
        ({"json": {"id": -1}}, 404, "no image '-1'"),
        ({"json": {"id": 10**30}}, 404, "no image"),
        ({"json": {"id": "x\0y"}}, 404, "no image"),
        ({"json": {"id": True}}, 422, "id is a whole number or a text"),
        ({"json": {"id": 1.5}}, 422, "id is a whole number or a text"),
        ({"json": {"id": [1]}}, 422, "id is a whole number or a text"),
        ({"json": {"url": 17}}, 422, "url must be the address"),
        ({"content": b'{"id": "\\ud800"}', "headers": JSON}, 422, "lone surrogate"),
        ({"content": b"[]", "headers": JSON}, 422, "no JSON object"),
        ({"content": b"17", "headers": JSON}, 422, "no JSON object"),
        ({"content": b"{", "headers": JSON}, 422, "The body is no JSON"),
        ({"content": b"", "headers": JSON}, 422, "The body is no JSON"),
        ({"content": b"\xff\xfe{", "headers": JSON}, 422, "The body is no JSON"),
        ({"content": b"[" * 90_000, "headers": JSON}, 422, "The body is no JSON"),
        ({"content": b"1" * 200_000, "headers": JSON}, 413, "larger than 100 kB"),
        ({"content": PICTURE, "headers": {"content-type": "image/jpeg"}}, 415, "image/jpeg"),
        ({"content": b"id=1", "headers": {"content-type": "text/plain"}}, 415, "text/plain"),
        ({"content": b"id=1"}, 415, "of no kind"),
        ({}, 415, "of no kind"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 422, "boundary"),
        ({"files": {"file": ("empty.jpg", b"")}}, 422, "empty.jpg is empty"),
        ({"files": {"file": ("text.txt", b"no picture")}}, 422, "picture"),
        ({"json": {"url": "ftp://127.0.0.1/a.jpg"}}, 403, "http"),
        ({"json": {"url": "no address"}}, 403, "http"),
        ({"json": {"url": "http://127.0.0.1:1/a.jpg"}}, 502, "127.0.0.1"),
    ],
)
def test_a_wrong_query_is_told(
    client: httpx.Client, path: str, sent: dict[str, Any], status: int, words: str
) -> None:
    told = problem(client.post(path, **sent), status)
    assert words in told
    assert len(told) < 300


def test_a_parameter_that_comes_twice_is_refused(client: httpx.Client) -> None:
    for body in ({"files": FILE}, {"json": {"id": 3}}):
        answer = client.post(f"{SEARCH}?k=5&k=6", **body)  # type: ignore[arg-type]
        assert problem(answer, 422) == "k is given 2 times: give it once."
    twice = '{"id": 3, "id": 4}'
    answer = client.post(SEARCH, content=twice, headers={"Content-Type": "application/json"})
    assert problem(answer, 422) == "The body holds 'id' more than once: give it once."


def test_a_url_that_gives_no_picture_is_told(client: httpx.Client, site: str) -> None:
    assert "404" in problem(client.post(SEARCH, json={"url": f"{site}/gone.jpg"}), 502)
    assert "picture" in problem(client.post(SEARCH, json={"url": f"{site}/page.html"}), 502)


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
    assert "larger than 50 MB" in problem(answer, 413)
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
    assert "larger than 50 MB" in body["detail"]
