"""Vectors, queries, true neighbours and the results of searches ↔ ann-benchmarks' HDF5 layouts.

https://github.com/erikbern/ann-benchmarks: a file of vectors holds `train` (n, dim), `test`
(q, dim), `neighbors` (q, k) and `distances` (q, k), and the attributes `distance` and `type`; that
of one search holds `times` (q,), `neighbors` (q, k) and `distances` (q, k), and what was built.
"""

from collections.abc import Mapping
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
    """The content of a file of vectors.

    `train` (n, dim) and `test` (q, dim) as stored; `neighbors` (q, k) int64 rows of `train`, best
    first, and `distances` (q, k) float32, or None; `metric` is that of the attribute `distance`:
    distances are Euclidean for `l2`, 1 less the cosine for `cosine`, and the inner product with its
    sign turned for `ip`. `own_rows` (q,) int64 is an addition of this project: the row of each
    query in `train`, no neighbour of itself; None where the queries are not among the vectors.
    """

    train: NDArray[Any]
    test: NDArray[Any]
    neighbors: NDArray[np.int64] | None
    distances: NDArray[np.float32] | None
    metric: Literal["", "l2", "ip", "cosine"]
    own_rows: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Found:
    """The results of one search of all queries.

    `neighbors` (q, k), -1 where nothing was found, and `distances` (q, k) as in `Benchmark`,
    `times` (q,) in seconds; `attributes` are numbers and texts such as `algo`, `build_time` (s)
    and `index_size` (kB).
    """

    times: NDArray[np.float32]
    neighbors: NDArray[np.int64]
    distances: NDArray[np.float32]
    metric: Literal["l2", "ip", "cosine"]
    attributes: Mapping[str, str | int | float | bool]


def read_hdf5(path: Path) -> Benchmark:
    """Return the content of a file of vectors; DatasetError if it is damaged or of other layout."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_layout(path, file)
            distance = file.attrs.get("distance", "")
            distance = distance.decode() if isinstance(distance, bytes) else str(distance)
            if distance and distance not in _METRICS:
                raise DatasetError(
                    f"{path} is made for the distance {distance!r}, and only "
                    f"{', '.join(_METRICS)} can be compared: name another file."
                )
            neighbors = file["neighbors"][()].astype(np.int64) if "neighbors" in file else None
            distances = file["distances"][()].astype(np.float32) if "distances" in file else None
            own_rows = file["own_rows"][()].astype(np.int64) if "own_rows" in file else None
            return Benchmark(
                file["train"][()],
                file["test"][()],
                neighbors,
                distances,
                _METRICS.get(distance, ""),
                own_rows,
            )
    except OSError as exc:
        raise DatasetError(f"{path} is no HDF5 file, or is cut short: copy it anew.") from exc


def write_hdf5(path: Path, benchmark: Benchmark) -> None:
    """Write a file of vectors; StorageError if there is no room for it."""
    held: dict[str, NDArray[Any] | None] = {
        "train": benchmark.train,
        "test": benchmark.test,
        "neighbors": benchmark.neighbors,
        "distances": benchmark.distances,
        "own_rows": benchmark.own_rows,
    }
    distance = {"distance": _DISTANCES[benchmark.metric]} if benchmark.metric else {}
    _write(path, held, {"type": "dense"} | distance)


def write_found(path: Path, found: Found) -> None:
    """Write the file of one search; StorageError if there is no room for it."""
    held: dict[str, NDArray[Any] | None] = {
        "times": found.times,
        "neighbors": found.neighbors,
        "distances": found.distances,
    }
    _write(path, held, {"distance": _DISTANCES[found.metric], **found.attributes})


def as_stored(distances: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Return distances of `lab.measures` as such files have them: the nearest is the smallest.

    >>> as_stored(np.array([1.0, 0.25, -np.inf], np.float32), "cosine")
    array([0.  , 0.75,  inf], dtype=float32)
    """
    if metric == "l2":
        return distances
    return (1 - distances if metric == "cosine" else -distances).astype(np.float32)


def _write(
    path: Path, held: Mapping[str, NDArray[Any] | None], attributes: Mapping[str, Any]
) -> None:
    import h5py

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs.update(attributes)
            for name, array in held.items():
                if array is not None:
                    file.create_dataset(name, data=array)
    except OSError as exc:
        raise StorageError(f"{path} cannot be written: {exc}.") from exc


def _check_layout(path: Path, file: Any) -> None:
    import h5py

    lacking = [
        name
        for name in ("train", "test")
        if not isinstance(file.get(name), h5py.Dataset) or file[name].ndim != 2
    ]
    if lacking:
        raise DatasetError(
            f"{path} has no {' and no '.join(lacking)} of rows but {', '.join(file) or 'nothing'}: "
            "use a file in ann-benchmarks' layout (train, test, neighbors, distances)."
        )
