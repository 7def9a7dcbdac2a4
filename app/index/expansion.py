"""Queries → the same with their nearest images added: α-weighted query expansion.

Chum, Philbin, Sivic, Isard, Zisserman, Total Recall, ICCV 2007; with the weights score^α of
Radenović, Tolias, Chum, Fine-Tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.index.neighbours import Neighbours
from app.index.plugins import Rows, Vectors
from app.values.vectors import unit


@dataclass(frozen=True)
class Expansion:
    """How many of the nearest images are added to a query, each times its score to the `alpha`."""

    neighbours: int
    alpha: float


class Searched(Protocol):
    """What is expanded with: an index and its rows, or a gallery and its ids."""

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the k nearest rows of each of (q, dim) unit vectors."""

    def vectors(self, rows: Rows) -> Vectors:
        """Return the (n, dim) vectors of (n,) rows."""


def expanded(
    index: Searched,
    queries: Vectors,
    expansion: Expansion,
    *,
    without: Sequence[Sequence[int]],
    exact: bool = False,
) -> Vectors:
    """Return the (q, dim) unit vectors along each of (q, dim) queries plus its nearest images.

    The images are found through the index, or by an `exact` search; `without` names for each query
    the rows that are not to be among them, such as its own. Images of a score below 0 add nothing.
    """
    depth = expansion.neighbours + max(map(len, without), default=0)
    neighbours = index.search(queries, depth, exact=exact)
    moved = np.empty_like(queries)
    for place, (query, rows, scores) in enumerate(
        zip(queries, neighbours.rows, neighbours.scores, strict=True)
    ):
        others = np.flatnonzero(~np.isin(rows, np.array(without[place], np.int64)))
        added = others[: expansion.neighbours]
        weights = np.where(scores[added] > 0, np.maximum(scores[added], 0) ** expansion.alpha, 0)
        moved[place] = query + weights.astype(np.float32) @ unit(index.vectors(rows[added]))
    return unit(moved)
