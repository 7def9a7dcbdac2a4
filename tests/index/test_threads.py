"""FAISS is given no more threads than help, and what it had is given back."""

import faiss
import numpy as np
import pytest

from app.index import beside_searches, threads


class _Index:
    """An index that tells how many threads it would be searched with."""

    def search(self, queries, k, params=None):
        threads = np.full((len(queries), k), faiss.omp_get_max_threads(), np.int64)
        return threads.astype(np.float32), threads


@pytest.fixture
def four_threads():
    """Let FAISS use four threads, whatever the machine has."""
    had = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(4)
    yield
    faiss.omp_set_num_threads(had)


@pytest.mark.parametrize(("queries", "used"), [(1, 1), (3, 3), (50, 4)])
def test_as_many_threads_as_queries(four_threads, queries, used):
    _, rows = threads.search(_Index(), np.zeros((queries, 8), np.float32), 2, None)
    assert (rows == used).all()
    assert faiss.omp_get_max_threads() == 4


def test_they_are_given_back_after_an_error(four_threads):
    with pytest.raises(ValueError, match="mended"), threads.at_most(1):
        raise ValueError("mended")
    assert faiss.omp_get_max_threads() == 4


def test_a_core_is_left_to_searches(four_threads, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    with beside_searches():
        assert faiss.omp_get_max_threads() == 2
    monkeypatch.setattr("os.cpu_count", lambda: None)
    with beside_searches():
        assert faiss.omp_get_max_threads() == 1
