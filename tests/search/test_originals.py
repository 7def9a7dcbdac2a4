"""Original pictures are served as long as they are what was indexed, and missed if gone."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from app.build.build import build_gallery
from app.errors import NotFoundError
from app.search import originals
from app.search.service import SearchService
from app.sources.datasets.caltech101 import Caltech101
from app.sources.own import OwnFolder
from tests.build.transfer.conftest import foreign, take
from tests.conftest import Home, encoded, fill, is_one_sentence, mean_colour, picture
from tests.search.conftest import IN_PART


@pytest.fixture(autouse=True)
def looking_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no look; and wait for each, however busy the machine is."""
    monkeypatch.setattr(originals, "_KEPT_SECONDS", 0)
    monkeypatch.setattr(originals, "_WAIT_SECONDS", 60)
    monkeypatch.setattr(originals, "_LOOK_SECONDS", 60)


# --- gone ----------------------------------------------------------------------------------------


def test_missing_originals_of_a_published_set_name_the_command_that_fetches_them(
    home: Home,
) -> None:
    images = fill(home.path / "datasets" / "caltech101", 6, labels=2)
    for path in list(images.rglob("*.jpg")):
        path.rename(path.with_name(f"image_{int(path.stem):04}.jpg"))
    build_gallery(
        Caltech101(images),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={"data": "caltech101"},
        own=False,
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    service = home.service()
    assert service.gallery("mine").pictures_missing == ""
    assert service.picture("mine", 0)[0]
    shutil.rmtree(images)
    for there in (service, home.service()):
        missing = there.gallery("mine").pictures_missing
        assert missing.endswith("bash data_download.sh caltech")
        with pytest.raises(NotFoundError) as refusal:
            there.picture("mine", 0)
        assert str(refusal.value) == missing
        assert there.thumbnail("mine", 0)


def test_missing_originals_of_a_set_that_this_version_does_not_know_have_no_command(
    home: Home,
) -> None:
    images = fill(home.path / "elsewhere", 6)
    build_gallery(
        OwnFolder([images], "caltech256"),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={"data": "caltech256"},
        own=False,
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    missing = home.service().gallery("mine").pictures_missing
    assert missing
    assert "data_download" not in missing


def test_missing_originals_of_a_visitors_folder_name_the_folder(home: Home) -> None:
    images = fill(home.path / "own", 6)
    home.build(images)
    service = home.service()
    assert service.gallery("mine").pictures_missing == ""
    gone = service.image("mine", 3).path
    (images / gone).unlink()
    with pytest.raises(NotFoundError, match=gone):
        service.picture("mine", 3)
    assert service.picture("mine", 0)
    images.rename(home.path / "moved")
    assert str(images) in service.gallery("mine").pictures_missing


@pytest.fixture
def images(home: Home) -> Path:
    """Return the folder of the pictures of "mine"."""
    folder = fill(home.path / "own", 12)
    home.build(folder)
    return folder


@pytest.mark.parametrize("row", [0, 7])
def test_one_original_that_is_gone_is_named_with_the_command_that_mends_it(
    home: Home, images: Path, row: int
) -> None:
    service = home.service()
    gone = service.image("mine", row).path
    (images / gone).unlink()
    missing = service.gallery("mine").pictures_missing
    assert "1 of the 12 original pictures is not" in missing
    for words in (str(images), gone, "ris update mine"):
        assert words in missing
    assert missing == service.galleries()[0].pictures_missing
    with pytest.raises(NotFoundError, match=rf"{gone}.*ris update mine"):
        service.picture("mine", row)
    (images / gone).write_bytes(encoded(picture(row)))
    assert service.gallery("mine").pictures_missing == ""


def test_originals_are_all_gone_only_where_none_is_left(home: Home, images: Path) -> None:
    service = home.service()
    for row in range(11):
        (images / service.image("mine", row).path).unlink()
    assert "11 of the 12 original pictures are not" in service.gallery("mine").pictures_missing
    (images / service.image("mine", 11).path).unlink()
    said = service.gallery("mine").pictures_missing
    assert said.startswith(f"The original pictures are not in {images} any more")
    assert said.endswith("ris move mine FOLDER.")


def test_of_a_large_gallery_some_are_looked_at_and_what_was_found_is_not_forgotten(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "_LOOKED_AT", 3)
    service = home.service()
    gone = service.image("mine", 5).path
    (images / gone).unlink()
    said = ""
    for _ in range(1000):
        said = service.gallery("mine").pictures_missing
        if said:
            break
    for _ in range(20):
        assert "Some of the original pictures are not in" in said
        assert f"such as {gone} (1 of " in said
        said = service.gallery("mine").pictures_missing


def test_a_look_ends_when_its_time_is_over(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []

    def look_at(path: Path) -> bool:
        looked_at.append(path)
        return True

    monkeypatch.setattr(originals, "_is_there", look_at)
    monkeypatch.setattr(originals, "_LOOK_SECONDS", -1)
    assert home.service().gallery("mine").pictures_missing == ""
    assert len(looked_at) == 2  # the folder, and one picture


def test_what_was_seen_a_moment_ago_is_not_looked_at_again(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "_KEPT_SECONDS", 600)
    service = home.service()
    assert service.gallery("mine").pictures_missing == ""
    shutil.rmtree(images)
    assert service.gallery("mine").pictures_missing == ""
    assert home.service().gallery("mine").pictures_missing


def test_a_share_that_does_not_answer_keeps_nobody_waiting(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "_WAIT_SECONDS", 0.05)
    answers, began = threading.Event(), threading.Semaphore(0)

    def look_at(path: Path) -> bool:
        began.release()
        return answers.wait(60) and path.exists()

    monkeypatch.setattr(originals, "_is_there", look_at)
    service = home.service()
    for _ in range(5):
        assert "answers slowly" in service.gallery("mine").pictures_missing
    assert began.acquire(timeout=60)
    assert not began.acquire(blocking=False)  # one look goes on, not five
    monkeypatch.setattr(originals, "_WAIT_SECONDS", 60)
    (images / service.image("mine", 0).path).unlink()
    answers.set()
    assert "1 of the 12 original pictures is not" in service.gallery("mine").pictures_missing


def test_the_folders_of_all_galleries_are_looked_at_at_once(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("second", "third"):
        home.build(fill(home.path / name, 3), name)
    monkeypatch.setattr(originals, "_KEPT_SECONDS", 600)
    together = threading.Barrier(3)
    is_there = originals._is_there

    def look_at(path: Path) -> bool:
        if path.is_dir():
            together.wait(60)
        return is_there(path)

    monkeypatch.setattr(originals, "_is_there", look_at)
    assert [info.pictures_missing for info in home.service().galleries()] == [""] * 3


def test_pictures_that_an_import_knows_nothing_of_are_not_missed(home: Home) -> None:
    images = fill(home.path / "pictures", 4)
    paths = [*map(str, sorted(images.rglob("*.jpg"))), str(images / "elsewhere.jpg")]
    vectors = np.random.default_rng(0).normal(size=(5, 48)).astype(np.float32)
    folder = foreign(home.path / "theirs", vectors, image_path=paths)
    take(home, folder, index="Flat", pictures=images)
    assert home.service().gallery("back").pictures_missing == ""


# --- changed -------------------------------------------------------------------------------------


def changed(service: SearchService, images: Path, row: int, way: str) -> str:
    """Put another picture in the place of a gallery's; return its path."""
    path = service.image("mine", row).path
    data = bytearray((images / path).read_bytes())
    if way == "same size":
        data[-1] ^= 1
    else:
        data = bytearray(encoded(picture(9_000)))
    (images / path).write_bytes(data)
    return path


@pytest.mark.parametrize("way", ["same size", "another picture"])
def test_another_picture_is_not_served_as_the_original(home: Home, images: Path, way: str) -> None:
    service = home.service()
    path = changed(service, images, 4, way)
    with pytest.raises(NotFoundError) as refusal:
        service.picture("mine", 4)
    said = str(refusal.value)
    assert f"{path} has changed" in said
    assert "ris update mine" in said
    assert is_one_sentence(said.replace(path, "PATH"))
    thumbnail = service.search("mine", service.thumbnail("mine", 4), edit=IN_PART)
    edited = service.search("mine", 4, edit=IN_PART)
    assert [hit.image for hit in edited.hits] == [hit.image for hit in thumbnail.hits]
    assert said in edited.notes[0]
    assert service.gallery("mine").pictures_missing == ""
    assert service.picture("mine", 5)


def test_a_file_of_another_size_is_not_even_read(
    home: Home, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = home.service()
    changed(service, images, 4, "another picture")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(NotFoundError, match="has changed"):
        service.picture("mine", 4)


def test_an_original_of_unknown_content_is_served_as_it_is(home: Home) -> None:
    folder = foreign(home.path / "theirs", np.ones((2, 48), np.float32))
    take(home, folder, index="Flat")
    service = home.service()
    record = service.image("back", 1)
    assert record.sha256 == ""
    (folder / record.path).parent.mkdir(parents=True)
    (folder / record.path).write_bytes(b"whatever it is")
    assert service.picture("back", 1)[0] == b"whatever it is"
