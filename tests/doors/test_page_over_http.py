"""The page over HTTP: its files, and its functions as its scripts call them."""

import io
import re
from typing import Any

import httpx
from PIL import Image

from tests.conftest import PHOTOGRAPHS, ROOT, encoded, picture
from tests.doors.conftest import Served, call

ASSETS = sorted((ROOT / "app" / "doors" / "page" / "assets").iterdir())


def ask(client: httpx.Client, query: object, **more: object) -> Any:
    answer = call(client, "ask", {"gallery": "mine", "query": query, **more})
    assert answer.status_code == 200
    return answer.json()


def test_the_page_comes_with_every_script_and_style_that_it_names(client: httpx.Client) -> None:
    page = client.get("/").text
    named = set(re.findall(r"""(?:src|href)="\./(assets/[^"]+\.(?:js|css))\"""", page))
    assert named
    for name in named:
        assert client.get(f"/{name}").status_code == 200, name


def test_the_pages_own_scripts_import_what_is_served_beside_them(client: httpx.Client) -> None:
    config = client.get("/config").json()
    started = " ".join(str(each["props"].get("js_on_load")) for each in config["components"])
    own = set(re.findall(r'new URL\("([^"]+)", document', started))
    assert any(name.endswith("/places.js") for name in own)
    seen: set[str] = set()
    while own - seen:
        name = min(own - seen)
        seen.add(name)
        answer = client.get(f"/{name}")
        assert answer.status_code == 200, name
        assert "javascript" in answer.headers["content-type"], name  # else browsers refuse it
        folder = name.rpartition("/")[0]
        own |= {
            f"{folder}/{other}"
            for other in re.findall(r'(?:from|import) "\./([^"]+)"', answer.text)
        }
    scripts = {path.name for path in ASSETS if path.suffix == ".js"}
    assert {name.rpartition("/")[2] for name in seen} == scripts


def test_the_scripts_call_the_functions_that_there_are(client: httpx.Client) -> None:
    scripts = "\n".join(path.read_text() for path in ASSETS if path.suffix == ".js")
    called = set(re.findall(r'\bcall\("(\w+)"', scripts))
    assert called == {"open", "gallery", "ask", "cut", "original", "facets"}
    for name in called:
        assert call(client, name, {}).status_code == 200
    assert call(client, "fetch", {}).status_code == 404
    assert call(client, "__init__", {}).status_code == 404


def test_the_photographs_of_the_example_row_are_served(client: httpx.Client) -> None:
    for photograph in PHOTOGRAPHS:
        answer = client.get(f"/examples/{photograph.name}")
        assert (answer.headers["content-type"], answer.content) == (
            "image/jpeg",
            photograph.read_bytes(),
        )


def test_an_upload_is_searched_edited_and_cut_over_http(served: Served) -> None:
    opened = call(served.client, "open", {}).json()
    assert [gallery["name"] for gallery in opened["galleries"]] == ["broken", "mine"]
    data = encoded(picture(300, (320, 240)), "PNG")
    sent = served.client.post("/gradio_api/upload", files={"files": ("new.png", data)})
    query = {"kind": "upload", "path": sent.json()[0], "name": "new.png"}
    answer = ask(served.client, query)
    assert len(answer["results"]["hits"]) == 20
    best = answer["results"]["hits"][0]
    assert served.client.get(f"/{best['thumbnail_url']}").headers["content-type"] == "image/webp"
    assert served.client.get(f"/{best['image_url']}").status_code == 200
    assert served.client.get(f"/{answer['query']['src']}").content == data

    edited = answer["query"] | {"turns": 1, "box": [0, 0, 0.5, 1]}
    cut = call(served.client, "cut", {"query": edited}).json()["query"]
    shown = Image.open(io.BytesIO(served.client.get(f"/{cut['src']}").content))
    assert shown.size == (120, 320)
    assert (
        ask(served.client, cut)["results"]["hits"]
        == (ask(served.client, edited)["results"]["hits"])
    )


def test_nonsense_is_answered_in_one_sentence_over_http_too(client: httpx.Client) -> None:
    for name, request in (
        ("open", None),
        ("gallery", {"gallery": ["mine"]}),
        ("ask", {"gallery": "mine", "query": {"kind": "image", "id": 10**30, "turns": 10**30}}),
        ("ask", {"gallery": "mine", "query": {"kind": "upload", "path": "/etc/passwd"}}),
        ("cut", {"query": [None]}),
    ):
        answer = call(client, name, request)
        assert answer.status_code == 200
        assert set(answer.json()) == {"message"}


def test_the_page_keeps_no_state_and_offers_no_calls_but_those_that_are_meant(
    client: httpx.Client,
) -> None:
    config = client.get("/config").json()
    assert {component["type"] for component in config["components"]}.isdisjoint({"state"})
    assert config["components"]
    info = client.get("/gradio_api/info").json()
    assert set(info["named_endpoints"]) == {"/search", "/galleries"}


def test_every_call_of_the_page_is_one_request(client: httpx.Client) -> None:
    """Gradio's queue takes two, which find each other in one process alone."""
    calls = client.get("/config").json()["dependencies"]
    assert any(each["backend_fn"] for each in calls)
    assert [each["targets"] for each in calls if each["queue"]] == []
