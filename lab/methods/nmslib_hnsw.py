"""A graph walked towards the query, by nmslib, where HNSW came from."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from lab.methods.graphs import graph_builds, walks
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building, searching

_SPACES = {"l2": "l2", "ip": "negdotprod"}


class NmslibSearcher(Searcher):
    """A graph with the vectors in it."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Walk with `ef` kept, or k where that is more."""
        self._index.setQueryTimeParams({"efSearch": max(int(effort["ef"]), k)})
        found = np.full((len(queries), k), -1, np.int64)
        with searching() as threads:
            answers = self._index.knnQueryBatch(queries, k=k, num_threads=threads)
        for place, (rows, _) in enumerate(answers):
            found[place, : len(rows)] = rows
        return found

    def memory_bytes(self) -> int:
        """Return the size of the file that nmslib writes."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "index"
            self._index.saveIndex(str(file), save_data=False)
            return file.stat().st_size


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    import nmslib

    index = nmslib.init(method="hnsw", space=_SPACES[metric])
    index.addDataPointBatch(vectors)
    asked = {
        "M": int(build["M"]),
        "efConstruction": int(build["ef_construction"]),
        "indexThreadQty": building(),
    }
    index.createIndex(asked, print_progress=False)
    return NmslibSearcher(index)


METHOD = Method(
    name="nmslib-hnsw",
    what="a graph walked towards the query: nmslib's HNSW",
    library="nmslib",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=graph_builds,
    efforts=walks,
    build=_build,
)
