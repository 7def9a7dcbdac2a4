"""A gallery → a folder of embeddings and metadata that other programs read."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from app.build.transfer.places import (
    ELSEWHERE,
    MANIFEST,
    METADATA,
    NETWORK,
    PROJECTION,
    THUMBNAILS,
    VECTORS,
    Exported,
)
from app.errors import GalleryError, StorageError, UsageError
from app.gallery import Store, open_gallery
from app.sources.folder import check_free_space, is_empty, new_folder
from app.values import ImageRecord
from app.values.files import sha256_of
from app.values.gallery import Manifest

_CHUNK_ROWS = 1_000
_METADATA_BYTES = 300  # a generous mean of one row, for the check of free space


@dataclass(frozen=True)
class ExportReport:
    """The exported folder: its number of images, dimension, number format and size."""

    folder: Path
    images: int
    dim: int
    dtype: str
    disk_bytes: int


def export_gallery(
    name: str,
    folder: Path,
    *,
    features_dir: Path,
    indexes_dir: Path,
    dtype: Literal["float16", "float32"] = "float16",
    on_progress: Callable[[str, int, int], None],
) -> ExportReport:
    """Write a gallery's vectors, metadata and thumbnails to a new folder, whole or not at all.

    Vectors are stored with 16 bits a number, so float16 loses nothing. NotFoundError for an
    unknown gallery, GalleryError for one without its vectors, UsageError for a folder that holds
    something, StorageError if the disk cannot take it.
    """
    _check_new(folder)
    gallery = open_gallery(name, features_dir=features_dir, indexes_dir=indexes_dir)
    try:
        return _export(gallery, folder.resolve(), np.dtype(dtype), on_progress)
    finally:
        gallery.close()


def _check_new(folder: Path) -> None:
    try:
        if folder.is_dir() and not is_empty(folder):
            raise UsageError(f"The folder {folder} holds something already: name a new one.")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file: name a new folder.")
    except OSError as exc:
        raise StorageError(
            f"{folder} cannot be looked at ({exc.strerror}): name another folder."
        ) from exc


def _export(
    gallery: Store,
    folder: Path,
    dtype: np.dtype[np.float16 | np.float32],
    on_progress: Callable[[str, int, int], None],
) -> ExportReport:
    manifest = gallery.manifest
    if gallery.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here (features/{gallery.name}): "
            "copy them to this machine first."
        )
    thumbnails = manifest.disk_bytes()["thumbnails"]
    row_bytes = manifest.dim * dtype.itemsize + _METADATA_BYTES
    check_free_space(folder, manifest.images * row_bytes + thumbnails)
    with new_folder(folder) as made:
        names = [pattern.format(0) for pattern in (VECTORS, METADATA, THUMBNAILS)]
        for written in names:
            (made / written).parent.mkdir()
        _write_vectors(gallery, made / names[0], dtype, on_progress)
        _write_metadata(gallery, made / names[1])
        _write_thumbnails(gallery, made / names[2])
        for own, written in (gallery.projection_path, PROJECTION), (gallery.network_path, NETWORK):
            if own is not None:
                shutil.copyfile(own, made / written)
                names.append(written)
        files = {written: sha256_of(made / written) for written in names}
        exported = Exported(_without_paths(manifest), tuple(gallery.skipped()), files)
        (made / MANIFEST).write_text(exported.to_json(), encoding="utf-8")
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return ExportReport(folder, manifest.images, manifest.dim, dtype.name, size)


def _without_paths(manifest: Manifest) -> Manifest:
    """Return a manifest without the paths and files of this machine."""
    sources = (ELSEWHERE,) if manifest.sources else ()
    return replace(manifest, request={}, sources=sources, segments=(), files={}, next_id=0)


def _write_vectors(
    gallery: Store,
    path: Path,
    dtype: np.dtype[np.float16 | np.float32],
    on_progress: Callable[[str, int, int], None],
) -> None:
    ids = gallery.ids()
    array = np.lib.format.open_memmap(path, "w+", dtype, (gallery.rows, gallery.dim))
    for rows in _chunks(gallery.rows):
        on_progress("export", rows.start, gallery.rows)
        array[rows.start : rows.stop] = gallery.vectors(ids[rows.start : rows.stop])
    array.flush()
    on_progress("export", gallery.rows, gallery.rows)


def _write_metadata(gallery: Store, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema(
        [
            ("image_path", pyarrow.string()),
            ("key", pyarrow.string()),
            ("caption", pyarrow.string()),
            ("labels", pyarrow.list_(pyarrow.string())),
            ("width", pyarrow.int64()),
            ("height", pyarrow.int64()),
            ("bytes", pyarrow.int64()),
            ("sha256", pyarrow.string()),
            ("metadata", pyarrow.string()),
        ]
    )
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for ids in _chunks_of(gallery):
            records = [_metadata_of(record) for record in gallery.images(ids)]
            writer.write_table(pyarrow.Table.from_pylist(records, schema))


def _metadata_of(record: ImageRecord) -> dict[str, object]:
    return {
        "image_path": record.path,
        "key": record.key or None,
        "caption": ", ".join(record.labels),
        "labels": list(record.labels),
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
        "sha256": record.sha256 or None,
        "metadata": json.dumps(dict(record.metadata)) if record.metadata else None,
    }


def _write_thumbnails(gallery: Store, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("webp", pyarrow.binary())])
    # WebP cannot be packed any smaller.
    with pyarrow.parquet.ParquetWriter(path, schema, compression="none") as writer:
        for ids in _chunks_of(gallery):
            pictures = [gallery.thumbnail(image) for image in ids]
            writer.write_table(pyarrow.table([pyarrow.array(pictures, pyarrow.binary())], schema))


def _chunks_of(gallery: Store) -> Iterator[list[int]]:
    for rows in _chunks(gallery.rows):
        yield gallery.ids()[rows.start : rows.stop].tolist()


def _chunks(rows: int) -> Iterator[range]:
    for start in range(0, rows, _CHUNK_ROWS):
        yield range(start, min(rows, start + _CHUNK_ROWS))
