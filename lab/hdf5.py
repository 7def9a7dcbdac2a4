"""Vectors, queries and their true neighbours ↔ a file in ann-benchmarks' HDF5 layout.

https://github.com/erikbern/ann-benchmarks: data sets `train` (n, dim), `test` (q, dim), `neighbors`
(q, k) and `distances` (q, k), and the attributes `distance` and `type`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import DatasetError, StorageError

_METRICS: dict[str, Literal["l2", "ip", "cosine"]] = {
    "euclidean": "l2",
    "angular": "cosine",
    "dot": "ip",
}
_DISTANCES = {metric: name for name, metric in _METRICS.items()}


@dataclass(frozen=True)
class Benchmark:
    """What such a file holds.

    `train` (n, dim) and `test` (q, dim) as stored; `neighbors` (q, k) int64 rows of `train`, best
    first, and `distances` (q, k) float32, or None; `metric` is that of the attribute `distance`:
    distances are Euclidean for `l2`, 1 less the cosine for `cosine`, and the inner product with its
    sign turned for `ip`.
    """

    train: NDArray[Any]
    test: NDArray[Any]
    neighbors: NDArray[np.int64] | None
    distances: NDArray[np.float32] | None
    metric: Literal["", "l2", "ip", "cosine"]


def read_hdf5(path: Path) -> Benchmark:
    """Return what a file of that layout holds; DatasetError if it cannot be read or is another."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_layout(path, file)
            distance = str(file.attrs.get("distance", ""))
            if distance and distance not in _METRICS:
                raise DatasetError(
                    f"{path} is made for the distance {distance!r}, and only "
                    f"{', '.join(_METRICS)} can be compared: name another file."
                )
            neighbors = file["neighbors"][()].astype(np.int64) if "neighbors" in file else None
            distances = file["distances"][()].astype(np.float32) if "distances" in file else None
            return Benchmark(
                file["train"][()],
                file["test"][()],
                neighbors,
                distances,
                _METRICS.get(distance, ""),
            )
    except OSError as exc:
        raise DatasetError(f"{path} is no HDF5 file, or is cut short: copy it anew.") from exc


def write_hdf5(path: Path, benchmark: Benchmark) -> None:
    """Write a file of that layout; StorageError if there is no room for it."""
    import h5py

    held = {
        "train": benchmark.train,
        "test": benchmark.test,
        "neighbors": benchmark.neighbors,
        "distances": benchmark.distances,
    }
    try:
        with h5py.File(path, "w") as file:
            file.attrs["type"] = "dense"
            if benchmark.metric:
                file.attrs["distance"] = _DISTANCES[benchmark.metric]
            for name, array in held.items():
                if array is not None:
                    file.create_dataset(name, data=array)
    except OSError as exc:
        raise StorageError(f"{path} cannot be written: {exc}.") from exc


def _check_layout(path: Path, file: Any) -> None:
    import h5py

    lacking = [name for name in ("train", "test") if not isinstance(file.get(name), h5py.Dataset)]
    if lacking:
        raise DatasetError(
            f"{path} has no {' and no '.join(lacking)} but {', '.join(file) or 'nothing'}: use a "
            "file in ann-benchmarks' layout (train, test, neighbors, distances)."
        )
