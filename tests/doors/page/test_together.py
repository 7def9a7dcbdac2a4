"""Galleries of one model are searched together in the page, as one more choice."""

from app.search.question import MAX_K
from app.values import VectorOptions
from tests.conftest import fill


def test_galleries_of_one_model_are_one_more_choice(page, service):
    listed = {each["name"]: each for each in page.call("open", {})["galleries"]}
    together = listed["mine,other"]
    assert together["title"] == "All 2 galleries of mean_colour"
    assert together["images"] == sum(service.gallery(each).images for each in ("mine", "other"))
    got = page.call("gallery", {"gallery": "mine,other"})
    assert got["gallery"] == together
    assert {each["gallery"] for each in got["examples"]} <= {"mine", "other"}


def test_an_image_of_any_of_them_is_searched_in_all(page):
    for name in ("mine", "other"):
        query = {"kind": "image", "gallery": name, "id": 3}
        answer = page.call("ask", {"gallery": "mine,other", "query": query})
        hits = answer["results"]["hits"]
        assert (hits[0]["gallery"], hits[0]["id"]) == (name, 3)
        assert {hit["gallery"] for hit in hits} == {"mine", "other"}
        assert [hit["rank"] for hit in hits] == list(range(1, min(len(hits), MAX_K) + 1))
        scores = [hit["score"] for hit in hits]
        assert scores[1:] == sorted(scores[1:], reverse=True)


def test_a_random_picture_is_of_one_of_them(page):
    answer = page.call("ask", {"gallery": "mine,other", "query": {"kind": "random"}})
    assert answer["query"]["gallery"] in ("mine", "other")
    assert answer["results"]["hits"][0]["same_file"]


def test_some_galleries_of_a_model_are_not_called_all_of_them(page, shop):
    shop.build(fill(shop.path / "third", 5), name="third")
    some = page.call("gallery", {"gallery": "mine,other"})["gallery"]
    assert some["title"] == "2 galleries of mean_colour"
    every = page.call("gallery", {"gallery": "mine,third,other"})["gallery"]
    assert every["title"] == "All 3 galleries of mean_colour"


def test_galleries_of_two_models_are_refused_in_one_sentence(page, shop):
    images = fill(shop.path / "components", 12)
    shop.build(images, name="components", options=VectorOptions(pca=8))
    answer = page.call("gallery", {"gallery": "mine,components"})
    assert set(answer) == {"message"}
    assert "mine and components" in answer["message"]
