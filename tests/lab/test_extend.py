"""Drawn vectors come after the real ones, resemble them, and nobody takes them for real."""

import doctest
from dataclasses import replace

import numpy as np
import pytest

import lab.extend
from app.errors import UsageError
from lab.extend import extend, extend_set, intrinsic_dimension
from lab.methods.method import Vectors
from lab.truth import exact_neighbours
from lab.vectors import VectorSet


def on_a_sheet(rows: int) -> Vectors:
    """Return unit vectors of 24 numbers that vary in 6 ways, in 10 clusters."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 24))
    sheet = rng.normal(size=(6, 24))
    flat = centres[rng.integers(0, 10, rows)] + 0.7 * rng.normal(size=(rows, 6)) @ sheet
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def real() -> Vectors:
    return on_a_sheet(8_000)


@pytest.fixture(scope="module")
def extended(real: Vectors) -> Vectors:
    return extend(real[:2_000], 8_000)


def nearest(vectors: Vectors) -> tuple[float, float]:
    """Return the median distances of the 1st and 10th neighbour of the first 500 rows."""
    own = np.arange(500)
    _, distances = exact_neighbours(vectors, vectors[own], 10, metric="l2", leave_out=own)
    return float(np.median(distances[:, 0])), float(np.median(distances[:, 9]))


def test_the_example_runs() -> None:
    failed, tried = doctest.testmod(lab.extend)
    assert tried
    assert not failed


def test_the_real_ones_come_first_and_all_have_length_1(real: Vectors, extended: Vectors) -> None:
    assert extended.shape == (8_000, 24)
    assert extended.dtype == np.float32
    np.testing.assert_array_equal(extended[:2_000], real[:2_000])
    np.testing.assert_allclose(np.linalg.norm(extended, axis=1), 1, atol=1e-5)
    assert len(np.unique(extended, axis=0)) == len(extended)


def test_neighbours_are_about_as_near_as_among_as_many_real_ones(
    real: Vectors, extended: Vectors
) -> None:
    drawn, grown, base = nearest(extended), nearest(real), nearest(real[:2_000])
    for place in (0, 1):
        assert drawn[place] == pytest.approx(grown[place], rel=0.15)
        assert abs(drawn[place] - grown[place]) < abs(base[place] - grown[place])


def test_drawn_vectors_stay_where_the_real_ones_lie(real: Vectors, extended: Vectors) -> None:
    near, _ = exact_neighbours(real, extended[2_000:2_500], 1, metric="l2")
    apart = np.linalg.norm(extended[2_000:2_500] - real[near[:, 0]], axis=1)
    noise = np.random.default_rng(0).normal(size=(500, 24)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    near, _ = exact_neighbours(real, noise, 1, metric="l2")
    assert np.median(apart) < 0.5 * np.median(np.linalg.norm(noise - real[near[:, 0]], axis=1))


def test_the_same_seed_draws_the_same(real: Vectors) -> None:
    few = real[:200]
    np.testing.assert_array_equal(extend(few, 500, seed=1), extend(few, 500, seed=1))
    assert not np.array_equal(extend(few, 500, seed=1), extend(few, 500, seed=2))


def test_blocks_change_nothing_of_how_many_are_drawn(
    real: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab.extend, "NUMBERS_A_BLOCK", 24 * 32 * 7)
    drawn = extend(real[:100], 331)
    assert drawn.shape == (331, 24)
    assert np.isfinite(drawn).all()
    assert len(np.unique(drawn, axis=0)) == 331


def test_vectors_of_other_lengths_keep_their_scale(real: Vectors) -> None:
    large = 40 * real[:300] + 5
    drawn = extend(large, 900)
    lengths = np.linalg.norm(large, axis=1)
    assert np.linalg.norm(drawn[300:], axis=1).min() > 0.7 * lengths.min()
    assert np.linalg.norm(drawn[300:], axis=1).max() < 1.3 * lengths.max()


def test_copies_among_the_real_ones_do_no_harm(real: Vectors) -> None:
    copies = np.tile(real[:1], (100, 1))
    assert np.isfinite(extend(copies, 250)).all()
    assert np.isfinite(extend(np.concatenate([copies, real[:100]]), 450)).all()


def test_a_set_says_how_many_were_drawn_and_has_labels_no_more(real: Vectors) -> None:
    own = np.array([3, 5])
    held = VectorSet(
        "some", real[:100], real[own], own, np.zeros(100, np.int64), np.zeros(2, np.int64)
    )
    grown = extend_set(held, 260)
    assert grown.drawn == 160
    assert grown.labels is None
    assert grown.query_labels is None
    np.testing.assert_array_equal(grown.vectors[own], grown.queries)
    assert extend_set(held, 100) is held
    assert extend_set(replace(held, drawn=7), 110).drawn == 17


def test_fewer_than_there_are_and_too_few_to_draw_from_are_refused(real: Vectors) -> None:
    with pytest.raises(UsageError, match=r"100 vectors.* 99: .*100"):
        extend(real[:100], 99)
    with pytest.raises(UsageError, match=r"9 vectors.* 50 "):
        extend(real[:9], 100)
    np.testing.assert_array_equal(extend(real[:9], 9), real[:9])


def test_the_intrinsic_dimension_is_that_of_the_sheet(real: Vectors) -> None:
    own = np.arange(500)
    _, distances = exact_neighbours(real, real[own], 20, metric="l2", leave_out=own)
    assert intrinsic_dimension(distances) == pytest.approx(6, abs=1)
