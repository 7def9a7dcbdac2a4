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


@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_a_file_that_holds_no_weights_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=name):
        read_weights(tmp_path / name)
