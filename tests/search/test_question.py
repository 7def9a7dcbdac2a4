"""What may be asked, and how it is refused; every door's parameters are those of the request."""

import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UsageError
from app.search.picture import File, Item, Url, one_query
from app.search.question import MAX_EXAMPLES, MAX_K, PARAMETERS, SearchRequest
from app.values import Box, Edit

QUERY = Item(7)


def test_every_field_but_the_query_is_a_parameter_with_a_sentence() -> None:
    names = [each.name for each in fields(SearchRequest)]
    assert names == ["query", *(each.name for each in PARAMETERS)]
    assert all(each.description.endswith(".") for each in PARAMETERS)
    defaults = SearchRequest(query=QUERY)
    assert all(getattr(defaults, each.name) == each.default for each in PARAMETERS)
    assert defaults.as_text == {}


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SearchRequest(query=QUERY).k = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("k", value) for value in (0, -1, MAX_K + 1, 2.0, "five", True, None, math.nan)),
        *(("min_score", value) for value in (-1.1, 1.1, math.nan, math.inf, "0", False)),
        *(("turns", value) for value in (-1, 4, 0.5)),
        *((name, 1) for name in ("mirrored", "exact", "leave_out_same_file")),
        ("label", "x" * 1001),
        ("label", 3),
        ("gallery", "x" * 2001),
        ("box", (0, 0, 1, 1)),
        ("more", ("x",) * (MAX_EXAMPLES + 1)),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{name}\b"):
        SearchRequest(query=QUERY, **{name: value})


@pytest.mark.parametrize("id", [1.5, True, None, math.nan])
def test_what_cannot_be_an_id_is_refused_by_name_and_value(id: Any) -> None:
    with pytest.raises(UsageError, match=rf"^less\b.*{id}"):
        SearchRequest(query=QUERY, less=(7, id))


def test_numbers_of_numpy_are_numbers() -> None:
    request = SearchRequest(query=QUERY, k=np.int64(3), min_score=np.float32(0.5))  # type: ignore[arg-type]
    assert (request.k, request.min_score) == (3, 0.5)


def test_a_name_that_is_no_parameter_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"'limit'.*gallery, words, words_weight, without, k, offset, box"
    ):
        SearchRequest.of(QUERY, limit=3)


def test_none_is_what_was_left_out() -> None:
    assert SearchRequest.of(QUERY, k=None, box=None, label=None) == SearchRequest(query=QUERY)


@pytest.mark.parametrize("box", ["0.1,0.2,0.8,0.9", [0.1, 0.2, 0.8, 0.9], Box(0.1, 0.2, 0.8, 0.9)])
def test_a_box_is_taken_as_a_text_as_numbers_and_as_itself(box: Any) -> None:
    request = SearchRequest.of(QUERY, box=box, turns=1, mirrored=True)
    assert request.edit == Edit(1, True, Box(0.1, 0.2, 0.8, 0.9))


@pytest.mark.parametrize("ids", ["17", 17])
def test_examples_are_a_list(ids: Any) -> None:
    with pytest.raises(UsageError, match=rf"^more\b.*{ids!r}"):
        SearchRequest.of(QUERY, more=ids)


@given(
    k=st.integers(1, MAX_K),
    turns=st.integers(0, 3),
    mirrored=st.booleans(),
    exact=st.booleans(),
    label=st.text(max_size=20),
    min_score=st.floats(-1, 1),
    more=st.lists(st.integers(0, 99).map(str), max_size=3),
    box=st.none() | st.just("0.25,0.0,0.75,0.5"),
)
def test_a_request_is_read_back_from_what_a_server_is_sent(box: str | None, **values: Any) -> None:
    request = SearchRequest.of(QUERY, box=box, **values)
    read = dict(request.as_text)
    typed = {
        each.name: {"integer": int, "number": float, "boolean": "true".__eq__}.get(
            each.kind, lambda text: text
        )
        for each in PARAMETERS
    }
    again = SearchRequest.of(QUERY, **{name: typed[name](text) for name, text in read.items()})
    assert again == request


def test_exactly_one_query_is_taken() -> None:
    assert one_query(file=b"x") == File(b"x")
    assert one_query(url="http://x") == Url("http://x")
    assert one_query(id="a") == Item("a")
    with pytest.raises(UsageError, match="file, url and id"):
        one_query()
    with pytest.raises(UsageError, match="not file and id"):
        one_query(file=b"x", id=3)
    with pytest.raises(UsageError, match=r"\bid\b.*True"):
        one_query(id=True)
