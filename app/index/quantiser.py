"""A trained, empty shortlist → its file, and what it can be filled with in place of training.

Cells, codebooks and a rotation are of the space that vectors of one model lie in, not of the rows
they were trained on: segments of one gallery share them, and their codes mean the same.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.index.factory import fit_factory, inner_of

MOST_GROWTH = 4
"""Times as many rows as it was trained on, up to which no other number of cells is asked for."""
_FACTS = ("asked", "factory", "rows", "recall")


@dataclass(frozen=True)
class Quantiser:
    """A trained index without vectors.

    `asked` is the string that was asked for and `factory` the one that `rows` vectors could train;
    `recall` is what exact re-ranking reached with it on those.
    """

    asked: str
    factory: str
    rows: int
    recall: float
    dim: int
    trained: NDArray[np.uint8]  # as FAISS writes it

    @classmethod
    def of(cls, index: Any, asked: str, factory: str, rows: int) -> "Quantiser | None":
        """Return that of a trained index, still empty; None for one that shares nothing: a graph.

        The recall is 1 until it is measured.
        """
        shared = (faiss.IndexIVF, faiss.IndexPQ, faiss.IndexScalarQuantizer)
        if not isinstance(inner_of(index), shared):
            return None
        return cls(asked, factory, rows, 1.0, int(index.d), faiss.serialize_index(index))

    def empty(self) -> Any:
        """Return a new index of FAISS, trained and to be filled."""
        return faiss.deserialize_index(self.trained)

    def suits(self, asked: str, rows: int, dim: int) -> bool:
        """Whether it is to be filled with so many rows, where a string is asked for.

        Not if they are so many more than it was trained on that they could train more cells.
        """
        if (asked, dim) != (self.asked, self.dim):
            return False
        return rows <= MOST_GROWTH * self.rows or fit_factory(asked, rows, dim)[0] == self.factory

    def write(self, path: Path) -> None:
        """Write it as a safetensors file; OSError if it cannot be written."""
        from safetensors.numpy import save

        facts = {name: str(getattr(self, name)) for name in _FACTS}
        path.write_bytes(save({"trained": self.trained}, metadata=facts))

    @classmethod
    def read(cls, path: Path) -> "Quantiser":
        """Return what `write` wrote; GalleryError if the file is none, or missing."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np") as file:
                facts, trained = file.metadata(), file.get_tensor("trained")
            index = faiss.deserialize_index(trained)
            return cls(
                facts["asked"],
                facts["factory"],
                int(facts["rows"]),
                float(facts["recall"]),
                int(index.d),
                trained,
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as exc:
            raise GalleryError(f"{path} holds no trained index.") from exc
