"""Around the network: full batches in, unit vectors out, nothing that is no number."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import Embedder, model_named
from app.embed.load import load_embedder
from app.errors import ModelError
from tests.conftest import mean_colour, picture
from tests.embed.pictures import PICTURES, pixels


class Counting:
    """A runtime whose vector is the first pixel and one; it notes the batches that it got."""

    batch = 3
    precision = "f32"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        first = batch[:, 0, 0, :].astype(np.float32)
        return np.concatenate([first, np.ones((len(batch), 45), np.float32)], axis=1)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_any_number_of_pictures_is_cut_into_full_batches(count: int) -> None:
    runtime = Counting()
    images = [pixels(picture(seed)) for seed in range(count)]
    vectors = Embedder(model_named("mean_colour"), runtime, "").embed(images)
    assert vectors.shape == (count, 48)
    assert vectors.dtype == np.float32
    assert runtime.shapes == [(3, 4, 4, 3)] * -(-count // 3)
    alone = Embedder(model_named("mean_colour"), Counting(), "")
    for vector, image in zip(vectors, images, strict=True):
        assert (vector == alone.embed([image])[0]).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-6)


def test_values_that_are_not_numbers_are_refused() -> None:
    class Damaged(Counting):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full((len(batch), 48), np.nan, np.float32)

    with pytest.raises(ModelError, match="mean_colour"):
        Embedder(model_named("mean_colour"), Damaged(), "").embed([PICTURES[0]])


def test_a_vector_of_nothing_but_zeros_stays_finite() -> None:
    class Silent(Counting):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.zeros((len(batch), 48), np.float32)

    vectors = Embedder(model_named("mean_colour"), Silent(), "").embed([PICTURES[0]])
    assert (vectors == 0).all()


def test_mean_colours_can_be_checked_by_eye() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = (255, 0, 255)
    vector = mean_colour().embed([image])[0]
    expected = np.full(48, -1.0)
    expected[[0, 2]] = 1.0
    assert vector == pytest.approx(expected / np.sqrt(48), abs=1e-6)


def test_the_embedder_without_a_network_loads_by_name(tmp_path: Path) -> None:
    embedder = load_embedder("mean_colour", weights_dir=None, cache_dir=tmp_path, purpose="query")
    assert (embedder.name, embedder.dim, embedder.weights_sha256) == ("mean_colour", 48, "")
    assert embedder.decoded_side == 256  # the network needs 8, local features more
    assert not list(tmp_path.iterdir())
