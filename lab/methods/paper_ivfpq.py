"""The paper's IVFPQ in NumPy (lab/ivfpq.py), with either clustering."""

from collections.abc import Sequence
from math import sqrt

from lab.ivfpq import IVFPQ
from lab.methods.faiss_index import sub_quantisers
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors

_ROWS_A_CENTROID = 39  # below that FAISS calls centroids badly placed
MOST_TRAINING_ROWS = 65_536
CHUNK_ROWS = 16_384


class PaperIVFPQ(Searcher):
    """An IVFPQ that was trained and filled."""

    def __init__(self, index: IVFPQ) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Return the (q, k) rows nearest to (q, dim) queries by the codes; -1 where there is none.

        `effort` is {"w": cells visited}.
        """
        return self._index.search(queries, k, w=int(effort["w"]))[1]

    def memory_bytes(self) -> int:
        """Return the bytes of centroids, codes and lists."""
        return self._index.nbytes


def builds(rows: int, dim: int) -> Sequence[Parameters]:
    """Return 8 sub-vectors with either clustering and 16 with FAISS's, or as dim can be cut."""
    cells = max(1, min(round(sqrt(rows)), rows // _ROWS_A_CENTROID))
    nbits = max(1, min(8, rows.bit_length() - 1))
    few, many = sub_quantisers(dim, 8), sub_quantisers(dim, 16)
    tried = [(few, "faiss"), (few, "sklearn")] + ([(many, "faiss")] if many > few else [])
    return [
        {"cells": cells, "m": m, "nbits": nbits, "clustering": clustering}
        for m, clustering in tried
    ]


def efforts(rows: int, build: Parameters) -> Sequence[Parameters]:
    """Return ever more cells to visit, up to all."""
    cells = int(build["cells"])
    return [{"w": w} for w in (1, 2, 4, 8, 16, 32, 64) if w < cells] + [{"w": cells}]


def build(vectors: Vectors, metric: Metric, parameters: Parameters) -> PaperIVFPQ:
    """Train on at most 65,536 of (n, dim) vectors, evenly taken, and add all."""
    step = -(-len(vectors) // MOST_TRAINING_ROWS)
    index = IVFPQ.train(
        vectors[::step],
        cells=int(parameters["cells"]),
        m=int(parameters["m"]),
        nbits=int(parameters["nbits"]),
        metric=metric,
        clustering="sklearn" if parameters["clustering"] == "sklearn" else "faiss",
    )
    for start in range(0, len(vectors), CHUNK_ROWS):
        index.add(vectors[start : start + CHUNK_ROWS])
    return PaperIVFPQ(index)


def factory(parameters: Parameters) -> str:
    """Return `numpy:IVF100,PQ8`; "" with scikit-learn's clustering, which no gallery has."""
    if parameters["clustering"] != "faiss":
        return ""
    bits = "" if parameters["nbits"] == 8 else f"x{parameters['nbits']}"
    return f"numpy:IVF{parameters['cells']},PQ{parameters['m']}{bits}"


METHOD = Method(
    name="paper-ivfpq",
    what="IVFPQ of Jégou, Douze and Schmid (2011) in NumPy, not re-ranked",
    library="numpy",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=builds,
    efforts=efforts,
    build=build,
    factory=factory,
)
