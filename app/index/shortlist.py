"""A shortlist's file → a `Shortlist`, whichever package made it."""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from app.errors import GalleryError
from app.index import plugins, threads
from app.index.factory import cells_of, inner_of, numbered_of
from app.index.plugins import Rows, Shortlist, Vectors


class FaissShortlist:
    """FAISS's index, as a `Shortlist`."""

    def __init__(self, index: Any) -> None:
        self.index = index
        self._inner = inner_of(index)
        self._numbered = numbered_of(index)
        self._places: Rows | None = None  # of rows, in an index that keeps them in another order

    @property
    def rows(self) -> int:
        """The number of vectors it holds."""
        return int(self.index.ntotal)

    @property
    def dim(self) -> int:
        """The dimension of a vector."""
        return int(self.index.d)

    @property
    def cells(self) -> int:
        """Its inverted lists; 0 if it has none."""
        return cells_of(self.index)

    @property
    def code_bytes(self) -> int:
        """Bytes that it reads for each row that it compares."""
        return int(getattr(self._inner, "code_size", 8))

    @property
    def is_graph(self) -> bool:
        """True where the number of candidates decides how far it is walked."""
        return isinstance(self._inner, faiss.IndexHNSW)

    @property
    def selects(self) -> bool:
        """True where a search can be given a selector of the rows that it may find."""
        return not isinstance(self._inner, faiss.IndexPQ)

    def search(
        self, queries: Vectors, candidates: int, probes: int, selector: Any = None
    ) -> tuple[Vectors, Rows]:
        """Return (q, candidates) scores and rows, best first; -1 where cells ran dry."""
        parameters = self.parameters(candidates, probes, selector)
        return threads.search(self.index, queries, candidates, parameters)

    def reconstruct(self, rows: Rows) -> Vectors:
        """Return the (n, dim) vectors that the codes of (n,) rows stand for."""
        vectors: Vectors
        if self._places is None:
            vectors = self.index.reconstruct_batch(rows)
            return vectors
        vectors = self._inner.reconstruct_batch(self._places[rows])
        if isinstance(self.index, faiss.IndexPreTransform):
            for place in reversed(range(self.index.chain.size())):
                transform = faiss.downcast_VectorTransform(self.index.chain.at(place))
                vectors = transform.reverse_transform(vectors)
        return vectors

    def find_rows_quickly(self) -> None:
        """Prepare for `reconstruct`, which inverted lists are not made for."""
        if isinstance(self._inner, faiss.IndexIVF):
            self._inner.make_direct_map()
        if self._numbered is not None:
            self._places = np.argsort(faiss.vector_to_array(self._numbered.id_map))

    def parameters(self, candidates: int, probes: int, selector: Any = None) -> Any:
        """Return FAISS's parameters for one search: they go with the call, not into the index."""
        if selector is not None and self._numbered is not None:
            # FAISS would put the like of it into the parameters, for the time of a search, and
            # searches that go on at the same time share them.
            selector = faiss.IDSelectorTranslated(self._numbered.id_map, selector)
        selected = {} if selector is None else {"sel": selector}
        parameters: Any
        if self.cells:
            parameters = faiss.SearchParametersIVF(
                nprobe=max(1, min(probes, self.cells)), **selected
            )
        elif self.is_graph:
            parameters = faiss.SearchParametersHNSW(efSearch=max(16, candidates), **selected)
        elif selected:
            parameters = faiss.SearchParameters(**selected)
        else:
            return None
        if isinstance(self.index, faiss.IndexPreTransform):
            return faiss.SearchParametersPreTransform(index_params=parameters)
        return parameters


def open_shortlist(path: Path) -> Shortlist:
    """Open a shortlist's file; GalleryError if it is none, or of a package that is not here."""
    return plugins.read(path) or FaissShortlist(read_index(path))


def read_index(path: Path) -> Any:
    """Open FAISS's file, its vectors memory-mapped; GalleryError if it is none."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as exc:
        raise GalleryError(f"{path} is not a FAISS index, or is cut short.") from exc
