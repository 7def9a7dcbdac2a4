"""Settings become the objects that do the work."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.build.build import BuildRequest
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import AddressError, ModelError
from app.settings import read_settings
from app.wiring import make_builder, make_service
from tests.conftest import Home, encoded, fill, mean_colour, picture


@pytest.fixture
def environ(home: Home) -> dict[str, str]:
    return {"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(home.path / "cache")}


def test_a_service_is_made_without_loading_anything(environ: dict[str, str], home: Home) -> None:
    assert make_service(read_settings(environ)).galleries() == []
    assert not home.path.exists()


def request_of(images: Path) -> BuildRequest:
    return BuildRequest(
        data=None,
        images=images,
        name="mine",
        model="mean_colour",
        index="IVF100,PQ8",
        limit=None,
        force=False,
    )


def test_what_the_builder_builds_the_service_finds(environ: dict[str, str], home: Home) -> None:
    images = fill(home.path / "pictures", 12)
    settings = read_settings(environ)
    stages: list[str] = []
    report = make_builder(settings)(
        request_of(images), on_progress=lambda stage, done, total: stages.append(stage)
    )
    assert report.manifest.images == 12
    assert {"list", "embed", "train", "measure"} <= set(stages)
    service = make_service(settings)
    query = next(images.rglob("*.jpg"))
    first = service.search("mine", query.read_bytes(), k=1).hits[0]
    assert (first.image.path, first.same_file) == (str(query.relative_to(images)), True)


class Loader:
    """In place of the loader of models: keeps the options of each call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, name: str, **options: Any) -> Embedder:
        self.calls.append(options)
        return mean_colour()


def test_only_a_build_downloads_weights(
    environ: dict[str, str], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = Loader()
    monkeypatch.setattr("app.wiring.load_embedder", loader)
    settings = read_settings(environ)
    images = fill(home.path / "pictures", 3)
    make_builder(settings)(request_of(images), on_progress=lambda stage, done, total: None)
    make_service(settings).search("mine", encoded(picture(0)))
    build, query = loader.calls
    assert (build["purpose"], build["download"]) == ("build", True)
    assert (query["purpose"], query.get("download", False)) == ("query", False)
    assert build["cache_dir"] == query["cache_dir"] == settings.cache_dir


def test_the_service_looks_for_weights_where_the_settings_say(
    environ: dict[str, str], home: Home, tmp_path: Path
) -> None:
    weights = tmp_path / "weights" / "resnet50-0676ba61.pth"
    weights.parent.mkdir()
    weights.write_bytes(b"something else")
    home.build(
        fill(home.path / "pictures", 3),
        embedder=Embedder(
            replace(model_named("mean_colour"), name="resnet50"), MeanColourRuntime(), ""
        ),
    )
    service = make_service(read_settings({**environ, "RIS_WEIGHTS_DIR": str(weights.parent)}))
    with pytest.raises(ModelError, match="not the published file") as refused:
        service.search("mine", encoded(picture(0)))
    assert str(weights) in str(refused.value)


@pytest.mark.parametrize("allowed", ["0", "1"])
def test_this_machines_addresses_are_fetched_only_where_the_settings_allow_it(
    allowed: str, environ: dict[str, str]
) -> None:
    settings = read_settings({**environ, "RIS_ALLOW_LOOPBACK_URLS": allowed})
    service = make_service(settings)
    with pytest.raises(Exception) as refused:  # noqa: PT011 (which one is the question)
        service.fetch("http://127.0.0.1:9/picture.jpg")
    assert isinstance(refused.value, AddressError) is (allowed == "0")
