"""A home with a gallery, the service over it, and what tests read off its answers."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.build.build import build_gallery
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.images.decode import decode
from app.index import SearchEffort, VectorIndex
from app.search.service import SearchService
from app.values import Box, Edit, SearchResult
from tests.conftest import PHOTOGRAPHS, Home, fill, mean_colour

COPIES = ("copies/again.jpg", "copies/once_more.jpg")  # of kind_0/00000.jpg
TWIN = "a_twin/00123.jpg"  # the pixels of kind_3/00123.jpg in another file, in an earlier row
PART = Box(0.125, 0.25, 0.75, 1.0)
IN_PART = Edit(box=PART)


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def service(shop: Home) -> SearchService:
    return shop.service()


@pytest.fixture
def mine(shop: Home, home: Home) -> Home:
    """A copy of that home, to be damaged."""
    shutil.copytree(shop.path / "features", home.path / "features")
    shutil.copytree(shop.path / "indexes", home.path / "indexes")
    return home


def file_of(shop: Home, path: str) -> bytes:
    return (shop.path / "pictures" / path).read_bytes()


def stored_vectors(home: Home) -> NDArray[np.float32]:
    """Return the vectors of "mine" as its file keeps them."""
    index = VectorIndex(
        vectors=home.path / "features" / "mine" / "1" / "vectors.faiss",
        shortlist=None,
        effort=SearchEffort(0, 0),
    )
    return index.vectors(np.arange(index.rows))


def vector_of(data: bytes) -> NDArray[np.float32]:
    """Return the vector that a query has."""
    embedder = mean_colour()
    pixels = decode(data, min_side=embedder.decoded_side)
    vector: NDArray[np.float32] = embedder.embed([pixels])[0]
    return vector


def id_of(service: SearchService, shop: Home, path: str) -> int:
    first = service.search("mine", file_of(shop, path)).hits[0]
    return next(image.id for image in (first.image, *first.places) if image.path == path)


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
        workers=1,
        on_progress=lambda stage, done, total: None,
    )
