"""The items of a segment are read as they were written, by their ids and by what they are."""

from collections.abc import Callable, Iterator

import pytest

from app.errors import GalleryError, StorageError
from app.gallery import writing_to
from app.gallery.items import Items, in_parts, write_items, write_thumbnails
from app.values import ImageRecord
from tests.gallery.segments import record_of, thumbnail_of

WriteItems = Callable[..., Items]


@pytest.fixture
def items(tmp_path) -> Iterator[WriteItems]:
    """Return a function that writes records and opens them."""
    opened: list[Items] = []

    def write(records: list[ImageRecord]) -> Items:
        ids = write_items(tmp_path / "items.db", records)
        assert ids == [record.id for record in records]
        write_thumbnails(tmp_path / "thumbnails.db", ((r.id, thumbnail_of(r)) for r in records))
        opened.append(Items(tmp_path / "items.db", tmp_path / "thumbnails.db", mend="Mend it."))
        return opened[-1]

    yield write
    for each in opened:
        each.close()


RECORDS = [
    record_of(3, source=2, labels=(), sha256=""),
    record_of(4, labels=("b", "a", "ü"), key="ключ"),
    record_of(9, path="it's a/%_path?.jpg", key="9"),
    record_of(2**40, labels=("a",), sha256="ab" * 32),
]


def test_images_come_back_with_all_that_is_known_of_them(items):
    stored = items(RECORDS).images([2**40, 3, 4, 9, 5])
    assert stored == {
        3: RECORDS[0],
        4: record_of(4, labels=("a", "b", "ü"), key="ключ"),  # in order
        9: RECORDS[2],
        2**40: RECORDS[3],
    }


def test_images_are_found_by_what_is_known_of_them(items):
    stored = items(RECORDS)
    assert stored.ids().tolist() == [3, 4, 9, 2**40]
    assert stored.ids_of_content("ab" * 32) == [2**40]
    assert stored.ids_of_content("cd" * 32) == []
    assert stored.ids_of_label("a") == [4, 2**40]
    assert stored.ids_of_label("A") == []
    assert (stored.ids_of_key("ключ"), stored.ids_of_key("4")) == ([4], [])
    assert stored.ids_of_path("it's a/%_path?.jpg") == [9]
    assert stored.ids_of_path("it's a/__path?.jpg") == []
    assert sorted(stored.label_names()) == sorted({"a", "b", "ü", *RECORDS[2].labels})
    assert stored.labels()[:3] == [(4, "a"), (2**40, "a"), (4, "b")]
    assert stored.digests()[3] == b""
    starts = [int.from_bytes(digest[:8], "little") for digest in stored.digests().values()]
    assert stored.content_starts().tolist() == starts
    assert stored.has_keys
    assert stored.thumbnails([9, 4, 8]) == {
        9: thumbnail_of(RECORDS[2]),
        4: thumbnail_of(RECORDS[1]),
    }
    assert stored.skipped() == []


def test_where_no_image_has_a_key_none_is_found_by_one(items):
    stored = items([record_of(image) for image in range(3)])
    assert not stored.has_keys
    assert stored.ids_of_key("1") == []


def test_more_images_than_a_statement_takes_are_looked_up(items):
    records = [record_of(image, labels=("all",)) for image in range(25_000)]
    stored = items(records)
    assert list(stored.images(range(25_000)).values()) == records
    assert len(stored.thumbnails(range(25_000))) == len(stored.ids_of_label("all")) == 25_000


@pytest.mark.parametrize(
    "twice", [[record_of(1), record_of(1)], [record_of(1, key="a"), record_of(2, key="a")]]
)
def test_an_id_and_a_key_are_there_once(tmp_path, twice):
    with pytest.raises(StorageError), writing_to(tmp_path):
        write_items(tmp_path / "items.db", twice)


def test_nothing_is_left_beside_a_database_that_was_written(tmp_path, items):
    items(RECORDS)
    assert {path.name for path in tmp_path.iterdir()} == {"items.db", "thumbnails.db"}


@pytest.mark.parametrize("missing", ["items.db", "thumbnails.db"])
def test_a_missing_database_is_named_with_what_mends_it(tmp_path, items, missing):
    items(RECORDS)
    (tmp_path / missing).unlink()
    with pytest.raises(GalleryError, match=rf"{missing} is missing\. Mend it\."):
        Items(tmp_path / "items.db", tmp_path / "thumbnails.db", mend="Mend it.")


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20])
def test_parts_are_all_of_them_in_order_and_none_is_empty(count):
    parts = list(in_parts(range(count), 10))
    assert [each for part in parts for each in part] == list(range(count))
    assert all(0 < len(part) <= 10 for part in parts)
