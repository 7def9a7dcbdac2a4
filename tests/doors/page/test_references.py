"""What a page refers to: edits of a query, kept pictures, images of galleries."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.doors.page.functions import EXAMPLES
from app.doors.page.references import Uploads, edit_of, image_reference, query_and_edit
from app.errors import DecodeError, NotFoundError, StorageError, UsageError
from app.search.picture import File, Item
from app.search.service import SearchService
from app.values import Box, Edit
from tests.conftest import Home, encoded, picture
from tests.doors.page.conftest import EDITS, HEIC, PART, Page, file_of, id_of, ids
from tests.images.site import Site, answer

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
