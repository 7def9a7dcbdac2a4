"""Galleries, and a page whose functions are called as a browser does."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.doors.page.functions import Answer, Functions
from app.doors.page.references import Uploads
from app.search.service import SearchService
from tests.conftest import Home, fill, heic, picture
from tests.images.site import Site

PART = [0.125, 0.25, 0.75, 1.0]
EDITS = {"turns": 1, "mirrored": True, "box": PART}


HEIC = "kind_9/heic.heic"
PART = [0.125, 0.25, 0.75, 1.0]
EDITS = {"turns": 1, "mirrored": True, "box": PART}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the galleries "broken", "mine" and "other"."""
    home = Home(tmp_path_factory.mktemp("shop"))
    home.build(fill(home.path / "mine", 30), "mine")
    others = fill(home.path / "other", 12, first=500)
    (others / "kind_9").mkdir()
    (others / HEIC).write_bytes(heic(picture(600)))
    home.build(others, "other")
    home.build(others, "broken")
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    return home


@pytest.fixture(scope="module")
def service(shop: Home) -> SearchService:
    return shop.service()


class Page:
    """Calls the functions as a browser does, over JSON."""

    def __init__(self, functions: Functions) -> None:
        self._functions = {function.__name__: function for function in functions.all}

    def call(self, name: str, request: Any) -> Answer:
        sent = json.loads(json.dumps(request))
        got: Answer = json.loads(orjson.dumps(self._functions[name](sent)))  # as Gradio sends it
        if "message" in got:
            assert got["message"]
            assert "\n" not in got["message"]
            assert got.keys() <= {"message", "query"}
        return got

    def ask(self, query: Any, gallery: Any = "mine", **more: Any) -> Answer:
        return self.call("ask", {"gallery": gallery, "query": query, **more})

    def cut(self, query: Any) -> Answer:
        return self.call("cut", {"query": query})

    def message(self, name: str, request: Any) -> str:
        """Return the one sentence of an answer that changes nothing else on the page."""
        got = self.call(name, request)
        assert set(got) == {"message"}
        return str(got["message"])

    def message_for(self, query: Any, gallery: Any = "mine", **more: Any) -> str:
        return self.message("ask", {"gallery": gallery, "query": query, **more})

    def message_beside(self, query: Any, gallery: Any = "mine", **more: Any) -> str:
        """Return the sentence of an answer that shows the query too."""
        got = self.ask(query, gallery, **more)
        assert set(got) == {"query", "message"}
        return str(got["message"])


@pytest.fixture
def uploads(service: SearchService, tmp_path: Path) -> Uploads:
    (tmp_path / "uploads").mkdir()
    return Uploads(tmp_path / "uploads", service)


@pytest.fixture
def page(service: SearchService, uploads: Uploads) -> Page:
    return Page(Functions(service, uploads))


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site


@pytest.fixture
def upload(tmp_path: Path, uploads: Uploads) -> Callable[..., dict[str, str]]:
    """Give a function that does what the browser does before it asks: put a file there."""

    def put(data: bytes, name: str = "mine.jpg") -> dict[str, str]:
        path = tmp_path / "uploads" / "0123" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return {"kind": "upload", "path": str(path), "name": name}

    return put


def file_of(shop: Home, gallery: str, path: str) -> bytes:
    return (shop.path / gallery / path).read_bytes()


def id_of(service: SearchService, gallery: str, path: str) -> int:
    count = service.gallery(gallery).images
    return next(i for i in range(count) if service.image(gallery, i).path == path)


def hits(got: Answer) -> list[dict[str, Any]]:
    assert set(got) == {"query", "results"}, got.get("message")
    found: list[dict[str, Any]] = got["results"]["hits"]
    return found


def ids(got: Answer) -> list[int]:
    return [hit["id"] for hit in hits(got)]
