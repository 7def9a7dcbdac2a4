"""The transform that most pairs of features agree with."""

import numpy as np
import pytest

from app.features import fit

SIZE, OTHER = (400, 300), (640, 480)
DIAGONAL, OTHER_DIAGONAL = 500.0, 800.0


def pairs(count, scale, degrees, shift, seed=0, noise=0.0):
    """Return places in a query and in another picture of which it is the transformed one."""
    rng = np.random.default_rng(seed)
    turn = np.radians(degrees)
    turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    source = rng.uniform(0, 1, (count, 2)) * OTHER
    to = source @ turned.T + shift + rng.normal(0, noise, (count, 2))
    size, angle = rng.uniform(0.01, 0.05, count), rng.uniform(0, 2 * np.pi, count)
    other = np.column_stack([source / OTHER, size, angle])
    query = np.column_stack([to / SIZE, size * OTHER_DIAGONAL * scale / DIAGONAL, angle + turn])
    return query.astype(np.float32), other.astype(np.float32), np.column_stack([turned, shift])


@pytest.mark.parametrize(
    ("scale", "degrees", "shift"),
    [(0.6, 0, (5, 6)), (0.3, 25, (200, 20)), (2.0, -90, (0, 700)), (0.5, 180, (320, 240))],
)
def test_it_is_found_among_wrong_pairs(scale, degrees, shift):
    query, other, matrix = pairs(20, scale, degrees, shift, noise=0.5)
    wrong, wrong_other, _ = pairs(60, 1.0, 0, (0, 0), seed=1)
    wrong[:, :2] = np.random.default_rng(2).uniform(0, 1, (60, 2))
    found = fit(np.vstack([wrong, query]), SIZE, np.vstack([wrong_other, other]), OTHER)
    assert found is not None
    assert np.allclose(found.matrix[:, :2], matrix[:, :2], atol=0.02 * scale + 0.005)
    assert found.scale == pytest.approx(scale, rel=0.05)
    assert abs((found.turn - degrees + 180) % 360 - 180) < 3
    assert found.pairs >= 12


def test_pairs_at_one_place_count_once():
    query, other, _ = pairs(20, 0.5, 0, (0, 0))
    query[:, :2] = query[0, :2]  # all of them, as where a grid has one line that many agree with
    assert fit(query, SIZE, other, OTHER) is None


@pytest.mark.parametrize("scale", [1 / 30, 30])
def test_a_scale_beyond_bounds_is_no_fit(scale):
    query, other, _ = pairs(20, scale, 0, (0, 0))
    assert fit(query, SIZE, other, OTHER) is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_pairs_are_no_fit(count):
    query, other, _ = pairs(count, 0.5, 0, (0, 0))
    assert fit(query, SIZE, other, OTHER) is None


def test_chance_pairs_hardly_agree():
    rng = np.random.default_rng(3)
    most = 0
    for _ in range(50):
        query, other = rng.uniform(0, 1, (2, 60, 4)).astype(np.float32)
        query[:, 2], other[:, 2] = rng.uniform(0.01, 0.05, (2, 60))
        query[:, 3], other[:, 3] = rng.uniform(0, 6.28, (2, 60))
        found = fit(query, SIZE, other, OTHER)
        most = max(most, found.pairs if found else 0)
    assert most <= 6
