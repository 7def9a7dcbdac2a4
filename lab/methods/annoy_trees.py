"""Trees that halve the space again and again, by Annoy (https://github.com/spotify/annoy)."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building

_SPACES: dict[Metric, Literal["euclidean", "dot"]] = {"l2": "euclidean", "ip": "dot"}


class AnnoySearcher(Searcher):
    """The trees, with the vectors at their leaves."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Look at `leaves` vectors at most, or k where that is more; in one thread, always."""
        looked_at = max(int(effort["leaves"]), k)
        found = np.full((len(queries), k), -1, np.int64)
        for place, query in enumerate(queries):
            rows = self._index.get_nns_by_vector(query, k, search_k=looked_at)
            found[place, : len(rows)] = rows
        return found

    def memory_bytes(self) -> int:
        """Return the size of the file that Annoy writes."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "index"
            self._index.save(str(file))  # from now on it is read from there, deleted or not
            return file.stat().st_size


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"trees": 10}, {"trees": 50}]


def _efforts(rows: int, build: Parameters) -> Sequence[Parameters]:
    steps = (100, 400, 1_600, 6_400, 25_600, 102_400)
    return [{"leaves": step} for step in steps if step <= 4 * rows] or [{"leaves": steps[0]}]


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    from annoy import AnnoyIndex

    index = AnnoyIndex(vectors.shape[1], _SPACES[metric])
    index.set_seed(0)
    for row, vector in enumerate(vectors):
        index.add_item(row, vector)
    index.build(int(build["trees"]), n_jobs=building())
    return AnnoySearcher(index)


METHOD = Method(
    name="annoy",
    what="trees that halve the space again and again: Annoy",
    library="annoy",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=_efforts,
    build=_build,
)
