"""Codes of a bit a number compared in the nearest cells, then refined, by FAISS: IVF-RaBitQ.

Gao, Long, RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for
Approximate Nearest Neighbor Search, SIGMOD 2024.
"""

from lab.methods.faiss_index import REFINED, built, cells, probes_and_candidates
from lab.methods.method import Method, Parameters


def _factory(build: Parameters) -> str:
    return f"IVF{build['nlist']},RaBitQ"


METHOD = Method(
    name="faiss-ivf-rabitq-refine",
    what="codes of a bit a number compared in the nearest cells, candidates anew at fp16",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=lambda rows, dim: [{"nlist": cells(rows)}],
    efforts=probes_and_candidates,
    build=lambda vectors, metric, build: built(vectors, metric, _factory(build) + REFINED),
    factory=_factory,
)
