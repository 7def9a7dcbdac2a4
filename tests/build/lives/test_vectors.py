"""A vector that is added is stored like the model's own: of length 1, and rounded alike."""

import contextlib

import numpy as np

from app.build.additions import NewImage
from app.values.vectors import unit
from tests.build.lives.world import World, as_stored, direction, jpeg
from tests.conftest import Home


def test_added_vectors_are_rounded_as_all_others_are(tmp_path):
    world = World(Home(tmp_path))
    world.write("0.jpg", jpeg(0))
    world.build()
    given = np.stack([direction(seed) for seed in range(2_000)]) * np.float32(3)
    report = world.add(*(NewImage(str(n), vector=vector) for n, vector in enumerate(given)))
    with contextlib.closing(world.open()) as gallery:
        stored = gallery.vectors(np.array(report.ids))
    np.testing.assert_array_equal(stored, as_stored(unit(given)))
