"""The query, start to end, over real galleries of real files; mean colours as the network."""

import contextlib
import hashlib
import io
import os
import shutil
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.build.build import build_gallery
from app.embed import Embedder, model_named
from app.embed.load import load_embedder
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import (
    AppError,
    DecodeError,
    FetchError,
    GalleryError,
    ModelError,
    NotFoundError,
    StorageError,
    UsageError,
)
from app.images.decode import decode
from app.index import SearchEffort, VectorIndex
from app.search.query import DISPLAY_SIDE
from app.search.question import LESS_WEIGHT, MAX_K, MORE_WEIGHT
from app.search.service import SearchService
from app.sources.datasets.caltech101 import Caltech101
from app.sources.own import OwnFolder
from app.sources.picture import Picture
from app.values import Box, Edit, SearchResult, Timings
from app.values.files import sha256_of
from tests.conftest import PHOTOGRAPHS, ROOT, Home, encoded, fill, mean_colour, picture
from tests.images.test_fetch import Site, answer

COPIES = ("copies/again.jpg", "copies/once_more.jpg")  # of kind_0/00000.jpg
TWIN = "a_twin/00123.jpg"  # the pixels of kind_3/00123.jpg in another file, in an earlier row
PART = Box(0.125, 0.25, 0.75, 1.0)
IN_PART = Edit(box=PART)


def not_to_be_loaded(name: str) -> Embedder:
    raise AssertionError(f"{name} is loaded, though no picture is to be embedded")


def will_not_run(name: str) -> Embedder:
    raise ModelError(f"The weights of {name} are not on this machine.")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "mine": 300 soft pictures, two copies and a twin among them, photographs."""
    home = Home(tmp_path_factory.mktemp("shop"))
    images = fill(home.path / "pictures", 300)
    for copy in COPIES:
        (images / copy).parent.mkdir(exist_ok=True)
        shutil.copy(images / "kind_0" / "00000.jpg", images / copy)
    (images / TWIN).parent.mkdir()
    (images / TWIN).write_bytes((images / "kind_3" / "00123.jpg").read_bytes() + b"\0")
    for photograph in PHOTOGRAPHS:
        (images / "photographs").mkdir(exist_ok=True)
        shutil.copy(photograph, images / "photographs")
    home.build(images)
    return home


@pytest.fixture(scope="module")
def service(shop: Home) -> SearchService:
    return shop.service()


@pytest.fixture
def mine(shop: Home, home: Home) -> Home:
    """A copy of that home, to be damaged."""
    shutil.copytree(shop.path / "features", home.path / "features")
    shutil.copytree(shop.path / "indexes", home.path / "indexes")
    return home


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site


def file_of(shop: Home, path: str) -> bytes:
    return (shop.path / "pictures" / path).read_bytes()


def stored_vectors(home: Home) -> NDArray[np.float32]:
    """Return the vectors of "mine" as its file keeps them."""
    index = VectorIndex(
        vectors=home.path / "features" / "mine" / "vectors.faiss",
        shortlist=None,
        effort=SearchEffort(0, 0),
    )
    return index.vectors(np.arange(index.rows))


def vector_of(data: bytes) -> NDArray[np.float32]:
    """Return the vector that a query has."""
    vector: NDArray[np.float32] = mean_colour().embed([decode(data, min_side=8)])[0]
    return vector


def id_of(service: SearchService, shop: Home, path: str) -> int:
    hits = service.search("mine", file_of(shop, path), k=MAX_K).hits
    return next(hit.image.id for hit in hits if hit.image.path == path)


def paths(result: SearchResult) -> list[str]:
    return [hit.image.path for hit in result.hits]


def is_in_order(result: SearchResult) -> bool:
    """Return whether the same file is first, then all by score, ranks from 1 and no image twice."""
    keys = [(not hit.same_file, -hit.score) for hit in result.hits]
    ids = {hit.image.id for hit in result.hits}
    ranks = [hit.rank for hit in result.hits]
    return (
        keys == sorted(keys)
        and len(ids) == len(keys)
        and ranks == list(range(1, len(keys) + 1))
        and all(-1 <= hit.score <= 1 for hit in result.hits)
    )


# --- the three doors -----------------------------------------------------------------------------


def test_a_file_finds_itself_first_and_marked(service: SearchService, shop: Home) -> None:
    result = service.search("mine", file_of(shop, "kind_3/00123.jpg"), k=10)
    assert result.gallery == "mine"
    assert paths(result)[0] == "kind_3/00123.jpg"
    assert [hit.same_file for hit in result.hits] == [True] + [False] * 9
    assert paths(result)[1] == TWIN  # as near, but not the same file
    assert result.hits[0].image.id > result.hits[1].image.id
    assert result.hits[0].score == pytest.approx(1, abs=1e-3)
    assert result.hits[0].image.labels == ("kind_3",)
    assert (result.hits[0].image.width, result.hits[0].image.height) == (64, 48)
    assert is_in_order(result)
    assert not result.notes


def test_the_same_pixels_in_another_file_are_found_but_not_marked(
    service: SearchService, shop: Home
) -> None:
    again = encoded(Image.open(io.BytesIO(file_of(shop, "kind_3/00123.jpg"))), "PNG")
    result = service.search("mine", again)
    assert paths(result)[:2] == [TWIN, "kind_3/00123.jpg"]  # equal scores: by row
    assert not any(hit.same_file for hit in result.hits)


def test_only_so_many_pictures_are_decoded_at_once_and_the_others_wait(
    shop: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = shop.service()  # two at once
    inside: set[int] = set()
    counts: list[int] = []

    def counted(*arguments: Any, **options: Any) -> NDArray[np.uint8]:
        inside.add(threading.get_ident())
        counts.append(len(inside))
        image = decode(*arguments, **options)
        inside.discard(threading.get_ident())
        return image

    monkeypatch.setattr("app.images.decode.decode", counted)
    large = encoded(picture(7, (2000, 1500)), "PNG")
    with ThreadPoolExecutor(12) as pool:
        searches = [pool.submit(service.search, "mine", large, edit=IN_PART) for _ in range(6)]
        previews = [pool.submit(service.preview, large, IN_PART) for _ in range(6)]
    assert {len(search.result().hits) for search in searches} == {10}
    assert len({preview.result() for preview in previews}) == 1
    assert (len(counts), max(counts)) == (12, 2)


def test_an_address_answers_like_the_file_it_names(
    service: SearchService, shop: Home, site: Site
) -> None:
    data = file_of(shop, "kind_1/00101.jpg")
    site.pages["/picture"] = answer(data)
    by_address = service.search("mine", f"{site.url}/picture")
    assert by_address.hits == service.search("mine", data).hits
    assert by_address.timings.fetch > 0


def test_an_address_that_gives_no_picture_is_told(service: SearchService, site: Site) -> None:
    site.pages["/text"] = answer(b"no picture at all")
    with pytest.raises(FetchError):
        service.search("mine", f"{site.url}/text")


def test_an_image_of_the_gallery_is_searched_without_any_network(
    service: SearchService, shop: Home
) -> None:
    image = id_of(service, shop, "kind_2/00042.jpg")
    by_id = shop.service(not_to_be_loaded).search("mine", image)
    by_file = service.search("mine", file_of(shop, "kind_2/00042.jpg"))
    assert paths(by_id)[0] == "kind_2/00042.jpg"
    assert by_id.hits[0].same_file
    assert is_in_order(by_id)
    assert len(set(paths(by_id)) & set(paths(by_file))) >= 9
    assert (by_id.timings.fetch, by_id.timings.decode, by_id.timings.embed) == (0, 0, 0)


def test_all_copies_of_the_querys_file_come_first_and_marked(
    service: SearchService, shop: Home
) -> None:
    same = {"kind_0/00000.jpg", *COPIES}
    result = service.search("mine", file_of(shop, "kind_0/00000.jpg"))
    assert set(paths(result)[:3]) == same
    assert [hit.same_file for hit in result.hits] == [True] * 3 + [False] * 7
    assert is_in_order(result)
    assert set(paths(service.search("mine", file_of(shop, COPIES[0]), k=2))) < same


@pytest.mark.parametrize("k", [1, 10, MAX_K])
@pytest.mark.parametrize("by_id", [False, True])
def test_all_copies_of_the_querys_file_can_be_left_out(
    service: SearchService, shop: Home, k: int, by_id: bool
) -> None:
    query = id_of(service, shop, COPIES[0]) if by_id else file_of(shop, COPIES[0])
    result = service.search("mine", query, k=k, leave_out_same_file=True)
    assert len(result.hits) == k
    assert not {"kind_0/00000.jpg", *COPIES} & set(paths(result))
    assert not any(hit.same_file for hit in result.hits)
    assert is_in_order(result)
    with_them = service.search("mine", query, k=min(k + 3, MAX_K))
    assert paths(with_them)[3:] == paths(result)[: len(with_them.hits) - 3]


def test_leaving_out_changes_nothing_for_a_file_that_is_not_there(service: SearchService) -> None:
    data = encoded(picture(5_000))
    with_all = service.search("mine", data)
    assert service.search("mine", data, leave_out_same_file=True).hits == with_all.hits


# --- a part of the query -------------------------------------------------------------------------


def pixels_in(data: bytes, box: Box) -> bytes:
    image = Image.open(io.BytesIO(data))
    sides = (
        round(box.left * image.width),
        round(box.top * image.height),
        round(box.right * image.width),
        round(box.bottom * image.height),
    )
    return encoded(image.crop(sides), "PNG")


def edited_by_pillow(data: bytes, edit: Edit) -> bytes:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    for _ in range(edit.quarter_turns):
        image = image.transpose(Image.Transpose.ROTATE_270)  # Pillow turns the other way
    if edit.mirrored:
        image = ImageOps.mirror(image)
    whole = encoded(image, "PNG")
    return pixels_in(whole, edit.box) if edit.box else whole


@pytest.mark.parametrize("box", [None, PART])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_query_is_turned_then_mirrored_then_cut(
    service: SearchService, turns: int, mirrored: bool, box: Box | None
) -> None:
    edit, data = Edit(turns, mirrored, box), encoded(picture(9_000), "PNG")
    found = service.search("mine", data, k=20, edit=edit)
    expected = service.search("mine", edited_by_pillow(data, edit), k=20)
    assert paths(found) == paths(expected)
    for one, other in zip(found.hits, expected.hits, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
    as_it_is = service.search("mine", data, k=20)
    assert (paths(found) == paths(as_it_is)) == edit.is_nothing


def test_a_photo_that_says_how_it_was_held_is_turned_from_upright(service: SearchService) -> None:
    edit, data = Edit(quarter_turns=1, box=PART), turned_by_exif()
    found = service.search("mine", data, edit=edit)
    assert paths(found) == paths(service.search("mine", edited_by_pillow(data, edit)))
    stored_pixels = Image.open(io.BytesIO(data)).transpose(Image.Transpose.ROTATE_270)
    as_held = service.search("mine", pixels_in(encoded(stored_pixels, "PNG"), PART))
    assert paths(found) != paths(as_held)


def test_four_quarter_turns_are_none_and_five_are_one(service: SearchService, shop: Home) -> None:
    data = file_of(shop, "kind_0/00010.jpg")
    as_it_is = service.search("mine", data)
    for turns in (4, -4, 8):
        assert service.search("mine", data, edit=Edit(quarter_turns=turns)).hits == as_it_is.hits
    once = service.search("mine", data, edit=Edit(quarter_turns=1))
    assert once.hits != as_it_is.hits
    for turns in (5, -3):
        assert service.search("mine", data, edit=Edit(quarter_turns=turns)).hits == once.hits


def test_an_image_of_the_gallery_is_turned_and_mirrored_too(
    service: SearchService, shop: Home
) -> None:
    path = "photographs/chelsea.jpg"
    for edit in (Edit(quarter_turns=1), Edit(mirrored=True)):
        by_id = service.search("mine", id_of(service, shop, path), edit=edit)
        assert by_id.hits == service.search("mine", file_of(shop, path), edit=edit).hits
        assert not by_id.notes


@pytest.mark.parametrize("path", ["kind_0/00010.jpg", "photographs/astronaut.jpg"])
def test_a_box_searches_what_its_pixels_alone_would(
    service: SearchService, shop: Home, path: str
) -> None:
    data = file_of(shop, path)
    by_box = service.search("mine", data, k=20, edit=IN_PART)
    by_pixels = service.search("mine", pixels_in(data, PART), k=20)
    assert paths(by_box) == paths(by_pixels)
    for one, other in zip(by_box.hits, by_pixels.hits, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
    assert paths(by_box) != paths(service.search("mine", data, k=20))


def test_a_part_of_a_file_marks_the_file_where_it_is_found_and_puts_it_nowhere(
    service: SearchService, shop: Home
) -> None:
    data = file_of(shop, "kind_0/00000.jpg")
    result = service.search("mine", data, k=MAX_K, edit=Edit(box=Box(0.4, 0.4, 1.0, 1.0)))
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert not result.hits[0].same_file
    marked = {hit.image.path for hit in result.hits if hit.same_file}
    assert marked <= {"kind_0/00000.jpg", *COPIES}
    nearly_all = service.search("mine", data, edit=Edit(box=Box(0.0, 0.0, 0.9, 0.9)))
    assert nearly_all.hits[0].same_file
    left = service.search("mine", data, k=MAX_K, edit=IN_PART, leave_out_same_file=True)
    assert not {"kind_0/00000.jpg", *COPIES} & set(paths(left))
    assert len(left.hits) == MAX_K


def test_a_part_of_an_image_is_cut_from_its_original(service: SearchService, shop: Home) -> None:
    path = "photographs/chelsea.jpg"
    by_id = service.search("mine", id_of(service, shop, path), edit=IN_PART)
    assert by_id.hits == service.search("mine", file_of(shop, path), edit=IN_PART).hits
    assert not by_id.notes


def test_without_the_original_a_part_is_cut_from_the_thumbnail_and_said_so(
    service: SearchService, shop: Home, mine: Home
) -> None:
    path = "photographs/chelsea.jpg"
    image = id_of(service, shop, path)
    (shop.path / "pictures" / path).rename(mine.path / "moved.jpg")
    try:
        result = service.search("mine", image, edit=IN_PART)
        thumbnail = service.thumbnail("mine", image)
        expected = service.search("mine", thumbnail, edit=IN_PART)
    finally:
        (mine.path / "moved.jpg").rename(shop.path / "pictures" / path)
    assert result.notes == ("The thumbnail was edited: the original is not here.",)
    assert paths(result) == paths(expected)


def test_an_original_that_may_not_be_read_counts_as_missing(
    service: SearchService, shop: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = id_of(service, shop, "kind_0/00010.jpg")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert service.search("mine", image, edit=IN_PART).notes
    with pytest.raises(NotFoundError):
        service.picture("mine", image)


# --- how many, and how exactly -------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1, 201, 10**9])
def test_a_k_out_of_range_is_told_with_the_range(service: SearchService, k: int) -> None:
    with pytest.raises(UsageError, match=f"from 1 to 200, not {k}"):
        service.search("mine", 0, k=k)


@pytest.mark.parametrize("k", [1, 2, 50, 200])
def test_k_images_are_returned(service: SearchService, k: int) -> None:
    result = service.search("mine", encoded(picture(6_000)), k=k)
    assert len(result.hits) == k
    assert is_in_order(result)


def test_a_k_above_the_gallery_returns_the_gallery(home: Home) -> None:
    home.build(fill(home.path / "few", 7))
    service = home.service()
    for leave_out, expected in ((False, 7), (True, 6)):
        result = service.search("mine", 3, k=MAX_K, leave_out_same_file=leave_out)
        assert len(result.hits) == expected
        assert result.exact
        assert result.recall == 1
        assert result.candidates == 7


def test_exact_search_sees_every_image_and_the_index_agrees_on_every_score(
    service: SearchService, shop: Home, home: Home
) -> None:
    assert "IVF" in service.gallery("mine").index
    home.build(shop.path / "pictures", "flat", index="Flat")
    flat = home.service()
    agreed = 0
    for seed in range(7_000, 7_030):
        data = encoded(picture(seed))
        quick, exact = (service.search("mine", data, exact=flag) for flag in (False, True))
        unmarked = tuple(replace(hit, missed=False) for hit in exact.hits)
        assert unmarked == flat.search("flat", data).hits
        truth = {hit.image.id: hit.score for hit in exact.hits}
        for hit in quick.hits:
            if hit.image.id in truth:
                assert hit.score == pytest.approx(truth[hit.image.id], abs=1e-6)
                agreed += 1
        assert exact.exact
        assert not quick.exact
        assert not quick.approximate
        assert exact.candidates == 308
        assert 10 <= quick.candidates < 308
    assert 0.9 * 300 <= agreed < 300  # the index would not show its worth if it missed nothing


@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("k", [5, 50])
def test_an_exact_search_marks_just_what_the_index_would_not_show(
    service: SearchService, shop: Home, k: int, leave_out: bool
) -> None:
    queries: list[bytes | int] = [encoded(picture(seed)) for seed in range(7_000, 7_040)]
    queries += [3, 77, file_of(shop, COPIES[0])]
    marked = 0
    for query in queries:
        quick, exact = (
            service.search("mine", query, k=k, exact=flag, leave_out_same_file=leave_out)
            for flag in (False, True)
        )
        missed = {hit.image.id for hit in exact.hits if hit.missed}
        assert missed == {hit.image.id for hit in exact.hits} - {hit.image.id for hit in quick.hits}
        assert not any(hit.missed for hit in quick.hits)
        marked += len(missed)
    assert marked > 0


def test_the_querys_own_file_is_never_marked_as_missed_for_it_is_always_shown(home: Home) -> None:
    images = fill(home.path / "many", 260)
    for copy in range(60):
        shutil.copy(images / "kind_0" / "00000.jpg", images / f"copy_{copy:02}.jpg")
    home.build(images, index="IVF8,PQ8")
    result = home.service().search("mine", (images / "copy_00.jpg").read_bytes(), k=40, exact=True)
    assert result.exact
    assert all(hit.same_file and not hit.missed for hit in result.hits)


def test_a_gallery_that_is_always_searched_exactly_misses_nothing(home: Home) -> None:
    home.build(fill(home.path / "few", 30), index="Flat")
    for exact in (False, True):
        result = home.service().search("mine", encoded(picture(7_000)), exact=exact)
        assert result.exact
        assert not any(hit.missed for hit in result.hits)


def checkered() -> bytes:
    """Return a picture that is like none of the gallery's."""
    y, x = np.mgrid[:48, :64] // [[[12]], [[16]]]
    squares = np.stack([(x + y) % 2, (x + y + 1) % 2, (x + y) % 2], -1).astype(np.uint8) * 255
    return encoded(Image.fromarray(squares), "PNG")


def test_an_answer_tells_whether_anything_in_the_gallery_is_really_like_the_query(
    service: SearchService, shop: Home
) -> None:
    floor = service.gallery("mine").floor
    assert floor is not None
    like = service.search("mine", file_of(shop, "kind_0/00010.jpg"))
    unlike = service.search("mine", checkered())
    assert like.floor == unlike.floor == floor
    assert like.similar_enough
    assert unlike.hits[0].score < floor
    assert not unlike.similar_enough
    assert replace(unlike, floor=unlike.hits[0].score).similar_enough
    assert not replace(like, best=None).similar_enough


def test_whether_anything_is_like_the_query_is_judged_before_the_filters(
    service: SearchService, shop: Home
) -> None:
    data = file_of(shop, "kind_0/00010.jpg")
    for exact in (False, True):
        of_others = service.search("mine", data, label="kind_2", exact=exact)
        of_others = replace(of_others, floor=of_others.hits[0].score + 0.1)
        assert of_others.similar_enough
        none = service.search("mine", data, min_score=1, leave_out_same_file=True, exact=exact)
        assert not none.hits
        assert none.similar_enough == (none.best >= none.floor)
    assert not service.search("mine", checkered(), label="kind_1").similar_enough


def test_a_gallery_too_small_to_tell_has_no_floor_and_calls_nothing_unlike(home: Home) -> None:
    home.build(fill(home.path / "few", 7))
    result = home.service().search("mine", encoded(picture(9_000)))
    assert result.floor is None
    assert result.similar_enough
    assert replace(result, hits=()).similar_enough


def test_exact_scores_are_cosines(service: SearchService, shop: Home) -> None:
    data = encoded(picture(8_000))
    for hit in service.search("mine", data, exact=True).hits:
        cosine = float(vector_of(file_of(shop, hit.image.path)) @ vector_of(data))
        assert hit.score == pytest.approx(cosine, abs=5e-4)  # stored with 11 bits a number


def test_without_the_vectors_the_order_is_approximate_and_said_so(
    mine: Home, service: SearchService, shop: Home
) -> None:
    shutil.rmtree(mine.path / "features")
    without = mine.service()
    info = without.gallery("mine")
    assert info.approximate
    assert not info.refused
    result = without.search("mine", file_of(shop, "kind_3/00123.jpg"), exact=True)
    assert result.approximate
    assert not result.exact
    assert result.candidates == 0
    assert result.recall == info.recall_raw
    assert paths(result)[0] == "kind_3/00123.jpg"
    assert is_in_order(result)
    exact = service.search("mine", file_of(shop, "kind_3/00123.jpg"), k=30, exact=True)
    assert len(set(paths(result)) & set(paths(exact))) >= 5
    by_id = without.search("mine", result.hits[0].image.id)
    assert paths(by_id)[0] == "kind_3/00123.jpg"


def test_every_answer_says_how_sure_it_is(service: SearchService) -> None:
    info = service.gallery("mine")
    data = encoded(picture(6_001))
    assert service.search("mine", data).recall == info.recall_reranked
    assert service.search("mine", data, exact=True).recall == 1


# --- further examples ----------------------------------------------------------------------------

MIXES = {
    "more like one": {"more": (3,)},
    "more like two": {"more": (3, "200")},
    "less like one": {"less": (3,)},
    "both": {"more": (3, 200), "less": (77,)},
    "the same twice": {"more": (3, 3)},
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("by_id", [False, True])
def test_examples_move_the_query_by_their_weights(
    service: SearchService, shop: Home, mix: str, by_id: bool
) -> None:
    vectors, data = stored_vectors(shop), encoded(picture(8_000))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    total = (units[42] if by_id else vector_of(data)).astype(np.float64)
    for name, weight in (("more", MORE_WEIGHT), ("less", LESS_WEIGHT)):
        for image in MIXES[mix].get(name, ()):
            total += weight * units[int(image)]
    cosines = units @ (total / np.linalg.norm(total))
    query = 42 if by_id else data
    exact, quick = (
        service.search("mine", query, k=20, exact=flag, **MIXES[mix]) for flag in (True, False)
    )
    for result in (exact, quick):
        for hit in result.hits:
            assert hit.score == pytest.approx(float(cosines[hit.image.id]), abs=1e-5)
    best = np.sort(cosines)[::-1][:20]
    assert [hit.score for hit in exact.hits] == pytest.approx(best.tolist(), abs=1e-5)
    assert paths(exact) != paths(service.search("mine", query, k=20, exact=True))


def test_examples_are_weighed_against_the_query_as_it_is_edited(
    service: SearchService, shop: Home
) -> None:
    data, edit = encoded(picture(9_000), "PNG"), Edit(1, True, PART)
    result = service.search("mine", data, edit=edit, **MIXES["both"])
    by_pillow = edited_by_pillow(data, edit)
    assert paths(result) == paths(service.search("mine", by_pillow, **MIXES["both"]))


def test_with_examples_the_querys_own_file_is_marked_where_it_is_found_and_can_be_left_out(
    service: SearchService, shop: Home
) -> None:
    data, towards = file_of(shop, "kind_0/00000.jpg"), (200, 200, 200)
    result = service.search("mine", data, k=MAX_K, more=towards)
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)
    assert not result.hits[0].same_file
    marked = {hit.image.path for hit in result.hits if hit.same_file}
    assert marked
    assert marked <= {"kind_0/00000.jpg", *COPIES}
    left = service.search("mine", data, k=MAX_K, more=towards, leave_out_same_file=True)
    assert len(left.hits) == MAX_K
    assert not {"kind_0/00000.jpg", *COPIES} & set(paths(left))


@pytest.mark.parametrize("examples", [{"less": (42, 42)}, {"more": (42,), "less": (42,) * 4}])
def test_examples_that_leave_nothing_of_the_query_are_refused(
    service: SearchService, examples: dict[str, tuple[int, ...]]
) -> None:
    with pytest.raises(UsageError, match="cancel the query out"):
        service.search("mine", 42, **examples)


@pytest.mark.parametrize("image", [-1, 308, 2**63])
def test_an_example_that_is_not_in_the_gallery_is_named(service: SearchService, image: int) -> None:
    with pytest.raises(NotFoundError, match=f"no image '?{image}"):
        service.search("mine", 42, more=(3, image))


# --- near duplicates -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def doubles(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "mine": 300 pictures, five of them also larger, recompressed and faded."""
    home = Home(tmp_path_factory.mktemp("doubles"))
    images = fill(home.path / "pictures", 300)
    for seed in range(5):
        larger = picture(seed).resize((160, 120))
        (images / f"larger_{seed}.png").write_bytes(encoded(larger, "PNG"))
        (images / f"coarser_{seed}.jpg").write_bytes(encoded(picture(seed), quality=40))
    home.build(images)
    return home


@pytest.mark.parametrize("seed", range(5))
def test_resized_and_recompressed_copies_name_the_better_one(doubles: Home, seed: int) -> None:
    query = file_of(doubles, f"kind_{seed}/{seed:05}.jpg")
    result = doubles.service().search("mine", query)
    assert set(paths(result)[:3]) == {
        *(f"kind_{seed}/{seed:05}.jpg", f"larger_{seed}.png", f"coarser_{seed}.jpg"),
    }
    assert [hit.duplicate_of for hit in result.hits[:3]] == [None, 1, 1]


@pytest.mark.parametrize("exact", [False, True])
def test_a_near_duplicate_names_the_best_result_that_it_equals(doubles: Home, exact: bool) -> None:
    vectors, service = stored_vectors(doubles), doubles.service()
    named = 0
    for query in (encoded(picture(2), quality=60), encoded(picture(9_100)), 17):
        hits = service.search("mine", query, k=200, exact=exact).hits
        found = vectors[[hit.image.id for hit in hits]]
        for hit, cosines in zip(hits, found @ found.T, strict=True):
            better = [rank for rank in range(1, hit.rank) if cosines[rank - 1] >= 0.95]
            assert hit.duplicate_of == min(better, default=None)
            named += hit.duplicate_of is not None
    assert named >= 10


def test_without_the_vectors_no_near_duplicates_are_named(doubles: Home, home: Home) -> None:
    shutil.copytree(doubles.path / "indexes", home.path / "indexes")
    result = home.service().search("mine", file_of(doubles, "kind_2/00002.jpg"))
    assert result.approximate
    assert {hit.duplicate_of for hit in result.hits} == {None}
    assert not any(hit.missed for hit in result.hits)
    assert result.floor is None
    assert result.similar_enough


def test_a_gallery_of_nothing_but_the_querys_file_has_no_result_left(home: Home) -> None:
    images = fill(home.path / "one", 1)
    shutil.copy(images / "kind_0" / "00000.jpg", images / "again.jpg")
    home.build(images)
    for query in (0, (images / "again.jpg").read_bytes()):
        for exact in (False, True):
            result = home.service().search(
                "mine", query, exact=exact, leave_out_same_file=True, k=MAX_K
            )
            assert result.hits == ()
            assert result.similar_enough


# --- models that cannot run ----------------------------------------------------------------------


def test_a_gallery_whose_model_cannot_run_is_searched_by_its_own_images_only(
    mine: Home, service: SearchService, shop: Home
) -> None:
    asked: list[str] = []

    def loader(name: str) -> Embedder:
        asked.append(name)
        return will_not_run(name)

    crippled = mine.service(loader)
    assert crippled.gallery("mine").uploads_off == ""  # nobody has tried yet
    crippled.warm_up()
    info = crippled.gallery("mine")
    assert not info.refused
    assert "Only images of mine can be searched with" in info.uploads_off
    assert "weights of mean_colour are not on this machine" in info.uploads_off
    for query, box in ((file_of(shop, "kind_0/00010.jpg"), None), (3, PART)):
        with pytest.raises(ModelError) as told:
            crippled.search("mine", query, edit=Edit(box=box))
        assert str(told.value) == info.uploads_off
    image = id_of(service, shop, "kind_2/00042.jpg")
    assert crippled.search("mine", image).hits == service.search("mine", image).hits
    assert asked == ["mean_colour"]


def test_nothing_is_fetched_for_a_gallery_that_takes_no_uploads(mine: Home, site: Site) -> None:
    with pytest.raises(ModelError):
        mine.service(will_not_run).search("mine", f"{site.url}/picture")
    assert not site.requests


OTHER_WEIGHTS = Embedder(model_named("mean_colour"), MeanColourRuntime(), "12" * 32)
OTHER_PREPARATION = Embedder(
    replace(
        model_named("mean_colour"),
        preprocessing=replace(model_named("mean_colour").preprocessing, interpolation="bicubic"),
    ),
    MeanColourRuntime(),
    "",
)


class Int8Runtime(MeanColourRuntime):
    precision = "int8"


OTHER_PRECISION = Embedder(model_named("mean_colour"), Int8Runtime(), "")


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (OTHER_WEIGHTS, "weights of mean_colour"),
        (OTHER_PREPARATION, "preparation"),
        (OTHER_PRECISION, "f32, which runs in int8 here"),
    ],
    ids=["weights", "preparation", "precision"],
)
def test_an_embedder_that_the_gallery_was_not_built_with_gets_no_query(
    mine: Home, other: Embedder, difference: str
) -> None:
    service = mine.service(lambda name: other)
    with pytest.raises(ModelError, match=difference) as told:
        service.search("mine", encoded(picture(1)))
    assert "python3 create_index.py" in str(told.value)
    assert "--force" in str(told.value)
    assert service.gallery("mine").uploads_off == str(told.value)
    assert service.search("mine", 3).hits


def test_a_gallery_of_a_model_that_this_program_does_not_know_is_listed(mine: Home) -> None:
    def loader(name: str) -> Embedder:
        raise UsageError(f"There is no model {name!r}.")

    service = mine.service(loader)
    service.warm_up()
    told = service.gallery("mine").uploads_off
    assert "There is no model 'mean_colour' here: if it is one of your own, copy" in told
    assert "models/mean_colour.safetensors" in told
    assert service.search("mine", 3).hits


def other_model(name: str) -> Embedder:
    return Embedder(replace(model_named("mean_colour"), name=name), MeanColourRuntime(), "")


def build_with(home: Home, embedder: Embedder, name: str) -> None:
    from app.sources.own import open_folder

    images = fill(home.path / "more", 12, first=900)
    build_gallery(
        open_folder(images, name),
        embedder,
        folders=home.folders(name),
        index="Flat",
        limit=None,
        request={},
        source=str(images),
        workers=1,
        on_progress=lambda stage, done, total: None,
    )


def test_a_model_that_could_not_be_loaded_is_tried_again(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def load(name: str) -> Embedder:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise StorageError("The disk is full.")
        return mean_colour()

    service = mine.service(load)
    for _ in range(2):
        with pytest.raises(ModelError, match="The disk is full"):
            service.search("mine", encoded(picture(1)))
    assert tried == 1, "not at every search"
    monkeypatch.setattr("app.search.model_cache._TRY_AGAIN_SECONDS", 0)
    assert service.search("mine", encoded(picture(1))).hits
    assert service.gallery("mine").uploads_off == ""


class Replaced:
    """A loader of a model whose file is replaced now and then; it notes what it loaded."""

    def __init__(self, weights: str) -> None:
        self.here = weights
        self.loaded: list[str] = []

    def __call__(self, name: str) -> Embedder:
        self.loaded.append(self.here)
        return weighed(self.here)


def weighed(weights: str) -> Embedder:
    return Embedder(model_named("mean_colour"), MeanColourRuntime(), weights)


def test_a_replaced_model_is_loaded_for_the_gallery_that_was_built_with_it(mine: Home) -> None:
    build_with(mine, weighed("first"), "again")
    loader, query = Replaced("first"), encoded(picture(1))
    service = mine.service(loader)
    assert service.search("again", query).hits
    loader.here = "second"
    assert service.search("again", query).hits  # it was built with the one that is held
    build_with(mine, weighed("second"), "again")
    assert service.gallery("again").uploads_off == ""
    assert loader.loaded == ["first"], "whoever lists galleries does not wait"
    for _ in range(3):
        assert service.search("again", query).hits
    assert loader.loaded == ["first", "second"]
    assert service.gallery("again").uploads_off == ""


def test_weights_that_do_not_fit_are_loaded_once_more_and_not_at_every_request(mine: Home) -> None:
    build_with(mine, weighed("second"), "new")
    build_with(mine, weighed("first"), "old")
    loader, query = Replaced("second"), encoded(picture(1))
    service = mine.service(loader)
    assert service.search("new", query).hits
    for _ in range(3):
        with pytest.raises(ModelError, match="other weights of mean_colour") as told:
            service.search("old", query)
        assert service.gallery("old").uploads_off == str(told.value)
        assert service.search("new", query).hits
    assert loader.loaded == ["second"] * 2


def test_warming_up_loads_weights_that_do_not_fit_once(mine: Home) -> None:
    build_with(mine, weighed("first"), "old")
    build_with(mine, weighed("second"), "new")
    loader = Replaced("second")
    service = mine.service(loader)
    service.warm_up()
    off = {info.name: info.uploads_off for info in service.galleries()}
    assert "other weights of mean_colour" in off["old"]
    assert off["new"] == ""
    assert loader.loaded == ["second"]


def test_a_folder_that_may_not_be_read_takes_no_other_gallery_down(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = mine.path / "indexes" / "locked"
    locked.mkdir()
    iterdir, is_file = Path.iterdir, Path.is_file

    def refusing(method: Callable[[Path], object]) -> Callable[[Path], object]:
        def run(path: Path) -> object:
            if locked in (path, path.parent):
                raise PermissionError(13, "Permission denied", str(path))
            return method(path)

        return run

    monkeypatch.setattr(Path, "iterdir", refusing(iterdir))
    monkeypatch.setattr(Path, "is_file", refusing(is_file))
    service = mine.service()
    refused = {info.name: info.refused for info in service.galleries()}
    assert "cannot be read (Permission denied)" in refused["locked"]
    assert refused["mine"] == ""
    assert service.search("mine", 0).hits


def test_a_model_that_is_being_loaded_holds_up_no_other_gallery(mine: Home) -> None:
    build_with(mine, other_model("slow"), "slowly")
    loading, go_on = threading.Event(), threading.Event()

    def loader(name: str) -> Embedder:
        if name == "slow":
            loading.set()
            assert go_on.wait(60)
        return other_model(name)

    service = mine.service(loader)
    service.search("mine", encoded(picture(1)))  # its model is there
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(service.search, "slowly", encoded(picture(1)))
        assert loading.wait(60)
        beside = pool.submit(
            lambda: (service.search("mine", encoded(picture(2))), service.galleries())
        )
        try:
            result, infos = beside.result(timeout=60)
            assert not waiting.done()
        finally:
            go_on.set()
        assert result.hits
        assert [info.name for info in infos] == ["mine", "slowly"]
        assert waiting.result(timeout=60).hits


def test_warming_up_loads_every_model_once(mine: Home) -> None:
    build_with(mine, other_model("broken"), "broken")
    build_with(mine, other_model("working"), "working")
    asked: list[str] = []

    def loader(name: str) -> Embedder:
        asked.append(name)
        return will_not_run(name) if name == "broken" else other_model(name)

    (mine.path / "indexes" / "damaged").mkdir()
    (mine.path / "indexes" / "damaged" / "gallery.db").touch()
    service = mine.service(loader)
    service.warm_up()
    service.warm_up()
    assert sorted(asked) == ["broken", "mean_colour", "working"]
    assert service.search("working", encoded(picture(3))).hits
    assert sorted(asked) == ["broken", "mean_colour", "working"]


def test_eight_threads_load_a_model_once(mine: Home) -> None:
    asked: list[str] = []
    two_at_once = threading.Barrier(2)

    def loader(name: str) -> Embedder:
        asked.append(name)
        with contextlib.suppress(threading.BrokenBarrierError):
            two_at_once.wait(0.3)  # gives a second one time to come in
        return mean_colour()

    service, data = mine.service(loader), encoded(picture(2))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.search("mine", data).hits, range(32)))
    assert asked == ["mean_colour"]
    assert all(hits == answers[0] for hits in answers)


# --- galleries that are damaged, mended, rebuilt, removed ----------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def point_elsewhere(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 28881\n")


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "cut short": truncate,
    "another byte": change_a_byte,
    "LFS pointer": point_elsewhere,
    "empty": lambda path: path.write_bytes(b""),
}
FILES = (
    "features/mine/vectors.faiss",
    "indexes/mine/shortlist.faiss",
    "indexes/mine/thumbnails.db",
    "indexes/mine/gallery.db",
)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_gallery_is_refused_by_name_the_others_work_and_mending_helps(
    mine: Home, file: str, damage: str
) -> None:
    build_with(mine, mean_colour(), "other")
    path = mine.path / file
    whole = path.read_bytes()
    DAMAGES[damage](path)
    service = mine.service()
    refused = {info.name: info.refused for info in service.galleries()}
    assert refused["other"] == ""
    assert str(path) in refused["mine"]
    assert ("git lfs pull" if damage == "LFS pointer" else "create_index.py") in refused["mine"]
    for door in (0, encoded(picture(1))):
        with pytest.raises(GalleryError) as told:
            service.search("mine", door)
        assert str(told.value) == refused["mine"]
        assert len(service.search("other", door).hits) == 10
    path.write_bytes(whole)
    assert service.gallery("mine").refused == ""
    assert service.search("mine", 0).hits


def test_a_damaged_gallery_is_read_again_only_when_a_file_of_it_has_changed(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mine.path / "indexes" / "mine" / "thumbnails.db"
    whole = path.read_bytes()
    change_a_byte(path)
    service = mine.service()
    hashed: list[Path] = []
    monkeypatch.setattr(
        "app.gallery.files.sha256_of", lambda path: hashed.append(path) or sha256_of(path)
    )
    refused = service.gallery("mine").refused
    assert str(path) in refused
    once = len(hashed)
    for _ in range(3):
        assert service.gallery("mine").refused == refused
        with pytest.raises(GalleryError, match=r"thumbnails\.db"):
            service.search("mine", 0)
    assert len(hashed) == once > 0
    path.write_bytes(whole)
    assert service.gallery("mine").refused == ""


def test_an_index_that_is_not_of_its_database_is_refused(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = mine.service()
    from app.gallery import manifest_from_json as honest

    monkeypatch.setattr(
        "app.gallery.local.manifest_from_json",
        lambda text, **place: replace(honest(text, **place), images=307),
    )
    refused = service.gallery("mine").refused
    assert "does not belong to its database" in refused
    assert "create_index.py" in refused
    monkeypatch.undo()
    os.utime(mine.path / "indexes" / "mine" / "gallery.db")  # as another one has another time
    assert service.gallery("mine").refused == ""


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "my gallery", "übung"])
def test_a_folder_that_is_no_gallery_does_not_hide_the_others(mine: Home, name: str) -> None:
    (mine.path / "indexes" / name).mkdir()
    (mine.path / "indexes" / name / "gallery.db").write_text("something")
    infos = {info.name: info.refused for info in mine.service().galleries()}
    assert infos["mine"] == ""


def test_a_gallery_removed_while_they_are_listed_is_left_out(
    mine: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = mine.service()
    names = iter([["ghost", "mine"]])
    monkeypatch.setattr("app.search.galleries.gallery_names", lambda folder: next(names, ["mine"]))
    assert [info.name for info in service.galleries()] == ["mine"]


def test_a_gallery_that_is_removed_is_gone(mine: Home) -> None:
    service = mine.service()
    assert service.search("mine", 0).hits
    shutil.rmtree(mine.path / "indexes" / "mine")
    with pytest.raises(NotFoundError):
        service.search("mine", 0)
    assert service.galleries() == []


def test_a_rebuild_is_picked_up_by_searches_that_never_fail(home: Home) -> None:
    home.build(fill(home.path / "few", 12))
    service, data = home.service(), encoded(picture(0), quality=90)
    assert service.gallery("mine").images == 12
    over = threading.Event()
    seen: set[int] = set()

    def search_on() -> None:
        while not over.is_set():
            result = service.search("mine", data, k=MAX_K)
            assert result.hits[0].same_file
            assert result.hits[0].image.path == "kind_0/00000.jpg"
            assert service.thumbnail("mine", result.hits[-1].image.id)
            seen.add(len(result.hits))

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(search_on) for _ in range(2)]
        try:
            for count in (20, 30, 40):
                home.build(fill(home.path / "few", count))
                assert service.gallery("mine").images == count
        finally:
            over.set()
        for future in searching:
            future.result(timeout=60)
    assert len(service.search("mine", data, k=MAX_K).hits) == 40
    assert seen <= {12, 20, 30, 40}


# --- what does not exist -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["his", ".", "..", "../indexes/mine", "mine/../mine", "x" * 200])
def test_an_unknown_gallery_is_told_with_those_that_exist(
    service: SearchService, name: str
) -> None:
    for ask in (
        lambda: service.search(name, 0),
        lambda: service.gallery(name),
        lambda: service.image(name, 0),
        lambda: service.thumbnail(name, 0),
        lambda: service.picture(name, 0),
        lambda: service.random_images(name, 3),
    ):
        with pytest.raises(NotFoundError, match="choose one of mine"):
            ask()


def test_without_any_gallery_the_command_that_makes_one_is_told(home: Home) -> None:
    assert home.service().galleries() == []
    with pytest.raises(NotFoundError, match=r"python3 create_index\.py --images DIR --name NAME"):
        home.service().search("mine", 0)


@pytest.mark.parametrize("image", [-1, 308, 2**63, -(2**63) - 1, 10**40])
def test_an_unknown_image_is_told(service: SearchService, image: int) -> None:
    for ask in (
        lambda: service.search("mine", image),
        lambda: service.search("mine", image, edit=IN_PART),
        lambda: service.image("mine", image),
        lambda: service.thumbnail("mine", image),
        lambda: service.picture("mine", image),
    ):
        with pytest.raises(NotFoundError, match=f"no image '?{image}"):
            ask()


# --- pictures ------------------------------------------------------------------------------------


def test_the_original_and_its_thumbnail_are_served(service: SearchService, shop: Home) -> None:
    image = id_of(service, shop, "photographs/rocket.jpg")
    data, media_type = service.picture("mine", image)
    assert (data, media_type) == (file_of(shop, "photographs/rocket.jpg"), "image/jpeg")
    small = Image.open(io.BytesIO(service.thumbnail("mine", image)))
    assert small.format == "WEBP"
    assert max(small.size) <= 160
    assert small.width / small.height == pytest.approx(480 / 320, rel=0.02)


class Told:
    """A layout that lists what it is told to."""

    name = "told"

    def __init__(self, folder: Path, *listed: str) -> None:
        self.folder = folder
        self._listed = listed

    def pictures(self) -> list[Picture]:
        return [Picture(path, ()) for path in self._listed]


def test_no_path_leads_out_of_the_galleries_folder_but_its_links_are_followed(home: Home) -> None:
    inside, outside = home.path / "inside", home.path / "outside"
    for folder in (inside, outside):
        folder.mkdir(parents=True)
    secret = encoded(picture(1))
    (outside / "secret.jpg").write_bytes(secret)
    (inside / "link.jpg").symlink_to(outside / "secret.jpg")
    (inside / "folder").symlink_to(outside)
    (inside / "good.jpg").write_bytes(encoded(picture(2)))
    listed = (
        *("../outside/secret.jpg", str(outside / "secret.jpg")),
        *("link.jpg", "folder/secret.jpg", "good.jpg"),
    )
    build_gallery(
        Told(inside, *listed),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        source=str(inside),
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    service = home.service()
    for image in range(2):
        assert service.image("mine", image).sha256 == hashlib.sha256(secret).hexdigest()
        with pytest.raises(NotFoundError):
            service.picture("mine", image)
        assert service.search("mine", image, edit=IN_PART).notes  # cut from the thumbnail
    for image in (2, 3):  # links that the folder's owner made, and that the build followed
        assert service.picture("mine", image)[0] == secret
    assert service.picture("mine", 4)[0] == (inside / "good.jpg").read_bytes()


def test_missing_originals_of_a_published_set_are_told_with_the_command_that_fetches_them(
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
        with pytest.raises(NotFoundError) as told:
            there.picture("mine", 0)
        assert str(told.value) == missing
        assert there.thumbnail("mine", 0)


def test_missing_originals_of_a_set_that_this_version_does_not_know_have_no_command(
    home: Home,
) -> None:
    images = fill(home.path / "elsewhere", 6)
    build_gallery(
        OwnFolder(images, "caltech256"),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={"data": "caltech256"},
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
    missing = home.service().gallery("mine").pictures_missing
    assert "not on this machine" in missing
    assert "data_download" not in missing


def test_missing_originals_of_a_folder_of_ones_own_are_told_with_the_folder(home: Home) -> None:
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


def test_random_images_differ_from_each_other_and_from_call_to_call(
    service: SearchService,
) -> None:
    drawn = [tuple(image.id for image in service.random_images("mine", 7)) for _ in range(20)]
    assert all(len(set(ids)) == 7 for ids in drawn)
    assert len(set(drawn)) > 1
    assert len({image.id for image in service.random_images("mine", 10_000)}) == 308


def heic(image: Image.Image) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95)
    return file.getvalue()


def test_a_preview_is_a_png_that_a_browser_can_show(service: SearchService) -> None:
    wide = picture(1, (300, 200))
    shown = Image.open(io.BytesIO(service.preview(heic(wide))))
    assert (shown.format, shown.size) == ("PNG", (300, 200))
    large = encoded(picture(1, (2400, 2208)))
    for data in (large, heic(picture(1, (1600, 1400)))):
        assert max(Image.open(io.BytesIO(service.preview(data))).size) == DISPLAY_SIDE
    part = Image.open(io.BytesIO(service.preview(large, IN_PART)))
    assert part.size == (1500, 1656)
    turned = Image.open(io.BytesIO(service.preview(large, Edit(quarter_turns=3))))
    assert turned.size == (942, DISPLAY_SIDE)
    turned_part = Image.open(io.BytesIO(service.preview(large, Edit(quarter_turns=1, box=PART))))
    assert turned_part.size == (1380, 1800)


# --- timings -------------------------------------------------------------------------------------


def stages(timings: Timings) -> float:
    return sum(asdict(timings).values()) - timings.total


def test_the_stages_add_up_to_no_more_than_the_total(
    service: SearchService, shop: Home, site: Site
) -> None:
    data = file_of(shop, "kind_1/00101.jpg")
    site.pages["/picture"] = answer(data)
    by_file = service.search("mine", data).timings
    by_address = service.search("mine", f"{site.url}/picture").timings
    by_id = service.search("mine", 5).timings
    exact = service.search("mine", data, exact=True).timings
    edited = service.search("mine", 5, edit=IN_PART, k=MAX_K, **MIXES["both"]).timings
    for spent in (by_file, by_address, by_id, exact, edited):
        assert min(asdict(spent).values()) >= 0
        assert spent.lookup > 0
        assert 0 < stages(spent) <= spent.total
    for spent in (by_file, by_address, by_id, edited):
        assert spent.shortlist > 0
    assert exact.shortlist == 0
    assert exact.rerank > 0
    assert by_file.fetch == 0
    assert by_file.decode > 0
    assert by_file.embed > 0
    assert by_address.fetch > 0
    assert (by_id.fetch, by_id.decode, by_id.embed) == (0, 0, 0)


# --- bad input -----------------------------------------------------------------------------------

BASE = Image.open(next(path for path in PHOTOGRAPHS if path.stem == "astronaut")).convert("RGB")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(3 * 30_000 + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body)


def turned_by_exif() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return encoded(BASE.transpose(Image.Transpose.ROTATE_90), quality=95, exif=exif)


def with_palette_and_transparency() -> bytes:
    image = BASE.quantize(255)
    image.paste(255, (0, 0, 12, 12))
    return encoded(image, "PNG", transparency=255)


def sixteen_bits() -> bytes:
    grey = np.asarray(BASE.convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def animated() -> bytes:
    first, second = BASE.quantize(256), picture(77, BASE.size).quantize(256)
    return encoded(first, "GIF", save_all=True, append_images=[second], duration=100, loop=0)


SEARCHED = {
    "CMYK JPEG": lambda: encoded(BASE.convert("CMYK"), quality=95),
    "16-bit PNG": sixteen_bits,
    "animated GIF": animated,
    "palette PNG with transparency": with_palette_and_transparency,
    "photo turned by EXIF": turned_by_exif,
    "HEIC": lambda: heic(BASE),
}
REFUSED = {
    "text named .jpg": (lambda: b"Dear Sir or Madam,\n", "text file"),
    "empty file": (lambda: b"", "empty"),
    "truncated JPEG": (lambda: encoded(BASE)[:9_000], "damaged or incomplete"),
    "huge PNG": (huge_png, "30,000 × 30,000"),
    "SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "SVG"),
}


@pytest.mark.parametrize("kind", SEARCHED)
def test_odd_pictures_are_searched_the_right_way_up_and_in_the_right_colours(
    service: SearchService, shop: Home, kind: str
) -> None:
    result = service.search("mine", SEARCHED[kind](), exact=True)
    best = {hit.image.path: hit.score for hit in result.hits}
    if kind == "16-bit PNG":  # it is grey, so it is held against the grey picture
        grey = service.search("mine", encoded(BASE.convert("L"), "PNG"), exact=True)
        assert paths(result) == paths(grey)
        assert result.hits[0].score == pytest.approx(grey.hits[0].score, abs=1e-3)
    else:
        assert paths(result)[0] == "photographs/astronaut.jpg"
        assert best["photographs/astronaut.jpg"] > 0.99
    assert is_in_order(result)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_picture_is_refused_in_one_sentence_and_the_service_goes_on(
    service: SearchService, kind: str
) -> None:
    make, words = REFUSED[kind]
    for box in (None, PART):
        with pytest.raises(DecodeError) as told:
            service.search("mine", make(), edit=Edit(box=box))
        message = str(told.value)
        assert words in message
        assert "\n" not in message
        assert message.endswith(".")
    assert service.search("mine", encoded(BASE)).hits


def test_eight_threads_at_once_get_what_one_gets(service: SearchService, shop: Home) -> None:
    queries: list[bytes | int] = [encoded(picture(seed)) for seed in range(400, 406)]
    queries += [3, 77, 300, file_of(shop, COPIES[0]), SEARCHED["HEIC"](), REFUSED["SVG"][0]()]

    def ask(query: bytes | int) -> object:
        try:
            return service.search("mine", query, k=50).hits
        except AppError as exc:
            return str(exc)

    alone = [ask(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, queries * 8))
    assert together == alone * 8


# --- the real thing ------------------------------------------------------------------------------

PREBUILT = "caltech101-efficientnet_lite0"


def test_the_prebuilt_gallery_is_whole_small_enough_and_says_where_it_comes_from() -> None:
    folders = [ROOT / kind / PREBUILT for kind in ("features", "indexes")]
    files = [path for folder in folders for path in folder.iterdir() if path.name != "lock"]
    assert {path.name for path in files} == {
        *("vectors.faiss", "shortlist.faiss", "gallery.db", "thumbnails.db", "NOTICE"),
    }
    assert sum(path.stat().st_size for path in files) <= 60_000_000
    assert max(path.stat().st_size for path in files) < 50_000_000
    for folder in folders:
        assert "CC BY 4.0" in (folder / "NOTICE").read_text()


def test_the_prebuilt_gallery_answers_a_photograph_of_a_cat_with_wild_cats(
    networks: Path, tmp_path: Path
) -> None:
    service = Home(ROOT).service(
        lambda name: load_embedder(name, weights_dir=None, cache_dir=networks, purpose="query")
    )
    info = service.gallery(PREBUILT)
    assert (info.refused, info.images) == ("", 9144)
    assert info.recall_reranked >= 0.97
    chelsea = next(path for path in PHOTOGRAPHS if path.stem == "chelsea").read_bytes()
    result = service.search(PREBUILT, chelsea, k=5)
    assert not result.approximate
    assert not any(hit.same_file for hit in result.hits)
    assert sum("wild_cat" in hit.image.labels for hit in result.hits) >= 3
    again = service.search(PREBUILT, result.hits[0].image.id, k=5)
    assert again.hits[0].same_file
