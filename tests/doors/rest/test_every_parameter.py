"""Every door takes every search parameter: the same hits, whichever door is asked."""

import base64
import contextlib
import io
import json
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client as GradioClient
from gradio_client import handle_file
from mcp import Client

from app import open_gallery
from app.doors.cli import main
from app.doors.mcp import make_server
from app.search.picture import File
from app.search.question import PARAMETERS, SearchRequest
from tests.doors.rest.conftest import Served

VALUES: dict[str, Any] = {
    "gallery": "mine",
    "words": "kind_1",
    "words_weight": 0.25,
    "without": "kind_4",
    "where": ["width>=1", "folder!=kind_3"],
    "sort": "-name",
    "k": 3,
    "offset": 2,
    "box": [0.1, 0.2, 0.8, 0.9],
    "turns": 1,
    "mirrored": True,
    "more": [3, 8],
    "less": [5],
    "exact": True,
    "label": "kind_1",
    "min_score": 0.2,
    "copies": False,
    "leave_out_same_file": True,
}
Hits = list[tuple[int, float]]


def hits_of(answer: dict[str, Any]) -> Hits:
    return [(hit["id"], pytest.approx(hit["score"], abs=1e-6)) for hit in answer["results"]]


def rest(served: Served, given: dict[str, Any]) -> Hits:
    box = {name: ",".join(map(str, value)) for name, value in given.items() if name == "box"}
    file = {"file": (served.pictures / "kind_1" / "00001.jpg").read_bytes()}
    return hits_of(served.client.post("/similarity-search", params=given | box, files=file).json())


def command_line(served: Served, given: dict[str, Any], who: list[str]) -> Hits:
    arguments = ["search", str(served.pictures / "kind_1" / "00001.jpg"), "--json", *who]
    for name, value in given.items():
        option = "-k" if name == "k" else f"--{name.replace('_', '-')}"
        if value is False:
            arguments += [f"--no-{name}"]
        elif name == "box":
            arguments += [option, ",".join(map(str, value))]
        elif isinstance(value, list):
            arguments += [word for each in value for word in (option, str(each))]
        else:
            arguments += [option] if value is True else [option, str(value)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(arguments) == 0
    return hits_of(json.loads(printed.getvalue()))


def python(served: Served, given: dict[str, Any]) -> Hits:
    gallery = open_gallery("mine", home=served.pictures.parent)
    asked = {name: value for name, value in given.items() if name != "gallery"}
    found = gallery.search(served.pictures / "kind_1" / "00001.jpg", **asked)
    return [(hit.image.id, pytest.approx(hit.score, abs=1e-6)) for hit in found]


def mcp(served: Served, given: dict[str, Any]) -> Hits:
    data = (served.pictures / "kind_1" / "00001.jpg").read_bytes()
    asked = {"image": base64.b64encode(data).decode(), "pictures": 0} | given
    server = make_server(served.service, folders=None)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        answer = portal.call(client.call_tool, "search_similar", asked)
    assert not answer.is_error, answer.content
    return hits_of(answer.structured_content)


def gradio(served: Served, given: dict[str, Any]) -> Hits:
    file = handle_file(served.pictures / "kind_1" / "00001.jpg")
    with closing(GradioClient(served.address, verbose=False)) as client:
        return hits_of(client.predict(image=file, **given, api_name="/search"))


@pytest.fixture(params=["rest", "server", "local", "python", "mcp", "gradio"])
def door(
    request: pytest.FixtureRequest, served: Served, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], Hits]:
    monkeypatch.setenv("RIS_HOME", str(served.pictures.parent))
    ways = {
        "rest": rest,
        "server": partial(command_line, who=["--server", served.address]),
        "local": partial(command_line, who=["--no-server"]),
        "python": python,
        "mcp": mcp,
        "gradio": gradio,
    }
    return partial(ways[request.param], served)


def test_the_values_are_of_every_parameter_and_none_is_its_default() -> None:
    assert VALUES.keys() == {each.name for each in PARAMETERS}
    assert not [each.name for each in PARAMETERS if VALUES[each.name] == each.default]


def test_every_door_takes_every_parameter(
    door: Callable[[dict[str, Any]], Hits], served: Served
) -> None:
    file = File((served.pictures / "kind_1" / "00001.jpg").read_bytes())
    plain = None
    for name, value in VALUES.items():
        given = {"gallery": "mine"} | {name: value}
        expected = served.service.answer(SearchRequest.of(file, **given))
        got = door(given)
        assert got == [(hit.image.id, hit.score) for hit in expected.hits], name
        plain = got if plain is None else plain
        if name not in ("gallery", "exact", "copies", "words_weight"):
            assert got != plain, name
    everything = served.service.answer(SearchRequest.of(file, **VALUES))
    assert door(VALUES) == [(hit.image.id, hit.score) for hit in everything.hits]
