"""Lists that are read in parts: each image once, in one order, over several galleries too."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from app.errors import UsageError
from app.search.picture import Item
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.values import SearchResult
from tests.conftest import Home, fill


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> SearchService:
    home = Home(tmp_path_factory.mktemp("home"))
    home.build(fill(home.path / "one", 23), "one")
    home.build(fill(home.path / "two", 8, first=100), "two")
    return home.service()


def answered(service: SearchService, **given: Any) -> SearchResult:
    return service.answer(SearchRequest.of(None, **given))


def parts(service: SearchService, k: int, **given: Any) -> Iterator[SearchResult]:
    """Yield part after part, until one is empty."""
    offset = 0
    while (part := answered(service, k=k, offset=offset, **given)).hits:
        yield part
        offset += k


@pytest.mark.parametrize(
    "given",
    [
        {"gallery": "one", "sort": "path"},
        {"gallery": "one", "sort": "-bytes"},
        {"gallery": "one", "where": ("name~0",)},
        {"gallery": "one", "words": "kind_1 jpg"},
        {"gallery": "one,two", "sort": "-name"},
        {"gallery": "one,two", "where": ("name~0",)},
    ],
)
@pytest.mark.parametrize("k", [3, 7])
def test_a_list_is_read_in_parts(service: SearchService, given: dict[str, Any], k: int) -> None:
    whole = answered(service, k=200, **given)
    read = [hit for part in parts(service, k, **given) for hit in part.hits]
    assert [(hit.image, hit.score, hit.rank) for hit in read] == [
        (hit.image, hit.score, hit.rank) for hit in whole.hits
    ]
    assert [hit.rank for hit in read] == list(range(1, len(read) + 1))
    assert whole.candidates >= len(read) > k


def test_the_nearest_are_read_in_parts_up_to_200(service: SearchService) -> None:
    whole = answered(service, gallery="one,two", more=(3,), k=20)
    some = islice(parts(service, 5, gallery="one,two", more=(3,)), 4)
    read = [hit for part in some for hit in part.hits]
    assert [(hit.image, hit.rank) for hit in read] == [(hit.image, hit.rank) for hit in whole.hits]
    with pytest.raises(UsageError, match=r"at most 200: offset and k .* not 201"):
        answered(service, gallery="one", more=(3,), offset=101, k=100)
    with pytest.raises(UsageError, match=r"^offset must be from 0 to"):
        answered(service, gallery="one", sort="path", offset=-1)


def test_where_a_picture_is_from_is_said_of_the_first_part(service: SearchService) -> None:
    first, second = (
        service.answer(SearchRequest.of(Item(3), gallery="one", k=5, offset=offset))
        for offset in (0, 5)
    )
    assert first.hits[0].same_file
    assert second.verdict == ""
    assert second.similar_enough == first.similar_enough
