"""Models for queries: loaded once, tried again, replaced, and refused where they do not fit."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import (
    ModelError,
    StorageError,
    UsageError,
)
from app.search.model_cache import Models, Wanted
from app.search.service import SearchService
from app.values import Edit
from tests.commands import Site
from tests.conftest import Home, encoded, mean_colour, picture
from tests.search.conftest import (
    PART,
    build_with,
    file_of,
    id_of,
    other_model,
)


def will_not_run(name: str, **_: object) -> Embedder:
    raise ModelError(f"The weights of {name} are not on this machine.")


def test_a_gallery_whose_model_cannot_run_is_searched_by_its_own_images_only(
    mine: Home, service: SearchService, shop: Home
) -> None:
    loaded: list[str] = []

    def loader(name: str, **_: object) -> Embedder:
        loaded.append(name)
        return will_not_run(name)

    crippled = mine.service(loader)
    assert crippled.gallery("mine").uploads_off == ""  # nobody has tried yet
    crippled.warm_up()
    info = crippled.gallery("mine")
    assert not info.refused
    assert "weights of mean_colour" in info.uploads_off
    for query, box in ((file_of(shop, "kind_0/00010.jpg"), None), (3, PART)):
        with pytest.raises(ModelError) as refusal:
            crippled.search("mine", query, edit=Edit(box=box))
        assert str(refusal.value) == info.uploads_off
    image = id_of(service, shop, "kind_2/00042.jpg")
    assert crippled.search("mine", image).hits == service.search("mine", image).hits
    assert loaded == ["mean_colour"]


def test_nothing_is_fetched_for_a_gallery_that_takes_no_uploads(mine: Home, site: Site) -> None:
    with pytest.raises(ModelError):
        mine.service(will_not_run).search("mine", f"{site.url}/picture")
    assert not site.asked


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
        (OTHER_PRECISION, "int8"),
    ],
    ids=["weights", "preparation", "precision"],
)
def test_an_embedder_that_the_gallery_was_not_built_with_gets_no_query(
    mine: Home, other: Embedder, difference: str
) -> None:
    service = mine.service(lambda name, **_: other)
    with pytest.raises(ModelError, match=difference) as refusal:
        service.search("mine", encoded(picture(1)))
    assert "python3 create_index.py" in str(refusal.value)
    assert "--force" in str(refusal.value)
    assert service.gallery("mine").uploads_off == str(refusal.value)
    assert service.search("mine", 3).hits


def test_a_gallery_of_a_model_that_this_program_does_not_know_is_listed(mine: Home) -> None:
    def loader(name: str, **_: object) -> Embedder:
        raise UsageError(f"There is no model {name!r}.")

    service = mine.service(loader)
    service.warm_up()
    assert "models/mean_colour.safetensors" in service.gallery("mine").uploads_off
    assert service.search("mine", 3).hits


class FullAtFirst:
    """A loader of a model that cannot be loaded at first; it counts the attempts."""

    def __init__(self) -> None:
        self.attempts = 0

    def __call__(self, name: str, **_: object) -> Embedder:
        self.attempts += 1
        if self.attempts == 1:
            raise StorageError("The disk is full.")
        return mean_colour()


def test_a_model_that_could_not_be_loaded_is_not_tried_at_every_search(mine: Home) -> None:
    loader = FullAtFirst()
    service = mine.service(loader)
    for _ in range(2):
        with pytest.raises(ModelError, match="The disk is full"):
            service.search("mine", encoded(picture(1)))
    assert "The disk is full" in service.gallery("mine").uploads_off
    assert loader.attempts == 1


def test_a_model_that_could_not_be_loaded_is_tried_again_after_a_while() -> None:
    models = Models(FullAtFirst(), try_again_seconds=0)
    get = partial(models.get, Wanted("mean_colour"), fits=lambda embedder: True, since=0)
    with pytest.raises(ModelError, match="The disk is full"):
        get()
    assert get().model.name == "mean_colour"


class Replaced:
    """A loader of a model whose file is replaced now and then; it notes what it loaded."""

    def __init__(self, weights: str) -> None:
        self.here = weights
        self.loaded: list[str] = []

    def __call__(self, name: str, **_: object) -> Embedder:
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
        with pytest.raises(ModelError, match="weights of mean_colour") as refusal:
            service.search("old", query)
        assert service.gallery("old").uploads_off == str(refusal.value)
        assert service.search("new", query).hits
    assert loader.loaded == ["second"] * 2


def test_warming_up_loads_weights_that_do_not_fit_once(mine: Home) -> None:
    build_with(mine, weighed("first"), "old")
    build_with(mine, weighed("second"), "new")
    loader = Replaced("second")
    service = mine.service(loader)
    service.warm_up()
    off = {info.name: info.uploads_off for info in service.galleries()}
    assert "weights of mean_colour" in off["old"]
    assert off["new"] == ""
    assert loader.loaded == ["second"]


def test_a_model_that_is_being_loaded_holds_up_no_other_gallery(mine: Home) -> None:
    build_with(mine, other_model("slow"), "slowly")
    loading, go_on = threading.Event(), threading.Event()

    def loader(name: str, **_: object) -> Embedder:
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
    loaded: list[str] = []

    def loader(name: str, **_: object) -> Embedder:
        loaded.append(name)
        return will_not_run(name) if name == "broken" else other_model(name)

    (mine.path / "indexes" / "damaged").mkdir()
    (mine.path / "indexes" / "damaged" / "gallery.db").touch()
    service = mine.service(loader)
    service.warm_up()
    service.warm_up()
    assert sorted(loaded) == ["broken", "mean_colour", "working"]
    assert service.search("working", encoded(picture(3))).hits
    assert sorted(loaded) == ["broken", "mean_colour", "working"]


def test_eight_threads_load_a_model_once(mine: Home) -> None:
    loaded: list[str] = []
    two_at_once = threading.Barrier(2)

    def loader(name: str, **_: object) -> Embedder:
        loaded.append(name)
        with contextlib.suppress(threading.BrokenBarrierError):
            two_at_once.wait(0.3)  # gives a second one time to come in
        return mean_colour()

    service, data = mine.service(loader), encoded(picture(2))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: service.search("mine", data).hits, range(32)))
    assert loaded == ["mean_colour"]
    assert all(hits == answers[0] for hits in answers)
