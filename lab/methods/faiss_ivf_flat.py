"""The vectors of the cells nearest to the query compared, by FAISS: IVF-Flat."""

from collections.abc import Sequence

from lab.methods.faiss_index import built, cells, probes
from lab.methods.method import Method, Parameters


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"nlist": cells(rows)}]


def _factory(build: Parameters) -> str:
    return f"IVF{build['nlist']},Flat"


METHOD = Method(
    name="faiss-ivf-flat",
    what="the vectors of the nearest of √N cells compared: FAISS IVF-Flat",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=probes,
    build=lambda vectors, metric, build: built(vectors, metric, _factory(build)),
    factory=_factory,
)
