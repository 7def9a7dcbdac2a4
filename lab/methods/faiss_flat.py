"""Every vector compared, by FAISS."""

from lab.methods.faiss_index import built
from lab.methods.method import Method

METHOD = Method(
    name="faiss-flat",
    what="every vector compared: FAISS Flat",
    library="faiss",
    metrics=frozenset({"l2", "ip"}),
    exact=True,
    builds=lambda rows, dim: [{}],
    efforts=lambda rows, build: [{}],
    build=lambda vectors, metric, build: built(vectors, metric, "Flat"),
    factory=lambda build: "Flat",
)
