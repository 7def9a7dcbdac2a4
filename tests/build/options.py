"""Galleries that keep principal components, expand queries, or both, of the same pictures."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from app import open_gallery
from app.gallery import Gallery
from app.search.picture import File, Item
from app.search.question import SearchRequest
from app.search.service import SearchService
from app.values import VectorOptions
from app.values.gallery import Manifest
from tests.conftest import Home, fill

IMAGES = 40
PCA = VectorOptions(pca=10)
BOTH = VectorOptions(pca=10, expand=3, alpha=2.0)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of "plain", "pca", "expand" and "both", of the same pictures, two of them equal."""
    home = Home(tmp_path_factory.mktemp("options") / "home")
    images = fill(home.path / "pictures", IMAGES)
    shutil.copy(images / "kind_2" / "00007.jpg", images / "kind_2" / "again.jpg")
    home.build(images, "plain", index="SQ8")
    home.build(images, "pca", index="SQ8", options=PCA)
    home.build(images, "expand", index="SQ8", options=VectorOptions(expand=3))
    home.build(images, "both", index="SQ8", options=BOTH)
    return home


@pytest.fixture
def copied(built: Home, tmp_path: Path) -> Home:
    """The same home at another place, for tests that change it."""
    shutil.copytree(built.path, tmp_path / "home")
    return Home(tmp_path / "home")


def embedded_by(
    service: SearchService, gallery: str, query: bytes | int, *, mirrored: bool = False
) -> np.ndarray:
    """Return the vector that a file, or the image of a row, is compared with in a gallery."""
    of = File(query) if isinstance(query, bytes) else Item(query)
    return service.embed(SearchRequest(query=of, gallery=gallery, mirrored=mirrored))


def manifest_of(home: Home, name: str) -> Manifest:
    gallery = Gallery(home.folders(name))
    gallery.close()
    return gallery.manifest


def file_of(home: Home, seed: int) -> Path:
    """Return the file of the picture that was drawn with a seed."""
    return home.path / "pictures" / f"kind_{seed % 5}" / f"{seed:05}.jpg"


def row_of(home: Home, seed: int) -> int:
    """Return the row of the picture that was drawn with a seed."""
    records = open_gallery("plain", home=home.path).images()
    return next(each.id for each in records if each.path.endswith(f"{seed:05}.jpg"))
