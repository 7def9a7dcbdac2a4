"""A file in many places is one result at every door, with its places."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from operator import itemgetter
from pathlib import Path

import pytest
from gradio_client import Client
from mcp import Client as McpClient

from app.doors.cli.table import lines_of
from app.doors.page.functions import Functions
from app.doors.page.references import Uploads
from tests.conftest import Home, fill
from tests.doors.rest.conftest import Served, serving

PLACES = ("kind_0/00000.jpg", "best/one.jpg", "best/two.jpg")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, uploads: Path) -> Iterator[Served]:
    """A server over "mine", of 20 pictures, one of them in three places."""
    home = Home(tmp_path_factory.mktemp("places"))
    images = fill(home.path / "pictures", 20)
    (images / "best").mkdir()
    for place in PLACES[1:]:
        shutil.copy(images / PLACES[0], images / place)
    home.build(images)
    with serving(home, uploads) as running:
        yield running


def place_of(album: Served, path: str) -> dict[str, object]:
    paths = [album.service.image("mine", row).path for row in range(22)]
    labels = [path.split("/")[0]]
    place = {"id": paths.index(path), "gallery": "mine", "path": path, "source": 0}
    return place | {"labels": labels}


@pytest.fixture
def first(album: Served) -> dict[str, object]:
    """Return what stands for the picture in JSON: the lowest id, and its other places."""
    places = sorted((place_of(album, path) for path in PLACES), key=itemgetter("id"))
    return places[0] | {"copies": 2, "places": places[1:], "remarks": ["same file", "in 3 places"]}


def test_rest_gives_the_places(album: Served, first: dict[str, object]) -> None:
    file = album.pictures / PLACES[2]
    answer = album.client.post("/similarity-search", files={"file": file.read_bytes()}).json()
    assert len(answer["results"]) == 10
    got, *others = answer["results"]
    assert got | first == got
    assert all((other["copies"], other["places"]) == (0, []) for other in others)


def test_the_document_describes_places(album: Served) -> None:
    schemas = album.client.get("/openapi.json").json()["components"]["schemas"]
    properties = schemas["Result"]["properties"]
    assert properties["places"]["items"]["$ref"].endswith("/Place")
    assert properties["places"]["description"]
    assert properties["copies"]["description"]
    assert set(schemas["Place"]["properties"]) == {*("id", "gallery", "path", "source", "labels")}


def test_a_table_says_in_how_many_places_it_is(album: Served) -> None:
    answer = album.client.post("/similarity-search", json={"id": 0}).json()
    _, _, line, *_ = lines_of(answer)
    assert line.endswith("same file, in 3 places")


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_gradio_client_gets_the_places_and_downloads_none(
    album: Served, first: dict[str, object]
) -> None:
    with closing(Client(album.address, verbose=False)) as client:
        got = client.predict(None, id=first["id"], api_name="/search")["results"][0]
    expected = json.loads(json.dumps(first).replace('"path"', '"file"'))
    assert got | expected == got


def test_a_language_model_gets_the_places(album: Served, first: dict[str, object]) -> None:
    async def ask() -> dict[str, object]:
        async with McpClient(f"{album.address}/mcp") as client:
            answer = await client.call_tool("search_similar", {"id": first["id"], "pictures": 0})
            assert answer.structured_content
            found: dict[str, object] = answer.structured_content["results"][0]
            return found

    got = asyncio.run(ask())
    assert got | first == got


def test_the_page_offers_the_labels_of_all_places(album: Served, tmp_path: Path) -> None:
    functions = Functions(album.service, Uploads(tmp_path, album.service))
    query = {"kind": "image", "gallery": "mine", "id": 5}
    nearest = functions.ask({"gallery": "mine", "query": query})["results"]["nearest"]
    assert nearest["images"] == 20
    counts = dict(nearest["labels"])
    assert counts == {"best": 1} | {f"kind_{kind}": 4 for kind in range(5)}
    of_best = functions.ask({"gallery": "mine", "query": query, "label": "best"})["results"]
    assert len(of_best["hits"]) == counts["best"]
    assert PLACES[0] in [place["path"] for place in of_best["hits"][0]["places"]]


def test_leaving_the_file_out_leaves_all_its_places_out(album: Served) -> None:
    address = "/galleries/mine/images/0/similar?leave_out_same_file=true&k=200"
    results = album.client.get(address).json()["results"]
    assert len(results) == 19
    assert not {result["path"] for result in results} & set(PLACES)
