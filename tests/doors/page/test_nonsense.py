"""Nonsense from browsers gets one sentence; nothing of a visitor stays with the next one."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.doors.page.functions import PHOTOGRAPHS, Functions
from app.doors.page.references import Uploads
from app.search.service import SearchService
from tests.conftest import Home, encoded, picture
from tests.doors.page.conftest import EDITS, Page, hits

# --- nonsense from the browser -------------------------------------------------------------------

BAD_BOXES = [
    "abcd",
    "0011",
    ["0", "0", "x", "1"],
    [0, 0, 1],
    [0, 0, 1, 1, 1],
    [0.1, 0.1, math.nan, 1],
    [0, 0, math.inf, 1],
    [-0.5, 0, 1, 1],
    [0, 0, 2, 1],
    [0.5, 0.5, 0.5, 0.5],
    [1, 1, 0, 0],
    [[0], [0], [1], [1]],
    [None] * 4,
    [10**400, 0, 1, 1],
    {"left": 0, "top": 0, "right": 1, "bottom": 1},
    True,
    7,
]
BAD_IDS = ["abc", "", "1.5", 1.5, None, [], {}, math.nan, math.inf, "9" * 5_000, "-1", 30, 10**30]


@pytest.mark.parametrize("box", BAD_BOXES, ids=repr)
def test_a_box_that_is_none_is_refused(
    page: Page, upload: Callable[..., dict[str, str]], box: Any
) -> None:
    for query in (
        {"kind": "image", "gallery": "mine", "id": 3},
        {"kind": "image", "gallery": "other", "id": 3},
        {"kind": "photograph", "name": "rocket"},
        upload(encoded(picture(1))) | {"kind": "file"},
    ):
        assert "box" in page.message_for(query | {"box": box})
        message = page.message("cut", {"query": query | {"box": box}})
        assert "box" in message
        assert not set("[{}]") & set(message)  # people read it, not programs


@pytest.mark.parametrize("turns", ["abc", 1.5, [1], {"a": 1}, math.nan, math.inf], ids=repr)
def test_a_number_of_turns_that_is_none_is_refused(page: Page, turns: Any) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3, "turns": turns}
    assert "The number of turns must be a whole number" in page.message_for(query)
    assert "The number of turns must be a whole number" in page.message("cut", {"query": query})


@pytest.mark.parametrize("image", BAD_IDS, ids=lambda image: repr(image)[:20])
def test_an_id_that_is_none_is_refused(page: Page, image: Any) -> None:
    for gallery in ("mine", "other", "", None):
        query = {"kind": "image", "gallery": gallery, "id": image}
        sentences = [page.message_for(query)]
        if gallery:
            sentences.append(page.message("cut", {"query": query | EDITS}))
        assert all("id is a number" in said or "no image" in said for said in sentences)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ("abc", "'abc'"),
        ({"id": 1}, "id"),
        (7, "7"),
        ([1] * 51, "at most 50 examples, not 51"),
        ([None], "None"),
        ([1.5], "1.5"),
        ([30], "no image 30"),
        ([-1], "no image '-1'"),
    ],
)
def test_examples_that_are_none_are_refused(page: Page, ids: Any, words: str) -> None:
    assert words in page.message_beside({"kind": "image", "gallery": "mine", "id": 3}, more=ids)


@pytest.mark.parametrize("gallery", [7, ["mine"], {"mine": 1}, "../mine", "x" * 200], ids=type)
def test_a_gallery_that_is_none_is_refused(page: Page, gallery: Any) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3}
    assert "There is no gallery" in page.message_beside(query, gallery)
    assert "There is no gallery" in page.message_for(query | {"gallery": gallery})
    assert "There is no gallery" in page.message_for({"kind": "random"}, gallery)
    assert "There is no gallery" in page.message("gallery", {"gallery": gallery})


@pytest.mark.parametrize("query", ["abc", 7, ["path"], True], ids=repr)
def test_a_query_that_is_none_is_refused(page: Page, query: Any) -> None:
    assert "load it again" in page.message_for(query)
    assert "load it again" in page.message("cut", {"query": query})


@pytest.mark.parametrize("kind", ["upload", "photograph", "url", "image", "file", "x", 7, ["url"]])
def test_a_query_without_what_it_should_say_is_refused(page: Page, kind: Any) -> None:
    page.message_for({"kind": kind})
    page.message("cut", {"query": {"kind": kind}})


@pytest.mark.parametrize("request_", [None, "abc", 7, [], ["gallery"]], ids=repr)
@pytest.mark.parametrize("name", ["gallery", "ask", "cut", "open"])
def test_a_request_that_is_none_is_refused(page: Page, name: str, request_: Any) -> None:
    assert "load it again" in page.message(name, request_)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
GALLERIES = st.sampled_from(["mine", "other", "broken"])
QUERIES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["upload", "photograph", "url", "random", "image", "file"]) | JSON},
    optional={
        "gallery": GALLERIES | JSON,
        "id": st.integers(-2, 31) | JSON,
        "path": JSON,
        "url": JSON,
        "name": st.sampled_from(PHOTOGRAPHS) | JSON,
        "src": JSON,
        "turns": st.integers(-9, 9) | JSON,
        "mirrored": JSON,
        "box": st.lists(st.floats(-0.5, 1.5), min_size=3, max_size=5) | JSON,
    },
)
IDS = st.lists(st.integers(-2, 31), max_size=3) | JSON


@pytest.fixture(scope="module")
def lasting(service: SearchService, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(Functions(service, Uploads(tmp_path_factory.mktemp("uploads"), service)))


@settings(max_examples=150, deadline=None)
@given(
    gallery=GALLERIES | JSON,
    query=QUERIES | JSON,
    more=st.fixed_dictionaries(
        {},
        optional={
            "more": IDS,
            "less": IDS,
            "exact": JSON,
            "k": st.integers(-1, 201) | JSON,
            "label": st.sampled_from(["kind_1", "no label"]) | JSON,
            "leave_out_same_file": JSON,
            "min_score": st.floats(-1.1, 1.1) | JSON,
        },
    ),
)
def test_whatever_the_browser_sends_is_answered(
    lasting: Page, gallery: Any, query: Any, more: dict[str, Any]
) -> None:
    got = lasting.ask(query, gallery, **more)
    assert set(got) in ({"message"}, {"query", "message"}, {"query", "results"})
    assert set(lasting.cut(query)) in ({"message"}, {"query"})
    facts = lasting.call("gallery", {"gallery": gallery})
    assert set(facts) in ({"message"}, {"gallery", "examples"})
    assert "galleries" in lasting.call("open", {"anything": query})
    if "query" in got:  # what the page is given can be asked again
        again = lasting.ask(got["query"], gallery, **more)
        assert again["query"] == got["query"]


# --- visitors ------------------------------------------------------------------------------------


def test_nothing_of_a_visitor_is_kept_but_the_files(
    service: SearchService, uploads: Uploads, upload: Callable[..., dict[str, str]]
) -> None:
    functions = Functions(service, uploads)
    page = Page(functions)
    page.call("gallery", {"gallery": "mine"})  # opens the gallery
    parts = (functions, uploads)
    before = [dict(vars(part)) for part in parts]
    first = page.ask(upload(encoded(picture(1)), "first.jpg"))
    second = page.ask(upload(encoded(picture(2)), "second.jpg"), "other", leave_out_same_file=True)
    page.ask(first["query"] | EDITS)
    page.cut(first["query"] | EDITS)
    assert [dict(vars(part)) for part in parts] == before
    assert (first["query"]["name"], second["query"]["name"]) == ("first.jpg", "second.jpg")
    assert hits(page.ask(first["query"])) == hits(first)


def test_names_of_galleries_and_files_come_as_they_are_for_the_page_to_show_as_text(
    home: Home, tmp_path: Path
) -> None:
    images = home.path / "pictures" / "<b>bold & brave"
    images.mkdir(parents=True)
    for seed in range(3):
        (images / f'{seed}"<i>.jpg').write_bytes(encoded(picture(seed)))
    home.build(home.path / "pictures")
    service = home.service()
    page = Page(Functions(service, Uploads(tmp_path, service)))
    found = hits(page.ask({"kind": "image", "gallery": "mine", "id": 0}))
    assert found[0]["path"] == '<b>bold & brave/0"<i>.jpg'
    assert found[0]["labels"] == ["<b>bold & brave"]
    assert "'<script>'" in page.message_for({"kind": "image", "gallery": "<script>", "id": 0})
