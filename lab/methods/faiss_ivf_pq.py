"""Short codes compared in the nearest cells, by FAISS: IVF-PQ, as it is and refined.

Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, TPAMI 2011.
"""

from collections.abc import Sequence

from lab.methods.faiss_index import (
    REFINED,
    built,
    cells,
    probes,
    probes_and_candidates,
    sub_quantisers,
)
from lab.methods.method import Method, Parameters


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    numbers = sorted({sub_quantisers(dim, m) for m in (8, 16)})
    return [{"nlist": cells(rows), "m": m} for m in numbers]


def _factory(build: Parameters) -> str:
    return f"IVF{build['nlist']},PQ{build['m']}"


METHODS = (
    Method(
        name="faiss-ivf-pq",
        what="codes of 8 or 16 bytes compared in the nearest cells: FAISS IVF-PQ",
        library="faiss",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=_builds,
        efforts=probes,
        build=lambda vectors, metric, build: built(vectors, metric, _factory(build)),
    ),
    Method(
        name="faiss-ivf-pq-refine",
        what="IVF-PQ, its candidates compared anew with the vectors at fp16",
        library="faiss",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=_builds,
        efforts=probes_and_candidates,
        build=lambda vectors, metric, build: built(vectors, metric, _factory(build) + REFINED),
        factory=_factory,
    ),
)
