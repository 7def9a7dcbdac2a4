"""One request to several galleries of one model gives one answer, best first."""

import shutil
from pathlib import Path

import pytest

from app.errors import NotFoundError, UsageError
from app.search.picture import File, Item
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.values import SearchResult
from tests.conftest import Home, encoded, fill, picture


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three galleries: `one`, `two` with a picture of `one` too, and `other` of components."""
    home = Home(tmp_path_factory.mktemp("several"))
    one = fill(home.path / "pictures" / "one", 40)
    two = fill(home.path / "pictures" / "two", 40, first=1000)
    shutil.copy(one / "kind_0" / "00000.jpg", two / "kind_0" / "copy.jpg")
    home.build(one, "one", index="Flat")
    home.build(two, "two", index="Flat")
    home.build(two, "other", index="Flat", options=_components())
    return home


def _components():
    from app.values import VectorOptions

    return VectorOptions(pca=8)


@pytest.fixture
def service(home: Home) -> SearchService:
    return home.service()


def ask(service: SearchService, gallery: str, query=None, **parameters) -> SearchResult:
    query = query or File(encoded(picture(7)))
    return service.answer(SearchRequest.of(query, gallery=gallery, **parameters))


def test_the_hits_are_the_best_of_all(service):
    apart = [hit for name in ("one", "two") for hit in ask(service, name, k=40)]
    together = ask(service, "one,two", k=20)
    best = sorted({hit.score for hit in apart}, reverse=True)
    assert [hit.score for hit in together] == sorted((hit.score for hit in together), reverse=True)
    assert together.hits[0].score == best[0]
    assert {hit.image.gallery for hit in together} == {"one", "two"}
    assert [hit.rank for hit in together] == list(range(1, 21))
    assert together.gallery == "one,two"


def test_a_file_that_both_have_is_one_answer_with_its_places(service, home):
    data = (home.path / "pictures/one/kind_0/00000.jpg").read_bytes()
    first, second, *_ = ask(service, "two,one", File(data), k=5)
    assert (first.same_file, first.image.gallery, first.copies) == (True, "two", 1)
    assert [(each.gallery, each.path) for each in first.places] == [("one", "kind_0/00000.jpg")]
    assert second.image.sha256 != first.image.sha256


def test_all_are_those_of_the_first_ones_model(service):
    assert ask(service, "all", k=5).gallery == "one,two"
    with pytest.raises(UsageError, match="one and other are of different models"):
        ask(service, "one,other")


def test_an_image_of_the_first_gallery_is_searched_in_all(service, home):
    together = ask(service, "one,two", Item(3), k=5)
    assert together.hits[0].image.gallery == "one"
    assert together.hits[0].image.id == 3


def test_one_that_is_not_there_is_refused(service):
    with pytest.raises(NotFoundError, match="'three'"):
        ask(service, "one,three")


def test_a_gallery_called_all_is_that_gallery(home, tmp_path):
    copied = Home(tmp_path / "home")
    shutil.copytree(home.path, copied.path)
    copied.build(Path(copied.path / "pictures/two"), "all", index="Flat")
    assert ask(copied.service(), "all", k=3).gallery == "all"
