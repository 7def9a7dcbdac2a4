"""A gallery, or a file of vectors → the vectors, queries and labels of a study, checked."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.doors.python import OpenGallery, open_gallery
from app.errors import DatasetError, GalleryError, UsageError
from app.values import ImageRecord
from lab.hdf5 import read_hdf5

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_BLOCK_ROWS = 65_536
_VECTORS = ("vectors", "train", "codes")
_LABELS = ("labels", "label")
_KNOWN = {*_VECTORS, *_LABELS, "scale", "test", "test_labels", "wnids", "label_names"}
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
    pictures
        A hash of the pictures that a gallery's vectors are of, in their order; "" for a file.
    notes
        Sentences that a report owes its reader, such as what was left out.
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
    pictures: str = ""
    notes: tuple[str, ...] = ()

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

    def with_direction(self) -> "VectorSet":
        """Return the set without vectors and queries of zeros, which have no cosine."""
        return _without(self, lambda block: ~block.any(axis=1), "are zeros and have no direction")


def of_gallery(
    name: str, *, queries: int, seed: int = 0, home: str | os.PathLike[str] | None = None
) -> VectorSet:
    """Return the vectors of the gallery `name`, `queries` of its own images asking.

    A gallery that expands queries is asked with expanded ones. An image's label is the first that
    it has. NotFoundError names the galleries there are, GalleryError says what mends a damaged one,
    or one whose vectors are not here.
    """
    gallery = open_gallery(name, home=home)
    if gallery.info.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here, and its index holds only what codes kept "
            "of them: build or import it with its features."
        )
    vectors = _checked(gallery.vectors(), gallery.name)
    images = gallery.images()
    names = first_labels(images)
    known = tuple(sorted(set(names) - {""}))
    number = {label: place for place, label in enumerate(known)} | {"": _NO_LABEL}
    labels = np.array([number[label] for label in names], np.int64) if known else None
    found = _asking_itself(gallery.name, vectors, labels, known, queries=queries, seed=seed)
    if gallery.info.expand and found.own_rows is not None:
        asking = [images[row] for row in found.own_rows]
        found = replace(found, queries=as_asked(gallery, vectors, asking))
    several = sum(len(image.labels) > 1 for image in images)
    note = f"several labels, of which the first counts: {several:,} of {len(images):,} images"
    return replace(
        found,
        pictures=hashlib.sha256("".join(image.sha256 for image in images).encode()).hexdigest(),
        notes=(note,) if several else (),
    )


def first_labels(images: Sequence[ImageRecord]) -> list[str]:
    """Return the first label of each image, '' where it has none."""
    return [image.labels[0] if image.labels else "" for image in images]


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
    ask; where there is none, `queries` of the file's own rows do, drawn with `seed`. Vectors with
    values that are no numbers are left out, which `notes` says.
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
    held = _set_of(path, found, queries=queries, seed=seed)
    return _without(held, lambda block: ~np.isfinite(block).all(axis=1), "hold what is no number")


def _of_npy(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"vectors": np.lib.format.read_array(file, allow_pickle=False)}


def _of_npz(path: Path) -> dict[str, Any]:
    # numpy leaves a file that it opened open where it is damaged
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not isinstance(archive, Mapping):
            raise ValueError
        known = {name: _array(path, archive, name) for name in archive if name in _KNOWN}
        return dict.fromkeys(archive) | known


def _array(path: Path, archive: Mapping[str, Any], name: str) -> Any:
    try:
        return archive[name]
    except ValueError as exc:  # objects, which numpy would have to unpickle
        raise DatasetError(
            f"{path} holds {name} as objects and not as one array of numbers, which lists of "
            "different lengths become: give all vectors the same dimension."
        ) from exc


def _of_hdf5(path: Path) -> dict[str, Any]:
    held = read_hdf5(path)
    found = {"train": held.train, "test": held.test, "metric": held.metric}
    return found | ({} if held.own_rows is None else {"own_rows": held.own_rows})


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
    own = _labels(path, found, ("own_rows",), len(found["test"]))
    if own is not None and not ((own >= 0) & (own < len(vectors))).all():
        raise DatasetError(f"{path} has own_rows that are no rows of {given}: copy it anew.")
    return VectorSet(
        path.stem,
        vectors,
        test,
        None if own is None else own[: len(test)],
        labels,
        asked,
        label_names=names,
        metric=metric,
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
    with np.errstate(over="ignore"):  # too large a number becomes infinite, and its row is left out
        vectors: Vectors = np.ascontiguousarray(array, np.float32)
    return vectors


def _without(held: VectorSet, bad: Callable[[Vectors], Any], what: str) -> VectorSet:
    """Return a set without the vectors and queries that a test of (n, dim) finds, which is noted.

    DatasetError if nothing is left.
    """
    kept = np.ones(len(held.vectors), bool)
    kept[_rows_where(held.vectors, bad)] = False
    asking = np.ones(len(held.queries), bool)
    asking[_rows_where(held.queries, bad)] = False
    if held.own_rows is not None:
        asking &= kept[held.own_rows]
    if kept.all() and asking.all():
        return held
    gone = f"{(~asking).sum():,} of {len(asking):,} queries"
    if not kept.all():
        gone = f"{(~kept).sum():,} of {len(kept):,} vectors, the first in row {kept.argmin()},"
    note = f"{gone} {what}: they are left out"
    if not kept.any() or not asking.any():
        raise DatasetError(f"{held.name}: {note}, and no others are there to compare.")
    places = np.cumsum(kept) - 1
    return replace(
        held,
        vectors=held.vectors[kept],
        queries=held.queries[asking],
        own_rows=None if held.own_rows is None else places[held.own_rows[asking]],
        labels=None if held.labels is None else held.labels[kept],
        query_labels=None if held.query_labels is None else held.query_labels[asking],
        notes=(*held.notes, note),
    )


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
