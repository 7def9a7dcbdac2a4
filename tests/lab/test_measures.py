"""Measures are what their definitions say; their examples run."""

import doctest
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import lab.measures
import lab.methods.faiss_index
import lab.report.wording
import lab.study.folder
from lab.measures import (
    cmc,
    distances_of,
    mean_average_precision,
    precision_at_k,
    recall_at_k,
    right_rows,
)


@pytest.mark.parametrize(
    "module",
    [lab.measures, lab.methods.faiss_index, lab.report.wording, lab.study.folder],
    ids=lambda m: m.__name__,
)
def test_the_examples_run(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_a_row_as_near_as_the_kth_counts_as_found() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [2, 0]], np.float32)
    query = vectors[:1]
    true = distances_of(vectors, query, np.array([[0, 1]]), "l2")
    tie = distances_of(vectors, query, np.array([[2, 0]]), "l2")
    farther = distances_of(vectors, query, np.array([[0, 3]]), "l2")
    assert recall_at_k(true, tie, 2, "l2") == 1
    assert recall_at_k(true, farther, 2, "l2") == 0.5
    assert recall_at_k(true, farther, 2, "l2", epsilon=1.0) == 1
    small = np.float32(1e-6)  # ties count at any scale
    assert recall_at_k(small * true, small * farther, 2, "l2") == 0.5
    assert recall_at_k(small * true, small * tie, 2, "l2") == 1


def test_recall_of_products_takes_the_largest_and_nothing_found_is_no_neighbour() -> None:
    true = np.array([[0.9, 0.8]], np.float32)
    assert recall_at_k(true, np.array([[0.95, 0.7]], np.float32), 2, "ip") == 0.5
    assert recall_at_k(true, np.array([[-np.inf, -np.inf]], np.float32), 2, "ip") == 0
    nothing = np.array([[-np.inf, -np.inf]], np.float32)
    assert recall_at_k(nothing, nothing, 2, "ip") == 0


def test_mean_average_precision_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((20, 50)) < 0.2
    scores = -np.arange(50)
    expected = np.mean([average_precision_score(row, scores) for row in right])
    assert mean_average_precision(right) == pytest.approx(expected)


def test_queries_that_have_no_right_row_count_in_precision_alone() -> None:
    right = np.array([[True, False], [False, False]])
    assert precision_at_k(right, 2) == 0.25
    assert mean_average_precision(right) == 1
    np.testing.assert_array_equal(cmc(right, 2), [1, 1])
    none = np.zeros((2, 3), bool)
    assert np.isnan(mean_average_precision(none))
    assert np.isnan(cmc(none, 4)).all()


def test_cmc_goes_on_flat_where_the_rankings_end() -> None:
    right = np.array([[False, True], [False, True], [True, False]])
    np.testing.assert_allclose(cmc(right, 4), [1 / 3, 1, 1, 1])


def test_what_has_no_label_is_like_nothing() -> None:
    labels = np.array([-1, 0, 1])
    rows = np.array([[0, 1, -1], [0, 1, 2]])
    right = right_rows(rows, labels, np.array([-1, 1]))
    np.testing.assert_array_equal(right, [[False, False, False], [False, False, True]])


def test_distances_do_not_depend_on_how_many_are_computed_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    rows = np.random.default_rng(1).integers(-1, 100, (30, 7))
    for metric in ("l2", "ip"):
        together = distances_of(vectors, vectors[:30], rows, metric)
        monkeypatch.setattr(lab.measures, "NUMBERS_A_BLOCK", 1)
        np.testing.assert_array_equal(distances_of(vectors, vectors[:30], rows, metric), together)
