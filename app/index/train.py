"""Vectors → the two index files: the flat one with all of them, and the trained shortlist."""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import contextlib
import math
import os
import re
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from app.errors import StorageError
from app.index import plugins, threads
from app.index.factory import MIN_ROWS_A_CELL, cells_of, fit_factory, inner_of, numbered_of
from app.index.projection import Projection
from app.index.quantiser import Quantiser
from app.index.shortlist import read_index

MOST_ROWS_A_CENTROID = 256
"""FAISS's own bound, which k-means' time grows with.

With 64 the ten nearest of 40,000 clustered vectors of 2048 numbers were less often among 200
candidates of IVF100,PQ8: 0.85 of them, not 0.90.
"""
_MAX_TRAINING_ROWS = 65_536
_FEW_CELLS = 1_024
# FAISS makes 50. With 5 training for 9,144 × 1280 takes 15 s instead of 52 s, and 0.953 of the ten
# nearest are among 200 candidates of OPQ16_64,IVF96,PQ16 instead of 0.958.
_OPQ_ROUNDS = 10
_ORDER_ROUNDS = 5
_CHUNK_ROWS = 4_096
_BUFFER_BYTES = 1 << 20
_ROWS_AT = 8  # bytes into FAISS's file, after its four letters and the dimension


def write_vectors(
    vectors: NDArray[np.float16] | Iterable[NDArray[np.float32]],
    path: Path,
    projection: Projection | None = None,
    *,
    dim: int | None = None,
) -> None:
    """Write (n, dim) fp16 vectors as the flat index that exact search and re-ranking read.

    With a `projection` the projected vectors are written. `vectors` may be parts of them, one after
    the other; then `dim` says how many numbers each has.
    """
    if isinstance(vectors, np.ndarray):
        dim, vectors = vectors.shape[1], _parts(vectors)
    assert dim is not None
    parts = (projection.apply(part) if projection else part for part in vectors)
    _write_flat(parts, projection.dim if projection else dim, path)


def _write_flat(parts: Iterable[NDArray[np.float32]], dim: int, path: Path) -> None:
    """Write the file that FAISS writes of such an index, a part of the vectors at a time.

    FAISS would hold all of them in memory first. Its file is the one of an empty index with the
    number of rows in its place, and at its end the length of the codes and the codes.
    """
    empty = faiss.IndexScalarQuantizer(
        dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    head = faiss.serialize_index(empty).tobytes()
    count = struct.Struct("<Q")
    rows = 0
    try:
        with path.open("wb", buffering=_BUFFER_BYTES) as file:
            file.write(head)
            for part in parts:
                with threads.at_most(1):  # the memory's speed, which one thread reaches
                    codes: NDArray[np.uint8] = empty.sa_encode(part)
                file.write(codes.data)
                rows += len(part)
            for place, number in ((_ROWS_AT, rows), (len(head) - count.size, 2 * dim * rows)):
                file.seek(place)
                file.write(count.pack(number))
    except OSError as exc:
        raise _no_room(path) from exc


def _parts(vectors: NDArray[np.float16]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(vectors), _CHUNK_ROWS):
        yield vectors[start : start + _CHUNK_ROWS].astype(np.float32)


def train_shortlist(vectors: Path, factory: str, path: Path) -> tuple[str, str]:
    """Train and fill `factory` from the flat index at `vectors`, write it to `path`.

    Returns the factory string used and a note ('' if all is as asked). No file is written for
    "Flat": the vectors themselves are searched.
    """
    factory, note, _ = train_quantiser(vectors, factory, path)
    return factory, note


def train_quantiser(vectors: Path, asked: str, path: Path) -> tuple[str, str, Quantiser | None]:
    """Do what `train_shortlist` does; return what was trained too, where others can be filled."""
    path.unlink(missing_ok=True)
    flat = read_index(vectors)
    factory, note = fit_factory(asked, flat.ntotal, flat.d)
    if factory == "Flat":
        return factory, note, None
    if plugins.split(factory)[0]:
        _train_plugin(flat, factory, path)
        return factory, note, None
    index = untrained(factory, flat.d)
    try:
        if not index.is_trained:
            with native_output_hidden(), threads.at_most(_training_threads(cells_of(index))):
                index.train(_training_rows(flat))
    except RuntimeError:
        why = f"{flat.ntotal} images could not train {factory}: they are searched exactly"
        return "Flat", why, None
    quantiser = Quantiser.of(index, asked, factory, flat.ntotal)
    _fill(index, flat)
    write_index(index, path)
    codes = getattr(inner_of(index), "pq", None)
    if codes is not None and flat.ntotal < MIN_ROWS_A_CELL * 2**codes.nbits and not note:
        note = (
            f"{flat.ntotal} images train {2**codes.nbits} centroids with fewer than the "
            f"{MIN_ROWS_A_CELL} each that k-means likes; exact re-ranking makes up for it"
        )
    return factory, note, quantiser


def fill_shortlist(vectors: Path, quantiser: Quantiser, path: Path) -> None:
    """Fill what was trained before from the flat index at `vectors`, write it to `path`."""
    index = quantiser.empty()
    _fill(index, read_index(vectors))
    write_index(index, path)


def _fill(index: Any, flat: Any) -> None:
    """Add all vectors of the flat index to a trained one.

    One that keeps rows' numbers, a graph, then has vectors in memory near those that they are like:
    a walk goes from one to the next, and finds more of them in the processor's caches. It takes a
    fifth less time at 100,000 × 256.
    """
    numbered = numbered_of(index)
    if numbered is None:
        for chunk in _chunks(flat):
            index.add(chunk)
        return
    for start, chunk in zip(range(0, flat.ntotal, _CHUNK_ROWS), _chunks(flat), strict=True):
        index.add_with_ids(chunk, np.arange(start, start + len(chunk)))
    order = _like_by_like(flat)
    inner_of(index).permute_entries(order)
    faiss.copy_array_to_vector(order, numbered.id_map)


def _like_by_like(flat: Any) -> NDArray[np.int64]:
    """Return the (n,) rows in an order in which near ones of it are mostly near in space.

    By the cells of k-means, and these by their centres along the line on which those differ most.
    Orders of graphs are compared in Coleman et al., "Graph Reordering for Cache-Efficient Near
    Neighbor Search", 2022; this one needs no walk through the graph.
    """
    cells = math.isqrt(flat.ntotal)
    kmeans = faiss.Kmeans(
        flat.d, cells, niter=_ORDER_ROUNDS, min_points_per_centroid=1, max_points_per_centroid=64
    )
    with threads.at_most(_training_threads(cells)):
        kmeans.train(_training_rows(flat))
    assert kmeans.centroids is not None
    differences = kmeans.centroids - kmeans.centroids.mean(axis=0)
    along = differences @ np.linalg.svd(differences, full_matrices=False)[2][0]
    places = np.argsort(np.argsort(along))
    nearest = [kmeans.index.search(chunk, 1)[1][:, 0] for chunk in _chunks(flat)]
    order: NDArray[np.int64] = np.argsort(places[np.concatenate(nearest)], kind="stable")
    return order


def untrained(factory: str, dim: int) -> Any:
    """Return FAISS's index of this string, for `dim` numbers a vector, set up to be trained."""
    with_numbers = re.sub(r"(^|,)(?=HNSW)", r"\1IDMap,", factory)
    index = faiss.index_factory(dim, with_numbers, faiss.METRIC_INNER_PRODUCT)
    inner = inner_of(index)
    for owner in (inner, getattr(inner, "pq", None)):
        if owner is not None and hasattr(owner, "cp"):
            # It would warn below 39 rows a centroid, once for each sub-vector.
            owner.cp.min_points_per_centroid = 1
            owner.cp.max_points_per_centroid = MOST_ROWS_A_CENTROID
    if hasattr(inner, "do_polysemous_training"):
        # It only renumbers the centroids, for a filter that is not used here, and takes 85 % of
        # the training time (https://github.com/facebookresearch/faiss/wiki/Polysemous-codes).
        inner.do_polysemous_training = False
    if isinstance(index, faiss.IndexPreTransform):
        rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        if isinstance(rotation, faiss.OPQMatrix):
            rotation.niter = _OPQ_ROUNDS
    return index


def _training_threads(cells: int) -> int:
    """Return how many threads k-means takes.

    Its threads meet after every few milliseconds of work where centroids are few. Where anything
    else runs on the machine they spend more time waiting for each other than working: 40,000 ×
    2048 for IVF100,PQ8 took two threads 16 to 35 s, and one 9 to 12 s.
    """
    return 1 if cells <= _FEW_CELLS else os.cpu_count() or 1


def _train_plugin(flat: Any, factory: str, path: Path) -> None:
    """Train, fill and write the shortlist of another package."""
    name, wanted = plugins.split(factory)
    shortlist = plugins.maker_named(name).train(_training_rows(flat), wanted)
    for chunk in _chunks(flat):
        shortlist.add(chunk)
    plugins.write(name, shortlist, path)


def _training_rows(flat: Any) -> NDArray[np.float32]:
    """Return all vectors of the flat index, or as many as are enough to learn from."""
    sample = np.arange(flat.ntotal)
    if flat.ntotal > _MAX_TRAINING_ROWS:
        rng = np.random.default_rng(0)
        sample = np.sort(rng.choice(flat.ntotal, _MAX_TRAINING_ROWS, replace=False))
    rows: NDArray[np.float32] = flat.reconstruct_batch(sample)
    return rows


def _chunks(flat: Any) -> Iterator[NDArray[np.float32]]:
    for start in range(0, flat.ntotal, _CHUNK_ROWS):
        yield flat.reconstruct_n(start, min(_CHUNK_ROWS, flat.ntotal - start))


def write_index(index: Any, path: Path) -> None:
    """Write an index to a file; StorageError if the disk cannot take it."""
    try:
        # By Python's file: FAISS's own says nothing of an error when it is closed, which is when
        # its last bytes are written.
        with path.open("wb", buffering=_BUFFER_BYTES) as file:
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write, _BUFFER_BYTES))
    except (RuntimeError, OSError) as exc:
        raise _no_room(path) from exc


def _no_room(path: Path) -> StorageError:
    return StorageError(
        f"{path} cannot be written: make room, then run the same command again; what is done is "
        "kept."
    )


@contextlib.contextmanager
def native_output_hidden() -> Iterator[None]:
    """Keep FAISS's C++ warnings about small training sets off the terminal: we say it ourselves."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
