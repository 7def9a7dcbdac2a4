"""What many tests need: small folders of pictures, galleries of them, and a service over those."""

import asyncio
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hypothesis
import numpy as np
import pillow_heif
import pytest
from filelock import FileLock
from PIL import Image

from app.build.build import BuildReport, build_gallery
from app.build.keeper import GalleryKeeper
from app.build.update import update_gallery
from app.embed import Embedder, LoadEmbedder, model_named
from app.embed.load import load_embedder
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.gallery import Folders
from app.images.fetch import FetchLimits, fetch
from app.search.service import SearchService
from app.sources.own import open_folder

# Fixtures that run commands, serve pictures and make galleries, for tests of several folders.
pytest_plugins = ["tests.commands", "tests.build.options", "tests.build.workshop"]

# No test depends on a time: a machine may be busy. `make test-all` takes the profile "all".
hypothesis.settings.register_profile("all", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.load_profile("quick")

# Vectors that are the same on every processor; tests of the other precisions ask for them.
os.environ["RIS_PRECISION"] = "f32"

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = sorted((ROOT / "app" / "doors" / "page" / "examples").glob("*.jpg"))

# The longest first, so that no worker is left alone with one of them at the end.
LONGEST = (
    "tests/doors/page/browser/",
    "tests/test_every_door.py",
    "tests/embed/test_every_model.py",
    "tests/lab/",
    "tests/index/",
    "tests/doors/rest/test_conformance.py",
    "tests/test_packaging.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, for xdist's `--dist loadfile --no-loadscope-reorder`."""

    def place(item: pytest.Item) -> int:
        found = (n for n, name in enumerate(LONGEST) if item.nodeid.startswith(name))
        return next(found, len(LONGEST))

    items.sort(key=place)


def picture(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Return a soft random picture; the same for the same seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def is_one_sentence(text: str) -> bool:
    """Return whether a message is one line that ends where its first sentence does."""
    return text.endswith(".") and "\n" not in text and not re.search(r"[.!?]\s", text)


def fill(folder: Path, count: int, *, labels: int = 5, first: int = 0) -> Path:
    """Write `count` different JPEGs into sub-folders kind_0 … and return `folder`."""
    for seed in range(first, first + count):
        place = folder / f"kind_{seed % labels}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{seed:05}.jpg").write_bytes(encoded(picture(seed), quality=90))
    return folder


def heic(image: Image.Image) -> bytes:
    """Return a picture's HEIC file."""
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95)
    return file.getvalue()


@dataclass(frozen=True)
class Home:
    """A folder with datasets, features and indexes, like the program's own."""

    path: Path

    def folders(self, name: str) -> Folders:
        return Folders.of(name, self.path / "features", self.path / "indexes")

    def build(
        self,
        images: Path,
        name: str = "mine",
        *,
        embedder: Embedder | None = None,
        **options: object,
    ) -> BuildReport:
        """Build a gallery of a folder, with the embedder of mean colours or with another."""
        arguments: dict[str, object] = {
            "index": "IVF100,PQ8",
            "limit": None,
            "request": {"images": str(images), "name": name},
            "workers": 2,
            "on_progress": lambda stage, done, total: None,
        }
        return build_gallery(
            open_folder(images, name),
            embedder or mean_colour(),
            folders=self.folders(name),
            **(arguments | options),  # type: ignore[arg-type]
        )

    def service(
        self,
        load_embedder: LoadEmbedder | None = None,
        *,
        allow_loopback: bool = True,
    ) -> SearchService:
        return SearchService(
            datasets_dir=self.path / "datasets",
            features_dir=self.path / "features",
            indexes_dir=self.path / "indexes",
            load_embedder=load_embedder or (lambda name, **_: mean_colour()),
            fetch=lambda url: fetch(url, limits=FetchLimits(allow_loopback=allow_loopback)),
        )

    def keeper(self, load_embedder: LoadEmbedder | None = None, *, off: str = "") -> GalleryKeeper:
        """Return what changes the galleries; with `off`, what changes none."""
        load = load_embedder or (lambda name, **_: mean_colour())
        places = {
            name: self.path / name.removesuffix("_dir")
            for name in ("datasets_dir", "features_dir", "indexes_dir")
        }
        update = partial(
            update_gallery,
            **places,
            load_embedder=load,
            open_list=lambda request: pytest.fail("there is no list"),
            workers=1,
        )
        return GalleryKeeper(**places, load_embedder=load, update=update, off=off)


def mean_colour() -> Embedder:
    """Return the embedder whose vectors are the 4 × 4 mean colours."""
    return Embedder(model_named("mean_colour"), MeanColourRuntime(), weights_sha256="")


@contextmanager
def closing_loops() -> Iterator[None]:
    """Close the event loops that Gradio makes for each page outside of one, and leaves open."""
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def remember() -> asyncio.AbstractEventLoop:
        made.append(new_event_loop())
        return made[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio, "new_event_loop", remember)
        yield
    for loop in made:
        loop.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """A cache folder of this worker's own that holds efficientnet_lite0, converted.

    The conversion is shared with the other workers and with later runs, until the code that
    makes it changes; the file's name carries the versions of the libraries.
    """
    folder = tmp_path_factory.mktemp("cache")
    code = b"".join(path.read_bytes() for path in sorted((ROOT / "app" / "embed").rglob("*.py")))
    shared = pytestconfig.cache.mkdir("networks") / hashlib.sha256(code).hexdigest()[:16]
    with FileLock(shared.with_name("lock")):
        for other in shared.parent.iterdir():
            if other.is_dir() and other != shared:
                shutil.rmtree(other)
        load_embedder("efficientnet_lite0", weights_dir=None, cache_dir=shared, purpose="query")
        shutil.copytree(shared, folder, dirs_exist_ok=True)
    return folder
