"""A graph walked towards the query, by hnswlib, from the authors of HNSW."""

from typing import Any

import numpy as np

from lab.methods.graphs import graph_builds, walks
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building, searching


class HnswlibSearcher(Searcher):
    """A graph with the vectors in it."""

    def __init__(self, index: Any, rows: int) -> None:
        self._index = index
        self._rows = rows

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Walk with `ef` kept, or k where that is more."""
        kept = min(k, self._rows)
        self._index.set_ef(max(int(effort["ef"]), kept))
        found = np.full((len(queries), k), -1, np.int64)
        with searching() as threads:
            try:
                found[:, :kept] = self._index.knn_query(queries, kept, num_threads=threads)[0]
            except RuntimeError:  # a walk reached fewer than k, and it does not say which
                for place, query in enumerate(queries):
                    reached = self._reached(query[None], kept)
                    found[place, : len(reached)] = reached
        return found

    def _reached(self, query: Vectors, k: int) -> Rows:
        """Return as many rows as the walk for one query gives, to within half."""
        while k:
            try:
                rows: Rows = self._index.knn_query(query, k, num_threads=1)[0][0].astype(np.int64)
            except RuntimeError:
                k //= 2
            else:
                return rows
        return np.empty(0, np.int64)

    def memory_bytes(self) -> int:
        """Return the size of the file that hnswlib would write."""
        return int(self._index.index_file_size())


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    import hnswlib

    index = hnswlib.Index(space=metric, dim=vectors.shape[1])
    index.init_index(
        max_elements=len(vectors),
        M=int(build["M"]),
        ef_construction=int(build["ef_construction"]),
        random_seed=0,
    )
    index.add_items(vectors, num_threads=building())
    return HnswlibSearcher(index, len(vectors))


METHOD = Method(
    name="hnswlib",
    what="a graph walked towards the query: hnswlib",
    library="hnswlib",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=graph_builds,
    efforts=walks,
    build=_build,
)
