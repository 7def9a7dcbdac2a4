"""Vectors rotated and cut down so that codes lose least, then IVF-PQ and refined, by FAISS: OPQ.

Ge, He, Ke, Sun, Optimized Product Quantization, TPAMI 2014.
"""

from collections.abc import Sequence

from lab.methods.faiss_index import REFINED, built, cells, probes_and_candidates
from lab.methods.method import Method, Parameters

_NUMBERS_A_SUB_VECTOR = 4
_SUB_QUANTISERS = 16


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    m = max(1, min(_SUB_QUANTISERS, dim // _NUMBERS_A_SUB_VECTOR))
    return [{"nlist": cells(rows), "m": m, "dim": min(dim, m * _NUMBERS_A_SUB_VECTOR)}]


def _factory(build: Parameters) -> str:
    m = build["m"]
    return f"OPQ{m}_{build['dim']},IVF{build['nlist']},PQ{m}"


METHOD = Method(
    name="faiss-opq-ivf-pq-refine",
    what="vectors rotated and cut to 64 numbers, IVF-PQ of them, candidates anew at fp16",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=probes_and_candidates,
    build=lambda vectors, metric, build: built(vectors, metric, _factory(build) + REFINED),
    factory=_factory,
)
