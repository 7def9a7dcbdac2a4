"""Every door searches a gallery of principal components or expanded queries alike."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client

from app import open_gallery
from app.doors.mcp import make_server
from app.doors.page.functions import Functions
from app.doors.page.references import Uploads
from tests.build.options import embedded_by, file_of
from tests.commands import Run
from tests.conftest import Home
from tests.doors.cli.conftest import serving


@pytest.fixture(scope="module")
def address(built: Home) -> Iterator[str]:
    with serving(built) as address:
        yield address


@pytest.mark.parametrize("name", ["pca", "expand", "both"])
def test_every_door_gives_the_same(
    built: Home,
    address: str,
    ris: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv("RIS_HOME", str(built.path))
    file, service, python = file_of(built, 12), built.service(), open_gallery(name, home=built.path)
    expected = [(hit.image.id, hit.score) for hit in service.search(name, file.read_bytes(), k=20)]
    assert [(hit.image.id, hit.score) for hit in python.search(file, k=20)] == expected
    sent = {"files": {"file": file.read_bytes()}, "params": {"gallery": name, "k": 20}}
    with httpx.Client(base_url=address, trust_env=False) as client:
        answer = client.post("/similarity-search", **sent).json()
        del sent["params"]["k"]  # type: ignore[attr-defined]
        embedded = client.post("/embed", **sent).json()
        facts = client.get(f"/galleries/{name}").json()
    assert [(each["id"], each["score"]) for each in answer["results"]] == expected
    assert embedded["dim"] == facts["dim"] == service.gallery(name).dim
    assert embedded["vector"] == pytest.approx(
        embedded_by(service, name, file.read_bytes()), abs=1e-6
    )
    assert embedded["vector"] == pytest.approx(python.embed(file), abs=1e-6)
    page = Functions(service, Uploads(tmp_path, service))
    upload = {"kind": "upload", "path": str(shutil.copy(file, tmp_path)), "name": file.name}
    shown = page.ask({"gallery": name, "query": upload})["results"]
    assert shown["gallery"] == name
    assert [(each["id"], each["score"]) for each in shown["hits"][:20]] == expected
    sent_as = base64.b64encode(file.read_bytes()).decode()
    arguments = {"gallery": name, "image": sent_as, "k": 20, "pictures": 0}
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(make_server(service, folders=None))) as mcp,
    ):
        result = portal.call(mcp.call_tool, "search_similar", arguments).structured_content
    assert [(each["id"], each["score"]) for each in result["results"]] == expected
    for where in (("--no-server",), ("--server", address)):
        code, said, err = ris("search", file, "--gallery", name, "-k", 20, "--json", *where)
        assert code == 0, err
        found = json.loads(said)["results"]
        assert [(each["id"], each["score"]) for each in found] == expected


def test_info_prints_them(built: Home, ris: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIS_HOME", str(built.path))
    _, said, _ = ris("info", "both")
    assert "mean_colour, 10 dimensions, centred principal components\n" in said
    assert "  queries   with their 3 nearest images added, alpha 2\n" in said
    _, said, _ = ris("info", "plain")
    assert "mean_colour, 48 dimensions\n" in said
    assert "queries" not in said
