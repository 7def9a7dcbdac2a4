"""Every format of the table is known wherever pictures come in and go out."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from app.doors.mcp.picture_argument import picture as picture_argument
from app.doors.page.references import Uploads
from app.doors.rest.pictures import routes_of_pictures
from app.errors import DecodeError, FetchError
from app.images import formats
from app.images.decode import decode, format_of
from app.images.fetch import FetchLimits, fetch
from app.images.formats import FORMATS, PictureFormat
from app.search.inspection import survey_folder, survey_gallery
from app.search.picture import File
from app.search.service import SearchService
from app.sources.downloads import download
from app.sources.lists import Row
from app.sources.own import open_folder
from tests.commands import Site, sending
from tests.conftest import Home
from tests.images.scenes import IMAGE, SCENE, encode, mean_difference

# Of raw files, which nothing here writes, test_raw.py makes some.
WRITTEN = [kind for kind in FORMATS if kind is not formats.RAW]
each_format = pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.name)


@cache
def file_of(kind: PictureFormat) -> bytes:
    return encode(IMAGE, kind.name)


def name_of(kind: PictureFormat, suffix: str) -> str:
    return f"{kind.name}/scene{suffix}"


def silent(stage: str, done: int, total: int) -> None:
    """Take a progress report."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the gallery "mine": a file of each format under each of its suffixes."""
    home = Home(tmp_path_factory.mktemp("formats"))
    images = home.path / "pictures"
    for kind in WRITTEN:
        (images / kind.name).mkdir(parents=True)
        for suffix in kind.suffixes:
            (images / name_of(kind, suffix)).write_bytes(file_of(kind))
    home.build(images)
    return home


@pytest.fixture(scope="module")
def service(home: Home) -> SearchService:
    return home.service()


@pytest.fixture(scope="module")
def row(home: Home, service: SearchService) -> Callable[[PictureFormat, str], int]:
    """Return a function that gives the row of a format's file with a suffix."""
    paths = [
        image.path
        for image in service.images("mine", range(sum(len(kind.suffixes) for kind in WRITTEN)))
    ]
    return lambda kind, suffix: paths.index(name_of(kind, suffix))


def test_no_two_formats_share_a_name_or_a_suffix() -> None:
    assert len({kind.name for kind in FORMATS}) == len(FORMATS)
    assert len(formats.SUFFIXES) == sum(len(kind.suffixes) for kind in FORMATS)
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in formats.SUFFIXES)


@each_format
def test_it_is_recognised_by_its_first_bytes_alone(kind: PictureFormat) -> None:
    assert formats.recognise(file_of(kind)[: formats.HEAD_BYTES]) == kind
    assert formats.recognise(file_of(kind)[1:]) is None
    assert format_of(file_of(kind)) == kind


@each_format
def test_it_is_decoded(kind: PictureFormat) -> None:
    assert mean_difference(decode(file_of(kind)), SCENE) < 4


@each_format
def test_it_is_fetched_and_kept_under_its_first_suffix(
    kind: PictureFormat, site: Site, tmp_path: Path
) -> None:
    site.pages["/it"] = [sending(file_of(kind))]
    get = partial(fetch, limits=FetchLimits(allow_loopback=True))
    assert get(f"{site.url}/it") == file_of(kind)
    (got,) = download(
        [Row(2, "one", f"{site.url}/it")], tmp_path / "d", fetch=get, on_progress=silent
    )
    assert Path(got.name).suffix == kind.suffixes[0]


@pytest.mark.parametrize("data", [b"\0\0\0\x18ftypisom" + bytes(16), b"BMW, Audi and Opel"])
def test_a_film_or_a_text_that_begins_like_a_picture_is_not_fetched(
    data: bytes, site: Site
) -> None:
    site.pages["/it"] = [sending(data)]
    with pytest.raises(FetchError, match=r"127\.0\.0\.1"):
        fetch(f"{site.url}/it", limits=FetchLimits(allow_loopback=True))


@each_format
def test_it_is_listed_in_a_folder_under_each_suffix(kind: PictureFormat, tmp_path: Path) -> None:
    names = sorted(
        name
        for number, suffix in enumerate(kind.suffixes)
        for name in (f"a{number}{suffix}", f"b{number}{suffix.upper()}")
    )
    for name in (*names, "notes.txt"):
        (tmp_path / name).touch()
    assert [picture.path for picture in open_folder(tmp_path, "own").pictures()] == names


@each_format
def test_a_survey_of_files_or_of_a_gallery_names_it(kind: PictureFormat, home: Home) -> None:
    files = survey_folder(home.path / "pictures" / kind.name, workers=1, on_progress=silent)
    features, indexes = home.path / "features", home.path / "indexes"
    gallery = survey_gallery("mine", features_dir=features, indexes_dir=indexes, on_progress=silent)
    ours = [look for look in gallery.looks if look.path.startswith(f"{kind.name}/")]
    assert len(ours) == len(files.looks) == len(kind.suffixes)
    assert {look.format for look in (*ours, *files.looks)} == {kind.name}


@each_format
def test_browsers_get_the_file_with_its_media_type_or_a_png(
    kind: PictureFormat, service: SearchService, row: Callable[[PictureFormat, str], int]
) -> None:
    application = FastAPI()
    application.include_router(routes_of_pictures(service))
    with TestClient(application) as client:
        for suffix in kind.suffixes:
            image = row(kind, suffix)
            assert service.picture("mine", image) == (file_of(kind), kind.media_type)
            answer = client.get(f"/galleries/mine/images/{image}/image")
            sent = answer.headers["content-type"], answer.content == file_of(kind)
            shown = kind.shown_by_browsers
            assert sent == (kind.media_type if shown else "image/png", shown)
            assert Image.open(io.BytesIO(answer.content)).size == IMAGE.size


@each_format
def test_an_upload_is_shown_itself_or_as_a_png(
    kind: PictureFormat, service: SearchService, tmp_path: Path
) -> None:
    file = tmp_path / "upload"
    file.write_bytes(file_of(kind))
    reference = Uploads(tmp_path, service).reference(str(file), "upload")
    assert (reference["path"], Path(reference["src"]).suffix) == (
        str(file),
        "" if kind.shown_by_browsers else ".png",
    )


@each_format
def test_its_base64_is_never_taken_for_a_path(kind: PictureFormat) -> None:
    text = base64.b64encode(file_of(kind)).decode()
    assert picture_argument(text, None) == File(file_of(kind))
    lines = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    assert picture_argument(lines, None) == File(file_of(kind))


@each_format
def test_it_can_be_chosen_in_a_browser(kind: PictureFormat) -> None:
    accepted = formats.CHOSEN_IN_BROWSERS.split(",")
    assert "image/*" in accepted
    assert kind.shown_by_browsers or {*kind.suffixes} <= {*accepted}


@each_format
@pytest.mark.parametrize("data", [b"just words", b"%PDF-1.7\n\x80\x81\x82\x83"])
def test_it_is_named_where_other_bytes_are_refused(kind: PictureFormat, data: bytes) -> None:
    with pytest.raises(DecodeError, match=rf"\b{kind.name}\b"):
        decode(data)


def test_an_avif_that_calls_itself_a_heif_image_first_is_an_avif() -> None:
    brands = b"mif1\0\0\0\0mif1avifmiaf"
    data = (len(brands) + 8).to_bytes(4) + b"ftyp" + brands
    assert format_of(data).name == "AVIF"


def test_the_table_imports_no_library_of_pictures() -> None:
    program = (
        "import sys, app.images.formats\n"
        "print(sorted({'PIL', 'pillow_heif', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
