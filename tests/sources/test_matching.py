"""Rows of facts reach the images that they are about, and no others."""

import unicodedata

import pytest

from app.sources.matching import MOST_NAMED, Image, join
from app.sources.metadata import Metadata, MetadataRow

IMAGES: list[Image] = [
    *((0, "a/1.jpg", ""), (1, "a/2.jpg", ""), (2, "b/1.jpg", ""), (3, "café/x.jpg", "")),
]


def table(*values: str, column: str = "path") -> Metadata:
    """Return a table whose rows have their own number as a fact."""
    rows = (MetadataRow(value, {"row": number}) for number, value in enumerate(values))
    return Metadata(column, ("row",), tuple(rows))


def rows_of(metadata: Metadata, images: list[Image] = IMAGES) -> dict[int, object]:
    return {number: facts["row"] for number, facts in join(metadata, images).facts.items()}


@pytest.mark.parametrize(
    "value",
    [
        *("café/x.jpg", unicodedata.normalize("NFD", "café/x.jpg"), "café\\x.jpg"),
        *("./café/x.jpg", ".\\café\\x.jpg", " café/x.jpg ", "x.jpg", "/old/place/café/x.jpg"),
        *("C:\\old\\café\\x.jpg", "elsewhere/x.jpg"),
    ],
)
def test_a_path_is_found_however_it_is_written(value: str) -> None:
    assert rows_of(table("nothing.jpg", value)) == {3: 1}
    if "caf" in value:  # what else has that name does not matter
        assert rows_of(table(value), [*IMAGES, (4, "cafe/x.jpg", "")]) == {3: 0}


def test_a_name_that_several_images_have_is_joined_by_its_folders_or_not_at_all() -> None:
    joined = join(table("1.jpg", "/old/b/1.jpg", "c/1.jpg", "x.jpg"), IMAGES)
    assert {number: dict(facts) for number, facts in joined.facts.items()} == {
        2: {"row": 1},
        3: {"row": 3},
    }
    assert (joined.ambiguous, joined.ambiguous_rows) == (("1.jpg", "c/1.jpg"), 2)
    assert (joined.unmatched, joined.by_name_rows) == ((), 0)


def test_an_image_that_is_matched_better_stays_so() -> None:
    joined = join(table("test/2.jpg", "a/2.jpg", "/x/a/2.jpg", "val/2.jpg"), IMAGES)
    assert joined.facts == {1: {"row": 1}}
    assert (joined.unmatched_rows, joined.duplicate_rows) == (3, 0)


def test_of_several_guesses_for_one_image_none_counts() -> None:
    joined = join(table("test/2.jpg", "val/2.jpg"), IMAGES)
    assert (joined.facts, joined.ambiguous) == ({}, ("test/2.jpg", "val/2.jpg"))
    joined = join(table("test/2.jpg", "val/2.jpg"), [(0, "2.jpg", "")])
    assert (joined.facts, joined.ambiguous_rows) == ({}, 2)
    joined = join(table("test/2.jpg"), IMAGES)
    assert (dict(joined.facts), joined.by_name_rows) == ({1: {"row": 0}}, 1)


def test_the_last_of_several_rows_for_an_image_counts() -> None:
    joined = join(table("a/1.jpg", "a/2.jpg", ".\\a\\1.jpg", "a/1.jpg"), IMAGES)
    assert joined.facts == {0: {"row": 3}, 1: {"row": 1}}
    assert joined.duplicate_rows == 2


def test_the_same_path_in_two_folders_is_ambiguous() -> None:
    images = [*IMAGES, (9, "a/1.jpg", "")]
    assert join(table("a/1.jpg"), images).ambiguous == ("a/1.jpg",)


@pytest.mark.parametrize("column", ["id", "Key"])
def test_ids_are_compared_unchanged_and_with_numbers_only_where_there_are_none(column: str) -> None:
    images: list[Image] = [(0, "1.jpg", "007"), (1, "2.jpg", "7"), (2, "3.jpg", "")]
    assert rows_of(table("7", "007", "2", "1", column=column), images) == {1: 0, 0: 1, 2: 2}
    assert rows_of(table("1.jpg", column=column), images) == {}


def test_any_other_column_may_hold_ids_too() -> None:
    images: list[Image] = [(0, "1.jpg", "sku-1"), (1, "2.jpg", "sku-2")]
    assert rows_of(table("sku-2", "1.jpg", "0", column="sku"), images) == {1: 0, 0: 1}


def test_what_is_left_over_is_counted_and_the_first_of_it_named() -> None:
    values = [f"no/{number}.png" for number in range(100)]
    joined = join(table(*values, values[0]), IMAGES)
    assert joined.unmatched == tuple(values[:MOST_NAMED])
    assert (joined.unmatched_rows, joined.facts) == (101, {})
