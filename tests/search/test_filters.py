"""Searches among some of a gallery's images: by label, by least score; images by their keys."""

import contextlib
import shutil
import sqlite3
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from app.errors import NotFoundError, UsageError
from app.gallery import Folders, Gallery
from app.search.picture import File, Item
from app.search.question import MAX_K, SearchRequest
from app.search.service import SearchService
from app.values import Box
from tests.conftest import Home, encoded, picture
from tests.gallery.segments import change, record_of

KIND = "kind_3"


def of_kind(service: SearchService) -> list[int]:
    rows = range(service.gallery("mine").images)
    return [row for row in rows if KIND in service.image("mine", row).labels]


# --- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [5, encoded(picture(1))], ids=["id", "file"])
def test_a_label_gives_the_nearest_of_all_its_images(service: SearchService, query: object) -> None:
    """As an exact search of the whole gallery orders them, however far they are."""
    labelled = set(of_kind(service))
    assert len(labelled) > 20
    whole = service.search("mine", query, k=MAX_K, exact=True)  # type: ignore[arg-type]
    found = service.search("mine", query, k=20, label=KIND)  # type: ignore[arg-type]
    expected = [(hit.image.id, hit.score) for hit in whole.hits if hit.image.id in labelled]
    got = [(hit.image.id, hit.score) for hit in found.hits]
    count = min(len(expected), 20)
    assert [row for row, _ in got[:count]] == [row for row, _ in expected[:count]]
    assert np.allclose([s for _, s in got[:count]], [s for _, s in expected[:count]], atol=1e-6)
    assert {row for row, _ in got} <= labelled
    assert (found.exact, found.candidates, found.recall) == (True, len(labelled), 1.0)


def test_a_label_may_have_fewer_images_than_k(service: SearchService) -> None:
    found = service.search("mine", 5, k=MAX_K, label=KIND)
    assert sorted(hit.image.id for hit in found.hits) == of_kind(service)


def test_the_querys_own_file_leads_only_where_it_has_the_label(service: SearchService) -> None:
    (inside, *_), outside = of_kind(service), 0
    assert KIND not in service.image("mine", outside).labels
    assert service.search("mine", inside, label=KIND).hits[0].image.id == inside
    assert all(not hit.same_file for hit in service.search("mine", outside, label=KIND).hits)
    without = service.search("mine", inside, k=5, label=KIND, leave_out_same_file=True)
    assert (len(without.hits), inside in {hit.image.id for hit in without.hits}) == (5, False)


def test_without_the_vectors_a_label_is_searched_by_the_codes(shop: Home, home: Home) -> None:
    shutil.copytree(shop.path / "indexes", home.path / "indexes")
    found = home.service().search("mine", 5, k=MAX_K, label=KIND)
    assert sorted(hit.image.id for hit in found.hits) == of_kind(shop.service())
    assert (found.approximate, found.exact) == (True, False)


def test_an_unknown_label_is_refused_with_those_that_are_like_it(service: SearchService) -> None:
    with pytest.raises(NotFoundError, match=r"'knid_3'.*\bkind_3"):
        service.search("mine", 5, label="knid_3")
    with pytest.raises(NotFoundError, match="'zzzzzzzzzzz'"):
        service.search("mine", 5, label="zzzzzzzzzzz")


@pytest.mark.parametrize("kept", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_an_accent_of_a_label_is_typed_in_either_way(home: Home, kept: str, typed: str) -> None:
    """Labels are kept in NFC; a gallery of an earlier version may have them in NFD."""
    folder = home.path / "pictures" / "café"
    folder.mkdir(parents=True)
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(encoded(picture(seed)))
    home.build(folder.parent, index="Flat")
    if kept == "NFD":
        (database,) = home.folders("mine").indexes.rglob("items.db")
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE label SET name = ?", (unicodedata.normalize(kept, "café"),))
    with contextlib.closing(Gallery(home.folders("mine"), hashed=False)) as gallery:
        assert gallery.ids_of_label(unicodedata.normalize(typed, "café")) == [0, 1, 2]


# --- least score ---------------------------------------------------------------------------------


def test_no_result_is_below_the_least_score(service: SearchService) -> None:
    whole = service.search("mine", 5, k=50)
    limit = whole.hits[7].score
    found = service.search("mine", 5, k=50, min_score=limit)
    assert [hit.image.id for hit in found.hits] == [
        hit.image.id for hit in whole.hits if hit.score >= limit
    ]
    assert [hit.rank for hit in found.hits] == list(range(1, len(found.hits) + 1))


@pytest.mark.parametrize("exact", [False, True])
def test_an_image_reaches_the_score_of_one_with_itself(
    shop: Home, service: SearchService, exact: bool
) -> None:
    for row in range(0, 300, 3):
        found = service.search("mine", row, min_score=1.0, exact=exact)
        assert row in [image.id for hit in found.hits for image in (hit.image, *hit.places)]
    for path in sorted((shop.path / "pictures" / KIND).iterdir())[:20]:
        found = service.search("mine", path.read_bytes(), min_score=1.0, exact=exact)
        found_paths = [image.path for hit in found.hits for image in (hit.image, *hit.places)]
        assert path.name in [Path(each).name for each in found_paths]


def test_nothing_may_reach_the_least_score(service: SearchService) -> None:
    assert service.search("mine", encoded(picture(1)), min_score=1.0).hits == ()


@pytest.mark.parametrize("least", [float("nan"), 1.01, -2.0, float("inf")])
def test_a_least_score_that_is_no_cosine_is_refused(service: SearchService, least: float) -> None:
    with pytest.raises(UsageError, match=rf"min_score.*-1\b.*\b1\b.*{least}"):
        service.search("mine", 5, min_score=least)


# --- vectors -------------------------------------------------------------------------------------


def test_a_querys_vector_is_the_one_that_is_compared(service: SearchService) -> None:
    box = Box(0.1, 0.2, 0.9, 0.8)
    for query in (Item(5), File(encoded(picture(1)))):
        vector = service.embed(SearchRequest(query=query, gallery="mine", box=box))
        assert (vector.dtype, vector.shape) == (np.float32, (48,))
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-6)
        best = service.search("mine", query, box=box, exact=True).hits[0]
        stored = service.embed(SearchRequest(query=Item(best.image.id), gallery="mine"))
        assert np.isclose(vector @ stored, best.score, atol=1e-3)  # stored as fp16


# --- keys ----------------------------------------------------------------------------------------


def keyed(folder: Path, keys: list[str]) -> Gallery:
    """Return a gallery whose images have these keys; its vectors are of no matter here."""
    folders = Folders.of("keyed", folder / "features", folder / "indexes")
    records = [record_of(image, key=key) for image, key in enumerate(keys)]
    change(folders, records=records, vectors=np.eye(len(keys), 4, dtype=np.float32))
    return Gallery(folders)


def test_images_are_known_by_the_keys_of_their_list(tmp_path: Path) -> None:
    keys = ["007", "a/b,c?", "2", "ключ"]
    gallery = keyed(tmp_path, keys)
    records = gallery.images(range(4))
    assert [record.key for record in records] == keys == [each.public_id for each in records]
    assert [gallery.id_of(key) for key in keys] == [0, 1, 2, 3]


def test_where_images_have_keys_a_row_is_no_name_of_one(tmp_path: Path) -> None:
    gallery = keyed(tmp_path, ["1", "0", "x"])
    assert (gallery.id_of("1"), gallery.id_of("0")) == (0, 1)
    for name in ("2", "7", ""):
        with pytest.raises(NotFoundError, match=f"'{name}'"):
            gallery.id_of(name)


def test_elsewhere_images_are_known_by_their_rows(service: SearchService) -> None:
    assert service.image("mine", 7).public_id == 7
    assert service.id_of("mine", "7") == 7
    for name in ("-1", "1.0", "٣", "1_0", " 7", "", "x" * 1000, "308"):
        with pytest.raises(NotFoundError, match="image"):
            service.id_of("mine", name)
