"""A home with a GalleryMaker, and the uploads that arrive for it."""

import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.build.build import BuildReport, build
from app.build.jobs import Archive, GalleryMaker, MakeRequest, Progress, Uploaded
from app.embed import Embedder, LoadEmbedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.gallery import Gallery, gallery_names
from tests.conftest import Home, encoded, is_one_sentence, mean_colour, picture

WAIT_SECONDS = 60
JPEG = encoded(picture(1))


class Gate(MeanColourRuntime):
    """Lets a number of batches pass, then waits for `open`."""

    def __init__(self, batches: int) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.ran = 0
        self._free = batches
        self._lock = threading.Lock()

    def run(self, batch: Any) -> Any:
        with self._lock:
            self.ran += 1
            free = self.ran <= self._free
        if not free:
            self.reached.set()
            assert self.open.wait(WAIT_SECONDS)
        return super().run(batch)


def gated(gate: Gate) -> Embedder:
    return Embedder(model_named("mean_colour"), gate, weights_sha256="")


class Workshop:
    """A home with a GalleryMaker, and a folder for arriving uploads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.arrived = home.path / "arrived"
        self.arrived.mkdir(parents=True)
        self.maker = self.make_maker()

    def make_maker(
        self,
        load_embedder: LoadEmbedder = lambda name, **_: mean_colour(),
        build: Callable[..., BuildReport] = build,
    ) -> GalleryMaker:
        folders = {"features_dir": self.home.path / "features", "workers": 1}
        self.maker = GalleryMaker(
            partial(
                build,
                datasets_dir=self.home.path / "datasets",
                indexes_dir=self.home.path / "indexes",
                load_embedder=load_embedder,
                **folders,
            ),
            uploaded_dir=self.home.path / "datasets" / "uploaded",
            features_dir=self.home.path / "features",
            indexes_dir=self.home.path / "indexes",
        )
        return self.maker

    def start(self, pictures: Path | Uploaded | Archive, name: str = "new") -> None:
        self.maker.start(MakeRequest(name, "mean_colour", pictures))

    def end(self) -> Progress:
        self.maker.wait(WAIT_SECONDS)
        assert self.maker.progress().state != "running"
        return self.maker.progress()

    def made(self, pictures: Path | Uploaded | Archive, name: str = "new") -> Progress:
        self.start(pictures, name)
        return self.end()

    def failed(self, pictures: Path | Uploaded | Archive) -> str:
        """Return the message of a build that must fail and leave no file behind."""
        ended = self.made(pictures)
        assert ended.state == "failed"
        assert not ended.can_go_on
        assert is_one_sentence(ended.message)
        assert not self.left()
        assert gallery_names(self.home.path / "indexes") == []
        return ended.message

    def left(self) -> list[Path]:
        """Return the files and folders of uploads, arriving and kept."""
        folders = (self.arrived, self.home.path / "datasets" / "uploaded")
        return [path for folder in folders if folder.exists() for path in folder.iterdir()]

    def uploaded(self, files: dict[str, bytes]) -> Uploaded:
        """Return uploads as they arrive: under names without meaning."""
        arrived = []
        for number, (name, data) in enumerate(files.items()):
            file = self.arrived / f"upload-{number}"
            file.write_bytes(data)
            arrived.append((file, name))
        return Uploaded(tuple(arrived))

    def archive(self, write: Callable[[zipfile.ZipFile], None]) -> Archive:
        file = self.arrived / "upload-zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            write(packed)
        return Archive(file, "holiday.zip")

    def paths(self, name: str = "new") -> list[str]:
        gallery = Gallery(self.home.folders(name))
        try:
            return [image.path for image in gallery.images(range(gallery.manifest.images))]
        finally:
            gallery.close()


@pytest.fixture
def workshop(home: Home) -> Iterator[Workshop]:
    made = Workshop(home)
    yield made
    made.maker.close()


def pictures(count: int, folder: str = "kind") -> dict[str, bytes]:
    return {f"{folder}_{n % 2}/{n:02}.jpg": encoded(picture(n)) for n in range(count)}
