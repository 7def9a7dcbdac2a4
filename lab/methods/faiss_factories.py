"""FAISS's factory strings → the methods of a study: one row of the table each.

Where a row is `refined`, the candidates that the codes give are compared anew with the vectors at
16 bits a number, as the application does it. `served` rows are index strings that `create_index.py
--index` takes too; the application refines them by itself.

Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011 (PQ). Ge, He, Ke,
Sun, Optimized Product Quantization, TPAMI 2014 (OPQ). André, Kermarrec, Le Scouarnec, Cache
locality is not enough: High-performance nearest neighbor search with product quantization fast
scan, VLDB 2015 (fs). Gao, Long, RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical
Error Bound for Approximate Nearest Neighbor Search, SIGMOD 2024 (RaBitQ). HNSW: see
lab/methods/graphs.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.methods.faiss_index import (
    REFINED,
    built,
    cells,
    probes,
    probes_and_candidates,
    sub_quantisers,
)
from lab.methods.graphs import walks
from lab.methods.method import Method, Metric, Parameters, Searcher, Vectors

_NUMBERS_A_SUB_VECTOR = 4
_OPQ_SUB_QUANTISERS = 16

Builds = Callable[[int, int], Sequence[Parameters]]
Efforts = Callable[[int, Parameters], Sequence[Parameters]]


def _one(rows: int, other: object) -> Sequence[Parameters]:
    return [{}]


def _cells(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"nlist": cells(rows)}]


def _cells_and_codes(rows: int, dim: int) -> Sequence[Parameters]:
    return [
        {"nlist": cells(rows), "m": m} for m in sorted({sub_quantisers(dim, m) for m in (8, 16)})
    ]


def _cells_and_short_codes(rows: int, dim: int) -> Sequence[Parameters]:
    m = sub_quantisers(dim, max(1, dim // _NUMBERS_A_SUB_VECTOR))
    return [{"nlist": cells(rows), "m": m, "nbits": 4}]


def _cells_and_rotation(rows: int, dim: int) -> Sequence[Parameters]:
    m = max(1, min(_OPQ_SUB_QUANTISERS, dim // _NUMBERS_A_SUB_VECTOR))
    return [{"nlist": cells(rows), "m": m, "dim": min(dim, m * _NUMBERS_A_SUB_VECTOR)}]


def _links(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"M": 32}]  # with FAISS's ef_construction of 40, as the application builds it


@dataclass(frozen=True)
class _Row:
    """A line of the table; `pattern` is FAISS's string with the build's parameters as fields."""

    name: str
    pattern: str
    builds: Builds
    what: str
    refined: bool = False
    served: bool = True

    def factory(self, build: Parameters) -> str:
        return self.pattern.format(**build)

    def build(self, vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
        return built(vectors, metric, self.factory(build) + (REFINED if self.refined else ""))

    @property
    def efforts(self) -> Efforts:
        """What a search may vary follows from how the index is made."""
        if self.refined:
            return probes_and_candidates
        if self.pattern.startswith("IVF"):
            return probes
        return walks if self.pattern.startswith("HNSW") else _one

    def method(self) -> Method:
        return Method(
            name=self.name,
            what=self.what,
            library="faiss",
            metrics=frozenset({"l2", "ip"}),
            exact=self.pattern == "Flat",
            builds=self.builds,
            efforts=self.efforts,
            build=self.build,
            factory=self.factory if self.served else lambda build: "",
        )


_TABLE = (
    _Row("faiss-flat", "Flat", _one, "every vector compared: FAISS Flat"),
    _Row("faiss-sq8", "SQ8", _one, "every vector compared at a byte a number: FAISS SQ8"),
    _Row(
        "faiss-ivf-flat",
        "IVF{nlist},Flat",
        _cells,
        "the vectors of the nearest of √N cells compared: FAISS IVF-Flat",
    ),
    _Row(
        "faiss-ivf-sq8",
        "IVF{nlist},SQ8",
        _cells,
        "vectors at a byte a number compared in the nearest cells: FAISS IVF-SQ8",
    ),
    _Row(
        "faiss-ivf-pq",
        "IVF{nlist},PQ{m}",
        _cells_and_codes,
        "codes of 8 or 16 bytes compared in the nearest cells: FAISS IVF-PQ",
        served=False,
    ),
    _Row(
        "faiss-ivf-pq-refine",
        "IVF{nlist},PQ{m}",
        _cells_and_codes,
        "IVF-PQ, its candidates compared anew with the vectors at fp16",
        refined=True,
    ),
    _Row(
        "faiss-ivf-pq-fastscan-refine",
        "IVF{nlist},PQ{m}x4fs",
        _cells_and_short_codes,
        "codes of 4 bits for every 4 numbers compared in registers, candidates anew at fp16",
        refined=True,
        served=False,
    ),
    _Row(
        "faiss-opq-ivf-pq-refine",
        "OPQ{m}_{dim},IVF{nlist},PQ{m}",
        _cells_and_rotation,
        "vectors rotated and cut to 64 numbers, IVF-PQ of them, candidates anew at fp16",
        refined=True,
    ),
    _Row(
        "faiss-ivf-rabitq-refine",
        "IVF{nlist},RaBitQ",
        _cells,
        "codes of a bit a number compared in the nearest cells, candidates anew at fp16",
        refined=True,
    ),
    _Row("faiss-hnsw", "HNSW{M}", _links, "a graph walked towards the query: FAISS HNSW"),
)

METHODS = tuple(row.method() for row in _TABLE)
