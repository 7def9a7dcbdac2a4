"""Thumbnails and originals over HTTP, as browsers can show them."""

import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image

from tests.conftest import Home, encoded, fill, heic, picture
from tests.doors.rest.conftest import Served, problem_of, serving

HEIC, TIFF = "kind_a/heic.heic", "kind_a/tiff.tiff"
PICTURES = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}  # formats by suffix
GONE, CHANGED = "kind_a/gone.jpg", "kind_a/grüße & mehr.jpg"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory, uploads: Path) -> Iterator[Served]:
    """A server over "mine", of JPEGs, a HEIC, a TIFF, one gone and one changed; and "broken"."""
    home = Home(tmp_path_factory.mktemp("kinds"))
    images = fill(home.path / "pictures", 20)
    (images / "kind_a").mkdir()
    (images / HEIC).write_bytes(heic(picture(100)))
    (images / TIFF).write_bytes(encoded(picture(101), "TIFF"))
    (images / GONE).write_bytes(encoded(picture(102)))
    (images / CHANGED).write_bytes(encoded(picture(103)))
    for name in ("mine", "broken"):
        home.build(images, name)
    (images / GONE).unlink()
    (images / CHANGED).write_bytes(encoded(picture(104)))
    (home.path / "indexes" / "broken" / "1" / "thumbnails.db").write_bytes(b"")
    with serving(home, uploads) as running:
        yield running


@pytest.fixture
def client(kinds: Served) -> httpx.Client:
    return kinds.client


def id_of(kinds: Served, path: str) -> int:
    ids = range(kinds.service.gallery("mine").images)
    return next(row for row in ids if kinds.service.image("mine", row).path == path)


def test_a_thumbnail_is_a_small_webp(client: httpx.Client) -> None:
    answer = client.get("/galleries/mine/images/0/thumbnail")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "private" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).format == "WEBP"


def test_a_picture_is_the_original_file(client: httpx.Client, kinds: Served) -> None:
    image = id_of(kinds, "kind_2/00002.jpg")
    answer = client.get(f"/galleries/mine/images/{image}/image")
    assert answer.headers["content-type"] == "image/jpeg"
    original = kinds.pictures / "kind_2" / "00002.jpg"
    assert answer.content == original.read_bytes()


@pytest.mark.parametrize("path", [HEIC, TIFF])
def test_a_picture_that_browsers_cannot_show_is_sent_as_png(
    client: httpx.Client, kinds: Served, path: str
) -> None:
    answer = client.get(f"/galleries/mine/images/{id_of(kinds, path)}/image")
    assert answer.headers["content-type"] == "image/png"
    shown = Image.open(io.BytesIO(answer.content))
    assert (shown.format, shown.size) == ("PNG", (64, 48))


def test_a_picture_is_sent_again_only_when_it_is_another(client: httpx.Client) -> None:
    for path in ("/galleries/mine/images/0/thumbnail", "/galleries/mine/images/0/image"):
        first = client.get(path)
        assert first.headers["cache-control"] == "private, no-cache"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"another"'}).content == first.content


@pytest.mark.parametrize(("path", "said"), [(GONE, "is not in"), (CHANGED, "has changed")])
def test_an_original_that_is_not_here_is_a_problem_unless_its_thumbnail_will_do(
    client: httpx.Client, kinds: Served, path: str, said: str
) -> None:
    address = f"/galleries/mine/images/{id_of(kinds, path)}"
    problem = problem_of(client.get(f"{address}/image"), 404)
    for words in (path, said, "ris update mine"):
        assert words in problem
    answer = client.get(f"{address}/image", params={"fallback": "thumbnail"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["content-location"] == f"{address}/thumbnail"
    assert answer.content == client.get(answer.headers["content-location"]).content
    assert problem_of(client.get(f"{address}/image", params={"fallback": "none"}), 422)


def test_an_original_that_is_here_needs_no_fallback(client: httpx.Client, kinds: Served) -> None:
    address = f"/galleries/mine/images/{id_of(kinds, 'kind_2/00002.jpg')}/image"
    answer = client.get(address, params={"fallback": "thumbnail"})
    assert answer.content == client.get(address).content
    assert "content-location" not in answer.headers


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kind_2/00002.jpg", "00002.jpg"),
        (HEIC, "heic.png"),
        (TIFF, "tiff.png"),
        (GONE, "gone thumbnail.webp"),
        (CHANGED, "grüße & mehr thumbnail.webp"),
    ],
)
def test_what_is_sent_has_a_name_that_fits_it(
    client: httpx.Client, kinds: Served, path: str, name: str
) -> None:
    address = f"/galleries/mine/images/{id_of(kinds, path)}/image"
    answer = client.get(address, params={"fallback": "thumbnail"})
    sent = answer.headers["content-disposition"].removeprefix("inline; filename*=UTF-8''")
    assert unquote(sent) == name
    assert Image.open(io.BytesIO(answer.content)).format == PICTURES[Path(name).suffix]


@pytest.mark.parametrize("what", ["/image", "/thumbnail"])
@pytest.mark.parametrize(
    ("place", "status", "named"),
    [
        ("nothing/images/0", 404, "'nothing'"),
        ("mine/images/24", 404, "24"),
        ("mine/images/-1", 404, "'-1'"),
        (f"mine/images/{10**30}", 404, str(10**30)),
        ("mine/images/abc", 404, "'abc'"),
        ("mine/images/1.5", 404, "'1.5'"),
    ],
)
def test_errors_are_one_sentence_of_json(
    client: httpx.Client, what: str, place: str, status: int, named: str
) -> None:
    answer = client.get(f"/galleries/{place}{what}")
    assert named in problem_of(answer, status)


@pytest.mark.parametrize("what", ["/image", "/thumbnail"])
def test_a_damaged_gallery_is_refused_by_the_name_of_its_file(
    client: httpx.Client, what: str
) -> None:
    answer = client.get(f"/galleries/broken/images/0{what}")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/gallery")
    assert "thumbnails.db" in answer.json()["detail"]
    assert "--force" in answer.json()["detail"]
