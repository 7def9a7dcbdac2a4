"""A weights file becomes a network that OpenVINO runs, with the features that torch's own gives."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from app.embed import model_named
from app.embed.convert import convert, network_of, read_weights
from app.embed.models import ModelFile
from app.embed.networks import declare_torchvision_operators, feature_network, pooled
from app.embed.runtimes.openvino import OpenVinoRuntime
from app.embed.weights import find_weights
from app.errors import ModelError

LITE = model_named("efficientnet_lite0")
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("weights")
    return find_weights(LITE, weights_dir=None, cache_dir=cache, download=False)[0]


# torch is imported where it is needed: collecting the tests would take seconds longer.
def features(network: Any, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a torch network's features of pictures, prepared as EfficientNet-Lite's are."""
    import torch

    with torch.inference_mode():
        x = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() - 127) / 128
        return np.asarray(network(x))


# OpenVINO traces the network in a way that torch wants to take away.
@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
def test_the_converted_network_gives_what_torch_gives_and_stands_alone(
    weights: Path, tmp_path: Path
) -> None:
    convert(LITE, weights, tmp_path / "lite.xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lite.bin", "lite.xml"]
    batch = RNG.integers(0, 256, (2, 224, 224, 3), np.uint8)
    runtime = OpenVinoRuntime(tmp_path / "lite.xml", batch=2, streams=1, threads=1)
    assert runtime.run(batch) == pytest.approx(features(network_of(LITE, weights), batch), abs=1e-3)


def test_a_head_takes_the_features_at_length_1(weights: Path, tmp_path: Path) -> None:
    weight = RNG.normal(size=(4, 1280)).astype(np.float32)
    bias = RNG.normal(size=4).astype(np.float32)
    own = tmp_path / "mine.safetensors"
    save_file({"head.weight": weight, "head.bias": bias}, own)
    mine = replace(LITE, name="mine", file=ModelFile(own, LITE.name, "", whole=False))
    batch = RNG.integers(0, 256, (1, 224, 224, 3), np.uint8)
    plain = features(network_of(LITE, weights), batch)
    expected = plain / np.linalg.norm(plain) @ weight.T + bias
    assert features(network_of(mine, weights), batch) == pytest.approx(expected, abs=1e-4)


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

    maps = RNG.normal(size=(2, 5, 3, 4)).astype(np.float32)
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


def test_weights_of_another_network_are_refused_with_the_models_name(weights: Path) -> None:
    with pytest.raises(ModelError, match="resnet18"):
        feature_network(model_named("resnet18"), read_weights(weights))


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_a_file_that_holds_no_weights_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=name):
        read_weights(tmp_path / name)
