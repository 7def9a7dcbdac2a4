"""What the images of a gallery differ in: which columns, which values, how many of each."""

from pathlib import Path
from typing import Any

import pytest

from app.doors.page.functions import Functions
from app.doors.page.references import Uploads
from tests.conftest import Home, fill
from tests.doors.page.conftest import Page

IMAGES = 24
CAMERAS = ("Nikon", "Canon", "Canon")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A page over "mine": 24 pictures in five folders, with a table of facts."""
    home = Home(tmp_path_factory.mktemp("home"))
    images = fill(home.path / "pictures", IMAGES)
    home.build(images, "mine")
    names = sorted(path.name for path in images.rglob("*.jpg"))
    rows = [
        f"{name},{CAMERAS[row % 3]},{2019 + row % 4}-0{1 + row % 9}-01,only,{name},{row % 2},5.5"
        for row, name in enumerate(names)
    ]
    table = home.path / "facts.csv"
    table.write_text("\n".join(["file,camera,taken,all,title,stars,latitude", *rows]))
    home.keeper().join_table("mine", table)
    service = home.service()
    folder = home.path / "uploads"
    folder.mkdir()
    return Page(Functions(service, Uploads(folder, service)))


def facets(page: Page, where: Any = ()) -> dict[str, list[list[Any]]]:
    got = page.call("facets", {"gallery": "mine", "where": list(where)})
    return {each["column"]: each["values"] for each in got["facets"]}


def test_columns_that_divide_the_images_are_there_with_the_counts_of_all(album: Page) -> None:
    found = facets(album)
    # The folder divides them as the label does; the title is another in each; "all" divides
    # nothing; where pictures were taken is nobody's choice.
    assert list(found) == ["label", "camera", "stars", "taken"]
    assert found["camera"] == [["Canon", 16], ["Nikon", 8]]
    assert found["taken"] == [["2022", 6], ["2021", 6], ["2020", 6], ["2019", 6]]
    assert sum(count for _, count in found["label"]) == IMAGES


def test_each_counts_what_the_conditions_on_others_leave(album: Page) -> None:
    found = facets(album, ["camera=Nikon"])
    assert found["camera"] == [["Canon", 16], ["Nikon", 8]]
    assert sum(count for _, count in found["taken"]) == 8
    answer = album.ask(None, sort="path", where=["camera=Nikon", "taken=2019"])
    assert len(answer["results"]["hits"]) == dict(map(tuple, found["taken"]))["2019"]


@pytest.mark.parametrize("where", ["label=a", [5], ["width>"], ["nothing=1"], [None]])
def test_nonsense_is_told_in_a_sentence(album: Page, where: Any) -> None:
    assert album.message("facets", {"gallery": "mine", "where": where})


def test_an_order_that_a_gallery_does_not_have_is_left_alone(album: Page) -> None:
    by_path, otherwise = (
        album.ask(None, sort=sort)["results"]["hits"] for sort in ("path", "-colour")
    )
    assert [hit["id"] for hit in otherwise] == [hit["id"] for hit in by_path]
    assert album.ask(None, sort="path")["results"]["listed"]


def test_a_further_picture_is_a_file_an_image_or_an_edit_of_one(
    album: Page, tmp_path: Path
) -> None:
    image = {"kind": "image", "gallery": "mine", "id": 3}
    one, other = (
        [hit["score"] for hit in album.ask(image, more=more)["results"]["hits"]]
        for more in ([5], [{"kind": "image", "gallery": "mine", "id": 5}])
    )
    assert one == other
    edited = album.ask(image, more=[{"kind": "image", "gallery": "mine", "id": 5, "turns": 1}])
    assert [hit["score"] for hit in edited["results"]["hits"]] != one
    away = {"kind": "file", "path": str(tmp_path / "elsewhere.jpg"), "name": "x"}
    assert "not here any more" in album.message_beside(image, more=[away])
