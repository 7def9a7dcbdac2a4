"""Scores and rows in order: by score, then by row, empty places last."""

import numpy as np
import pytest

from app.index.neighbours import in_order


def test_equal_scores_are_in_the_order_of_the_rows_and_empty_places_last():
    rows = np.array([[7, -1, 3, 5]])
    scores = np.array([[0.5, 0.9, 0.5, 1.1]], np.float32)
    found = in_order(rows, scores, 4, candidates=4)
    assert found.rows.tolist() == [[5, 3, 7, -1]]
    assert found.scores.tolist() == [[1.0, 0.5, 0.5, -np.inf]]
    assert rows.tolist() == [[7, -1, 3, 5]]
    assert scores[0, 3] == np.float32(1.1), "an argument was changed"


@pytest.mark.parametrize("k", [1, 10, 40, 50])
def test_one_query_is_answered_as_it_is_among_others(k):
    rng = np.random.default_rng(0)
    rows = np.array([rng.permutation(100)[:40] for _ in range(30)])
    rows[rng.random(rows.shape) < 0.1] = -1
    scores = rng.integers(-13, 13, rows.shape).astype(np.float32) / 10
    scores[rows < 0] = np.finfo(np.float32).min
    together = in_order(rows, scores, k, candidates=40)
    for number in range(len(rows)):
        alone = in_order(rows[number : number + 1], scores[number : number + 1], k, candidates=40)
        assert (alone.rows == together.rows[number]).all()
        assert (alone.scores == together.scores[number]).all()
        assert alone.rows.shape == alone.scores.shape == (1, min(k, 40))
