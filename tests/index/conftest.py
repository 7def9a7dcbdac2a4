"""FAISS on one thread in all tests of this folder."""

from collections.abc import Iterator

import faiss
import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread_of_faiss() -> Iterator[None]:
    """For galleries of a few hundred rows its threads cost far more than they save."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)
