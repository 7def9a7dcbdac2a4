"""Several galleries of one model are searched together through every door."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from mcp import Client

import app
from app.doors.cli.main import main
from app.doors.mcp.server import make_server
from tests.conftest import Home, closing_loops, fill
from tests.doors.rest.conftest import serving


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("several"))
    for name, first in (("one", 0), ("two", 1000)):
        home.build(fill(home.path / "pictures" / name, 30, first=first), name, index="Flat")
    return home


@pytest.fixture(scope="module")
def expected(home: Home) -> list[tuple[str, int]]:
    """The galleries and ids of the nearest to an image of `one`, of both."""
    service, found = home.service(), []
    vector = service.vectors("one")[3]
    for name in ("one", "two"):
        scores = service.vectors(name) @ vector
        found += [(-score, name, image) for image, score in enumerate(scores.tolist())]
    return [(name, image) for _, name, image in sorted(found)[:8]]


def test_rest(home: Home, expected: list[tuple[str, int]], tmp_path: Path) -> None:
    for named in ("one,two", "all"):
        with closing_loops(), serving(home, tmp_path) as running:
            answer = running.client.post(
                "/similarity-search", params={"gallery": named, "k": 8}, json={"id": 3}
            ).json()
            assert [(each["gallery"], each["id"]) for each in answer["results"]] == expected
            assert answer["gallery"] == "one,two"
            for each in answer["results"]:
                assert running.client.get(each["thumbnail_url"]).status_code == httpx.codes.OK


def test_python(home: Home, expected: list[tuple[str, int]]) -> None:
    gallery = app.open_gallery("one,two", home=home.path)
    found = gallery.search(id=3, k=8)
    assert [(hit.image.gallery, hit.image.id) for hit in found] == expected
    assert len(app.open_gallery("all", home=home.path)) == 60


def test_command_line(
    home: Home,
    expected: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RIS_HOME", str(home.path))
    command = ["search", "--id", "3", "--gallery", "one,two", "-k", "8", "--no-server"]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(each["gallery"], each["id"]) for each in answer["results"]] == expected
    assert main(command) == 0
    verdict, heading, *rows = capsys.readouterr().out.splitlines()
    assert verdict.startswith("Found: this is ")
    assert heading.split()[2] == "gallery"
    assert [row.split()[2] for row in rows] == [name for name, _ in expected]
    assert main([*command, "--paths"]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert all(Path(path).is_file() for path in paths)


def test_mcp(home: Home, expected: list[tuple[str, int]]) -> None:
    server = make_server(home.service(), folders=())

    async def ask() -> dict[str, list[dict[str, object]]]:
        async with Client(server) as client:
            answer = await client.call_tool(
                "search_similar", {"id": 3, "gallery": "one,two", "k": 8, "pictures": 2}
            )
            return dict(answer.structured_content or {})

    answer = asyncio.run(ask())
    assert [(each["gallery"], each["id"]) for each in answer["results"]] == expected
