"""Unit length, scores and the own row, with zeros and values that are no numbers."""

import numpy as np
import pytest

from app.values.vectors import SCORE_TOLERANCE, reaches, unit, without_own


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(48,), (7, 48), (0, 48), (2, 3, 48)])
def test_vectors_get_length_one_and_keep_their_direction(shape, dtype):
    vectors = np.random.default_rng(0).normal(size=shape).astype(dtype)
    before = vectors.copy()
    units = unit(vectors)
    assert (units.dtype, units.shape) == (np.float32, shape)
    np.testing.assert_allclose(np.linalg.norm(units, axis=-1), 1, atol=1e-3)
    np.testing.assert_allclose(
        (units * vectors).sum(-1), np.linalg.norm(vectors, axis=-1), rtol=1e-2
    )
    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize("length", [1e-15, 1.0, 1e15])
def test_the_length_before_is_of_no_matter(length):
    np.testing.assert_allclose(
        unit(np.float32([[3, 4]]) * np.float32(length)), [[0.6, 0.8]], rtol=1e-6
    )


def test_zeros_stay_zeros_and_what_is_no_number_stays_none():
    units = unit(np.float32([[0, 0], [np.nan, 1], [3, 4]]))
    assert units[0].tolist() == [0, 0]
    assert np.isnan(units[1]).all()
    np.testing.assert_allclose(units[2], [0.6, 0.8], rtol=1e-6)


def test_a_score_reaches_what_only_rounding_keeps_it_from():
    assert reaches(1.0, 1.0)
    assert reaches(1 - 0.9 * SCORE_TOLERANCE, 1.0)
    assert not reaches(1 - 1.1 * SCORE_TOLERANCE, 1.0)
    assert reaches(-1.0, -1.0)
    assert not reaches(float("nan"), -1.0)


def test_the_own_row_is_left_out_or_else_the_last():
    found = np.array([[5, 1, 2], [1, 5, 2], [1, 2, 5], [1, 2, 3]])
    assert without_own(found, np.full(4, 5), 2).tolist() == [[1, 2]] * 4
