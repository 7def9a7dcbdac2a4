"""The nearest images in their order: the query's own file, filters, exactness, duplicates."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from app.errors import (
    UsageError,
)
from app.search.question import MAX_K
from app.search.service import SearchService
from tests.conftest import Home, encoded, fill, picture
from tests.search.conftest import (
    COPIES,
    file_of,
    id_of,
    is_in_order,
    paths,
    stored_vectors,
    vector_of,
)

# --- the query's own file ------------------------------------------------------------------------


def test_the_querys_file_comes_first_marked_and_once(service: SearchService, shop: Home) -> None:
    same = {"kind_0/00000.jpg", *COPIES}
    for path in same:
        result = service.search("mine", file_of(shop, path))
        first = result.hits[0]
        assert {first.image.path, *(place.path for place in first.places)} == same
        assert first.remarks == ("same file", "in 3 places")
        assert [hit.same_file for hit in result.hits] == [True] + [False] * 9
        assert is_in_order(result)
        assert service.search("mine", file_of(shop, path), k=1).hits == (first,)


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
    with_it = service.search("mine", query, k=min(k + 1, MAX_K))
    assert paths(with_it)[1:] == paths(result)[: len(with_it.hits) - 1]


def test_leaving_out_changes_nothing_for_a_file_that_is_not_there(service: SearchService) -> None:
    data = encoded(picture(5_000))
    with_all = service.search("mine", data)
    assert service.search("mine", data, leave_out_same_file=True).hits == with_all.hits


# --- how many, and how exactly -------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1, 201, 10**9])
def test_a_k_out_of_range_is_refused_with_the_range(service: SearchService, k: int) -> None:
    with pytest.raises(UsageError, match=rf"\bk\b.*\b1\b.*\b{MAX_K}\b.*{k}"):
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
    first, *others = result.hits
    assert first.same_file
    assert not first.missed
    assert first.copies == 60
    assert len(others) == 39


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


def test_an_answer_says_whether_anything_in_the_gallery_is_really_like_the_query(
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
    assert not replace(unlike, best=None).similar_enough


def test_whether_anything_is_like_the_query_is_judged_before_the_filters(
    service: SearchService, shop: Home
) -> None:
    floor = service.gallery("mine").floor
    assert floor is not None
    unlike_their_label = [  # images that no photograph is like: the gallery holds themselves
        image
        for image in range(100)
        if service.search("mine", image, label="photographs", k=1).hits[0].score < floor
    ]
    assert unlike_their_label
    for exact in (False, True):
        of_others = service.search("mine", unlike_their_label[0], label="photographs", exact=exact)
        assert of_others.similar_enough
        none = service.search("mine", 10, min_score=1, leave_out_same_file=True, exact=exact)
        assert not none.hits
        assert none.similar_enough == (none.best >= none.floor)
    assert not service.search("mine", checkered(), label="kind_1").similar_enough


def test_a_gallery_too_small_to_judge_has_no_floor_and_calls_nothing_unlike(home: Home) -> None:
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


def test_without_the_vectors_the_order_is_called_approximate(
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
    largest = next(hit.rank for hit in result.hits if hit.image.path.startswith("larger"))
    marks = [hit.duplicate_of for hit in result.hits[:3]]
    assert result.hits[0].same_file  # which names none
    assert marks == [None if rank in (1, largest) else largest for rank in (1, 2, 3)]


@pytest.mark.parametrize("exact", [False, True])
def test_a_near_duplicate_names_one_with_more_pixels_that_names_none(
    doubles: Home, exact: bool
) -> None:
    vectors, service = stored_vectors(doubles), doubles.service()
    named = 0
    for query in (encoded(picture(2), quality=60), encoded(picture(9_100)), 17):
        hits = service.search("mine", query, k=200, exact=exact).hits
        found = vectors[[hit.image.id for hit in hits]]
        cosines = found @ found.T - 2 * np.eye(len(found))
        for hit, others in zip(hits, cosines, strict=True):
            if hit.duplicate_of is not None:
                better = hits[hit.duplicate_of - 1]
                assert better.duplicate_of is None
                assert (
                    better.image.width * better.image.height >= hit.image.width * hit.image.height
                )
                named += 1
            elif not hit.same_file and (others >= 0.95).any():
                assert hit.rank in {each.duplicate_of for each in hits}
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
