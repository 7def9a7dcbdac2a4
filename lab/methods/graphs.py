"""The number of rows → parameters to build and to search graphs (HNSW) with.

Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using Hierarchical
Navigable Small World graphs, TPAMI 2020: a vector has `M` links in each layer and twice as many in
the lowest; the best `ef` seen are kept on a walk, `ef_construction` of them while building.
"""

from collections.abc import Sequence

from lab.methods.method import Parameters

_MANY_ROWS = 200_000  # from here on a graph takes minutes to build
_LEAST_EF = 16


def graph_builds(rows: int, dim: int) -> Sequence[Parameters]:
    """Return a usual and a denser graph; for many rows the usual one alone."""
    usual: Parameters = {"M": 16, "ef_construction": 200}
    return [usual] if rows >= _MANY_ROWS else [usual, {"M": 32, "ef_construction": 200}]


def walks(rows: int, build: Parameters) -> Sequence[Parameters]:
    """Return numbers of the best that are kept on a walk, each twice the last."""
    return [{"ef": ef} for ef in (_LEAST_EF, 32, 64, 128, 256, 512) if ef <= max(rows, _LEAST_EF)]
