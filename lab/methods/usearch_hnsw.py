"""A graph walked towards the query, by usearch."""

from typing import Any

import numpy as np

from lab.methods.graphs import graph_builds, walks
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building, searching

_METRICS = {"l2": "l2sq", "ip": "ip"}


class UsearchSearcher(Searcher):
    """A graph with the vectors in it."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Walk with `ef` kept, or k where that is more."""
        self._index.expansion_search = max(int(effort["ef"]), k)
        with searching() as threads:
            answer: Any = self._index.search(queries, k, threads=threads)
        found = np.full((len(queries), k), -1, np.int64)
        if len(queries) == 1:  # the answer has another shape, without what was not found
            found[0, : len(answer)] = answer.keys
            return found
        for place, (rows, count) in enumerate(zip(answer.keys, answer.counts, strict=True)):
            found[place, :count] = rows[:count]
        return found

    def memory_bytes(self) -> int:
        """Return the size of the file that usearch would write."""
        return int(self._index.serialized_length)


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    from usearch.index import Index

    index = Index(
        ndim=vectors.shape[1],
        metric=_METRICS[metric],
        dtype="f32",
        connectivity=int(build["M"]),
        expansion_add=int(build["ef_construction"]),
    )
    index.add(np.arange(len(vectors)), vectors, threads=building())
    return UsearchSearcher(index)


METHOD = Method(
    name="usearch",
    what="a graph walked towards the query: usearch",
    library="usearch.index",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=graph_builds,
    efforts=walks,
    build=_build,
)
