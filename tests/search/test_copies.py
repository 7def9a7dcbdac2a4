"""One content is one answer, in however many places it is; and the places are listed."""

import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from app.search import rank
from app.search.question import MAX_K
from app.search.service import SearchService
from app.values import MOST_PLACES, SearchResult
from tests.build.transfer.conftest import foreign, take
from tests.conftest import Home, encoded, fill, picture
from tests.search.conftest import is_in_order, stored_vectors

LINKS = 31
TWICE = "kind_1/00001.jpg"
LINKED = "kind_0/00000.jpg"


def copy(images: Path, path: str, to: str) -> None:
    (images / to).parent.mkdir(exist_ok=True)
    shutil.copy(images / path, images / to)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "mine": 240 pictures, one of them linked 31 times, every third there twice."""
    home = Home(tmp_path_factory.mktemp("album"))
    images = fill(home.path / "pictures", 240)
    for number in range(LINKS):
        place = images / f"link_{number % 3}" / f"{number:02}.jpg"
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(images / LINKED)
    for seed in range(1, 240, 3):
        copy(images, f"kind_{seed % 5}/{seed:05}.jpg", f"twice/{seed:05}.jpg")
    home.build(images, index="IVF16,PQ8")
    return home


@pytest.fixture(scope="module")
def service(album: Home) -> SearchService:
    return album.service()


def unknown(seed: int) -> bytes:
    """Return a picture that the gallery does not hold."""
    return encoded(picture(7_000 + seed))


def sharing(service: SearchService) -> dict[str, list[int]]:
    """Return the ids of each content."""
    ids = defaultdict(list)
    for row in range(service.gallery("mine").images):
        ids[service.image("mine", row).sha256].append(row)
    return dict(ids)


def check(service: SearchService, result: SearchResult) -> None:
    """Check what holds for each answer: a content once, and all of its places."""
    contents = [hit.image.sha256 for hit in result.hits]
    assert len(set(contents)) == len(contents)
    assert is_in_order(result)
    ids = sharing(service)
    for hit in result.hits:
        others = [each for each in ids[hit.image.sha256] if each != hit.image.id]
        assert [place.id for place in hit.places] == others[:MOST_PLACES]
        assert hit.copies == len(others)
        assert (f"in {len(others) + 1:,} places" in hit.remarks) == bool(others)
        assert hit.duplicate_of is None or hit.duplicate_of < hit.rank


def test_a_file_with_31_links_is_one_of_ten_answers(service: SearchService, album: Home) -> None:
    near = encoded(picture(0), quality=30)
    result = service.search("mine", near)
    check(service, result)
    first = result.hits[0]
    assert len(result.hits) == 10
    assert first.copies == LINKS
    assert first.image.id == sharing(service)[first.image.sha256][0]
    links = {
        str(path.relative_to(album.path / "pictures")) for path in album.path.rglob("link_*/*")
    }
    assert {first.image.path, *(place.path for place in first.places)} == links | {LINKED}
    assert "in 32 places" in first.remarks


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("label", ["", "twice", "link_1"])
@pytest.mark.parametrize("k", [1, 10, MAX_K])
def test_as_many_contents_are_found_as_there_are(
    service: SearchService, k: int, label: str, leave_out: bool, exact: bool
) -> None:
    contents = sharing(service)
    labels = {row: service.image("mine", row).labels for ids in contents.values() for row in ids}
    linked = max(contents.values(), key=len)
    queries = [encoded(picture(0), quality=40), encoded(picture(9_000)), linked[7], 5]
    for query in queries:
        own = next((ids for ids in contents.values() if query in ids), [])
        left = [
            ids
            for ids in contents.values()
            if not (leave_out and ids == own)
            and (not label or any(label in labels[i] for i in ids))
        ]
        result = service.search(
            "mine", query, k=k, label=label, exact=exact, leave_out_same_file=leave_out
        )
        check(service, result)
        assert len(result.hits) == min(k, len(left))
        if own and own in left:
            assert result.hits[0].same_file
        for hit in result.hits:
            of_label = [each for each in contents[hit.image.sha256] if label in ("", *labels[each])]
            assert hit.image.id == of_label[0]


def test_an_exact_search_finds_the_nearest_contents(service: SearchService, album: Home) -> None:
    vectors, contents = stored_vectors(album), sharing(service)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for query in (5, 40, 77):
        cosines = units @ units[query]
        nearest = sorted((float(cosines[ids[0]]) for ids in contents.values()), reverse=True)
        for k in (3, 30):
            result = service.search("mine", query, k=k, exact=True)
            assert [hit.score for hit in result.hits] == pytest.approx(nearest[:k], abs=1e-5)


@pytest.mark.parametrize("leave_out", [False, True])
def test_what_the_index_misses_is_marked(service: SearchService, leave_out: bool) -> None:
    marked = 0
    for seed in range(40):
        quick, exact = (
            service.search("mine", unknown(seed), k=30, exact=flag, leave_out_same_file=leave_out)
            for flag in (False, True)
        )
        missed = {hit.image.id for hit in exact.hits if hit.missed}
        assert missed == {hit.image.id for hit in exact.hits} - {hit.image.id for hit in quick.hits}
        marked += len(missed)
    assert marked > 0


def test_a_least_score_is_held_by_contents_too(service: SearchService) -> None:
    whole = service.search("mine", 3, k=30)
    limit = whole.hits[12].score
    assert service.search("mine", 3, k=30, min_score=limit).hits == whole.hits[:13]
    assert service.search("mine", 3, k=5, min_score=limit).hits == whole.hits[:5]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with "mine": 60 pictures, and 1500 more copies of the first."""
    home = Home(tmp_path_factory.mktemp("placeholders"))
    images = fill(home.path / "pictures", 60)
    for number in range(1500):
        copy(images, LINKED, f"no_picture/{number:04}.jpg")
    home.build(images, index="IVF8,PQ8")
    return home


@pytest.mark.parametrize("most_of_index", [100, 10_000])
@pytest.mark.parametrize("leave_out", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_thousands_of_copies_leave_room_for_the_others(
    shop: Home, monkeypatch: pytest.MonkeyPatch, exact: bool, leave_out: bool, most_of_index: int
) -> None:
    monkeypatch.setattr(rank, "_MOST_OF_INDEX", most_of_index)
    service = shop.service()
    near = encoded(picture(0), quality=40)
    for query in (near, (shop.path / "pictures" / LINKED).read_bytes(), 0, 1530):
        result = service.search("mine", query, k=20, exact=exact, leave_out_same_file=leave_out)
        assert len(result.hits) == 20
        assert len({hit.image.sha256 for hit in result.hits}) == 20
        of_many = [hit for hit in result.hits if hit.copies]
        assert [hit.copies for hit in of_many] == [1500] * (not leave_out or query == near)
        for hit in of_many:
            assert hit.image.path == LINKED
            assert len(hit.places) == MOST_PLACES
            assert "in 1,501 places" in hit.remarks
    everything = service.search("mine", 40, k=MAX_K, exact=exact, leave_out_same_file=leave_out)
    assert len(everything.hits) == 60 - leave_out


@pytest.mark.parametrize("most_of_index", [5, 10_000])
def test_images_of_unknown_content_are_answers_of_their_own(
    home: Home, monkeypatch: pytest.MonkeyPatch, most_of_index: int
) -> None:
    monkeypatch.setattr(rank, "_MOST_OF_INDEX", most_of_index)
    vectors = np.ones((12, 48), np.float32)
    take(home, foreign(home.path / "theirs", vectors), index="Flat")
    hits = home.service().search("back", 3, k=12).hits
    assert [hit.image.id for hit in hits] == list(range(12))
    assert not any(hit.copies for hit in hits)
