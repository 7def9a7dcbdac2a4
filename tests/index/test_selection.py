"""An index without some of its rows never finds them, and finds the others as before."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.index import SearchEffort, VectorIndex
from tests.index.vectors import (
    EVERYTHING,
    STARVED,
    assert_sound,
    clustered,
    cosines,
    make,
    unit,
    without_vectors,
)

ROWS, DIM = 300, 16
KINDS = [
    *("Flat", "SQ4", "SQ6", "SQ8", "SQfp16", "PQ8", "PQ4x4", "PQ4x4np", "OPQ4,PQ4x4", "PCA8,SQ8"),
    *("IVF7,Flat", "IVF7,SQ8", "IVF7,PQ4x4", "IVF7,RaBitQ", "IVF7_HNSW4,PQ4x4", "PCA8,IVF7,SQ8"),
    *("OPQ8,IVF7,PQ8", "HNSW4", "HNSW32", "HNSW8,SQ8", "PCAR8,HNSW8_SQfp16", "numpy:IVF7,PQ4x4"),
]
GRAPHS = [kind for kind in KINDS if "HNSW" in kind and "IVF" not in kind]


def left_out_rows(how: str, vectors: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Return some rows, ascending: those nearest to the query, where a search looks first."""
    by_score = np.argsort(-(vectors @ query), kind="stable")
    rows = {
        "none": by_score[:0],
        "one": by_score[:1],
        "the nearest half": by_score[: ROWS // 2],
        "a third": np.arange(0, ROWS, 3),
        "all but two": by_score[:-2],
        "all": by_score,
    }[how]
    return np.sort(rows)


def assert_found_without(
    index: VectorIndex, queries: np.ndarray, k: int, left_out: np.ndarray, *, exact: bool = False
) -> np.ndarray:
    """Assert that every answer has k of the other rows, or all, best first; return the rows."""
    kept = ROWS - len(left_out)
    found = index.search(queries, k, exact=exact)
    assert found.rows.shape == (len(queries), min(k, kept))
    assert not np.isin(found.rows, left_out).any(), "a row that is left out is found"
    if kept:
        assert_sound(found, ROWS, min(k, kept))
    return found.rows


HOW = ["none", "one", "a third", "the nearest half", "all but two", "all"]


def some_vectors() -> np.ndarray:
    vectors = clustered(ROWS, DIM, seed=3)
    vectors[100:130] = vectors[100]  # the same picture many times
    return vectors


VECTORS = some_vectors()
QUERIES = np.concatenate([VECTORS[[0, 100, 299]], clustered(9, DIM, seed=6)])


class Opened:
    """The files of one kind of index of VECTORS, to be opened with any effort."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.is_flat = make(folder, VECTORS, kind).exact_only

    def whole(self, effort: SearchEffort = EVERYTHING) -> VectorIndex:
        shortlist = None if self.is_flat else self.folder / "shortlist.faiss"
        return VectorIndex(
            vectors=self.folder / "vectors.faiss", shortlist=shortlist, effort=effort
        )

    def all(self, effort: SearchEffort) -> list[VectorIndex]:
        """Return the index, and that without the vectors where there can be one."""
        alone = [] if self.is_flat else [without_vectors(self.folder, effort)]
        return [self.whole(effort), *alone]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def opened(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    made = Opened(tmp_path_factory.mktemp("index"), kind)
    assert made.is_flat == (kind == "Flat"), "the test needs more rows for this kind"
    return made


@pytest.mark.parametrize(
    "effort", [STARVED, SearchEffort(2, 20), EVERYTHING], ids=["starved", "some", "everything"]
)
def test_rows_that_are_left_out_are_never_found_and_k_others_are(
    opened: Opened, effort: SearchEffort
) -> None:
    for index in opened.all(effort):
        for how in HOW:
            left_out = left_out_rows(how, VECTORS, QUERIES[1])
            view = index.without(left_out)
            assert (view.rows, view.found_rows) == (ROWS, ROWS - len(left_out))
            for k in (1, 10, ROWS):
                assert_found_without(view, QUERIES, k, left_out)
                assert_found_without(view, QUERIES, k, left_out, exact=True)
        assert index.found_rows == ROWS, "the index itself finds every row still"
        assert set(index.search(QUERIES, ROWS, exact=True).rows[0]) == set(range(ROWS))


def brute_force(
    vectors: np.ndarray, queries: np.ndarray, k: int, left_out: np.ndarray
) -> np.ndarray:
    """Return the (q, k) highest cosines of the rows that are kept."""
    kept = np.delete(cosines(queries, vectors), left_out, axis=1)
    return -np.sort(-kept, axis=1)[:, :k]


@pytest.mark.parametrize("how", HOW)
def test_an_exact_search_is_that_of_the_kept_rows_alone(
    opened: Opened, kind: str, how: str
) -> None:
    left_out = left_out_rows(how, VECTORS, QUERIES[0])
    view = opened.whole().without(left_out)
    expected = brute_force(VECTORS, QUERIES, 30, left_out)
    # A walk of a graph may end before it has seen every row.
    for exact in (True,) if kind in GRAPHS else (True, False):
        found = view.search(QUERIES, 30, exact=exact)
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)


def test_the_shortlist_s_own_order_is_that_without_the_rows(opened: Opened, kind: str) -> None:
    if kind in GRAPHS:
        pytest.skip("a walk of the graph without some rows takes another way")
    left_out = np.arange(0, ROWS, 3)
    whole = opened.whole()
    everything = whole.search_codes(QUERIES, ROWS)
    found = whole.without(left_out).search_codes(QUERIES, 20)
    for all_rows, all_scores, rows, scores in zip(
        everything.rows, everything.scores, found.rows, found.scores, strict=True
    ):
        kept = ~np.isin(all_rows, left_out)
        np.testing.assert_allclose(scores, all_scores[kept][:20], atol=1e-5)
        assert not np.isin(rows, left_out).any()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 120),
    share=st.sampled_from([0.0, 0.05, 0.5, 0.97, 1.0]),
    k=st.integers(1, 130),
    kind=st.sampled_from(["Flat", "IVF2,Flat", "SQ8", "PQ4x4", "numpy:IVF2,PQ4x4"]),
)
def test_any_rows_left_out_of_any_vectors_equal_brute_force(
    tmp_path: Path, seed: int, rows: int, share: float, k: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    different = unit(rng.normal(size=(max(1, rows // 2), DIM)))
    vectors = different[rng.integers(0, len(different), rows)]
    queries = np.concatenate([vectors[:2], unit(rng.normal(size=(2, DIM)))])
    left_out = np.flatnonzero(rng.random(rows) < share)
    view = make(tmp_path, vectors, kind).without(left_out)
    expected = brute_force(vectors, queries, k, left_out)
    for exact in (True, False):
        found = view.search(queries, k, exact=exact)
        assert found.rows.shape == (len(queries), min(k, rows - len(left_out)))
        assert not np.isin(found.rows, left_out).any()
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)


def test_equal_scores_are_ordered_by_row_among_the_kept_ones(tmp_path: Path) -> None:
    vectors = clustered(5, DIM)[np.arange(ROWS) % 5]
    left_out = np.arange(0, ROWS, 7)
    for kind in ("Flat", "SQ8", "IVF7,Flat"):
        view = make(tmp_path, vectors, kind).without(left_out)
        for query in range(5):
            own = [row for row in range(query, ROWS, 5) if row % 7]
            for exact in (True, False):
                found = view.search(vectors[query][None], len(own), exact=exact)
                assert found.rows[0].tolist() == own


def test_rows_are_known_as_found_or_not(tmp_path: Path) -> None:
    index = make(tmp_path, clustered(ROWS, DIM), "SQ8")
    view = index.without(np.array([0, 7, ROWS - 1]))
    asked = np.array([0, 1, 7, -1, ROWS - 1, 8])
    np.testing.assert_array_equal(view.found_of(asked), [-1, 1, -1, -1, -1, 8])
    np.testing.assert_array_equal(index.found_of(asked), asked)
    np.testing.assert_array_equal(view.vectors(np.array([7])), index.vectors(np.array([7])))


def test_views_of_one_index_are_searched_beside_each_other(tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIM)
    index = make(tmp_path, vectors, "IVF7,SQ8", SearchEffort(2, 20))
    views = [(index.without(left), left) for left in (np.arange(n, ROWS, 4) for n in range(4))]

    def search(turn: int) -> None:
        view, left_out = views[turn % 4]
        assert_found_without(view, vectors[turn : turn + 3], 50, left_out)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(search, range(200)))
