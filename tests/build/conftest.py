"""What the tests of builds share: a runtime that counts and stops, and all that a gallery says."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.build.build import BuildReport, build_gallery
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.gallery import Gallery
from app.sources.own import open_folder
from app.values import ImageRecord
from tests.conftest import Home, encoded, fill, picture

BATCH = MeanColourRuntime.batch


class StoppedError(Exception):
    """Something no build expects."""


class CountingRuntime(MeanColourRuntime):
    """Counts its batches, and fails in place of the one numbered `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.batches = 0
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            if self.batches == self._fails_at:
                raise StoppedError
            self.batches += 1
        return super().run(batch)


def build_with(
    runtime: MeanColourRuntime, home: Home, images: Path, name: str = "mine", **options: object
) -> BuildReport:
    arguments: dict[str, object] = {
        "index": "IVF100,SQ8",
        "limit": None,
        "request": {"images": "/pictures"},
        "workers": 1,
        "on_progress": lambda stage, done, total: None,
    }
    return build_gallery(
        open_folder(images, name),
        Embedder(model_named("mean_colour"), runtime, weights_sha256=""),
        folders=home.folders(name),
        **(arguments | options),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Content:
    """All that a gallery says, but for when it was made."""

    images: list[ImageRecord]
    labels: list[tuple[str, ...]]
    thumbnails: list[bytes]
    local: list[bytes]
    vectors: bytes
    found: list[list[int]]
    index: tuple[str, int, int, float, float]
    skipped: int


def content(home: Home, name: str = "mine") -> Content:
    gallery = Gallery(home.folders(name))
    manifest = gallery.manifest
    rows = gallery.ids()
    vectors = gallery.vectors(rows)
    try:
        return Content(
            gallery.images(rows.tolist()),
            gallery.labels(),
            [gallery.thumbnail(row) for row in rows.tolist()],
            [
                points.tobytes() for points, _ in gallery.local_features(rows)
            ],  # codes differ by training
            vectors.tobytes(),
            gallery.search(vectors[:10], 20).rows.tolist(),
            (
                manifest.index,
                manifest.probes,
                manifest.candidates,
                manifest.recall_raw,
                manifest.recall_reranked,
            ),
            manifest.skipped,
        )
    finally:
        gallery.close()


def done_in_draft(home: Home, name: str = "mine") -> int:
    """Return how many pictures the draft of a build has kept."""
    database = sqlite3.connect(home.folders(name).indexes / "building" / "draft.db")
    try:
        tables = ("image", "skipped")
        return sum(
            database.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in tables
        )
    finally:
        database.close()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred pictures, among them three that cannot be read."""
    folder = fill(tmp_path_factory.mktemp("images"), 97)
    (folder / "kind_1" / "00000.jpg").write_bytes(b"")
    (folder / "kind_3" / "text.jpg").write_text("a shopping list")
    (folder / "zzz.png").write_bytes(encoded(picture(1), "PNG")[:-2000])
    return folder


@pytest.fixture(scope="session")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What a build of `images` that nothing disturbs ends with."""
    home = Home(tmp_path_factory.mktemp("whole"))
    build_with(CountingRuntime(), home, images)
    return content(home)
