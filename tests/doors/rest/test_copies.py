"""Where a picture is from: every door gives the same verdict, kinds and matches."""

import base64
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client as GradioClient
from gradio_client import handle_file
from mcp import Client
from PIL import Image, ImageOps

from app import open_gallery
from app.doors.answers import search_answer
from app.doors.cli import main
from app.doors.mcp import make_server
from app.doors.rest.schemas import SearchAnswer
from app.values import SOURCES
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill
from tests.doors.rest.conftest import Served, serving

Answer = dict[str, Any]
SOURCE = "chelsea.png"  # the embedder of mean colours has JPEGs decoded at the size of a stamp
# Gradio's queue counts with pandas, in ways that pandas 4 will not have.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def as_png(photograph: Path) -> bytes:
    with Image.open(photograph) as opened:
        return encoded(opened.convert("RGB"), "PNG")


def source() -> Image.Image:
    (path,) = (path for path in PHOTOGRAPHS if path.stem == Path(SOURCE).stem)
    return Image.open(io.BytesIO(as_png(path)))


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, uploads: Path) -> Iterator[Served]:
    """A server over "mine", of photographs and soft pictures, which finds copies."""
    home = Home(tmp_path_factory.mktemp("copies"))
    images = fill(home.path / "pictures", 10)
    for photograph in PHOTOGRAPHS:
        (images / f"{photograph.stem}.png").write_bytes(as_png(photograph))
    home.build(images, copies=True)
    with serving(home, uploads) as running:
        yield running


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of a photograph, mirrored."""
    whole = source()
    part = whole.crop((0, 0, whole.width * 3 // 4, whole.height * 3 // 4))
    place = tmp_path_factory.mktemp("edited") / "edited.png"
    place.write_bytes(encoded(ImageOps.mirror(part), "PNG"))
    return place


def rest(album: Served, file: Path, *, copies: bool = True) -> Answer:
    sent = {"file": file.read_bytes()}
    parameters = {} if copies else {"copies": "false"}
    answer = album.client.post("/similarity-search", params=parameters, files=sent)
    SearchAnswer.model_validate_json(answer.content, strict=True)
    return dict(answer.json())


def command_line(album: Served, file: Path, who: list[str], *, copies: bool = True) -> Answer:
    return dict(json.loads(printed(file, "--json", *who, *([] if copies else ["--no-copies"]))))


def printed(*arguments: object) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["search", *map(str, arguments)]) == 0
    return said.getvalue()


def python(album: Served, file: Path, *, copies: bool = True) -> Answer:
    gallery = open_gallery("mine", home=album.pictures.parent)
    return search_answer(gallery.search(file, copies=copies))


def mcp(album: Served, file: Path, *, copies: bool = True) -> Answer:
    data = base64.b64encode(file.read_bytes()).decode()
    server = make_server(album.service, folders=None)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        asked = {"image": data, "pictures": 0, "copies": copies}
        answer = portal.call(client.call_tool, "search_similar", asked)
    assert not answer.is_error, answer.content
    return dict(answer.structured_content)


def gradio(album: Served, file: Path, *, copies: bool = True) -> Answer:
    with closing(GradioClient(album.address, verbose=False)) as client:
        return dict(client.predict(handle_file(file), copies=copies, api_name="/search"))


@pytest.fixture(params=["rest", "server", "local", "python", "mcp", "gradio"])
def door(
    request: pytest.FixtureRequest, album: Served, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    monkeypatch.setenv("RIS_HOME", str(album.pictures.parent))
    ways: dict[str, Callable[..., Answer]] = {
        "rest": rest,
        "server": partial(command_line, who=["--server", album.address]),
        "local": partial(command_line, who=["--no-server"]),
        "python": python,
        "mcp": mcp,
        "gradio": gradio,
    }
    return partial(ways[request.param], album)


def said(answer: Answer) -> tuple[str, list[tuple[str, Any]]]:
    return answer["verdict"], [(each["kind"], each["match"]) for each in answer["results"]]


def test_every_door_says_where_an_edited_copy_is_from(
    door: Callable[..., Answer], album: Served, edited: Path
) -> None:
    answer = door(edited)
    expected = search_answer(album.service.search("mine", edited.read_bytes()))
    assert said(answer) == said(expected)
    assert answer["verdict"].startswith(f"Found: this is {SOURCE}, ")
    first, *others = answer["results"]
    assert first["id"] == album.service.id_of("mine", str(first["id"]))
    assert first["kind"] == first["match"]["kind"] == "edited copy"
    assert first["match"]["mirrored"]
    assert "mirrored" in first["match"]["reason"]
    assert first["match"]["of_image"] == pytest.approx(9 / 16, abs=0.05)
    assert not {each["kind"] for each in others} & set(SOURCES)


def test_no_door_looks_for_copies_where_it_is_told_not_to(
    door: Callable[..., Answer], edited: Path
) -> None:
    answer = door(edited, copies=False)
    assert answer["verdict"] == ""
    assert all(each["match"] is None for each in answer["results"])
    assert {each["kind"] for each in answer["results"]} <= {"similar", "unlike"}


def test_the_table_says_it_first_and_how_with_the_result(
    album: Served, edited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIS_HOME", str(album.pictures.parent))
    verdict, heading, first, *_ = printed(edited, "--no-server").splitlines()
    assert verdict.startswith(f"Found: this is {SOURCE}, ")
    assert heading.split()[-1] == "kind"
    assert SOURCE in first
    assert "edited copy, " in first
    assert "mirrored" in first
    plain = printed(edited, "--no-server", "--no-copies").splitlines()
    assert plain[0].startswith("rank")


def test_filters_hold_for_copies_too(album: Served, edited: Path) -> None:
    data = edited.read_bytes()
    score = album.service.search("mine", data).hits[0].score
    of_others = album.service.search("mine", data, label="kind_1")
    assert not of_others.sources
    assert {label for hit in of_others.hits for label in hit.image.labels} == {"kind_1"}
    assert not album.service.search("mine", data, min_score=min(1, score + 0.01)).sources
    assert len(album.service.search("mine", data, k=1).hits) == 1


def test_a_picture_without_anything_to_know_it_by_is_said_to_be_too_simple(album: Served) -> None:
    flat = encoded(Image.new("RGB", (64, 48), "white"), "PNG")
    result = album.service.search("mine", flat)
    assert result.too_simple
    assert result.verdict.startswith("Too simple to tell")


def test_the_document_describes_each_field_of_a_match(album: Served) -> None:
    schemas = album.client.get("/openapi.json").json()["components"]["schemas"]
    match = search_answer(album.service.search("mine", 0))["results"][0]["match"]
    assert set(schemas["Match"]["properties"]) == set(match)
    assert all(each["description"] for each in schemas["Match"]["properties"].values())
    for schema, name in (("SearchAnswer", "verdict"), ("Result", "kind"), ("Result", "match")):
        assert schemas[schema]["properties"][name]["description"]


def test_a_copy_in_several_places_is_one_source(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    images = fill(home.path / "pictures", 4)
    for number in range(3):
        source().save(images / f"again_{number}.png")
    home.build(images, copies=True)
    result = home.service().search("mine", encoded(source().reduce(2), "PNG"))
    assert len(result.sources) == 1
    assert result.sources[0].copies == 2
    assert result.hits[0] == result.sources[0]
