"""A model's unit vectors → a gallery's own: centred, on few principal components, of length 1.

Jégou, Chum, Negative Evidences and Co-occurrences in Image Retrieval, ECCV 2012, for what centring
does to cosines. Components are not whitened: of the vectors tried here that lowers precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.values.vectors import unit

BLOCK_ROWS = 4_096

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """The mean and the principal components of a gallery's vectors, both float32."""

    mean: Vectors  # (from_dim,)
    components: Vectors  # (dim, from_dim), rows of norm 1, the one of most variance first

    @property
    def dim(self) -> int:
        """The dimension of a projected vector."""
        return int(self.components.shape[0])

    @property
    def from_dim(self) -> int:
        """The dimension of the model's own vectors."""
        return int(self.components.shape[1])

    def apply(self, vectors: NDArray[np.floating[Any]]) -> Vectors:
        """Return (n, dim) float32 vectors of norm 1 of the model's (n, from_dim).

        One that is the mean itself gives zeros, which are like nothing.
        """
        return unit((vectors.astype(np.float32) - self.mean) @ self.components.T)

    def write(self, path: Path) -> None:
        """Write it as a safetensors file: numbers alone, the same bytes for the same ones.

        OSError if it cannot be written.
        """
        from safetensors.numpy import save

        path.write_bytes(save({"mean": self.mean, "components": self.components}))

    @classmethod
    def read(cls, path: Path) -> "Projection":
        """Return the projection that `write` wrote; GalleryError if the file is none, or missing.

        Whether it is the gallery's own file is for its manifest to say.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(path.read_bytes())
            read = cls(tensors["mean"], tensors["components"])
        except (OSError, SafetensorError, KeyError) as exc:
            raise GalleryError(f"{path} holds no projection of vectors.") from exc
        arrays = (read.mean, read.components)
        if (
            any(array.dtype != np.float32 or not np.isfinite(array).all() for array in arrays)
            or read.components.ndim != 2
            or read.mean.shape != read.components.shape[1:]
            or not 1 <= read.dim <= read.from_dim
        ):
            raise GalleryError(f"{path} holds no projection of vectors.")
        return read


def train_projection(vectors: NDArray[np.floating[Any]], components: int) -> Projection:
    """Return the projection of (n, dim) vectors on their first principal components.

    Means and covariances are added up in float64, a block of rows at a time, so that only a few
    (dim, dim) arrays are in memory, however many rows there are. 1 ≤ components ≤ dim.
    """
    rows, dim = vectors.shape
    mean = sum((block.sum(axis=0) for block in _blocks(vectors)), np.zeros(dim)) / rows
    covariance = np.zeros((dim, dim))
    for block in _blocks(vectors):
        block -= mean
        covariance += block.T @ block
    _, directions = np.linalg.eigh(covariance)  # by growing variance, one a column
    first = directions[:, ::-1][:, :components].T
    return Projection(mean.astype(np.float32), np.ascontiguousarray(first, np.float32))


def _blocks(vectors: NDArray[np.floating[Any]]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(vectors), BLOCK_ROWS):
        yield vectors[start : start + BLOCK_ROWS].astype(np.float64)
