"""A factory string of FAISS → an index that is trained with bounded samples and can be asked.

Douze et al., The Faiss library, 2024 (https://arxiv.org/abs/2401.08281). In FAISS's words: `nlist`
cells, of which a search visits `nprobe`; codes of `m` sub-quantisers of `nbits` bits; `candidates`
of the codes are compared anew with the vectors at fp16, as the application does it.
"""

# FAISS's stubs do not know what its Python wrapper adds.
# mypy: disable-error-code="call-arg, attr-defined"

import math
from typing import Any

import numpy as np

from app.errors import UsageError
from lab.methods.method import Metric, Parameters, Rows, Searcher, Vectors
from lab.methods.threads import searching

REFINED = ",Refine(SQfp16)"
_ROWS_A_CELL = 39  # below that FAISS's k-means warns that centroids are badly placed
_SAMPLE_A_CELL = 256  # FAISS's k-means takes no more
_LEAST_SAMPLE = 65_536  # what it takes for the 256 centroids of a sub-quantiser
_CHUNK_ROWS = 65_536


class FaissSearcher(Searcher):
    """Any index of FAISS's; what is asked of a search goes with the call, not into the index."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Search; `effort` has `nprobe` for cells, `ef` for graphs, `candidates` to be refined."""
        with searching():
            rows: Rows = self._index.search(queries, k, params=_asked(self._index, k, effort))[1]
        return rows

    def memory_bytes(self) -> int:
        """Return the size of the file that FAISS would write."""
        import faiss

        sizes: list[int] = []
        faiss.write_index(
            self._index, faiss.PyCallbackIOWriter(lambda part: sizes.append(len(part)))
        )
        return sum(sizes)


def built(vectors: Vectors, metric: Metric, factory: str) -> FaissSearcher:
    """Return the index that a factory string describes, trained and filled with (n, dim) vectors.

    UsageError if there are too few vectors to train it.
    """
    import faiss

    from app.index import native_output_hidden

    rows, dim = vectors.shape
    measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.index_factory(dim, factory, measure)
    inner = _prepared(index)
    nlist = getattr(inner, "nlist", 0)
    least = max(nlist, 2**inner.pq.nbits if hasattr(inner, "pq") else 1)
    if rows < least:
        raise UsageError(f"{rows} vectors are too few to train {factory}: it takes {least}.")
    with native_output_hidden():
        index.train(_sample(vectors, max(_LEAST_SAMPLE, _SAMPLE_A_CELL * nlist)))
    for start in range(0, rows, _CHUNK_ROWS):
        index.add(np.ascontiguousarray(vectors[start : start + _CHUNK_ROWS]))
    return FaissSearcher(index)


def cells(rows: int) -> int:
    """Return √rows, the usual number of cells, or as many as so few rows fill.

    >>> cells(1_000_000), cells(60)
    (1000, 1)
    """
    return max(1, min(round(math.sqrt(rows)), rows // _ROWS_A_CELL))


def sub_quantisers(dim: int, wanted: int) -> int:
    """Return the number of sub-quantisers nearest below `wanted` that divides `dim`.

    >>> sub_quantisers(256, 8), sub_quantisers(30, 8)
    (8, 6)
    """
    return max(m for m in range(1, min(wanted, dim) + 1) if dim % m == 0)


def probes(rows: int, build: Parameters) -> list[Parameters]:
    """Return numbers of cells to visit, from one to nearly all that could matter."""
    nlist = int(build["nlist"])
    steps = {min(n, nlist) for n in (1, 2, 4, 8, 16, 32, 64)}
    return [{"nprobe": n} for n in sorted(steps)]


def probes_and_candidates(rows: int, build: Parameters) -> list[Parameters]:
    """Return pairs of cells to visit and candidates to compare anew, growing together."""
    nlist = int(build["nlist"])
    pairs = [(1, 50), (4, 100), (8, 200), (16, 200), (32, 400), (64, 800), (128, 1_600)]
    fitting = [pair for pair in pairs if pair[0] <= nlist] or [(1, 50)]
    return [{"nprobe": n, "candidates": min(c, rows)} for n, c in fitting]


def _asked(index: Any, k: int, effort: Parameters) -> Any:
    """Return FAISS's parameters for one search."""
    import faiss

    if isinstance(index, faiss.IndexRefine):
        factor = max(1.0, int(effort["candidates"]) / k)
        # A little more, as FAISS cuts the product with k down to a whole number.
        return faiss.IndexRefineSearchParameters(
            k_factor=factor + 1e-6, base_index_params=_asked(_base(index), k, effort)
        )
    if isinstance(index, faiss.IndexPreTransform):
        inner = _asked(faiss.downcast_index(index.index), k, effort)
        return faiss.SearchParametersPreTransform(index_params=inner)
    if "nprobe" in effort:
        return faiss.SearchParametersIVF(nprobe=int(effort["nprobe"]))
    if "ef" in effort:
        return faiss.SearchParametersHNSW(efSearch=int(effort["ef"]))
    return None


def _base(index: Any) -> Any:
    import faiss

    return faiss.downcast_index(index.base_index)


def _prepared(index: Any) -> Any:
    """Return the index under refinement and transformation, set up as the application does it."""
    import faiss

    inner = index
    if isinstance(inner, faiss.IndexRefine):
        inner = _base(inner)
    if isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    for owner in (inner, getattr(inner, "pq", None)):
        if owner is not None and hasattr(owner, "cp"):
            owner.cp.min_points_per_centroid = 1  # it would warn, once for each sub-vector
    if hasattr(inner, "do_polysemous_training"):
        inner.do_polysemous_training = False  # only for a filter that is not used here
    return inner


def _sample(vectors: Vectors, most: int) -> Vectors:
    if len(vectors) <= most:
        return np.ascontiguousarray(vectors)
    rows = np.random.default_rng(0).choice(len(vectors), most, replace=False)
    return vectors[np.sort(rows)]
