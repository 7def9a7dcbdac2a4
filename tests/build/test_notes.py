"""What a build, an update and a search say of pictures that are not as they should be."""

from pathlib import Path

import pytest

from app.search.picture import Item
from app.values import Box, Edit
from tests.conftest import Home, encoded, fill, picture

LONG = picture(70).resize((900, 90))
CUT = encoded(picture(71), "JPEG")[:-2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with the gallery "mine", of sound pictures, one without its end and one very long."""
    home = Home(tmp_path)
    images = fill(home.path / "pictures", 6)
    (images / "cut.jpg").write_bytes(CUT)
    (images / "long.png").write_bytes(encoded(LONG))
    home.build(images)
    return home


def test_a_build_lists_files_without_an_end_and_counts_long_pictures(tmp_path: Path) -> None:
    home = Home(tmp_path)
    images = fill(home.path / "pictures", 6)
    assert home.build(images).notes == ()
    (images / "cut.jpg").write_bytes(CUT)
    (images / "long.png").write_bytes(encoded(LONG))
    (images / "high.png").write_bytes(encoded(LONG.rotate(90, expand=True)))
    cut, long = home.build(images, "other").notes
    assert cut.startswith("cut.jpg: ")
    assert "end" in cut
    assert long.startswith("2 pictures")
    assert "middle" in long


def test_a_query_without_its_end_is_searched_with_a_note_each_time(home: Home) -> None:
    service = home.service()
    for _ in range(2):  # the second time its vector is known
        found = service.search("mine", CUT, k=1)
        assert found.hits[0].image.path == "cut.jpg"
        (note,) = found.notes
        assert "end" in note
    assert service.search("mine", encoded(picture(71), "JPEG"), k=1).notes == ()


def test_a_long_query_says_that_its_middle_is_compared(home: Home) -> None:
    service = home.service()
    data = encoded(LONG)
    image = service.search("mine", data, k=1).hits[0].image
    assert image.path == "long.png"
    turned = {"edit": Edit(quarter_turns=1)}
    for query, options, shape in (
        (data, {}, "10.0 times as wide"),
        (data, {}, "10.0 times as wide"),
        (data, turned, "10.0 times as high"),
        (Item(image.public_id), {}, "10.0 times as wide"),
    ):
        (note,) = service.search("mine", query, k=1, **options).notes
        assert shape in note
        assert "part" in note
    assert service.search("mine", data, k=1, edit=Edit(box=Box(0, 0, 0.2, 1))).notes == ()
