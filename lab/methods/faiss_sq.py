"""Vectors at a byte a number compared, all of them or in the nearest cells, by FAISS: SQ8."""

from lab.methods.faiss_index import built, cells, probes
from lab.methods.method import Method, Parameters


def _factory(build: Parameters) -> str:
    return f"IVF{build['nlist']},SQ8"


METHODS = (
    Method(
        name="faiss-sq8",
        what="every vector compared at a byte a number: FAISS SQ8",
        library="faiss",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=lambda rows, dim: [{}],
        efforts=lambda rows, build: [{}],
        build=lambda vectors, metric, build: built(vectors, metric, "SQ8"),
        factory=lambda build: "SQ8",
    ),
    Method(
        name="faiss-ivf-sq8",
        what="vectors at a byte a number compared in the nearest cells: FAISS IVF-SQ8",
        library="faiss",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=lambda rows, dim: [{"nlist": cells(rows)}],
        efforts=probes,
        build=lambda vectors, metric, build: built(vectors, metric, _factory(build)),
        factory=_factory,
    ),
)
