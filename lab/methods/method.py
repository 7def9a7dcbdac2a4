"""The interface that a study compares methods of nearest-neighbour search by."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["l2", "ip"]
"""Euclidean distance, or inner product. Cosine is the inner product of vectors of length 1."""

Parameters = Mapping[str, int | float | str | bool]
Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class Searcher(ABC):
    """An index that is built and can be searched."""

    @abstractmethod
    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        """Return the (q, k) rows nearest to (q, dim) queries, best first; -1 where none was found.

        `effort` is one of the method's `efforts`.
        """

    @abstractmethod
    def memory_bytes(self) -> int:
        """Return how many bytes the index takes in memory, or the file that it is read from."""


@dataclass(frozen=True)
class Method:
    """One way to search: its parameters worth trying, and how it is built.

    Parameters
    ----------
    name
        What the study calls it, such as `faiss-ivf-pq`.
    what
        One line for the report.
    library
        The module that has to be importable; a study leaves the method out by name where it is not.
    metrics
        The metrics that it takes.
    exact
        Whether it finds the true neighbours, always.
    builds
        (rows, dim) → the parameters of the indexes worth building, the most usual first.
    efforts
        (rows, build parameters) → the search parameters worth trying, from least to most.
    build
        (vectors, metric, build parameters) → the index; it does not change the vectors.
    factory
        Build parameters → the string for `create_index.py --index`; "" if the application has none.
    """

    name: str
    what: str
    library: str
    metrics: frozenset[Metric]
    exact: bool
    builds: Callable[[int, int], Sequence[Parameters]]
    efforts: Callable[[int, Parameters], Sequence[Parameters]]
    build: Callable[[Vectors, Metric, Parameters], Searcher]
    factory: Callable[[Parameters], str] = lambda build: ""
