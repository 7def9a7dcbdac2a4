"""Local features of many images → those that look most like a query's.

Each feature's descriptor is kept as an IVF-PQ code of 16 bytes, 32 times four bits, which SIMD
compares in registers (André et al., Cache locality is not enough: high-performance nearest neighbor
search with product quantization fast scan, VLDB 2016); where few are, as 128 bytes.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.index.plugins import Rows, Vectors
from app.index.shortlist import read_index
from app.index.train import native_output_hidden, write_index
from app.values.features import PHASH, PHashes, Points

LOCAL_TRAINING_ROWS = 400
"""Images whose features are enough to train on, drawn at random."""
_PROBES = 16
_MOST_CELLS = 8_192
_FEATURES_A_CELL = 800
_TRAINED_A_CELL = 32
_FEW_FEATURES = 20_000  # kept in full: the codes' centroids alone would take as much room
_FEWEST = 2_000  # compared one by one
_FEWEST_COUNTED = 20  # features: an image with fewer has no more of a vote


@dataclass(frozen=True)
class LocalMatches:
    """For each of n query features its k nearest: their images and squared distances.

    `images` is (n, k) int64, -1 where there is none; `distances` (n, k) float32; `counts` (n, k)
    how many features each image has.
    """

    images: NDArray[np.int64]
    distances: Vectors
    counts: NDArray[np.int64]

    def votes(self, there: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how much each of the (n, k) neighbours that count, `there`, votes for its image.

        The nearer it is than the furthest of them the more; an image with many features, which has
        many votes by chance, has less for each.
        """
        furthest = np.where(there, self.distances, 0).max(axis=1, keepdims=True)
        near = np.where(there, furthest - self.distances + 1e-3, 0)
        weights: NDArray[np.float64] = near / np.sqrt(np.maximum(self.counts, _FEWEST_COUNTED))
        return weights

    def best(self, k: int) -> "LocalMatches":
        """Return the k nearest of each."""
        if self.images.shape[1] <= k:
            return self
        order = np.argsort(self.distances, axis=1, kind="stable")[:, :k]
        taken = np.arange(len(self.images))[:, None], order
        return LocalMatches(self.images[taken], self.distances[taken], self.counts[taken])

    @staticmethod
    def together(parts: "list[LocalMatches]", k: int) -> "LocalMatches":
        """Return the k nearest of those that several indexes have found, at least one."""
        if len(parts) == 1:
            return parts[0].best(k)
        fields = (
            np.concatenate([getattr(part, name) for part in parts], axis=1)
            for name in ("images", "distances", "counts")
        )
        return LocalMatches(*fields).best(k)


class LocalIndex:
    """An open index of local features, by the rows of their images. For many threads."""

    def __init__(self, index: Path, points: Path, firsts: Path, phashes: Path | None) -> None:
        """Open the files, of which older galleries lack the last.

        GalleryError if they do not belong together.
        """
        self._index = read_index(index)
        if isinstance(self._index, faiss.IndexIVFPQFastScan):  # reading leaves out the one pointer
            self._index.fine_quantizer = self._index.pq  # without which reconstructing crashes
        self._points: Points = np.load(points, mmap_mode="r")
        self._firsts: NDArray[np.int64] = np.load(firsts)
        self._phashes: PHashes = np.zeros((self.rows, PHASH), np.uint8)
        if phashes is not None:
            self._phashes = np.load(phashes)
        self._mapping = threading.Lock()
        if (
            len(self._phashes) != self.rows
            or not len(self._points) == self._index.ntotal == self._firsts[-1]
        ):
            raise GalleryError(f"{index} and {points} do not belong together.")

    @property
    def rows(self) -> int:
        """How many images there are."""
        return len(self._firsts) - 1

    def search(self, descriptors: Vectors, k: int) -> LocalMatches:
        """Return the k nearest features of each of (n, 128) descriptors; `images` are rows."""
        count = len(descriptors)
        wanted = min(k, self._index.ntotal)
        if not wanted or not count:
            return LocalMatches(
                np.full((count, 1), -1, np.int64),
                np.full((count, 1), np.inf, np.float32),
                np.zeros((count, 1), np.int64),
            )
        parameters = None
        if isinstance(self._index, faiss.IndexIVF):
            parameters = faiss.SearchParametersIVF(nprobe=min(_PROBES, self._index.nlist))
        distances, found = self._index.search(descriptors, wanted, params=parameters)
        missing = found < 0
        rows = np.searchsorted(self._firsts, np.where(missing, 0, found), side="right") - 1
        counts = self._firsts[rows + 1] - self._firsts[rows]
        distances[missing] = np.inf
        return LocalMatches(np.where(missing, -1, rows), distances, counts)

    def phashes(self, rows: Rows) -> PHashes:
        """Return the (n, 8) perceptual hashes of rows."""
        return self._phashes[rows]

    def search_phashes(self, phash: PHashes, most: int) -> Rows:
        """Return the rows whose hashes differ from (8,) one in at most so many bits, best first."""
        known, asked = self._phashes.view(np.uint64)[:, 0], phash.view(np.uint64)[0]
        bits = np.bitwise_count(known ^ asked)
        rows = np.flatnonzero((bits <= most) & (known != 0))
        return rows[np.argsort(bits[rows], kind="stable")]

    def of_rows(self, rows: Rows) -> list[tuple[Points, Vectors]]:
        """Return the places of each image's features and their (n, 128) descriptors, as stored."""
        index = self._reconstructing
        found = []
        for row in rows.tolist():
            first, end = self._firsts[row : row + 2].tolist()
            vectors = np.zeros((0, self._index.d), np.float32)
            if end > first:
                vectors = index.reconstruct_batch(np.arange(first, end))
            found.append((np.array(self._points[first:end]), vectors))
        return found

    @cached_property
    def _reconstructing(self) -> Any:
        with self._mapping:
            if isinstance(self._index, faiss.IndexIVF):
                self._index.make_direct_map()
            return self._index


def write_local_index(
    training: Vectors,
    features: Iterable[tuple[PHashes, Points, Vectors]],
    expected: int,
    *,
    index: Path,
    points: Path,
    firsts: Path,
    phashes: Path,
) -> None:
    """Write the hashes and features of images, by their rows, as `LocalIndex` reads them.

    `training` are (n, 128) descriptors of some of them, `expected` about how many there will be.
    """
    made = _trained(training, expected)
    hashes: list[PHashes] = []
    places: list[Points] = []
    ends = [0]
    waiting: list[Vectors] = []

    def add() -> None:
        if waiting:
            made.add(np.concatenate(waiting))
            waiting.clear()

    for phash, packed, vectors in features:
        hashes.append(phash)
        places.append(packed)
        ends.append(ends[-1] + len(vectors))
        if len(vectors):
            waiting.append(vectors)
        if len(waiting) >= 256:
            add()
    add()
    write_index(made, index)
    np.save(points, np.concatenate(places))
    np.save(firsts, np.array(ends, np.int64))
    np.save(phashes, np.array(hashes, np.uint8).reshape(-1, PHASH))


def _trained(training: Vectors, expected: int) -> Any:
    """Return an empty index for about so many features."""
    dim = training.shape[1]
    cells = min(_MOST_CELLS, expected // _FEATURES_A_CELL, len(training) // _TRAINED_A_CELL)
    if expected < _FEWEST or len(training) < 256:
        factory = "SQ8"
    elif expected < _FEW_FEATURES:
        factory = f"IVF{max(1, min(expected // 50, len(training) // _TRAINED_A_CELL))},SQ8"
    else:
        factory = f"IVF{max(16, cells)},PQ32x4fs"
    index = faiss.index_factory(dim, factory)
    if isinstance(index, faiss.IndexIVF):
        index.cp.niter = 8
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = 64
        if isinstance(index, faiss.IndexIVFPQFastScan):
            index.pq.cp.niter = 8
    elif not len(training):
        training = np.eye(dim, dtype=np.float32)
    with native_output_hidden():
        index.train(training)
    return index
