"""Every vector compared, by torch's matrix product, a block of rows at a time, on the CPU."""

from typing import Any

import numpy as np

from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import searching

_BLOCK_ROWS = 65_536


class TorchSearcher(Searcher):
    """The vectors as a tensor, and for `l2` half their squared lengths."""

    def __init__(self, vectors: Vectors, metric: Metric) -> None:
        import torch

        # torch warns of arrays that cannot be written to.
        self._vectors = torch.from_numpy(vectors if vectors.flags.writeable else vectors.copy())
        self._halves = (self._vectors**2).sum(1) / 2 if metric == "l2" else None

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Compare every vector; `effort` is empty."""
        import torch

        with searching(), torch.inference_mode():
            asked = torch.from_numpy(queries if queries.flags.writeable else queries.copy())
            rows = self._nearest(asked, k)
        found = np.full((len(queries), k), -1, np.int64)
        found[:, : rows.shape[1]] = rows
        return found

    def _nearest(self, queries: Any, k: int) -> Rows:
        import torch

        best, rows = torch.empty((len(queries), 0)), torch.empty((len(queries), 0)).long()
        for start in range(0, len(self._vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            closeness = queries @ self._vectors[block].T
            if self._halves is not None:
                closeness -= self._halves[block]
            here, places = closeness.topk(min(k, closeness.shape[1]))
            best, rows = torch.cat([best, here], 1), torch.cat([rows, places + start], 1)
            best, kept = best.topk(min(k, best.shape[1]))
            rows = rows.gather(1, kept)
        found: Rows = rows.numpy()
        return found

    def memory_bytes(self) -> int:
        """Return the bytes of the vectors and of their lengths."""
        halves = 0 if self._halves is None else self._halves.nbytes
        return int(self._vectors.nbytes + halves)


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    return TorchSearcher(vectors, metric)


METHOD = Method(
    name="torch-brute",
    what="every vector compared: torch's matrix product and topk",
    library="torch",
    metrics=frozenset({"l2", "ip"}),
    exact=True,
    builds=lambda rows, dim: [{}],
    efforts=lambda rows, build: [{}],
    build=_build,
)
