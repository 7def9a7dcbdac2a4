"""FAISS's work, in no more threads than help.

Its threads wait for each other: where another process or thread keeps a core busy, the slowest
twentieth of searches takes ten times as long, until all of the team have had their turn.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import faiss

from app.index.plugins import Rows, Vectors


def search(index: Any, queries: Vectors, k: int, parameters: Any) -> tuple[Vectors, Rows]:
    """Return FAISS's (q, k) scores and rows for (q, dim) queries.

    One query takes one thread: FAISS shares out queries, and would only wake the others.
    """
    had = faiss.omp_get_max_threads()
    if len(queries) >= had:
        scores, rows = index.search(queries, k, params=parameters)
        return scores, rows
    # What `at_most` does, which takes a twentieth of the search of one query.
    faiss.omp_set_num_threads(max(1, len(queries)))
    try:
        scores, rows = index.search(queries, k, params=parameters)
    finally:
        faiss.omp_set_num_threads(had)
    return scores, rows


@contextlib.contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let the calling thread have FAISS work in so many threads, or as many as it had if fewer."""
    had = faiss.omp_get_max_threads()
    if count >= had:
        yield
        return
    faiss.omp_set_num_threads(max(1, count))  # of the calling thread alone
    try:
        yield
    finally:
        faiss.omp_set_num_threads(had)


def beside_searches() -> contextlib.AbstractContextManager[None]:
    """Leave one core to the searches that go on beside the block's work."""
    return at_most((os.cpu_count() or 1) - 1)
