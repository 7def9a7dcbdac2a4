"""Exact neighbours are those that FAISS finds, ties in the order of their rows, blocks or not."""

import tracemalloc

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.methods.method import Metric
from lab.truth import exact_neighbours

MEASURES = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(3_000, 24)).astype(np.float32)
QUERIES = RNG.normal(size=(30, 24)).astype(np.float32)


@pytest.mark.parametrize("metric", ["l2", "ip"])
@pytest.mark.parametrize("block_rows", [100_000, 700, 5])
def test_they_are_those_that_faiss_finds(metric: Metric, block_rows: int) -> None:
    rows, distances = exact_neighbours(VECTORS, QUERIES, 8, metric=metric, block_rows=block_rows)
    near, expected = faiss.knn(QUERIES, VECTORS, 8, metric=MEASURES[metric])
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(
        distances, np.sqrt(near) if metric == "l2" else near, rtol=1e-5, atol=1e-5
    )
    assert rows.dtype == np.int64
    assert distances.dtype == np.float32


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_equal_vectors_come_in_the_order_of_their_rows(metric: Metric) -> None:
    vectors = np.tile(VECTORS[:4], (500, 1))
    rows, distances = exact_neighbours(vectors, VECTORS[:1], 6, metric=metric, block_rows=301)
    nearest = int(np.argmin(((VECTORS[:4] - VECTORS[0]) ** 2).sum(axis=1)))
    if metric == "ip":
        nearest = int(np.argmax(VECTORS[:4] @ VECTORS[0]))
    np.testing.assert_array_equal(rows[0], nearest + 4 * np.arange(6))
    assert len(set(distances[0].tolist())) == 1


def test_a_query_does_not_get_the_row_that_is_left_out() -> None:
    own = np.array([7, 2_999, -1])
    queries = VECTORS[[7, 2_999, 7]]
    rows, distances = exact_neighbours(
        VECTORS, queries, 5, metric="l2", leave_out=own, block_rows=1_000
    )
    assert 7 not in rows[0]
    assert 2_999 not in rows[1]
    assert rows[2, 0] == 7
    assert distances[2, 0] == 0


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_places_that_no_row_can_take_hold_none(metric: Metric) -> None:
    rows, distances = exact_neighbours(
        VECTORS[:3], VECTORS[:1], 5, metric=metric, leave_out=np.array([0]), block_rows=2
    )
    assert sorted(rows[0, :2]) == [1, 2]
    assert (rows[0, 2:] == -1).all()
    assert np.isinf(distances[0, 2:]).all()


def test_near_copies_far_from_the_origin_keep_their_order() -> None:
    """What the expanded form of the distance alone would lose to rounding."""
    far = np.full((1, 24), 1_000, np.float32)
    vectors = far + np.linspace(3, 1, 200, dtype=np.float32)[:, None]
    rows, distances = exact_neighbours(vectors, far, 5, metric="l2", block_rows=50)
    np.testing.assert_array_equal(rows[0], [199, 198, 197, 196, 195])
    np.testing.assert_allclose(distances[0, 0], np.sqrt(24), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.lists(st.integers(-3, 3), min_size=6, max_size=60),
    k=st.integers(1, 7),
    block_rows=st.integers(1, 20),
    metric=st.sampled_from(["l2", "ip"]),
)
def test_they_are_the_first_of_all_sorted_by_distance_and_row(
    numbers: list[int], k: int, block_rows: int, metric: Metric
) -> None:
    vectors = np.array(numbers[: len(numbers) // 2 * 2], np.float32).reshape(-1, 2)
    query = vectors[:1] + 1
    rows, _ = exact_neighbours(vectors, query, k, metric=metric, block_rows=block_rows)
    keys = ((vectors - query) ** 2).sum(axis=1) if metric == "l2" else -(vectors @ query[0])
    expected = np.argsort(keys, kind="stable")[:k]
    np.testing.assert_array_equal(rows[0, : len(expected)], expected)
    assert (rows[0, len(expected) :] == -1).all()


def test_memory_stays_bounded_by_the_block() -> None:
    vectors = np.random.default_rng(1).normal(size=(60_000, 8)).astype(np.float32)
    tracemalloc.start()
    exact_neighbours(vectors, vectors[:400], 10, metric="l2", block_rows=2_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * 60_000 * 4 / 4  # a quarter of all the distances at once
