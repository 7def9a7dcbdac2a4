"""A network ends in its features, pooled as the model says, and takes its own weights alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.embed import model_named
from app.embed.convert import read_weights
from app.embed.networks import declare_torchvision_operators, feature_network, pooled
from app.embed.weights import find_weights
from app.errors import ModelError


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("avg", lambda maps: maps.mean((2, 3))),
        ("max", lambda maps: maps.max((2, 3))),
        ("gem", lambda maps: (maps.clip(1e-6) ** 3).mean((2, 3)) ** (1 / 3)),
        (None, lambda maps: maps),
    ],
)
def test_a_feature_map_is_pooled_as_the_model_says(pool: Any, expected: Any) -> None:
    import torch

    maps = np.random.default_rng(5).normal(size=(2, 5, 3, 4)).astype(np.float32)
    found = pooled(torch.nn.Identity(), pool)(torch.from_numpy(maps))
    assert np.asarray(found) == pytest.approx(expected(maps), abs=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_a_network_of_torchvision_ends_in_its_features(name: str) -> None:
    declare_torchvision_operators()
    import torch
    import torchvision

    state = torchvision.models.get_model(name, weights=None).state_dict()
    model = model_named(name)
    with torch.inference_mode():
        assert feature_network(model, state)(torch.zeros(1, 3, 64, 64)).shape == (1, model.dim)


def test_weights_of_another_network_are_refused_with_the_models_name(tmp_path: Path) -> None:
    weights, _ = find_weights(
        model_named("efficientnet_lite0"), weights_dir=None, cache_dir=tmp_path, download=False
    )
    with pytest.raises(ModelError, match="resnet18"):
        feature_network(model_named("resnet18"), read_weights(weights))
