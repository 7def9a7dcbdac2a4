"""4096-d vectors → how large each storage format is, and how long loading takes from it.

A study that kept such vectors as text gave up on reading them after an hour and a half; this
measures every format.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import UsageError
from app.index import write_vectors
from lab.methods.method import Vectors

_ROUNDS = 3
_TEXT_ROWS = 500  # text is measured with fewer rows and scaled up
_SEED = 0


@dataclass(frozen=True)
class Measured:
    """What a format costs for all rows: bytes on disk, seconds (median) to load them.

    `scaled_from` is the number of rows that were measured where it was not all of them.
    """

    name: str
    size_bytes: int
    load_seconds: float
    scaled_from: int = 0


@dataclass(frozen=True)
class _Format:
    name: str
    file: str
    write: Callable[[Path, Vectors], None]
    load: Callable[[Path], Any]
    most_rows: int | None = None


def measure(out: Path, *, rows: int = 10_000, dim: int = 4_096) -> list[Measured]:
    """Write and load (rows, dim) random float32 vectors in each format, in the folder `out`.

    The files are in the system's cache when they are read, and are removed again. UsageError if
    there is nothing to write.
    """
    if rows < 1 or dim < 1:
        raise UsageError(f"{rows} vectors of {dim} numbers are none: name 1 or more of each.")
    vectors = np.random.default_rng(_SEED).standard_normal((rows, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [_measured(out, form, vectors) for form in _FORMATS]


def table(measured: Sequence[Measured], *, rows: int, dim: int) -> str:
    """Return a Markdown table, each format beside the numpy file."""
    npy = next(each for each in measured if each.name == "npy")
    lines = [
        f"{rows:,} × {dim:,} float32 vectors, medians of {_ROUNDS} rounds, files in the cache",
        "",
        "| format | MB | to npy | load | to npy |",
        "|---|---|---|---|---|",
    ]
    for each in measured:
        note = f" (from {each.scaled_from:,} rows)" if each.scaled_from else ""
        lines.append(
            f"| {each.name}{note} | {each.size_bytes / 1e6:,.1f} "
            f"| {each.size_bytes / npy.size_bytes:.2f} | {_in_words(each.load_seconds)} "
            f"| {each.load_seconds / npy.load_seconds:,.3g} |"
        )
    return "\n".join(lines)


def _in_words(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1_000:,.3g} ms"


def _measured(out: Path, form: _Format, vectors: Vectors) -> Measured:
    some = vectors[: form.most_rows]
    factor = len(vectors) / len(some)
    path = out / form.file
    form.write(path, some)
    size = path.stat().st_size
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        loaded = form.load(path)
        seconds.append(time.perf_counter() - started)
        del loaded
    path.unlink()
    return Measured(
        form.name,
        round(size * factor),
        statistics.median(seconds) * factor,
        scaled_from=len(some) if factor > 1 else 0,
    )


def _write_hdf5(path: Path, vectors: Vectors) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("vectors", data=vectors)


def _load_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        return file["vectors"][()]


def _first_of_mapped(path: Path) -> Any:
    return np.array(np.load(path, mmap_mode="r")[0])


def _touch_all_mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r").sum()


def _write_flat(path: Path, vectors: Vectors) -> None:
    write_vectors(vectors.astype(np.float16), path)


def _first_of_flat(path: Path) -> Any:
    return _flat(path).reconstruct(0)


def _load_flat(path: Path) -> Any:
    index = _flat(path)
    return index.reconstruct_n(0, index.ntotal)


def _flat(path: Path) -> Any:
    import faiss

    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def _save(path: Path, vectors: Vectors) -> None:
    np.save(path, vectors)


def _save_text(path: Path, vectors: Vectors) -> None:
    np.savetxt(path, vectors)


def _load_text(path: Path) -> Any:
    return np.loadtxt(path, dtype=np.float32, ndmin=2)


_FORMATS = (
    _Format("text (savetxt)", "vectors.txt", _save_text, _load_text, most_rows=_TEXT_ROWS),
    _Format("HDF5", "vectors.hdf5", _write_hdf5, _load_hdf5),
    _Format("npy", "vectors.npy", _save, np.load),
    _Format("npy, memory-mapped: the first vector", "vectors.npy", _save, _first_of_mapped),
    _Format("npy, memory-mapped: all touched", "vectors.npy", _save, _touch_all_mapped),
    _Format("flat fp16 index, mapped: the first vector", "v.faiss", _write_flat, _first_of_flat),
    _Format("flat fp16 index, mapped: all as float32", "v.faiss", _write_flat, _load_flat),
)
