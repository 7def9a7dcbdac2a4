"""Codes of 4 bits compared in registers, then refined, by FAISS: IVF-PQ FastScan.

André, Kermarrec, Le Scouarnec, Cache locality is not enough: High-performance nearest neighbor
search with product quantization fast scan, VLDB 2015.
"""

from collections.abc import Sequence

from lab.methods.faiss_index import REFINED, built, cells, probes_and_candidates, sub_quantisers
from lab.methods.method import Method, Parameters

_NUMBERS_A_SUB_VECTOR = 4


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    m = sub_quantisers(dim, max(1, dim // _NUMBERS_A_SUB_VECTOR))
    return [{"nlist": cells(rows), "m": m, "nbits": 4}]


def _factory(build: Parameters) -> str:
    return f"IVF{build['nlist']},PQ{build['m']}x4fs"


METHOD = Method(
    name="faiss-ivf-pq-fastscan-refine",
    what="codes of 4 bits for every 4 numbers compared in registers, candidates anew at fp16",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=probes_and_candidates,
    build=lambda vectors, metric, build: built(vectors, metric, _factory(build) + REFINED),
)
