"""What the tests of exports and imports share: both ways, and embeddings of other programs."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from app.build.transfer import ExportReport, ImportRequest, export_gallery, import_embeddings
from app.gallery import Gallery
from tests.conftest import Home, mean_colour


def quiet(stage: str, done: int, total: int) -> None:
    pass


def export(home: Home, name: str, out: Path, **options: Any) -> ExportReport:
    return export_gallery(
        name,
        out,
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        on_progress=quiet,
        **options,
    )


def take(home: Home, folder: Path, name: str = "back", **options: Any) -> None:
    import_embeddings(
        ImportRequest(folder, name, **options),
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model, **_: mean_colour(),
        on_progress=quiet,
    )


def records(home: Home, name: str) -> list[Any]:
    gallery = Gallery(home.folders(name))
    found = gallery.images(range(gallery.manifest.images))
    gallery.close()
    return found


def foreign(folder: Path, vectors: np.ndarray, part: str = "0", **columns: list[Any]) -> Path:
    """Write what clip-retrieval writes."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{part}.npy", vectors)
    columns = columns or {"image_path": [f"/there/{part}/{row}.jpg" for row in range(len(vectors))]}
    pyarrow.parquet.write_table(
        pyarrow.table(columns), folder / "metadata" / f"metadata_{part}.parquet"
    )
    return folder


def some_vectors(count: int, dim: int = 48) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
