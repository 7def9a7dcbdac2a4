"""The application's own search as a method: a shortlist, re-ranked exactly, as a gallery has it.

What `create_index.py --index STRING` would serve for these vectors: the same training, the same
choice of probes and candidates, the same search, with vectors kept at 16 bits a number.
"""

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.index import SearchEffort, VectorIndex, calibrate, train_shortlist, write_vectors
from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors

_FACTORIES = ("IVF100,PQ8", "Flat")
_WIDE = ((1, 20), (4, 50), (8, 100), (16, 200), (32, 500), (64, 1_000))  # probes, candidates


class GallerySearcher(Searcher):
    """The two index files of a gallery, in a temporary folder that is deleted with it."""

    def __init__(self, vectors: Vectors, factory: str) -> None:
        folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        flat, shortlist = folder / "flat", folder / "shortlist"
        write_vectors(vectors.astype(np.float16), flat)
        trained, _ = train_shortlist(flat, factory, shortlist)
        self._paths = (flat, None if trained == "Flat" else shortlist)
        self._chosen = calibrate(self._open(SearchEffort(0, 0))).effort
        self._effort: SearchEffort | None = None

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Return the (q, k) nearest rows, as every door of this application gives them."""
        wanted = self._chosen
        if "probes" in effort:
            wanted = SearchEffort(int(effort["probes"]), int(effort["candidates"]))
        if wanted != self._effort:
            self._index, self._effort = self._open(wanted), wanted
        return self._index.search(queries, k).rows

    def memory_bytes(self) -> int:
        """Return the size of the shortlist, or of the vectors where there is none."""
        flat, shortlist = self._paths
        return (shortlist or flat).stat().st_size

    def _open(self, effort: SearchEffort) -> VectorIndex:
        flat, shortlist = self._paths
        return VectorIndex(vectors=flat, shortlist=shortlist, effort=effort)


def _build(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    return GallerySearcher(vectors, str(build["factory"]))


def _builds(rows: int, dim: int) -> Sequence[Parameters]:
    return [{"factory": factory} for factory in _FACTORIES]


def _efforts(rows: int, build: Parameters) -> Sequence[Parameters]:
    if build["factory"] == "Flat":
        return [{"chosen": "exact"}]
    probes = "IVF" in str(build["factory"])
    wide = [
        {"probes": p if probes else 0, "candidates": c} for p, c in _WIDE if c <= max(20, rows // 2)
    ]
    return [*wide, {"chosen": "by measurement"}]


APPLICATION = Method(
    name="application",
    what="this application: a shortlist, re-ranked exactly with 16-bit vectors",
    library="faiss",
    metrics=frozenset({"ip"}),
    exact=False,
    builds=_builds,
    efforts=_efforts,
    build=_build,
    factory=lambda build: str(build["factory"]),
)
