"""One test body over every method: whatever it is, it answers as the interface says."""

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest

from app.errors import UsageError
from app.index import check_factory
from lab.measures import distances_of, recall_at_k
from lab.methods import METHODS, available, threads
from lab.methods.hnswlib_hnsw import HnswlibSearcher
from lab.methods.method import Method, Metric, Searcher, Vectors
from lab.truth import exact_neighbours
from tests.conftest import ROOT

QUERIES = 40
K = 10
# At the greatest effort, on vectors in clusters. Codes that are not refined lose the order among
# near ones; those of a byte a number little of it. ScaNN clusters otherwise in each process, and
# has no seed to give.
LEAST_RECALL = {"faiss-ivf-pq": 0.6, "paper-ivfpq": 0.6, "faiss-sq8": 0.95, "faiss-ivf-sq8": 0.95}
LEAST_RECALL |= {"scann": 0.95}
LEAST_RECALL_OF_OTHERS = 0.99
FEWER_ROWS = {"faiss-opq-ivf-pq-refine": 400}  # its rotation takes a hundred trainings of codes

IMPORTABLE = [method for method in METHODS.values() if not available(method)]


def clustered(rows: int, dim: int = 32) -> Vectors:
    """Return vectors in forty clusters; the first rows are a sample as fair as any."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, dim))
    around = centres[rng.integers(0, 40, rows)] + 0.6 * rng.normal(size=(rows, dim))
    return around.astype(np.float32)


def of_metric(vectors: Vectors, metric: Metric) -> Vectors:
    """Return vectors as a study hands them over: of length 1 for the inner product."""
    return vectors if metric == "l2" else vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def build(method: Method, vectors: Vectors, metric: Metric) -> tuple[Searcher, dict[str, object]]:
    parameters = method.builds(*vectors.shape)[0]
    return method.build(vectors, metric, parameters), dict(parameters)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("method", IMPORTABLE, ids=lambda method: method.name)
def test_a_method_finds_true_neighbours_and_no_row_twice(method: Method, metric: Metric) -> None:
    vectors = of_metric(clustered(FEWER_ROWS.get(method.name, 2_000)), metric)
    before = vectors.copy()
    vectors.flags.writeable = False
    queries = vectors[:QUERIES]
    parameters = method.builds(*vectors.shape)[0]
    searcher = method.build(vectors, metric, parameters)
    efforts = method.efforts(len(vectors), parameters)

    truth, near = exact_neighbours(vectors, queries, K, metric=metric)
    recalls = []
    for effort in (efforts[0], efforts[-1]):
        found = searcher.search(queries, K, effort)
        assert found.shape == (QUERIES, K)
        assert found.dtype == np.int64
        distances = distances_of(vectors, queries, found, metric)
        recalls.append(recall_at_k(near, distances, K, metric))
        assert_rows_are_valid_and_distinct(found, len(vectors))
    least = 1.0 if method.exact else LEAST_RECALL.get(method.name, LEAST_RECALL_OF_OTHERS)
    assert recalls[-1] >= least
    assert recalls[-1] >= recalls[0]
    alone = searcher.search(queries[:1], K, efforts[-1])
    assert len(np.intersect1d(alone, found[0])) >= K - 1  # a product of one row rounds otherwise

    everything = searcher.search(queries[:3], len(vectors) + 5, efforts[0])
    assert everything.shape == (3, len(vectors) + 5)
    assert_rows_are_valid_and_distinct(everything, len(vectors))
    assert (everything[:, -1] == -1).all()
    if method.exact:
        assert (everything[:, :K] == truth[:3]).mean() > 0.9  # near ones may change places
        assert ((everything >= 0).sum(axis=1) == len(vectors)).all()

    assert searcher.memory_bytes() > len(vectors)
    np.testing.assert_array_equal(vectors, before)


def assert_rows_are_valid_and_distinct(found: np.ndarray, rows: int) -> None:
    """Fail unless each query has distinct rows that are there, and -1 only after them."""
    assert found.min() >= -1
    assert found.max() < rows
    for answer in found:
        there = answer[answer >= 0]
        assert len(np.unique(there)) == len(there)
        assert (answer[len(there) :] == -1).all()


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
@pytest.mark.parametrize(("rows", "dim"), [(1, 3), (300, 7), (9_144, 1_280), (1_000_000, 256)])
def test_what_a_study_tries_fits_the_vectors(method: Method, rows: int, dim: int) -> None:
    builds = method.builds(rows, dim)
    assert 1 <= len(builds) <= 3
    for parameters in builds:
        assert 1 <= int(parameters.get("nlist", 1)) <= max(1, rows // 39)
        if "m" in parameters and method.name != "faiss-opq-ivf-pq-refine":
            assert dim % int(parameters["m"]) == 0
        efforts = method.efforts(rows, parameters)
        assert 1 <= len(efforts) <= 8
        assert all(effort.get("nprobe", 1) <= parameters.get("nlist", 1) for effort in efforts)
        factory = method.factory(parameters)
        if factory and rows > 1:
            check_factory(factory, dim)
    texts = [str(parameters) for parameters in builds]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", ["faiss-ivf-pq", "faiss-ivf-flat", "faiss-opq-ivf-pq-refine"])
def test_too_few_vectors_to_train_are_refused(name: str) -> None:
    vectors = clustered(100)
    method = METHODS[name]
    parameters = {"nlist": 200, "m": 8, "dim": 32}
    with pytest.raises(UsageError, match=r"100 vectors .* 2\d\d\."):
        method.build(vectors, "l2", parameters)


def test_scikit_learn_has_no_inner_product_for_vectors_of_other_lengths() -> None:
    with pytest.raises(UsageError, match=r"vector 1 .*length 2: use l2"):
        METHODS["sklearn-neighbours"].build(
            np.array([[1, 0], [0, 2]], np.float32), "ip", {"algorithm": "brute"}
        )


class Blocker(importlib.abc.MetaPathFinder):
    """Makes a library impossible to import, as where it is not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@pytest.fixture(params=["hnswlib", "nmslib", "usearch", "annoy", "scann", "sklearn"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in [name for name in sys.modules if name.partition(".")[0] == request.param]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Blocker(request.param), *sys.meta_path])
    return request.param


def test_a_missing_library_is_named_and_the_others_stay(missing: str) -> None:
    left_out = {name: why for name, method in METHODS.items() if (why := available(method))}
    here = [method for method in IMPORTABLE if method.name not in left_out]
    concerned = [m.name for m in METHODS.values() if m.library.partition(".")[0] == missing]
    assert concerned
    assert set(concerned) <= set(left_out)
    for name in concerned:
        for part in (name, missing, "make install"):
            assert part in left_out[name]
    assert len(here) == len(IMPORTABLE) - len(set(concerned) & {m.name for m in IMPORTABLE})


def test_a_library_that_cannot_be_loaded_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(Blocker):
        def find_spec(self, name: str, *rest: object) -> ModuleSpec | None:  # type: ignore[override]
            if name == "annoy":
                raise ImportError("libstdc++.so.9 is not here")
            return None

    monkeypatch.delitem(sys.modules, "annoy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken("annoy"), *sys.meta_path])
    reason = available(METHODS["annoy"])
    assert reason.startswith("annoy ")
    assert "libstdc++.so.9 is not here" in reason


def test_searches_use_one_thread_and_give_the_others_back() -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    def blas_threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info()}

    with threadpool_limits(2):
        with threads.searching() as allowed:
            assert allowed == 1
            assert blas_threads() == {1}
            with threads.searching(7) as inner:
                assert inner == 1
        assert blas_threads() == {2}


def test_building_takes_the_threads_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.building() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert threads.building() >= 1


def test_the_document_names_every_method() -> None:
    document = (ROOT / "docs" / "lab.md").read_text()
    assert [name for name in METHODS if f"`{name}`" not in document] == []


def test_where_a_walk_reaches_fewer_than_k_those_are_returned() -> None:
    class Reaching:
        """An hnswlib index whose walks reach five rows; then it raises as hnswlib does."""

        def set_ef(self, ef: int) -> None:
            pass

        def knn_query(self, queries: Vectors, k: int, num_threads: int) -> tuple[np.ndarray, None]:
            if k > 5:
                raise RuntimeError("Cannot return the results in a contiguous 2D array.")
            return np.tile(
                np.arange(k, dtype=np.uint64), (np.atleast_2d(queries).shape[0], 1)
            ), None

    found = HnswlibSearcher(Reaching(), 100).search(clustered(2), 10, {"ef": 16})
    np.testing.assert_array_equal(found, [[0, 1, 2, 3, 4, *[-1] * 5]] * 2)
