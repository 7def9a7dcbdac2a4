"""The paper's IVFPQ as a gallery's shortlist: `create_index.py --index numpy:IVF100,PQ8`.

It fulfils the protocols of app/index/plugins.py. Its metric is the inner product, so that its
scores estimate the cosine, as those of FAISS's shortlists do; its clustering is FAISS's k-means.
"""

import re
from typing import BinaryIO

from app.errors import UsageError
from app.index import fit_factory
from lab.ivfpq import IVFPQ, Rows, Vectors

_WANTED = re.compile(r"IVF([1-9]\d{0,5}),PQ([1-9]\d{0,4})(?:x([1-8]))?", re.ASCII)


class NumpyShortlist:
    """An IVFPQ, asked as a gallery asks: candidates for k, probes for w."""

    def __init__(self, index: IVFPQ) -> None:
        self._index = index

    @property
    def rows(self) -> int:
        """How many vectors it holds."""
        return self._index.rows

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return self._index.dim

    @property
    def cells(self) -> int:
        """Its inverted lists."""
        return self._index.cells

    @property
    def code_bytes(self) -> int:
        """The bytes of a code."""
        return self._index.m

    def add(self, vectors: Vectors) -> None:
        """Take (n, dim) vectors as the next n rows."""
        self._index.add(vectors)

    def search(self, queries: Vectors, candidates: int, probes: int) -> tuple[Vectors, Rows]:
        """Return (q, candidates) scores and rows, best first; -1 where the cells ran dry."""
        return self._index.search(queries, candidates, w=probes)

    def reconstruct(self, rows: Rows) -> Vectors:
        """Return the (n, dim) vectors that (n,) rows' codes stand for."""
        return self._index.reconstruct(rows)

    def save(self, file: BinaryIO) -> None:
        """Write it to an open file."""
        self._index.save(file)


class NumpyMaker:
    """Makes such shortlists of strings like IVF100,PQ8 or IVF100,PQ16x4."""

    def check(self, wanted: str, dim: int) -> None:
        """Raise UsageError unless `wanted` is such a string, for vectors of `dim` numbers."""
        sizes = parsed(wanted)
        if not sizes or dim % sizes[1]:
            raise UsageError(
                f"The index 'numpy:{wanted}' cannot be made for vectors of {dim} numbers: use one "
                "such as numpy:IVF100,PQ8, cells and then sub-vectors, whose number divides that "
                "of the vector."
            )

    def fit(self, wanted: str, rows: int, dim: int) -> str:
        """Return the string with as many cells as `rows` vectors can train, by FAISS's rule."""
        return fit_factory(wanted, rows, dim)[0]

    def train(self, vectors: Vectors, wanted: str) -> NumpyShortlist:
        """Return an empty shortlist that learnt from (n, dim) unit vectors."""
        cells, m, nbits = parsed(wanted) or (0, 0, 0)
        return NumpyShortlist(IVFPQ.train(vectors, cells=cells, m=m, nbits=nbits, metric="ip"))

    def load(self, file: BinaryIO) -> NumpyShortlist:
        """Return the shortlist that `save` wrote; ValueError if it is another file or cut short."""
        return NumpyShortlist(IVFPQ.load(file))


def parsed(wanted: str) -> tuple[int, int, int] | None:
    """Return k', m and the bits of a sub-vector's code."""
    matched = _WANTED.fullmatch(wanted)
    return (int(matched[1]), int(matched[2]), int(matched[3] or 8)) if matched else None


NUMPY = NumpyMaker()
