"""How often one query goes through the index: no more than its answer needs."""

from collections.abc import Callable

import pytest

from app.gallery import Gallery
from app.index import VectorIndex
from tests.conftest import Home, encoded, fill, picture

ONE = encoded(picture(5))


@pytest.fixture
def searches(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that gives the index's searches for one query, in their order."""
    home.build(fill(home.path / "pictures", 120), index="IVF3,SQ8")
    service = home.service()
    made: list[str] = []
    for owner, name in (
        *((VectorIndex, "search"), (VectorIndex, "shortlist")),
        (Gallery, "search_among"),
    ):
        whole = getattr(owner, name)

        def noted(self, *arguments, _name=name, _whole=whole, **options):
            made.append(f"{_name}, exact" if options.get("exact") else _name)
            return _whole(self, *arguments, **options)

        monkeypatch.setattr(owner, name, noted)

    def of(**parameters: object) -> list[str]:
        made.clear()
        service.search("mine", ONE, **parameters)
        return list(made)

    return of


def test_a_query_goes_through_the_index_once(searches: Callable[..., list[str]]) -> None:
    assert searches() == ["search"]
    assert searches(k=200, min_score=0.5, leave_out_same_file=True) == ["search"]


def test_an_exact_search_runs_the_index_once_to_mark_what_it_misses(
    searches: Callable[..., list[str]],
) -> None:
    assert searches(exact=True) == ["search, exact", "search"]


def test_a_label_needs_a_search_of_the_whole_gallery_only_where_its_images_are_unlike(
    searches: Callable[..., list[str]],
) -> None:
    assert searches(label="kind_0") == ["search_among"], "the query's own file has this label"
    assert searches(label="kind_1", k=1) in (["search_among"], ["search_among", "search"])
    assert searches(label="kind_0", leave_out_same_file=True)[0] == "search_among"
