"""Codes of 4 bits that keep the inner product compared in the nearest cells, by ScaNN.

Guo et al., Accelerating Large-Scale Inference with Anisotropic Vector Quantization, ICML 2020.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.methods.faiss_index import cells, probes_and_candidates
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building

_MEASURES = {"l2": "squared_l2", "ip": "dot_product"}
_SAMPLE_A_CELL = 256
_NUMBERS_A_SUB_VECTOR = 2
_ANISOTROPY = 0.2  # the threshold that the authors use, for vectors of length 1
_CANDIDATES = 100


class ScannSearcher(Searcher):
    """A tree of cells, the codes and the vectors."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Visit `nprobe` cells, compare `candidates` anew; in one thread, always."""
        rows, distances = self._index.search_batched(
            queries,
            final_num_neighbors=k,
            pre_reorder_num_neighbors=max(int(effort["candidates"]), k),
            leaves_to_search=int(effort["nprobe"]),
        )
        found = np.full((len(queries), k), -1, np.int64)
        found[:, : rows.shape[1]] = np.where(np.isnan(distances), -1, rows.astype(np.int64))
        return found

    def memory_bytes(self) -> int:
        """Return the size of the files that ScaNN writes."""
        with tempfile.TemporaryDirectory() as folder:
            self._index.serialize(folder)
            return sum(file.stat().st_size for file in Path(folder).iterdir())


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"nlist": cells(rows)}]


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    import scann

    nlist = int(build["nlist"])
    builder = scann.scann_ops_pybind.builder(vectors, _CANDIDATES, _MEASURES[metric])
    builder.set_n_training_threads(building())
    builder.tree(
        num_leaves=nlist,
        num_leaves_to_search=nlist,
        training_sample_size=min(len(vectors), max(1, _SAMPLE_A_CELL * nlist)),
    )
    threshold = _ANISOTROPY if metric == "ip" else float("nan")
    builder.score_ah(_NUMBERS_A_SUB_VECTOR, anisotropic_quantization_threshold=threshold)
    return ScannSearcher(builder.reorder(_CANDIDATES).build())


METHOD = Method(
    name="scann",
    what="codes of 4 bits for every 2 numbers in the nearest cells, candidates anew: ScaNN",
    library="scann",
    metrics=frozenset({"l2", "ip"}),
    exact=False,
    builds=_builds,
    efforts=probes_and_candidates,
    build=_build,
)
