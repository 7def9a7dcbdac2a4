"""The page's functions: JSON answers, errors in one sentence, nonsense from browsers."""

import contextlib
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.doors.answers import gallery_answer, image_answer, search_answer
from app.doors.page.functions import EXAMPLES, PHOTOGRAPHS, RANDOM_EXAMPLES, Answer, Functions
from app.doors.page.references import Uploads, edit_of, image_reference, query_and_edit
from app.embed import Embedder
from app.errors import DecodeError, ModelError, NotFoundError, StorageError, UsageError
from app.search.question import MAX_K, File, Item
from app.search.service import SearchService
from app.values import Box, Edit
from tests.conftest import Home, encoded, fill, picture
from tests.images.site import Site, answer

HEIC = "kind_9/heic.heic"
PART = [0.125, 0.25, 0.75, 1.0]
EDITS = {"turns": 1, "mirrored": True, "box": PART}


def heic(image: Image.Image) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95)
    return file.getvalue()


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
    (home.path / "indexes" / "broken" / "thumbnails.db").write_bytes(b"")
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


# --- opening the page, choosing a gallery --------------------------------------------------------


def test_five_photographs_stand_ready_with_their_origin() -> None:
    assert PHOTOGRAPHS == ("astronaut", "chelsea", "coffee", "motorcycle", "rocket")
    origin = (EXAMPLES / "NOTICE").read_text()
    assert all(name in origin for name in PHOTOGRAPHS)


def test_a_fresh_page_gets_every_gallery_the_damaged_one_with_the_reason(page: Page) -> None:
    got = page.call("open", {})
    refused = {each["name"]: each["refused"] for each in got["galleries"]}
    assert list(refused) == ["broken", "mine", "other"]
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
    files = [*(shop.path / "features" / "mine").iterdir(), *(shop.path / "indexes/mine").iterdir()]
    large = [file.stat().st_size for file in files if file.suffix in (".faiss", ".db")]
    database = (shop.path / "indexes" / "mine" / "gallery.db").stat().st_size
    assert facts["disk_bytes"] == sum(large) - database
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
    assert "cancel the query out" in page.message_beside(query, less=[3, 3])


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
    def loader(name: str) -> Embedder:
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


# --- edits ---------------------------------------------------------------------------------------


def edited_by_pillow(data: bytes) -> Image.Image:
    """Return what EDITS makes of a picture of 64 × 48."""
    image = Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_270)
    return ImageOps.mirror(image).crop((6, 16, 36, 64))


def test_a_query_is_searched_as_it_is_edited(
    page: Page, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    data = file_of(shop, "mine", "kind_3/00013.jpg")
    plain = page.ask(upload(data))
    got = page.ask(plain["query"] | EDITS)
    assert got["query"] == plain["query"] | EDITS
    by_pixels = page.ask(upload(encoded(edited_by_pillow(data), "PNG"), "cut.png"))
    assert ids(got) == ids(by_pixels) != ids(plain)


@pytest.mark.parametrize("kind", ["image", "photograph", "url"])
def test_the_edits_of_a_link_are_kept_and_done(page: Page, site: Site, kind: str) -> None:
    photograph = (EXAMPLES / "rocket.jpg").read_bytes()
    site.pages["/rocket.jpg"] = answer(photograph)
    query = {
        "image": {"kind": "image", "gallery": "mine", "id": 3},
        "photograph": {"kind": "photograph", "name": "rocket"},
        "url": {"kind": "url", "url": f"{site.url}/rocket.jpg"},
    }[kind]
    plain, linked = page.ask(query), page.ask(query | EDITS)
    assert {key: linked["query"][key] for key in EDITS} == EDITS
    edited = page.ask(plain["query"] | EDITS)
    assert ids(linked) == ids(edited) != ids(plain)


def test_what_an_address_says_of_edits_is_made_orderly(page: Page, service: SearchService) -> None:
    query = {"kind": "image", "gallery": "mine", "id": 3, "turns": -7, "mirrored": 0, "box": None}
    got = page.ask(query | {"x": 1})["query"]
    expected = image_reference("mine", service.image("mine", 3))
    assert got == expected | {"turns": 1, "mirrored": False, "box": None}


@pytest.mark.parametrize("edits", [{}, {"turns": 0, "mirrored": False, "box": None}, {"turns": 4}])
def test_cutting_a_picture_that_is_not_edited_takes_it_as_it_is(
    page: Page, upload: Callable[..., dict[str, str]], edits: dict[str, Any]
) -> None:
    for query in (upload(encoded(picture(1))), {"kind": "image", "gallery": "mine", "id": 3}):
        shown = page.ask(query)["query"]
        cut = page.cut(shown | edits)["query"]
        assert edit_of(cut).is_nothing
        assert cut | edits == shown | edits


@pytest.mark.parametrize("kind", ["upload", "image"])
def test_cutting_makes_a_file_of_what_is_seen(
    page: Page,
    service: SearchService,
    shop: Home,
    upload: Callable[..., dict[str, str]],
    kind: str,
) -> None:
    path = "kind_3/00013.jpg"
    data = file_of(shop, "mine", path)
    image = {"kind": "image", "gallery": "mine", "id": id_of(service, "mine", path)}
    shown = page.ask(upload(data) if kind == "upload" else image)["query"]
    cut = page.cut(shown | EDITS)["query"]
    assert (cut["kind"], cut["name"]) == ("file", f"part of {shown['name']}")
    assert edit_of(cut).is_nothing
    with Image.open(cut["path"]) as made:
        assert (np.asarray(made) == np.asarray(edited_by_pillow(data))).all()
    assert ids(page.ask(cut)) == ids(page.ask(shown | EDITS))


def test_a_cut_that_fails_gives_the_reason(
    page: Page, upload: Callable[..., dict[str, str]]
) -> None:
    shown = page.ask(upload(encoded(picture(1))))["query"]
    Path(shown["path"]).unlink()
    assert "not here any more" in page.message("cut", {"query": shown | EDITS})
    assert "not here any more" in page.message_for(shown)
    nobody = {"kind": "image", "gallery": "gone", "id": 0}
    assert "There is no gallery 'gone'" in page.message("cut", {"query": nobody | EDITS})


# --- references ----------------------------------------------------------------------------------


def test_kept_pictures_lie_in_folders_that_nobody_can_guess(
    uploads: Uploads, tmp_path: Path
) -> None:
    data = encoded(picture(1))
    folders = {Path(uploads.keep(data, "x")["path"]).parent for _ in range(5)}
    assert len(folders) == 5
    for folder in folders:
        assert folder.parent == tmp_path / "uploads"
        assert re.fullmatch("[0-9a-f]{32}", folder.name)


def test_a_kept_picture_reads_as_it_came(uploads: Uploads) -> None:
    data = encoded(picture(1))
    assert uploads.read(uploads.keep(data, "x")) == data


def test_no_file_outside_the_uploads_is_ever_read(
    page: Page, uploads: Uploads, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(encoded(picture(1)))
    folder = tmp_path / "uploads"
    (folder / "link.jpg").symlink_to(secret)
    (folder / "folder").symlink_to(tmp_path)
    (folder / "ring").symlink_to(folder / "ring")
    (tmp_path / "uploads-of-others").mkdir()
    (tmp_path / "uploads-of-others" / "a.jpg").write_bytes(encoded(picture(1)))
    for path in (
        str(secret),
        f"{folder}/../secret.jpg",
        f"{folder}/link.jpg",
        f"{folder}/folder/secret.jpg",
        f"{folder}/ring",
        f"{tmp_path}/uploads-of-others/a.jpg",
        f"{folder}",
        f"{folder}/nothing",
        f"{folder}/a\0b",
        f"{folder}/" + "x" * 5_000,
        "/" + "x/" * 5_000,
        "secret.jpg",
        "../secret.jpg",
        "/dev/zero",
        "",
        "None",
    ):
        with pytest.raises(UsageError, match="not here any more"):
            uploads.reference(path, "a picture")
        with pytest.raises(UsageError, match="not here any more"):
            uploads.read({"kind": "file", "path": path})
        file = {"kind": "file", "path": path, "name": "a", "src": "gradio_api/file=a"}
        assert "not here any more" in page.message_for(file)
        assert "not here any more" in page.message_for(file | {"kind": "upload"})
        assert "not here any more" in page.message("cut", {"query": file | EDITS})


def test_an_upload_that_is_no_picture_is_named(
    uploads: Uploads, upload: Callable[..., dict[str, str]]
) -> None:
    event = upload(b"", "nothing.jpg")
    with pytest.raises(DecodeError, match=r"nothing\.jpg is empty"):
        uploads.reference(event["path"], event["name"])


def test_a_folder_that_cannot_be_written_is_reported(uploads: Uploads, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "uploads")
    with pytest.raises(StorageError, match="cannot be kept"):
        uploads.keep(encoded(picture(1)), "x")


def test_an_image_is_asked_by_id_in_its_own_gallery_and_as_a_file_in_another(
    service: SearchService, uploads: Uploads, shop: Home
) -> None:
    image = id_of(service, "other", HEIC)
    reference = image_reference("other", service.image("other", image)) | EDITS
    edit = Edit(quarter_turns=1, mirrored=True, box=Box(*PART))
    assert query_and_edit(reference, "other", service, uploads) == (Item(image), edit)
    data = file_of(shop, "other", HEIC)
    assert query_and_edit(reference, "mine", service, uploads) == (File(data), edit)
    original = shop.path / "other" / HEIC
    original.rename(original.with_suffix(".gone"))
    try:
        thumbnail = service.thumbnail("other", image)
        assert query_and_edit(reference, "mine", service, uploads) == (File(thumbnail), edit)
    finally:
        original.with_suffix(".gone").rename(original)
    with pytest.raises(NotFoundError, match="choose one of"):
        query_and_edit(reference | {"gallery": "gone"}, "mine", service, uploads)


def test_an_image_of_another_gallery_is_found_as_the_file_it_is(
    page: Page, service: SearchService, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    image = {"kind": "image", "gallery": "other", "id": id_of(service, "other", HEIC)}
    got = page.ask(image, "mine")
    assert (got["query"]["gallery"], got["results"]["gallery"]) == ("other", "mine")
    assert ids(got) == ids(page.ask(upload(file_of(shop, "other", HEIC)), "mine"))


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
        ([1] * 51, "at most 50 ids, not 51"),
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
