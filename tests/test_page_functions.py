"""What the page's events call: answers, errors that change nothing else, nonsense from browsers."""

import contextlib
import html
import io
import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.embed import Embedder
from app.errors import DecodeError, ModelError, NotFoundError, StorageError, UsageError
from app.page.functions import (
    EXAMPLES,
    PHOTOGRAPHS,
    RANDOM_EXAMPLES,
    UNCHANGED,
    Answer,
    Functions,
    telling,
)
from app.page.queries import Uploads, image_reference, question
from app.results import Box
from app.service import SearchService
from tests.conftest import Home, encoded, fill, picture
from tests.test_fetch import Site, answer

HEIC = "kind_9/heic.heic"
PART = [0.125, 0.25, 0.75, 1.0]
HOW = ("mine", 10, False)


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


@pytest.fixture
def uploads(service: SearchService, tmp_path: Path) -> Uploads:
    (tmp_path / "uploads").mkdir()
    return Uploads(tmp_path / "uploads", service)


@pytest.fixture
def functions(service: SearchService, uploads: Uploads) -> Functions:
    return Functions(service, uploads)


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site


@pytest.fixture
def upload(tmp_path: Path, uploads: Uploads) -> Callable[..., dict[str, str]]:
    """Give a function that does what the browser does before its event: put a file there."""

    def put(data: bytes, name: str = "mine.jpg") -> dict[str, str]:
        path = tmp_path / "uploads" / "0123" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return {"path": str(path), "name": name}

    return put


def text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", markup)).strip()


def told(answer: Answer) -> str:
    """Return the one sentence of an answer that changes nothing else."""
    original, edit, message, results, timing = answer
    assert all(part is UNCHANGED for part in (original, edit, results, timing))
    sentence = text(message)
    assert sentence
    assert "\n" not in sentence
    return sentence


def file_of(shop: Home, gallery: str, path: str) -> bytes:
    return (shop.path / gallery / path).read_bytes()


def id_of(service: SearchService, gallery: str, path: str) -> int:
    count = service.gallery(gallery).images
    return next(i for i in range(count) if service.image(gallery, i).path == path)


def first_result(results: str) -> str:
    return results.split("<li")[1]


# --- opening the page, choosing a gallery --------------------------------------------------------


def test_five_photographs_stand_ready_with_their_origin() -> None:
    assert PHOTOGRAPHS == ("astronaut", "chelsea", "coffee", "motorcycle", "rocket")
    origin = (EXAMPLES / "NOTICE").read_text()
    assert all(name in origin for name in PHOTOGRAPHS)


def test_a_fresh_page_offers_every_gallery_and_shows_one_that_works(functions: Functions) -> None:
    choice, facts, examples = functions.opened(None)
    assert [name for name, _ in choice.choices] == ["broken", "mine", "other"]
    assert choice.value == "mine"
    assert "30 images" in text(facts)
    assert examples.count("data-photograph=") == len(PHOTOGRAPHS)
    assert examples.count("data-id=") == RANDOM_EXAMPLES


@pytest.mark.parametrize(
    ("current", "chosen"),
    [("other", "other"), ("broken", "broken"), ("gone", "mine"), ("", "mine")],
)
def test_a_page_that_comes_back_keeps_its_gallery_if_it_is_still_there(
    functions: Functions, current: str, chosen: str
) -> None:
    assert functions.opened(current)[0].value == chosen


def test_a_page_without_any_gallery_says_how_to_make_one(home: Home, tmp_path: Path) -> None:
    service = home.service()
    functions = Functions(service, Uploads(tmp_path, service))
    choice, facts, examples = functions.opened(None)
    assert (choice.choices, choice.value) == ([], None)
    assert "python3 create_index.py" in text(facts)
    assert "data-id=" not in examples
    sentence = told(telling(functions.exemplified)("", 10, False, {"id": "0"}))
    assert "There is no gallery to search in yet" in sentence


def test_a_damaged_gallery_says_so_and_still_offers_the_photographs(functions: Functions) -> None:
    facts, examples = functions.described("broken")
    assert "thumbnails.db" in text(facts)
    assert examples.count("data-photograph=") == len(PHOTOGRAPHS)
    assert "data-id=" not in examples


def test_examples_are_drawn_afresh(functions: Functions) -> None:
    rows = {functions.example_row("mine") for _ in range(10)}
    assert len(rows) > 1


# --- ways in -------------------------------------------------------------------------------------


def test_an_upload_is_shown_in_both_windows_and_searched(
    functions: Functions, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    event = upload(file_of(shop, "mine", "kind_3/00013.jpg"))
    original, edit, message, results, timing = functions.uploaded(*HOW, event)
    assert original == edit
    assert original["kind"] == "file"
    assert original["path"] == event["path"]
    assert original["src"] == f"gradio_api/file={event['path']}"
    assert (original["name"], original["box"]) == ("mine.jpg", None)
    assert message == ""
    assert results.count('class="hit"') == 10
    assert "same file" in first_result(results)
    assert "kind_3" in first_result(results)
    assert "10 results in" in text(timing)


def test_an_uploads_own_file_is_left_out_on_request(
    functions: Functions, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    event = upload(file_of(shop, "mine", "kind_3/00013.jpg"))
    results = functions.uploaded("mine", 5, True, event)[3]
    assert results.count('class="hit"') == 5
    assert "same file" not in results


def test_a_picture_that_browsers_cannot_show_gets_one_to_look_at(
    functions: Functions, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    event = upload(file_of(shop, "other", HEIC), "photo.heic")
    original, _, message, results, _ = functions.uploaded("other", 3, False, event)
    assert message == ""
    assert original["path"] == event["path"]
    shown = Path(original["src"].removeprefix("gradio_api/file="))
    assert shown != Path(event["path"])
    with Image.open(shown) as image:
        assert (image.format, image.size) == ("PNG", (64, 48))
    assert "same file" in first_result(results)  # what is searched is the file itself


def test_an_address_is_fetched_shown_and_searched(
    functions: Functions, shop: Home, site: Site
) -> None:
    site.pages["/photos/cat.jpg?size=2"] = answer(file_of(shop, "mine", "kind_1/00011.jpg"))
    found = functions.addressed(*HOW, f"  {site.url}/photos/cat.jpg?size=2 ")
    original, edit, message, results, _ = found
    assert original == edit
    assert (original["kind"], original["name"], message) == ("file", "cat.jpg", "")
    assert "same file" in first_result(results)
    assert "127.0.0.1" not in original["src"]


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_a_photograph_of_the_row_is_searched(functions: Functions, photograph: str) -> None:
    event = {"photograph": photograph}
    original, _, message, results, _ = functions.exemplified(*HOW, event)
    assert (original["name"], message) == (photograph, "")
    assert results.count('class="hit"') == 10


@pytest.mark.parametrize("door", ["exemplified", "reused"])
def test_an_image_of_the_gallery_is_searched_by_its_id(
    functions: Functions, service: SearchService, door: str
) -> None:
    image = id_of(service, "mine", "kind_2/00007.jpg")
    original, edit, message, results, timing = getattr(functions, door)(*HOW, {"id": str(image)})
    assert original == edit == image_reference("mine", image, "kind_2/00007.jpg")
    assert message == ""
    assert "same file" in first_result(results)
    assert "embed" not in text(timing)


# --- what cannot be searched ---------------------------------------------------------------------

REFUSED = {
    "text named .jpg": (b"Dear Sir or Madam,\n", "text file"),
    "empty": (b"", "empty"),
    "truncated JPEG": (encoded(picture(1, (640, 480)))[:3_000], "damaged or incomplete"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "sound that begins like WebP": (b"RIFF\x24\0\0\0WAVEfmt ", "not a picture"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_told_and_changes_nothing_else(
    functions: Functions, upload: Callable[..., dict[str, str]], kind: str
) -> None:
    data, words = REFUSED[kind]
    assert words in told(telling(functions.uploaded)(*HOW, upload(data)))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "Type or paste the address"),
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
def test_what_is_no_address_is_told_and_changes_nothing_else(
    functions: Functions, address: Any, words: str
) -> None:
    assert words in told(telling(functions.addressed)(*HOW, address))


def test_an_address_that_gives_no_picture_is_told_and_changes_nothing_else(
    functions: Functions, site: Site
) -> None:
    site.pages["/text"] = answer(b"no picture")
    assert "127.0.0.1" in told(telling(functions.addressed)(*HOW, f"{site.url}/text"))


@pytest.mark.parametrize("gallery", ["broken", "gone", ""])
def test_a_good_picture_stays_in_the_windows_when_only_the_gallery_is_at_fault(
    functions: Functions, upload: Callable[..., dict[str, str]], gallery: str
) -> None:
    event = upload(encoded(picture(1)))
    original, edit, message, results, timing = functions.uploaded(gallery, 10, False, event)
    assert original == edit
    assert original["path"] == event["path"]
    assert text(message)
    assert results is UNCHANGED
    assert timing is UNCHANGED
    again = functions.searched_again("mine", 10, False, edit)
    assert again[3].count('class="hit"') == 10


def test_a_gallery_that_takes_no_uploads_still_answers_its_own_images(
    shop: Home, tmp_path: Path, upload: Callable[..., dict[str, str]]
) -> None:
    def loader(name: str) -> Embedder:
        raise ModelError("Its weights are not here.")

    service = shop.service(loader)
    service.warm_up()
    functions = Functions(service, Uploads(tmp_path / "uploads", service))
    assert "Its weights are not here." in text(functions.described("mine")[0])
    refused = functions.uploaded(*HOW, upload(encoded(picture(1))))
    assert "Its weights are not here." in text(refused[2])
    assert functions.reused(*HOW, {"id": "3"})[3].count('class="hit"') == 10


# --- the edit window -----------------------------------------------------------------------------


def test_the_edit_window_is_searched_with_its_box(
    functions: Functions, shop: Home, upload: Callable[..., dict[str, str]]
) -> None:
    data = file_of(shop, "mine", "kind_3/00013.jpg")
    edit = functions.uploaded(*HOW, upload(data))[1]
    original, pane, message, results, _ = functions.searched(*HOW, {**edit, "box": PART})
    assert (original, pane, message) == (UNCHANGED, UNCHANGED, "")
    image = Image.open(io.BytesIO(data)).crop((8, 12, 48, 48))
    by_pixels = functions.uploaded(*HOW, upload(encoded(image, "PNG"), "cut.png"))[3]
    order = [re.findall(r'data-id="(\d+)"', part) for part in (results, by_pixels)]
    assert order[0] == order[1]


def test_searching_without_a_picture_is_told(functions: Functions) -> None:
    assert "no picture to search with" in told(telling(functions.searched)(*HOW, None))


def test_changing_the_gallery_without_a_picture_is_no_error(functions: Functions) -> None:
    assert functions.searched_again(*HOW, None) == (UNCHANGED,) * 5


def test_mirroring_to_edit_puts_the_whole_original_there(functions: Functions) -> None:
    reference = {**image_reference("mine", 3, "three"), "box": PART}
    original, edit, message, results, timing = functions.mirrored_to_edit(reference)
    assert edit == image_reference("mine", 3, "three")
    assert message == ""
    assert all(part is UNCHANGED for part in (original, results, timing))
    assert reference["box"] == PART
    assert "no original" in told(telling(functions.mirrored_to_edit)(None))


def test_mirroring_to_the_original_without_a_box_takes_the_picture_as_it_is(
    functions: Functions,
) -> None:
    edit = image_reference("mine", 3, "three")
    original, pane, message, *rest = functions.mirrored_to_original(edit)
    assert (original, pane, message) == (edit, UNCHANGED, "")
    assert rest == [UNCHANGED, UNCHANGED]
    assert "nothing in the edit window" in told(telling(functions.mirrored_to_original)(None))


@pytest.mark.parametrize("kind", ["upload", "image"])
def test_mirroring_to_the_original_cuts_the_picture_to_its_box(
    functions: Functions,
    service: SearchService,
    shop: Home,
    upload: Callable[..., dict[str, str]],
    kind: str,
) -> None:
    path = "kind_3/00013.jpg"
    data = file_of(shop, "mine", path)
    if kind == "upload":
        edit = functions.uploaded(*HOW, upload(data))[1]
    else:
        edit = image_reference("mine", id_of(service, "mine", path), path)
    original, cut, message, *rest = functions.mirrored_to_original({**edit, "box": PART})
    assert original == cut
    assert (cut["kind"], cut["box"], message) == ("file", None, "")
    assert rest == [UNCHANGED, UNCHANGED]
    with Image.open(cut["path"]) as image:
        expected = Image.open(io.BytesIO(data)).crop((8, 12, 48, 48))
        assert (np.asarray(image) == np.asarray(expected)).all()
    by_cut, by_box = functions.searched(*HOW, cut), functions.searched(*HOW, {**edit, "box": PART})
    assert re.findall(r'data-id="\d+"', by_cut[3]) == re.findall(r'data-id="\d+"', by_box[3])


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


def test_no_file_outside_the_uploads_is_ever_read(uploads: Uploads, tmp_path: Path) -> None:
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


def test_an_upload_that_is_no_picture_is_named(
    uploads: Uploads, upload: Callable[..., dict[str, str]]
) -> None:
    event = upload(b"", "nothing.jpg")
    with pytest.raises(DecodeError, match=r"nothing\.jpg is empty"):
        uploads.reference(event["path"], event["name"])


def test_a_folder_that_takes_no_pictures_is_told(uploads: Uploads, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "uploads")
    with pytest.raises(StorageError, match="cannot be kept"):
        uploads.keep(encoded(picture(1)), "x")


def test_an_image_is_asked_by_id_in_its_own_gallery_and_as_a_file_in_another(
    service: SearchService, uploads: Uploads, shop: Home
) -> None:
    image = id_of(service, "other", HEIC)
    reference = {**image_reference("other", image, HEIC), "box": PART}
    assert question(reference, "other", service, uploads) == (image, Box(*PART))
    data = file_of(shop, "other", HEIC)
    assert question(reference, "mine", service, uploads) == (data, Box(*PART))
    original = shop.path / "other" / HEIC
    original.rename(original.with_suffix(".gone"))
    try:
        thumbnail = service.thumbnail("other", image)
        assert question(reference, "mine", service, uploads) == (thumbnail, Box(*PART))
    finally:
        original.with_suffix(".gone").rename(original)
    with pytest.raises(NotFoundError, match="choose one of"):
        question(image_reference("gone", 0, ""), "mine", service, uploads)


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
def test_a_box_that_is_none_is_told(functions: Functions, box: Any) -> None:
    for reference in (image_reference("mine", 3, "three"), image_reference("other", 3, "three")):
        edit = {**reference, "box": box}
        assert "box" in told(telling(functions.searched)(*HOW, edit))
        assert "box" in told(telling(functions.mirrored_to_original)(edit))


@pytest.mark.parametrize("image", BAD_IDS, ids=lambda image: repr(image)[:20])
def test_an_id_that_is_none_is_told(functions: Functions, image: Any) -> None:
    for door in (functions.reused, functions.exemplified):
        sentence = told(telling(door)(*HOW, {"id": image}))
        assert "whole number" in sentence or "no image" in sentence
    for gallery in ("mine", "other", "", None):
        edit = {"kind": "image", "gallery": gallery, "id": image}
        told(telling(functions.searched)(*HOW, edit))
        told(telling(functions.mirrored_to_original)({**edit, "box": PART}))


@pytest.mark.parametrize("k", ["abc", None, math.nan, math.inf, [], 0, -1, 101, 2.5], ids=repr)
def test_a_number_of_results_that_is_none_is_told(functions: Functions, k: Any) -> None:
    sentence = told(telling(functions.searched)("mine", k, False, image_reference("mine", 3, "")))
    assert "whole number" in sentence or "from 1 to 100" in sentence


@pytest.mark.parametrize("gallery", [7, ["mine"], {"mine": 1}, "../mine", "x" * 5_000], ids=type)
def test_a_gallery_that_is_none_is_told(functions: Functions, gallery: Any) -> None:
    edit = image_reference("mine", 3, "")
    assert "There is no gallery" in told(telling(functions.searched)(gallery, 10, False, edit))
    told(telling(functions.reused)(gallery, 10, False, {"id": 3}))
    assert "There is no gallery" in text(functions.described(gallery)[0])
    assert functions.opened(gallery)[0].value == "mine"


@pytest.mark.parametrize("event", [None, "abc", 7, [], ["path"], {}, {"path": None}], ids=repr)
def test_an_event_without_what_it_should_say_is_told(functions: Functions, event: Any) -> None:
    for door in (functions.uploaded, functions.exemplified, functions.reused):
        told(telling(door)(*HOW, event))


@pytest.mark.parametrize("reference", ["abc", 7, ["kind"], {"x": 1}, {"kind": "image"}], ids=repr)
def test_a_reference_that_is_none_is_told(functions: Functions, reference: Any) -> None:
    told(telling(functions.searched)(*HOW, reference))
    told(telling(functions.searched_again)(*HOW, reference))
    if not isinstance(reference, dict):
        told(telling(functions.mirrored_to_edit)(reference))
        told(telling(functions.mirrored_to_original)(reference))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
REFERENCES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["file", "image"]) | JSON,
        "gallery": st.sampled_from(["mine", "other", "broken"]) | JSON,
        "id": st.integers(-2, 31) | JSON,
        "path": JSON,
        "box": st.lists(st.floats(-0.5, 1.5), min_size=3, max_size=5) | JSON,
        "name": JSON,
    },
)


@pytest.fixture(scope="module")
def lasting(service: SearchService, tmp_path_factory: pytest.TempPathFactory) -> Functions:
    return Functions(service, Uploads(tmp_path_factory.mktemp("uploads"), service))


@settings(max_examples=100, deadline=None)
@given(
    gallery=st.sampled_from(["mine", "other"]) | JSON,
    k=st.integers(1, 100) | JSON,
    leave_out=JSON,
    value=REFERENCES | JSON,
)
def test_whatever_the_browser_sends_is_answered(
    lasting: Functions, gallery: Any, k: Any, leave_out: Any, value: Any
) -> None:
    how = (gallery, k, leave_out, value)
    for door in (lasting.uploaded, lasting.exemplified, lasting.reused, lasting.searched):
        assert len(telling(door)(*how)) == 5
    for mirror in (lasting.mirrored_to_edit, lasting.mirrored_to_original):
        assert len(telling(mirror)(value)) == 5
    assert len(lasting.described(gallery)) == 2
    assert len(lasting.opened(gallery)) == 3


# --- visitors ------------------------------------------------------------------------------------


def test_nothing_of_a_visitor_is_kept_but_the_files(
    service: SearchService, uploads: Uploads, upload: Callable[..., dict[str, str]]
) -> None:
    functions = Functions(service, uploads)
    functions.described("mine")  # opens the gallery
    parts = (functions, uploads)
    before = [dict(vars(part)) for part in parts]
    first = functions.uploaded(*HOW, upload(encoded(picture(1)), "first.jpg"))
    second = functions.uploaded("other", 3, True, upload(encoded(picture(2)), "second.jpg"))
    functions.searched(*HOW, {**first[1], "box": PART})
    assert [dict(vars(part)) for part in parts] == before
    assert (first[0]["name"], second[0]["name"]) == ("first.jpg", "second.jpg")
    assert functions.searched(*HOW, first[1])[3] == first[3]


def test_names_and_labels_of_files_are_shown_as_text(home: Home, tmp_path: Path) -> None:
    images = home.path / "pictures" / "<b>bold & brave"
    images.mkdir(parents=True)
    for seed in range(3):
        (images / f'{seed}"<i>.jpg').write_bytes(encoded(picture(seed)))
    home.build(home.path / "pictures")
    service = home.service()
    functions = Functions(service, Uploads(tmp_path, service))
    shown = functions.reused("mine", 3, False, {"id": "0"})[3] + functions.example_row("mine")
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "&lt;b&gt;bold &amp; brave" in shown
    message = telling(functions.reused)("<script>", 3, False, {"id": 0})[2]
    assert "<script>" not in message
    assert "&lt;script&gt;" in message
