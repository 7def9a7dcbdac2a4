"""The segments of a gallery, searched by FAISS, hold to what holds of every store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.gallery import Folders, Gallery, opened
from tests.gallery.contract import Contract, Images, real_vectors

ROWS = 3_000


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    home = tmp_path_factory.mktemp("contract")
    made = Images(Folders.of("made", home / "features", home / "indexes"), real_vectors(ROWS))
    made.begin(index="IVF20,PQ32")
    made.go_on()
    return made


@pytest.fixture(scope="module")
def store(images: Images) -> Iterator[Gallery]:
    gallery = opened(images.folders)
    yield gallery
    gallery.close()


class TestSegments(Contract):
    """The embedded store."""


def test_a_gallery_without_another_store_says_nothing_of_one(images: Images) -> None:
    manifest = images.folders.indexes / "manifest.json"
    assert '"store"' not in Path(manifest).read_text()  # older programs would not read it
