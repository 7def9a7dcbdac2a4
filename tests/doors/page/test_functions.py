"""The page's functions: JSON answers, errors in one sentence, nonsense from browsers."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.doors.answers import gallery_answer, image_answer, search_answer
from app.doors.page.functions import EXAMPLES, PHOTOGRAPHS, RANDOM_EXAMPLES, Functions
from app.doors.page.references import Uploads, image_reference
from app.embed import Embedder
from app.errors import ModelError
from app.search.question import MAX_K
from app.search.service import SearchService
from tests.conftest import Home, encoded, fill, picture
from tests.doors.page.conftest import HEIC, Page, file_of, hits, id_of, ids
from tests.images.site import Site, answer

# --- opening the page, choosing a gallery --------------------------------------------------------


def test_five_photographs_stand_ready_with_their_origin() -> None:
    assert PHOTOGRAPHS == ("astronaut", "chelsea", "coffee", "motorcycle", "rocket")
    origin = (EXAMPLES / "NOTICE").read_text()
    assert all(name in origin for name in PHOTOGRAPHS)


def test_a_fresh_page_gets_every_gallery_the_damaged_one_with_the_reason(page: Page) -> None:
    got = page.call("open", {})
    refused = {each["name"]: each["refused"] for each in got["galleries"]}
    assert list(refused) == ["broken", "mine", "other", "mine,other"]
    assert "thumbnails.db" in refused["broken"]
    assert refused["mine"] == refused["other"] == ""
    assert got["photographs"] == list(PHOTOGRAPHS)
    assert set(got) == {"galleries", "photographs"}


def test_a_gallery_comes_with_its_facts_and_some_of_its_images(
    page: Page, service: SearchService, shop: Home
) -> None:
    got = page.call("gallery", {"gallery": "mine"})
    info, facts = service.gallery("mine"), got["gallery"]
    assert (facts["name"], facts["images"], facts["model"]) == ("mine", 30, "mean_colour")
    assert (facts["index"], facts["dim"], facts["skipped"]) == ("Flat", 48, 0)
    assert facts["floor"] == info.floor is not None
    assert facts == json.loads(json.dumps(gallery_answer(info)))
    assert facts["notes"] != []
    places = (shop.path / "features" / "mine", shop.path / "indexes" / "mine")
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    named = [file for file in files if not file.name.endswith(("lock", "manifest.json"))]
    assert facts["disk_bytes"] == sum(file.stat().st_size for file in named)
    assert len(got["examples"]) == RANDOM_EXAMPLES
    for example in got["examples"]:
        assert example == image_answer("mine", service.image("mine", example["id"]))


def test_a_page_without_any_gallery_says_how_to_make_one(home: Home, tmp_path: Path) -> None:
    service = home.service()
    page = Page(Functions(service, Uploads(tmp_path, service)))
    assert "python3 create_index.py" in page.message("open", {})
    for gallery in ("", None):
        assert "There is no gallery to search in yet" in page.message(
            "gallery", {"gallery": gallery}
        )
        for query in ({"kind": "random"}, {"kind": "image", "id": 0}):
            assert "There is no gallery to search in yet" in page.message_for(query, gallery)


def test_a_damaged_gallery_says_so_and_has_no_images_to_show(page: Page) -> None:
    got = page.call("gallery", {"gallery": "broken"})
    assert "thumbnails.db" in got["gallery"]["refused"]
    assert got["examples"] == []
    assert "There is no gallery 'gone'" in page.message("gallery", {"gallery": "gone"})


def test_examples_are_drawn_afresh(page: Page) -> None:
    rows = {str(page.call("gallery", {"gallery": "mine"})["examples"]) for _ in range(10)}
    assert len(rows) > 1


def test_an_original_that_is_not_what_was_indexed_is_said_to_be_missing(
    home: Home, tmp_path: Path
) -> None:
    images = fill(home.path / "own", 5)
    home.build(images)
    service = home.service()
    page = Page(Functions(service, Uploads(tmp_path, service)))
    (images / service.image("mine", 3).path).write_bytes(encoded(picture(9)))
    (images / service.image("mine", 4).path).unlink()
    said = [page.call("original", {"gallery": "mine", "id": row})["missing"] for row in range(5)]
    assert said[:3] == [""] * 3
    assert "has changed" in said[3]
    assert "is not in" in said[4]
    assert "9" in page.message("original", {"gallery": "mine", "id": 9})
    assert "'gone'" in page.message("original", {"gallery": "gone", "id": 0})


# --- ways in -------------------------------------------------------------------------------------


def test_an_upload_is_shown_and_searched(
    page: Page, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    sent = upload(file_of(shop, "mine", "kind_3/00013.jpg"))
    got = page.ask(sent)
    assert got["query"] == {
        "kind": "file",
        "path": sent["path"],
        "name": "mine.jpg",
        "src": f"gradio_api/file={sent['path']}",
    }
    assert [hit["same_file"] for hit in hits(got)] == [True] + [False] * 29
    assert hits(got)[0]["path"] == "kind_3/00013.jpg"
    assert hits(got)[0]["score"] == pytest.approx(1, abs=1e-3)


def test_the_page_gets_the_answer_of_every_door_and_the_labels_to_choose_from(
    page: Page, service: SearchService, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    data = file_of(shop, "mine", "kind_3/00013.jpg")
    got = page.ask(upload(data))["results"]
    expected = json.loads(json.dumps(search_answer(service.search("mine", data, k=MAX_K))))
    assert got.pop("hits") == expected.pop("results")
    assert got.pop("nearest") == {
        "images": 30,
        "labels": [[f"kind_{kind}", 6] for kind in range(5)],
    }
    assert got.pop("listed") is False
    del got["timing_ms"], expected["timing_ms"]
    assert got == expected


def test_a_label_leaves_only_its_images_and_the_labels_that_were_found(page: Page) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3}
    plain, got = page.ask(query)["results"], page.ask(query, label="kind_2")["results"]
    assert {tuple(hit["labels"]) for hit in got["hits"]} == {("kind_2",)}
    assert got["nearest"] == plain["nearest"]


@pytest.mark.parametrize("label", ["kind_2", "kind_7"])
def test_whether_anything_is_similar_is_judged_over_the_whole_gallery(
    page: Page, service: SearchService, label: str
) -> None:
    floor = service.gallery("mine").floor
    assert floor is not None
    got = page.ask({"kind": "image", "gallery": "mine", "id": 3}, label=label)["results"]
    assert all(hit["score"] < floor for hit in got["hits"])
    assert got["similar_enough"]


def test_the_searchs_parameters_have_their_names(page: Page) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3}
    scores = [hit["score"] for hit in hits(page.ask(query))]
    assert [hit["score"] for hit in hits(page.ask(query, k=4))] == scores[:4]
    assert [hit["score"] for hit in hits(page.ask(query, min_score=scores[6]))] == scores[:7]


@pytest.mark.parametrize(
    "parameter", [{"k": 0}, {"k": 201}, {"k": "x"}, {"min_score": 2}, {"min_score": "1"}], ids=repr
)
def test_a_parameter_out_of_its_range_is_refused(page: Page, parameter: dict[str, Any]) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3}
    [value] = parameter.values()
    assert str(value) in page.message_beside(query, **parameter)


def test_two_hundred_results_come_at_most(home: Home, tmp_path: Path) -> None:
    home.build(fill(home.path / "many", 210), index="Flat")
    service = home.service()
    page = Page(Functions(service, Uploads(tmp_path, service)))
    query = {"kind": "image", "gallery": "mine", "id": 3}
    assert len(hits(page.ask(query))) == 200


def test_an_uploads_own_file_is_left_out_on_request(
    page: Page, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    sent = upload(file_of(shop, "mine", "kind_3/00013.jpg"))
    found = hits(page.ask(sent, leave_out_same_file=True))
    assert len(found) == 29
    assert not any(hit["same_file"] for hit in found)


def test_an_exact_search_is_one_and_marks_what_the_index_misses(home: Home, tmp_path: Path) -> None:
    home.build(fill(home.path / "many", 300))
    service = home.service()
    page = Page(Functions(service, Uploads(tmp_path, service)))
    marked = 0
    for image in range(0, 300, 10):
        query = {"kind": "image", "gallery": "mine", "id": image}
        # Among more results, so small an index misses none.
        quick, exact = page.ask(query, k=10), page.ask(query, k=10, exact=True)
        assert (quick["results"]["exact"], exact["results"]["exact"]) == (False, True)
        missed = {hit["id"] for hit in hits(exact) if hit["missed"]}
        assert missed == set(ids(exact)) - set(ids(quick))
        marked += len(missed)
    assert marked > 0


def test_further_examples_move_the_results(page: Page) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3}
    plain = ids(page.ask(query))
    assert ids(page.ask(query, more=[], less=[])) == plain
    moved = ids(page.ask(query, more=[20], less=[9]))
    assert moved != plain
    assert 20 in moved[:2]
    assert "cancel each other out" in page.message_beside(query, less=[3, 3])


def test_a_picture_that_browsers_cannot_show_gets_one_to_look_at(
    page: Page, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    sent = upload(file_of(shop, "other", HEIC), "photo.heic")
    got = page.ask(sent, "other")
    assert got["query"]["path"] == sent["path"]
    shown = Path(got["query"]["src"].removeprefix("gradio_api/file="))
    assert shown != Path(sent["path"])
    with Image.open(shown) as image:
        assert (image.format, image.size) == ("PNG", (64, 48))
    assert hits(got)[0]["same_file"]  # what is searched is the file itself


def test_an_address_is_fetched_shown_and_searched(page: Page, shop: Home, site: Site) -> None:
    site.pages["/photos/cat.jpg?size=2"] = answer(file_of(shop, "mine", "kind_1/00011.jpg"))
    url = f"{site.url}/photos/cat.jpg?size=2"
    got = page.ask({"kind": "url", "url": f"  {url} "})
    assert hits(got)[0]["same_file"]
    assert (got["query"]["kind"], got["query"]["name"]) == ("file", "cat.jpg")
    assert got["query"]["url"] == url
    assert "127.0.0.1" not in got["query"]["src"]
    page.ask(got["query"], "other")
    assert len(site.requests) == 1  # what was fetched is asked again


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_a_photograph_of_the_row_is_searched(page: Page, uploads: Uploads, photograph: str) -> None:
    got = page.ask({"kind": "photograph", "name": photograph})
    assert len(hits(got)) == 30
    assert (got["query"]["kind"], got["query"]["name"]) == ("file", photograph)
    assert got["query"]["photograph"] == photograph
    assert uploads.read(got["query"]) == (EXAMPLES / f"{photograph}.jpg").read_bytes()


def test_a_photograph_is_kept_once_however_often_it_is_clicked(
    page: Page, uploads: Uploads
) -> None:
    def click(name: str) -> Any:
        return page.ask({"kind": "photograph", "name": name, "turns": 1})["query"]

    with ThreadPoolExecutor(8) as threads:
        rockets = list(threads.map(click, ["rocket"] * 24))
    assert all(query == rockets[0] for query in rockets)
    assert click("coffee")["path"] != rockets[0]["path"]
    assert len(list(uploads.folder.iterdir())) == 2
    assert "turns" not in page.ask({"kind": "photograph", "name": "rocket"})["query"]
    Path(rockets[0]["path"]).unlink()
    again = click("rocket")
    assert uploads.read(again) == (EXAMPLES / "rocket.jpg").read_bytes()


def test_an_image_of_the_gallery_is_searched_by_its_id(page: Page, service: SearchService) -> None:
    image = id_of(service, "mine", "kind_2/00007.jpg")
    for named in ({"gallery": "mine", "id": image}, {"id": str(image)}):
        got = page.ask({"kind": "image", **named})
        assert got["query"] == image_reference("mine", service.image("mine", image))
        assert (hits(got)[0]["id"], hits(got)[0]["same_file"]) == (image, True)
        assert got["results"]["timing_ms"]["embed"] == 0


def test_a_random_picture_is_one_of_the_gallery_drawn_afresh(page: Page) -> None:
    drawn = [page.ask({"kind": "random"}, "other") for _ in range(20)]
    for got in drawn:
        assert (got["query"]["kind"], got["query"]["gallery"]) == ("image", "other")
        assert hits(got)[0]["id"] == got["query"]["id"]
        assert hits(got)[0]["same_file"]
    assert len({got["query"]["id"] for got in drawn}) > 1


# --- what cannot be searched ---------------------------------------------------------------------

REFUSED = {
    "text named .jpg": (b"Dear Sir or Madam,\n", "text file"),
    "empty": (b"", "empty"),
    "truncated JPEG": (encoded(picture(1, (640, 480)))[:3_000], "damaged or incomplete"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "sound that begins like WebP": (b"RIFF\x24\0\0\0WAVEfmt ", "not a picture"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_and_changes_nothing_else(
    page: Page, upload: Callable[..., dict[str, str]], kind: str
) -> None:
    data, words = REFUSED[kind]
    assert words in page.message_for(upload(data))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "Type or paste the address"),
        (" ", "Type or paste the address"),
        (None, "Type or paste the address"),
        ("http://[", "is not an address"),
        ("http://[::1", "is not an address"),
        ("ftp://pictures.example/a.jpg", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("http:///a.jpg", "names no host"),
        (7, "must begin with http"),
        (["http://127.0.0.1/"], "must begin with http"),
    ],
)
def test_what_is_no_address_is_refused_and_changes_nothing_else(
    page: Page, address: Any, words: str
) -> None:
    assert words in page.message_for({"kind": "url", "url": address})


def test_an_address_that_gives_no_picture_is_refused_and_changes_nothing_else(
    page: Page, site: Site
) -> None:
    site.pages["/text"] = answer(b"no picture")
    assert "127.0.0.1" in page.message_for({"kind": "url", "url": f"{site.url}/text"})


@pytest.mark.parametrize("gallery", ["broken", "gone", "", None])
def test_a_good_picture_is_shown_when_only_the_gallery_is_at_fault(
    page: Page, upload: Callable[..., dict[str, str]], gallery: str | None
) -> None:
    sent = upload(encoded(picture(1)))
    assert page.message_beside(sent, gallery)
    shown = page.ask(sent, gallery)["query"]
    assert shown["path"] == sent["path"]
    assert len(hits(page.ask(shown))) == 30


def test_a_gallery_that_takes_no_uploads_still_answers_its_own_images(
    shop: Home, tmp_path: Path, upload: Callable[..., dict[str, str]]
) -> None:
    def loader(name: str, **_: object) -> Embedder:
        raise ModelError("Its weights are not here.")

    service = shop.service(loader)
    service.warm_up()
    page = Page(Functions(service, Uploads(tmp_path / "uploads", service)))
    off = page.call("gallery", {"gallery": "mine"})["gallery"]["uploads_off"]
    assert "Its weights are not here." in off
    assert page.message_beside(upload(encoded(picture(1)))) == off
    assert len(hits(page.ask({"kind": "image", "gallery": "mine", "id": 3}))) == 30


def test_asking_without_a_picture_is_refused(page: Page) -> None:
    for query in (None, {}, {"kind": None}, {"kind": "photograph", "name": "mona_lisa"}):
        assert "no picture to search with" in page.message_for(query)
        assert "no picture to search with" in page.message("cut", {"query": query})
