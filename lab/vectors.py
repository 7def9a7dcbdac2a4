"""A gallery, or a file of vectors → what a study measures: vectors, queries and labels, checked."""

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import DatasetError, UsageError
from app.library import OpenGallery, open_gallery
from app.results import ImageRecord
from lab.hdf5 import read_hdf5

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_BLOCK_ROWS = 65_536
_VECTORS = ("vectors", "train", "codes")
_LABELS = ("labels", "label")
_NO_LABEL = -1


@dataclass(frozen=True)
class VectorSet:
    """Vectors, the queries that ask them, and what is known of both.

    Parameters
    ----------
    name
        What a report calls it.
    vectors, queries
        (n, dim) and (q, dim) float32.
    own_rows
        (q,) int64, the row of each query in `vectors`, to be left out of its own answer; None where
        the queries are not among the vectors.
    labels, query_labels
        (n,) and (q,) int64 that index `label_names`, -1 for none; None where there are no labels.
    drawn
        How many of the vectors, the last ones, were drawn to resemble the others (`lab.extend`).
    label_names
        The labels' names, in sorted order.
    metric
        What the file was made for (`l2`, `ip` or `cosine`); "" where it does not say.
    """

    name: str
    vectors: Vectors
    queries: Vectors
    own_rows: Rows | None = None
    labels: Rows | None = None
    query_labels: Rows | None = None
    drawn: int = 0
    label_names: tuple[str, ...] = ()
    metric: Literal["", "l2", "ip", "cosine"] = ""

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return int(self.vectors.shape[1])

    def unit(self) -> "VectorSet":
        """Return the set with vectors and queries of length 1, whose inner product is the cosine.

        UsageError if one of them is a vector of zeros, which has no direction.
        """
        vectors = _unit(self.vectors, self.name)
        return replace(self, vectors=vectors, queries=_unit(self.queries, f"test of {self.name}"))


def of_gallery(
    name: str, *, queries: int, seed: int = 0, home: str | os.PathLike[str] | None = None
) -> VectorSet:
    """Return the vectors of the gallery `name`, `queries` of its own images asking.

    A gallery that expands queries is asked with expanded ones. An image's label is the first that
    it has. NotFoundError names the galleries there are, GalleryError says what mends a damaged one.
    """
    gallery = open_gallery(name, home=home)
    vectors = _checked(gallery.vectors(), gallery.name)
    images = gallery.images()
    names = [image.labels[0] if image.labels else "" for image in images]
    known = tuple(sorted(set(names) - {""}))
    number = {label: place for place, label in enumerate(known)} | {"": _NO_LABEL}
    labels = np.array([number[label] for label in names], np.int64) if known else None
    found = _asking_itself(gallery.name, vectors, labels, known, queries=queries, seed=seed)
    if gallery.info.expand and found.own_rows is not None:
        asking = [images[row] for row in found.own_rows]
        found = replace(found, queries=as_asked(gallery, vectors, asking))
    return found


def as_asked(gallery: OpenGallery, vectors: Vectors, images: Sequence[ImageRecord]) -> Vectors:
    """Return the (q, dim) vectors that searches for a gallery's own images compare.

    `vectors` are its (n, dim) stored ones; a gallery that expands queries adds to each the images
    nearest to it, found through the index, itself and its copies left out.
    """
    if not gallery.info.expand:
        return vectors[[image.id for image in images]]
    return np.stack([gallery.embed(image) for image in images])


def of_file(path: str | os.PathLike[str], *, queries: int, seed: int = 0) -> VectorSet:
    """Return the vectors of a .npy, .npz or ann-benchmarks .hdf5 file.

    A .npz holds `vectors` or `train` (n, dim), or `codes` (n, dim) int8 with `scale` (dim,), whose
    product is brought to length 1; besides perhaps `test` (q, dim), `labels` or `label` (n,) of
    integers, `test_labels` (q,) and `wnids` or `label_names`. The first `queries` vectors of `test`
    ask; where there is none, `queries` of the file's own rows do, drawn with `seed`.
    DatasetError if the file is missing, cannot be read or holds no vectors that can be compared.
    """
    path = Path(path)
    readers = {".npz": _of_npz, ".npy": _of_npy, ".hdf5": _of_hdf5, ".h5": _of_hdf5}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is no file of vectors: name a .npz, .npy or .hdf5 file.")
    if not path.is_file():
        raise DatasetError(f"There is no file {path}: check the name.")
    try:
        found = reader(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "it is damaged"
        raise DatasetError(f"{path} cannot be read ({reason}): copy it anew.") from exc
    return _set_of(path, found, queries=queries, seed=seed)


def _of_npy(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"vectors": np.lib.format.read_array(file, allow_pickle=False)}


def _of_npz(path: Path) -> dict[str, Any]:
    # numpy leaves a file that it opened open where it is damaged
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not isinstance(archive, Mapping):
            raise ValueError
        return {name: archive[name] for name in archive}


def _of_hdf5(path: Path) -> dict[str, Any]:
    held = read_hdf5(path)
    return {"train": held.train, "test": held.test, "metric": held.metric}


def _set_of(path: Path, found: dict[str, Any], *, queries: int, seed: int) -> VectorSet:
    given = next((name for name in _VECTORS if name in found), None)
    if given is None:
        raise DatasetError(
            f"{path} holds {', '.join(found) or 'nothing'} and none of vectors, train and codes: "
            "save the vectors under one of these names."
        )
    vectors = _decoded(path, found) if given == "codes" else found[given]
    vectors = _checked(vectors, str(path))
    labels = _labels(path, found, _LABELS, len(vectors))
    names = tuple(str(name) for name in found.get("wnids", found.get("label_names", ())))
    if names and labels is not None and labels.max() >= len(names):
        raise DatasetError(
            f"{path} has {len(names)} names of labels and a label {labels.max()}: name every label."
        )
    metric = found.get("metric", "")
    if "test" not in found:
        return _asking_itself(
            path.stem, vectors, labels, names, queries=queries, seed=seed, metric=metric
        )
    test = _checked(found["test"][: _number(queries)], f"test of {path}")
    if test.shape[1] != vectors.shape[1]:
        raise DatasetError(
            f"{path} has vectors of {vectors.shape[1]} numbers in {given} and of {test.shape[1]} "
            "in test: both must come from one model."
        )
    asked = _labels(path, found, ("test_labels",), len(found["test"]))
    if asked is not None:
        asked = asked[: len(test)]
    return VectorSet(
        path.stem, vectors, test, None, labels, asked, label_names=names, metric=metric
    )


def _decoded(path: Path, found: dict[str, Any]) -> Vectors:
    """Return codes times scale, of length 1."""
    codes, scale = found["codes"], found.get("scale")
    if codes.ndim != 2 or scale is None or scale.shape != (codes.shape[1],):
        raise DatasetError(
            f"{path} has codes of shape {codes.shape}, which need an array scale with as many "
            "numbers as a code has."
        )
    values: Vectors = codes.astype(np.float32)
    values *= scale.astype(np.float32)
    return _unit(values, str(path))


def _labels(path: Path, found: dict[str, Any], possible: tuple[str, ...], rows: int) -> Rows | None:
    name = next((name for name in possible if name in found), None)
    if name is None:
        return None
    labels = found[name]
    if labels.shape != (rows,) or labels.dtype.kind not in "iu":
        raise DatasetError(
            f"{path} has {rows} vectors and {name} of shape {labels.shape} {labels.dtype}: every "
            "vector needs one integer."
        )
    whole: Rows = labels.astype(np.int64)
    return whole


def _asking_itself(
    name: str,
    vectors: Vectors,
    labels: Rows | None,
    label_names: tuple[str, ...],
    *,
    queries: int,
    seed: int,
    metric: Literal["", "l2", "ip", "cosine"] = "",
) -> VectorSet:
    """Return a set whose queries are drawn from its own rows."""
    own = np.random.default_rng(seed).permutation(len(vectors))[: _number(queries)]
    own = own.astype(np.int64)
    asked = None if labels is None else labels[own]
    return VectorSet(
        name, vectors, vectors[own], own, labels, asked, label_names=label_names, metric=metric
    )


def _number(queries: int) -> int:
    if queries < 1:
        raise UsageError(f"The number of queries must be 1 or more, not {queries}.")
    return queries


def _checked(array: Any, what: str) -> Vectors:
    """Return an array as (n, dim) float32; DatasetError unless it can be searched."""
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise DatasetError(
            f"{what} holds an array of shape {array.shape} {array.dtype}: vectors must be numbers "
            "of shape (n, dim)."
        )
    if not array.size:
        raise DatasetError(f"{what} holds no vectors: its shape is {array.shape}.")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told
        vectors: Vectors = np.ascontiguousarray(array, np.float32)
    bad = _rows_where(vectors, lambda block: ~np.isfinite(block).all(axis=1))
    if len(bad):
        raise DatasetError(
            f"{what} has {len(bad)} of {len(vectors)} vectors with values that are no numbers, the "
            f"first in row {bad[0]}: leave them out."
        )
    return vectors


def _unit(vectors: Vectors, what: str) -> Vectors:
    unit = np.empty_like(vectors)
    zeros = _rows_where(vectors, lambda block: ~block.any(axis=1))
    if len(zeros):
        raise UsageError(
            f"{what} has {len(zeros)} vectors of zeros, the first in row {zeros[0]}: they have no "
            "direction, so use the metric l2 or leave them out."
        )
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS]
        unit[start : start + _BLOCK_ROWS] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return unit


def _rows_where(vectors: Vectors, test: Any) -> Rows:
    """Return the rows that a test of blocks holds for."""
    blocks = range(0, len(vectors), _BLOCK_ROWS)
    found = [start + np.flatnonzero(test(vectors[start : start + _BLOCK_ROWS])) for start in blocks]
    return np.concatenate(found).astype(np.int64)
