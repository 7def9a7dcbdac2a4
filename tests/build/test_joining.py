"""What a gallery knows of its images besides: of their files, and of a table that is joined."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from app.build.keeper import GalleryKeeper
from app.errors import DatasetError, UsageError
from app.gallery import Gallery, open_gallery
from app.search.picture import Item
from app.search.question import SearchRequest
from app.values import ImageRecord, SearchResult
from tests.conftest import Home, encoded, fill, picture

TAKEN = {"00000": "1969:07:20 20:17:40", "00001": "2021:05:04 12:30:00"}


def with_exif(seed: int, taken: str, camera: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = camera.split(" ", 1)
    exif.get_ifd(0x8769)[0x9003] = taken
    return encoded(picture(seed), exif=exif)


@pytest.fixture
def album(home: Home) -> Path:
    """A gallery "mine" of 12 pictures; the first two say when and by what they were taken."""
    images = fill(home.path / "pictures", 12, labels=3)
    for seed, (name, taken) in enumerate(TAKEN.items()):
        (images / f"kind_{seed}" / f"{name}.jpg").write_bytes(with_exif(seed, taken, "Canon EOS"))
    home.build(images, copies=True)
    return images


@pytest.fixture
def keeper(home: Home) -> GalleryKeeper:
    return home.keeper()


def records(home: Home) -> dict[str, ImageRecord]:
    dirs = {f"{name}_dir": home.path / name for name in ("features", "indexes")}
    with closing(open_gallery("mine", **dirs)) as gallery:
        return {each.path: each for each in gallery.images(gallery.ids().tolist())}


def metadata(home: Home) -> dict[str, dict[str, object]]:
    return {path.rpartition("/")[2]: dict(each.metadata) for path, each in records(home).items()}


def written(home: Home, name: str, text: str) -> Path:
    table = home.path / name
    table.write_text(text, encoding="utf-8")
    return table


def found(home: Home, **given: object) -> list[str]:
    result: SearchResult = home.service().answer(SearchRequest.of(None, gallery="mine", **given))
    return [hit.image.path.rpartition("/")[2] for hit in result.hits]


def update(keeper: GalleryKeeper) -> object:
    return keeper.update("mine", on_progress=lambda stage, done, total: None)


TABLE = """file,title,stars,taken
00000.jpg,Eagle has landed,5,
kind_1/00001.jpg,Frühling,3,2021-05-05
00002.jpg,,4,
nobody.jpg,Nobody,1,
"""


def test_a_picture_says_when_and_by_what_it_was_taken(home: Home, album: Path) -> None:
    told = metadata(home)
    assert told["00000.jpg"] == {"taken": "1969-07-20T20:17:40", "camera": "Canon EOS"}
    assert told["00002.jpg"] == {}
    assert found(home, where=["taken<1970"]) == ["00000.jpg"]
    assert found(home, where=["camera=canon eos"], sort="-taken") == ["00001.jpg", "00000.jpg"]
    assert found(home, where=["taken"]) == ["00000.jpg", "00001.jpg"]
    assert found(home, words="canon") == ["00000.jpg", "00001.jpg"]


def test_a_table_is_joined_and_what_finds_images_stays(
    home: Home, album: Path, keeper: GalleryKeeper
) -> None:
    before = {path: (each.id, each.sha256) for path, each in records(home).items()}
    nearest = home.service().search("mine", 5).hits
    report = keeper.join_table("mine", written(home, "facts.csv", TABLE))
    assert (report.images, report.columns) == (3, ("title", "stars", "taken"))
    assert any("1 row is joined to nothing" in note and "nobody" in note for note in report.notes)
    told = metadata(home)
    assert told["00001.jpg"] == {
        **{"taken": "2021-05-05", "camera": "Canon EOS"},
        **{"title": "Frühling", "stars": 3},
    }
    assert told["00002.jpg"] == {"stars": 4}
    assert found(home, where=["stars>=4"], sort="stars") == ["00002.jpg", "00000.jpg"]
    assert found(home, words="fruhling") == ["00001.jpg"]
    assert {path: (each.id, each.sha256) for path, each in records(home).items()} == before
    assert [hit.score for hit in home.service().search("mine", 5).hits] == [
        hit.score for hit in nearest
    ]
    assert home.service().counts("mine", "stars").values == ((3, 1), (4, 1), (5, 1))


def test_another_table_takes_the_place_of_the_one_before(
    home: Home, album: Path, keeper: GalleryKeeper
) -> None:
    keeper.join_table("mine", written(home, "facts.csv", TABLE))
    rows = [{"path": "kind_0/00003.jpg", "year": 1969}]
    keeper.join_table("mine", written(home, "facts.json", json.dumps(rows)))
    told = metadata(home)
    assert told["00003.jpg"] == {"year": 1969}
    assert told["00002.jpg"] == {}
    assert told["00000.jpg"]["camera"] == "Canon EOS"
    manifest = keeper.forget_table("mine")
    assert metadata(home)["00003.jpg"] == {}
    assert "metadata" not in manifest.request
    assert found(home, where=["camera"]) == ["00000.jpg", "00001.jpg"]


def test_updates_read_the_table_again(home: Home, album: Path, keeper: GalleryKeeper) -> None:
    table = written(home, "facts.csv", TABLE)
    keeper.join_table("mine", table)
    fill(album, 1, first=30, labels=3)
    (album / "kind_0" / "00003.jpg").write_bytes(encoded(picture(77)))
    table.write_text(TABLE + "00030.jpg,New,2,\n00003.jpg,Changed,1,\n", encoding="utf-8")
    update(keeper)
    told = metadata(home)
    assert told["00030.jpg"] == {"title": "New", "stars": 2}
    assert told["00003.jpg"] == {"title": "Changed", "stars": 1}
    assert told["00000.jpg"]["stars"] == 5
    table.write_text(TABLE.replace(",5,", ",1,"), encoding="utf-8")
    update(keeper)  # the table alone has changed
    assert metadata(home)["00000.jpg"]["stars"] == 1
    generation = records_generation(home)
    update(keeper)  # nothing has
    assert records_generation(home) == generation


def records_generation(home: Home) -> int:
    dirs = {f"{name}_dir": home.path / name for name in ("features", "indexes")}
    with closing(open_gallery("mine", **dirs)) as gallery:
        return gallery.manifest.generation


def test_an_update_without_its_table_keeps_what_is_known(
    home: Home, album: Path, keeper: GalleryKeeper
) -> None:
    table = written(home, "facts.csv", TABLE)
    keeper.join_table("mine", table)
    table.unlink()
    fill(album, 1, first=30, labels=3)
    report = update(keeper)
    assert any("The metadata are as they were" in note for note in report.notes)  # type: ignore[attr-defined]
    assert metadata(home)["00000.jpg"]["stars"] == 5


def test_compaction_keeps_what_is_known(home: Home, album: Path, keeper: GalleryKeeper) -> None:
    keeper.join_table("mine", written(home, "facts.csv", TABLE))
    fill(album, 3, first=30, labels=3)
    update(keeper)
    keeper.compact("mine", lambda stage, done, total: None)
    assert metadata(home)["00001.jpg"]["title"] == "Frühling"
    assert found(home, words="eagle") == ["00000.jpg"]


def test_a_reader_is_not_disturbed_and_nothing_is_left_over(
    home: Home, album: Path, keeper: GalleryKeeper
) -> None:
    dirs = {f"{name}_dir": home.path / name for name in ("features", "indexes")}
    with closing(open_gallery("mine", **dirs)) as before:
        for stars in range(3):
            table = written(home, "facts.csv", f"file,stars\n00000.jpg,{stars}\n")
            keeper.join_table("mine", table)
        assert "stars" not in before.images([0])[0].metadata
        assert before.replaced()
    [kept] = (home.folders("mine").indexes / "1").glob("items*.db")
    assert kept.name != "items.db"
    with closing(Gallery(home.folders("mine"))) as gallery:  # every file's hash is right
        assert gallery.images([0])[0].metadata["stars"] == 2


def test_a_wrong_table_changes_nothing(home: Home, album: Path, keeper: GalleryKeeper) -> None:
    generation = records_generation(home)
    with pytest.raises(DatasetError, match=r"nix\.csv cannot be read"):
        keeper.join_table("mine", home.path / "nix.csv")
    with pytest.raises(UsageError, match="title"):
        keeper.join_table("mine", written(home, "a.csv", "title,stars\nx,1\n"))
    assert records_generation(home) == generation


def test_search_with_a_picture_is_filtered_by_what_is_known(
    home: Home, album: Path, keeper: GalleryKeeper
) -> None:
    keeper.join_table("mine", written(home, "facts.csv", TABLE))
    request = SearchRequest.of(Item(7), gallery="mine", where=["stars>=3"], k=9)
    result = home.service().answer(request)
    assert {hit.image.metadata["stars"] for hit in result.hits} == {3, 4, 5}
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
