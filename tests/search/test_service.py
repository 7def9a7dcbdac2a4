"""A search start to end, over real galleries of real files; mean colours as the network."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest
from PIL import Image

from app.embed import Embedder
from app.errors import (
    AppError,
    FetchError,
)
from app.images.decode import Decoded, read
from app.search.question import MAX_K
from app.search.service import SearchService
from app.values import Timings
from tests.commands import Site, sending
from tests.conftest import Home, encoded, heic, picture
from tests.search.conftest import COPIES, IN_PART, TWIN, file_of, id_of, is_in_order, paths


def not_to_be_loaded(name: str) -> Embedder:
    raise AssertionError(f"{name} is loaded, though no picture is to be embedded")


# --- queries -------------------------------------------------------------------------------------


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

    def counted(*arguments: Any, **options: Any) -> Decoded:
        inside.add(threading.get_ident())
        counts.append(len(inside))
        image = read(*arguments, **options)
        inside.discard(threading.get_ident())
        return image

    monkeypatch.setattr("app.images.decode.read", counted)
    others = [encoded(picture(seed, (1000, 750)), "PNG") for seed in range(6)]
    large = others[0]
    with ThreadPoolExecutor(12) as pool:
        searches = [pool.submit(service.search, "mine", each, edit=IN_PART) for each in others]
        previews = [pool.submit(service.preview, large, IN_PART) for _ in range(6)]
    assert {len(search.result().hits) for search in searches} == {10}
    assert len({preview.result() for preview in previews}) == 1
    assert (len(counts), max(counts)) == (12, 2)


def test_an_address_answers_like_the_file_it_names(
    service: SearchService, shop: Home, site: Site
) -> None:
    data = file_of(shop, "kind_1/00101.jpg")
    site.pages["/picture"] = [sending(data)]
    by_address = service.search("mine", f"{site.url}/picture")
    assert by_address.hits == service.search("mine", data).hits
    assert by_address.timings.fetch > 0


def test_an_address_that_gives_no_picture_is_refused(service: SearchService, site: Site) -> None:
    site.pages["/text"] = [sending(b"no picture at all")]
    with pytest.raises(FetchError, match=r"127\.0\.0\.1"):
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


# --- pictures ------------------------------------------------------------------------------------


def test_the_original_and_its_thumbnail_are_served(service: SearchService, shop: Home) -> None:
    image = id_of(service, shop, "photographs/rocket.jpg")
    data, media_type = service.picture("mine", image)
    assert (data, media_type) == (file_of(shop, "photographs/rocket.jpg"), "image/jpeg")
    small = Image.open(io.BytesIO(service.thumbnail("mine", image)))
    assert small.format == "WEBP"
    assert max(small.size) <= 160
    assert small.width / small.height == pytest.approx(480 / 320, rel=0.02)


def test_random_images_differ_from_each_other_and_from_call_to_call(
    service: SearchService,
) -> None:
    drawn = [tuple(image.id for image in service.random_images("mine", 7)) for _ in range(20)]
    assert all(len(set(ids)) == 7 for ids in drawn)
    assert len(set(drawn)) > 1
    assert len({image.id for image in service.random_images("mine", 10_000)}) == 308


# --- timings -------------------------------------------------------------------------------------


def stages(timings: Timings) -> float:
    return sum(asdict(timings).values()) - timings.total


def test_the_stages_add_up_to_no_more_than_the_total(shop: Home, site: Site) -> None:
    service = shop.service()  # which has not seen the picture yet
    data = file_of(shop, "kind_1/00101.jpg")
    site.pages["/picture"] = [sending(data)]
    by_file = service.search("mine", data).timings
    by_address = service.search("mine", f"{site.url}/picture").timings
    by_id = service.search("mine", 5).timings
    exact = service.search("mine", data, exact=True).timings
    edited = service.search("mine", 5, edit=IN_PART, k=MAX_K, more=(3, 200), less=(77,)).timings
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


# --- many at once --------------------------------------------------------------------------------


def test_eight_threads_at_once_get_what_one_gets(service: SearchService, shop: Home) -> None:
    queries: list[bytes | int] = [encoded(picture(seed)) for seed in range(400, 406)]
    queries += [3, 77, 300, file_of(shop, COPIES[0]), heic(picture(9)), b"<svg><rect/></svg>"]

    def ask(query: bytes | int) -> object:
        try:
            return service.search("mine", query, k=50).hits
        except AppError as exc:
            return str(exc)

    alone = [ask(query) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, queries * 8))
    assert together == alone * 8
