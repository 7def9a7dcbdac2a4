"""Every search gives real rows, each once, best first, with exact scores."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import GalleryError
from app.index import Neighbours, SearchEffort, VectorIndex
from app.values.vectors import reaches
from tests.index.vectors import (
    EVERYTHING,
    FACTORIES,
    SHORTLISTS,
    STARVED,
    assert_sound,
    clustered,
    cosines,
    make,
    stored,
    unit,
    without_vectors,
)


def brute_force(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    scores = cosines(queries, vectors).round(9)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


# Ten thousand queries


# Cells and codes change at 39 and 256 rows, and multiples of the first.
SOME_SIZES = [*range(1, 101), *range(101, 252, 4), 255, 256, 257, *range(259, 301, 4), 300]


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize(
    "sizes",
    [SOME_SIZES, pytest.param(range(1, 301), marks=pytest.mark.slow)],
    ids=["some sizes", "every size"],
)
def test_10_000_queries_over_galleries_of_every_size_give_real_rows_once(tmp_path, factory, sizes):
    rng = np.random.default_rng(1)
    each = 1 + 10_000 // (4 * len(sizes))
    count = 0
    for rows in sizes:
        vectors = clustered(rows, seed=rows)
        vectors[rng.random(rows) < 0.2] = vectors[0]  # the same picture many times
        effort = SearchEffort(int(rng.integers(1, 4)), int(rng.integers(1, 50)))
        index = make(tmp_path, vectors, factory, effort)
        for k in (1, int(rng.integers(2, 100)), 100, rows + 7):
            strangers = unit(rng.normal(size=(each - 3, 16)))
            queries = np.concatenate([strangers, clustered(3, seed=rows + k)])
            found = index.search(queries, k)
            assert_sound(found, rows, k)
            true_scores = np.take_along_axis(queries @ vectors.T, found.rows, axis=1)
            np.testing.assert_allclose(found.scores, true_scores, atol=1e-3)
            count += len(queries)
    assert count >= 10_000


@pytest.mark.parametrize("factory", SHORTLISTS)
@pytest.mark.parametrize("k", [1, 5, 60, 100, 1000])
def test_one_probe_into_tiny_cells_still_gives_k_rows(tmp_path, factory, k):
    vectors = clustered(480, seed=3)
    queries = np.concatenate([vectors[::10], unit(np.random.default_rng(0).normal(size=(40, 16)))])
    assert_sound(make(tmp_path, vectors, factory, STARVED).search(queries, k), 480, k)
    assert_sound(without_vectors(tmp_path, STARVED).search(queries, k), 480, k)


def test_a_query_whose_cell_runs_dry_is_answered_exactly(tmp_path):
    vectors = clustered(480, seed=3)
    index = make(tmp_path, vectors, "IVF12,Flat", STARVED)
    listed = index.shortlist(vectors, SearchEffort(1, 100))
    dry = (listed < 0).any(axis=1)
    assert 0 < dry.sum() < 480, "the test needs cells both smaller and larger than 100"

    found = index.search(vectors, 100)
    exact = index.search(vectors, 100, exact=True)

    np.testing.assert_array_equal(found.rows[dry], exact.rows[dry])
    np.testing.assert_allclose(found.scores[dry], exact.scores[dry], atol=1e-6)


# Exactness


@st.composite
def galleries(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Draw vectors, some of them equal, queries, k and a kind of shortlist."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.sampled_from([8, 16, 48]))
    rows = draw(st.integers(39, 150))
    different = draw(st.integers(1, rows))
    vectors = unit(rng.normal(size=(different, dim)))[rng.integers(0, different, rows)]
    queries = np.concatenate([vectors[:3], unit(rng.normal(size=(3, dim)))])
    factory = draw(st.sampled_from(["IVF3,Flat", "IVF3,SQ8", "SQ8", "SQ4"]))
    return vectors, queries, draw(st.integers(1, 160)), factory


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=galleries())
def test_re_ranking_every_row_equals_brute_force(tmp_path, case):
    vectors, queries, k, factory = case
    index = make(tmp_path, vectors, factory)
    expected_rows, expected_scores = brute_force(vectors, queries, k)
    all_scores = cosines(queries, vectors)

    for found in (index.search(queries, k), index.search(queries, k, exact=True)):
        assert_sound(found, len(vectors), k)
        np.testing.assert_allclose(found.scores, expected_scores, atol=1e-6)
        true_scores = np.take_along_axis(all_scores, found.rows, axis=1)
        np.testing.assert_allclose(found.scores, true_scores, atol=1e-6)
        # Rows differ from brute force at most where scores are closer than a float can distinguish.
        differ = found.rows != expected_rows
        np.testing.assert_allclose(true_scores[differ], expected_scores[differ], atol=1e-6)


@pytest.mark.parametrize("dim", [16, 48, 1280])
def test_scores_are_the_exact_cosine_however_the_search_was_done(tmp_path, dim):
    vectors = clustered(200, dim)
    queries = np.concatenate([vectors[:20], clustered(20, dim, seed=1)])
    index = make(tmp_path, vectors, "IVF100,SQ8", SearchEffort(5, 200))
    exact = index.search(queries, 50, exact=True)
    short = index.search(queries, 50)

    for found in (exact, short):
        true_scores = np.take_along_axis(cosines(queries, vectors), found.rows, axis=1)
        np.testing.assert_allclose(found.scores, true_scores, atol=1e-6)
    np.testing.assert_allclose(short.scores, exact.scores, atol=1e-6)
    for query, rows, scores in zip(queries, exact.rows, exact.scores, strict=True):
        np.testing.assert_allclose(index.scores(query, rows), scores, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 7, 59, 60, 61, 100, 299, 300])
def test_of_many_equal_rows_the_first_are_taken(tmp_path, k):
    different = unit(np.random.default_rng(0).normal(size=(5, 16)))
    vectors = different[np.arange(300) % 5]
    index = make(tmp_path, vectors, "IVF100,SQ8")
    for exact in (True, False):
        found = index.search(different, k, exact=exact)
        for query in range(5):
            own = np.arange(query, 300, 5)[:k]
            np.testing.assert_array_equal(found.rows[query, : len(own)], own)
        assert_sound(found, 300, k)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("k", [1, 10, 100, 299])
def test_rows_are_ranked_by_angle_though_stored_vectors_differ_in_length(tmp_path, factory, k):
    rng = np.random.default_rng(0)
    alike = clustered(300, 48, clusters=3, spread=0.02)
    vectors = alike * rng.uniform(0.999, 1.001, (300, 1)).astype(np.float32)
    queries = np.concatenate([alike[:20], -alike[:20]])
    by_product = np.argsort(-queries @ stored(vectors).T, axis=1, kind="stable")[:, :k]
    index = make(tmp_path, vectors, factory)
    expected_rows, expected_scores = brute_force(vectors, queries, k)
    assert (by_product != expected_rows).any(), "the test needs lengths that change the order"
    for found in (index.search(queries, k), index.search(queries, k, exact=True)):
        assert_sound(found, 300, k)
        np.testing.assert_allclose(found.scores, expected_scores, atol=1e-6)
        true_scores = np.take_along_axis(cosines(queries, vectors), found.rows, axis=1)
        np.testing.assert_allclose(true_scores, expected_scores, atol=1e-6)


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_image_scores_one_with_itself(tmp_path, factory):
    vectors = unit(np.random.default_rng(0).normal(size=(300, 48)))
    assert np.ptp(np.linalg.norm(stored(vectors), axis=1)) > 1e-5
    index = make(tmp_path, vectors, factory)
    for row in range(300):
        own = index.vector(row)
        found = [index.search(own[None], 1, exact=exact) for exact in (True, False)]
        assert [each.rows.item() for each in found] == [row] * 2
        scores = [each.scores.item() for each in found]
        assert all(reaches(score, 1) for score in [*scores, *index.scores(own, np.array([row]))])


def test_a_vector_of_zeros_scores_zero(tmp_path):
    vectors = clustered(60, 48)
    vectors[7] = 0
    index = make(tmp_path, vectors, "IVF100,SQ8")
    for exact in (True, False):
        found = index.search(vectors[:1], 60, exact=exact)
        assert_sound(found, 60, 60)
        assert found.scores[0, found.rows[0] == 7].tolist() == [0]


def test_a_vector_that_is_read_back_has_length_one_and_is_the_one_stored(tmp_path):
    vectors = clustered(60, 48)
    index = make(tmp_path, vectors, "Flat")
    for row in (0, 31, 59):
        assert np.linalg.norm(index.vector(row)) == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(index.vector(row), vectors[row], atol=1e-3)
    np.testing.assert_array_equal(index.vectors(np.array([59, 0])), stored(vectors)[[59, 0]])


def test_eight_threads_get_what_one_gets(tmp_path):
    index = make(tmp_path, clustered(400, 48), "IVF100,SQ8", SearchEffort(2, 30))
    asked = [(clustered(3, 48, seed=n), 1 + n % 60, n % 3 == 0) for n in range(160)]

    def ask(case: tuple[np.ndarray, int, bool]) -> Neighbours:
        queries, k, exact = case
        return index.search(queries, k, exact=exact)

    alone = [ask(case) for case in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, asked))

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_larger_k_takes_candidates_in_proportion(tmp_path):
    index = make(tmp_path, clustered(400), "IVF100,SQ8", SearchEffort(10, 30))
    queries = clustered(2, seed=1)
    assert index.search(queries, 1).candidates == 30
    assert index.search(queries, 10).candidates == 30
    assert index.search(queries, 20).candidates == 60
    assert index.search(queries, 100).candidates == 300
    assert index.search(queries, 300).candidates == 400


# Without the vectors


@pytest.mark.parametrize("factory", SHORTLISTS)
def test_without_vectors_the_shortlist_answers_by_itself(tmp_path, factory):
    vectors = clustered(300, 48, seed=2)
    make(tmp_path, vectors, factory)
    index = without_vectors(tmp_path, SearchEffort(3, 30))
    assert index.approximate
    assert (index.rows, index.dim) == (300, 48)
    for k in (1, 10, 100, 400):
        found = index.search(clustered(20, 48, seed=5), k)
        assert_sound(found, 300, k)
        assert found.candidates == 0, "nothing was compared exactly"
    assert_sound(index.search(vectors, 10, exact=True), 300, 10)


@pytest.mark.parametrize("factory", SHORTLISTS)
def test_without_vectors_a_row_has_the_vector_of_its_code(tmp_path, factory):
    vectors = clustered(300, 16, seed=2)
    make(tmp_path, vectors, factory)
    index = without_vectors(tmp_path)
    read_back = np.stack([index.vector(row) for row in range(300)])
    np.testing.assert_allclose(np.linalg.norm(read_back, axis=1), 1, atol=1e-5)
    assert (read_back * vectors).sum(axis=1).mean() > 0.8


def test_rows_that_no_walk_through_the_graph_reaches_are_found_all_the_same(tmp_path):
    vectors = np.repeat(unit(np.random.default_rng(0).normal(size=(3, 16))), 100, axis=0)
    index = make(tmp_path, vectors, "HNSW4", SearchEffort(0, 20))
    listed = index.shortlist(vectors[:1], SearchEffort(0, 300))
    assert (listed < 0).any(), "the test needs a graph in parts"

    assert_sound(index.search(vectors[::50], 250), 300, 250)
    assert_sound(without_vectors(tmp_path).search(vectors[::50], 250), 300, 250)


# Files


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def write_text(file: Path) -> None:
    file.write_text("a shopping list")


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("name", ["vectors.faiss", "shortlist.faiss"])
@pytest.mark.parametrize("damage", [cut, write_text, empty, Path.unlink])
def test_a_file_that_is_no_index_is_refused_by_name(tmp_path, name, damage):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    damage(tmp_path / name)
    with pytest.raises(GalleryError, match=re.escape(str(tmp_path / name))):
        VectorIndex(
            vectors=tmp_path / "vectors.faiss",
            shortlist=tmp_path / "shortlist.faiss",
            effort=EVERYTHING,
        )


@pytest.mark.parametrize(("rows", "dim"), [(119, 16), (120, 24)])
def test_a_shortlist_of_other_vectors_is_refused(tmp_path, rows, dim):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    other = tmp_path / "other"
    other.mkdir()
    make(other, clustered(rows, dim), "IVF3,SQ8")
    with pytest.raises(GalleryError, match="do not belong together"):
        VectorIndex(
            vectors=tmp_path / "vectors.faiss",
            shortlist=other / "shortlist.faiss",
            effort=EVERYTHING,
        )


def test_an_index_of_no_file_is_refused():
    with pytest.raises(GalleryError, match="neither"):
        VectorIndex(vectors=None, shortlist=None, effort=EVERYTHING)
