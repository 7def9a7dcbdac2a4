"""The files of a folder of embeddings → parts that belong together, checked for form."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.transfer.places import METADATA, THUMBNAILS, VECTORS
from app.errors import DatasetError

Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Part:
    """One file of vectors, with its metadata and, in our own exports, its thumbnails."""

    vectors: Path
    metadata: Path
    thumbnails: Path | None
    rows: int
    dim: int

    def batches(
        self, size: int
    ) -> Iterator[tuple[NDArray[np.floating[Any]], list[dict[str, Any]]]]:
        """Yield vectors and metadata, so many rows at a time, `webp` among the latter.

        DatasetError if a file cannot be read.
        """
        import pyarrow

        # Not `np.load`, which takes archives and pickles too.
        array = np.lib.format.open_memmap(self.vectors, mode="r")
        try:
            metadata = _table_rows(self.metadata, size)
            pictures = _table_rows(self.thumbnails, size) if self.thumbnails else None
            for start in range(0, self.rows, size):
                records = next(metadata)
                if pictures is not None:
                    for record, picture in zip(records, next(pictures), strict=True):
                        record["webp"] = picture.get("webp")
                yield array[start : start + size], records
        except (OSError, ValueError, StopIteration, pyarrow.ArrowException) as exc:
            raise DatasetError(f"{self.metadata} cannot be read: copy the folder anew.") from exc


def parts_of(folder: Path) -> list[Part]:
    """Return the parts of a folder of embeddings, in the order of their numbers.

    DatasetError unless there are vectors, each part with as many rows of metadata, of one length.
    """
    pattern = re.compile(re.escape(Path(VECTORS).name).replace(r"\{\}", r"(\d+)"))
    place = (folder / VECTORS).parent
    numbered = []
    for path in place.iterdir() if place.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match:
            numbered.append((int(match[1]), match[1], path))
    if not numbered:
        raise DatasetError(
            f"{folder} holds no embeddings ({VECTORS.format(0)}): name a folder that ris export or "
            "clip-retrieval wrote."
        )
    parts = [_part(folder, number, path) for _, number, path in sorted(numbered)]
    for part in parts:
        if part.dim != parts[0].dim:
            raise DatasetError(
                f"{part.vectors} holds vectors of {part.dim} numbers and {parts[0].vectors.name} "
                f"of {parts[0].dim}: keep those of one model."
            )
    if not sum(part.rows for part in parts):
        raise DatasetError(f"{parts[0].vectors} holds no vector.")
    return parts


def _part(folder: Path, number: str, path: Path) -> Part:
    import pyarrow
    import pyarrow.parquet

    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as exc:  # an .npz or pickled objects among them
        raise DatasetError(f"{path} is not a NumPy file of vectors, or is cut short.") from exc
    if array.ndim != 2 or array.dtype.kind != "f" or not array.shape[1]:
        raise DatasetError(
            f"{path} holds {array.dtype} of shape {array.shape}, not rows of decimal numbers."
        )
    thumbnails: Path | None = folder / THUMBNAILS.format(number)
    if thumbnails is not None and not thumbnails.is_file():
        thumbnails = None
    metadata = folder / METADATA.format(number)
    for table in (metadata, thumbnails):
        if table is None:
            continue
        try:
            rows = pyarrow.parquet.read_metadata(table).num_rows
        except (OSError, pyarrow.ArrowException) as exc:
            raise DatasetError(f"{table} is missing, or no Parquet file.") from exc
        if rows != len(array):
            raise DatasetError(f"{table} has {rows} rows and {path.name} {len(array)}.")
    return Part(path, metadata, thumbnails, *array.shape)


def _table_rows(path: Path, size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield a table's rows, `size` at a time, whatever its row groups are."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as table:
        waiting: list[dict[str, Any]] = []
        for batch in table.iter_batches(batch_size=size):
            waiting += batch.to_pylist()
            while len(waiting) >= size:
                yield waiting[:size]
                waiting = waiting[size:]
        if waiting:
            yield waiting
