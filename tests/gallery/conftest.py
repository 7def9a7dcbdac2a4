"""Two galleries for the tests of this folder, and a function that opens one."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.gallery import Gallery
from tests.conftest import Home, fill

PICTURES = 80  # enough for a shortlist of two cells


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two galleries, `mine` and `yours`, and their pictures; to be copied, not changed."""
    home = Home(tmp_path_factory.mktemp("original") / "home")
    for name, first in (("mine", 0), ("yours", 1000)):
        images = fill(home.path / name, PICTURES, first=first)
        home.build(images, name, index="IVF100,SQ8")
    return home


@pytest.fixture
def galleries(original: Home, tmp_path: Path) -> Home:
    shutil.copytree(original.path, tmp_path / "home")
    return Home(tmp_path / "home")


OpenGallery = Callable[..., Gallery]


@pytest.fixture
def open_gallery() -> Iterator[OpenGallery]:
    """Return a function that opens a gallery which is closed when the test ends."""
    with contextlib.ExitStack() as at_the_end:

        def open_it(home: Home, name: str = "mine") -> Gallery:
            gallery = Gallery(home.folders(name))
            at_the_end.callback(gallery.close)
            return gallery

        yield open_it
