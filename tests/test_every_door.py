"""The same sixty questions through every door: the same images, the same scores.

Asked of the gallery that comes with the program, with its real network and index. The page always
asks for `MAX_K` results, so every door is asked for as many.
"""

import base64
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters

from app import open_gallery
from app.doors.cli import main
from app.search.picture import File, Item, Query, Url
from app.search.question import MAX_K, SearchRequest
from app.search.service import SearchService
from app.settings import read_settings
from app.wiring import make_service
from benchmarks.server_speed import GALLERY, Page
from tests.conftest import ROOT
from tests.images.test_fetch import Site

PICTURES = sorted((ROOT / "app" / "doors" / "page" / "examples").glob("*.jpg"))
ROWS = (0, 1234, 3001, 4567, 6999, 7000, 8000, 8500, 9000, 9143)
PART, CORNER = (0.1, 0.2, 0.8, 0.9), (0.0, 0.0, 0.5, 0.5)


@dataclass(frozen=True)
class Question:
    """A picture's file or address, or an image of the gallery, or none; and what else is asked.

    `known` is what is asked besides: words, conditions, order and further pictures, of which
    `more_file` is one more.
    """

    file: Path | None = None
    url: str = ""
    id: int | None = None
    box: tuple[float, ...] | None = None
    label: str = ""
    exact: bool = False
    known: Mapping[str, Any] = field(default_factory=dict)
    more_file: Path | None = None

    @property
    def typed(self) -> dict[str, Any]:
        """What is asked besides, as text by name."""
        besides: dict[str, Any] = {"label": self.label, "exact": str(self.exact).lower()}
        if self.box:
            besides["box"] = ",".join(map(str, self.box))
        return {"gallery": GALLERY, "k": str(MAX_K)} | besides | dict(self.known)

    @property
    def has_picture(self) -> bool:
        """Whether there is a picture, and not words or conditions alone."""
        return bool(self.file or self.url) or self.id is not None


Answer = list[tuple[int, float]]  # id and score, the best first
Door = Callable[[Question], Answer]


def questions(address: str) -> list[Question]:
    """Return ten questions of each of six kinds, over files, addresses and ids."""
    files = [Question(file=picture) for picture in PICTURES]
    urls = [Question(url=f"{address}/{picture.name}") for picture in PICTURES]
    ids = [Question(id=row) for row in ROWS]
    some = [*files[:3], *urls[3:], *ids[:5]]
    boxes = [
        Question(each.file, each.url, each.id, box=box)
        for box in (PART, CORNER)
        for each in (files[0], urls[1], ids[2], files[3], urls[4])
    ]
    labels = [
        Question(each.file, each.url, each.id, label=label)
        for each, label in zip(some, ["Faces", "wild_cat", "cup"] * 4, strict=False)
    ]
    exact = [Question(each.file, each.url, each.id, exact=True) for each in some]
    wide = ["width>=300", "folder!=Faces"]
    other = f"{address}/{PICTURES[0].name}"
    alone: list[dict[str, Any]] = [
        *({"words": "butterfly"}, {"words": "image wild cat"}, {"more": [other, "1234"]}),
        *({"where": ["folder=cup"], "sort": "-bytes"}, {"where": wide, "sort": "name"}),
    ]
    beside: list[tuple[Question, dict[str, Any]]] = [
        *((files[0], {"words": "butterfly"}), (urls[1], {"where": wide, "less": [other, "7000"]})),
        *((ids[2], {"where": ["name~_00"], "sort": "-width"}), (files[3], {"without": "0001"})),
        (ids[4], {"words": "cup", "where": ["height=..400"], "sort": "bytes"}),
    ]
    known = [
        *(Question(known=asked) for asked in alone),
        *(Question(each.file, each.url, each.id, known=asked) for each, asked in beside),
    ]
    known[-1] = replace(known[-1], more_file=PICTURES[1])
    return [*files, *urls, *ids, *boxes, *labels, *exact, *known]


# --- the doors -----------------------------------------------------------------------------------


def service_door(service: SearchService, question: Question) -> Answer:
    query: Query | None = None
    if question.file:
        query = File(question.file.read_bytes())
    elif question.has_picture:
        query = Url(question.url) if question.url else Item(question.id or 0)
    further = {"more": [File(question.more_file.read_bytes())]} if question.more_file else {}
    request = SearchRequest.of(
        query,
        gallery=GALLERY,
        k=MAX_K,
        box=question.box,
        label=question.label,
        exact=question.exact,
        **question.known,
        **further,
    )
    result = service.answer(request)
    return [(hit.image.id, hit.score) for hit in result.hits]


def page_door(page: Page, question: Question) -> Answer:
    query: dict[str, Any] | None
    besides = {"label": question.label, "exact": question.exact} | dict(question.known)
    if question.more_file:
        path = page.upload(question.more_file)
        besides["more"] = [{"kind": "file", "path": path, "name": question.more_file.name}]
    if not question.has_picture:
        answer = page.call("ask", {"gallery": GALLERY, "query": None} | besides)
        return read(answer["results"]["hits"])
    if question.file:
        path = page.upload(question.file)
        query = {"kind": "upload", "path": path, "name": question.file.name}
        if question.box:  # it is drawn on a picture that is there already
            query = page.call("ask", {"gallery": GALLERY, "query": query})["query"]
    elif question.url:
        query = {"kind": "url", "url": question.url}
    else:
        query = {"kind": "image", "gallery": GALLERY, "id": question.id}
    box = question.box and list(question.box)
    assert query is not None
    answer = page.call("ask", {"gallery": GALLERY, "query": query | {"box": box}} | besides)
    return read(answer["results"]["hits"])


def rest_door(client: httpx.Client, question: Question) -> Answer:
    body: dict[str, Any] = {"json": {"url": question.url} if question.url else {"id": question.id}}
    if not question.has_picture:
        body = {}
    if question.file:
        body = {"files": {"file": question.file.read_bytes()}}
    if question.more_file:
        body = {"files": {"more": question.more_file.read_bytes()}, "data": body.pop("json")}
    answer = client.post("/similarity-search", params=question.typed, **body)
    assert answer.status_code == 200, answer.text
    return read_answer(answer.json())


def command_line_door(who: list[str], question: Question) -> Answer:
    query = [] if question.id is None else ["--id", str(question.id)]
    query += [str(question.file or question.url)] if question.file or question.url else []
    arguments = ["search", *query, "--json", "--gallery", GALLERY, "-k", str(MAX_K), *who]
    arguments += ["--box", question.typed["box"]] if question.box else []
    arguments += ["--label", question.label] if question.label else []
    arguments += ["--exact"] if question.exact else []
    arguments += ["--more", str(question.more_file)] if question.more_file else []
    for name, value in question.known.items():
        for each in value if isinstance(value, list) else [value]:
            arguments += [f"--{name}", each]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(arguments) == 0
    return read_answer(json.loads(printed.getvalue()))


def python_door(gallery: Any, question: Question) -> Answer:
    query = question.file or question.url or question.id
    besides = {"box": question.box, "label": question.label, "exact": question.exact}
    besides |= question.known
    besides |= {"more": [question.more_file]} if question.more_file else {}
    return [(hit.image.id, hit.score) for hit in gallery.search(query, MAX_K, **besides)]


def mcp_door(call: Callable[[str, dict[str, Any]], Any], question: Question) -> Answer:
    asked: dict[str, Any] = {"gallery": GALLERY, "k": MAX_K, "pictures": 0}
    if question.file:
        asked["image"] = base64.b64encode(question.file.read_bytes()).decode()
    elif question.url:
        asked["image"] = question.url
    elif question.has_picture:
        asked["id"] = question.id
    asked |= {"box": list(question.box)} if question.box else {}
    asked |= question.known
    if question.more_file:
        data = base64.b64encode(question.more_file.read_bytes()).decode()
        asked["more"] = [f"data:image/jpeg;base64,{data}"]
    answer = call("search_similar", asked | {"label": question.label, "exact": question.exact})
    assert not answer.is_error, answer.content
    return read_answer(answer.structured_content)


def read_answer(answer: Mapping[str, Any]) -> Answer:
    assert answer["ids"] == [hit["id"] for hit in answer["results"]]
    return read(answer["results"])


def read(hits: list[dict[str, Any]]) -> Answer:
    return [(hit["id"], hit["score"]) for hit in hits]


# --- the server, and a site with pictures --------------------------------------------------------


@pytest.fixture(scope="module")
def environment(networks: Path) -> Iterator[dict[str, str]]:
    """Set, for this process and those it starts, what the program reads."""
    asked = {
        "RIS_HOME": str(ROOT),
        "RIS_CACHE_DIR": str(networks),
        "RIS_ALLOW_LOOPBACK_URLS": "1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("RIS_")]:
            patch.delenv(key)
        for key, value in asked.items():
            patch.setenv(key, value)
        yield dict(os.environ)


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=environment | {"HOST": "127.0.0.1", "PORT": str(port)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().removeprefix("Open ").strip()
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def asked() -> Iterator[list[Question]]:
    with contextlib.closing(Site()) as site:
        for picture in PICTURES:
            data = picture.read_bytes()
            site.pages[f"/{picture.name}"] = partial(send, data=data)
        yield questions(site.url)


def send(handler: Any, *, data: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture(scope="module")
def expected(environment: dict[str, str], asked: list[Question]) -> list[Answer]:
    service = make_service(read_settings())
    answers = [service_door(service, question) for question in asked]
    assert len(answers) == 60
    assert all(len(answer) > 30 for answer in answers)
    return answers


@pytest.fixture(params=["page", "rest", "server", "local", "python", "mcp", "stdio"])
def door(
    request: pytest.FixtureRequest, environment: dict[str, str], address: str
) -> Iterator[Door]:
    if request.param == "page":
        yield partial(page_door, Page(address))
    elif request.param == "rest":
        with httpx.Client(base_url=address, timeout=60) as client:
            yield partial(rest_door, client)
    elif request.param == "server":
        yield partial(command_line_door, ["--server", address])
    elif request.param == "local":
        yield partial(command_line_door, ["--no-server"])
    elif request.param == "python":
        yield partial(python_door, open_gallery(GALLERY))
    else:
        stdio = StdioServerParameters(
            command=sys.executable, args=["-m", "app", "mcp"], env=environment, cwd=ROOT
        )
        way = f"{address}/mcp" if request.param == "mcp" else stdio
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(Client(way)) as client,
        ):
            yield partial(mcp_door, partial(portal.call, client.call_tool))


def test_every_door_gives_the_same_answers(
    door: Door, asked: list[Question], expected: list[Answer]
) -> None:
    for question, answer in zip(asked, expected, strict=True):
        got = door(question)
        assert [image for image, _ in got] == [image for image, _ in answer], question
        scores = np.array([score for _, score in got])
        assert np.abs(scores - [score for _, score in answer]).max() <= 1e-6, question
