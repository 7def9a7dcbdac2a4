"""A graph walked towards the query, by FAISS: HNSW."""

from collections.abc import Sequence

from lab.methods.faiss_index import built
from lab.methods.graphs import walks
from lab.methods.method import Method, Parameters


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"M": 32}]  # with FAISS's ef_construction of 40, as the application builds it


def _factory(build: Parameters) -> str:
    return f"HNSW{build['M']}"


METHOD = Method(
    name="faiss-hnsw",
    what="a graph walked towards the query: FAISS HNSW",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=walks,
    build=lambda vectors, metric, build: built(vectors, metric, _factory(build)),
    factory=_factory,
)
