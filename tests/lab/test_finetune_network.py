"""Fine-tuning a network: pictures → its last blocks trained, the whole in one model file."""

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from app.embed import Embedder, Runtime, model_named
from app.embed.convert import network_of, read_weights
from app.embed.model_file import read_model_file
from app.embed.networks import declare_torchvision_operators, feature_network
from app.embed.weights import find_weights
from app.errors import DatasetError, ModelError, UsageError
from app.images import decode
from app.settings import Settings, read_settings
from lab.finetune.learner import Head
from lab.finetune.measure import measure
from lab.finetune.network import stages_of
from lab.finetune.request import Plan, Request
from lab.finetune.run import finetune
from lab.finetune.split import split_images
from tests.conftest import Home, encoded, fill, picture

LITE0 = model_named("efficientnet_lite0")
READ = 16 + 8  # every picture, and another cut of each that is trained on


class TorchRuntime:
    """The real network, without the conversion that a test of training has no use for."""

    batch = 8
    precision = "f32"

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network

    def run(self, batch: np.ndarray) -> np.ndarray:
        return features_of(self.network, batch)


def features_of(network: torch.nn.Module, batch: np.ndarray) -> np.ndarray:
    how = LITE0.preprocessing
    x = (batch - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(x.transpose(0, 3, 1, 2))))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the gallery `few`: 16 pictures of two kinds, and the real EfficientNet-Lite0."""
    home = Home(tmp_path_factory.mktemp("home"))
    fill(home.path / "pictures", 16, labels=2)
    build_few(home)
    return home


def build_few(home: Home, runtime: Runtime | None = None) -> None:
    """Build the gallery `few` of a home's pictures, by default with the real network."""
    path, digest = find_weights(LITE0, weights_dir=None, cache_dir=home.path, download=False)
    runtime = runtime or TorchRuntime(feature_network(LITE0, read_weights(path)))
    folders, images = home.folders("few"), home.path / "pictures"
    for folder in (folders.features, folders.indexes):
        shutil.rmtree(folder, ignore_errors=True)
    home.build(images, "few", embedder=Embedder(LITE0, runtime, digest), index="Flat", workers=1)


class PixelsRuntime:
    """Some pixels instead of the network's features, for tests that rank nothing."""

    batch = 8
    precision = "f32"

    def run(self, batch: np.ndarray) -> np.ndarray:
        return batch.reshape(len(batch), -1)[:, ::117][:, : LITE0.dim].astype(np.float32) + 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some pixels be what the first blocks give, in the shape that the last ones take.

    And let the head begin anywhere: to find principal components takes a second each time.
    """
    head = Head(torch.eye(4, LITE0.dim), torch.zeros(4))
    monkeypatch.setattr("lab.finetune.run.starting_head", lambda vectors, dim: deepcopy(head))
    monkeypatch.setattr(
        "lab.finetune.network.compiled",
        lambda first, side: lambda batch: np.repeat(batch[:, :, ::32, ::32], 64, axis=1),
    )


@pytest.fixture
def settings(home: Home) -> Settings:
    return read_settings({"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(home.path / "cache")})


def request_of(out: Path, **options: Any) -> Request:
    plan = Plan("metric", epochs=2, patience=2, batch=8, rate=1e-2, anchor=0.0, seed=0)
    return Request("few", plan, train="network", dim=4, out=out, **options)


class StoppedError(Exception):
    """Ends a training at a given moment."""


def stopping(at: tuple[str, int], events: list[tuple[str, int]]) -> Any:
    """Return a function that notes how far a training is, and ends it at a stage and a number."""

    def on_progress(stage: str, done: int, total: int, note: str) -> None:
        events.append((stage, done))
        if (stage, done) == at:
            raise StoppedError

    return on_progress


def test_training_changes_the_last_blocks_and_keeps_the_whole_network_in_its_file(
    home: Home, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "own.safetensors"
    report = finetune(request_of(path), settings)
    tensors = load_file(path)
    weights, _ = find_weights(LITE0, weights_dir=None, cache_dir=home.path, download=False)
    published = read_weights(weights)
    assert {name.removeprefix("network.") for name in tensors if "network." in name} == set(
        published
    )
    changed = {
        name
        for name, tensor in published.items()
        if not np.array_equal(tensors[f"network.{name}"], tensor.numpy())
    }
    assert "_conv_head.weight" in changed
    assert all(
        name.startswith(("_conv_head", "_bn1")) or int(name.split(".")[1]) >= 12 for name in changed
    )
    assert not any("running" in name for name in changed)

    model = read_model_file(path)
    how = model.preprocessing
    kinds = [sorted((home.path / "pictures" / f"kind_{kind}").iterdir()) for kind in (0, 1)]
    inputs = [
        how.apply(decode.decode(file.read_bytes(), min_side=2 * how.resize))
        for file in (*kinds[0], *kinds[1])
    ]
    vectors = features_of(network_of(model, path), np.stack(inputs))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.repeat([0, 1], 8)
    seen = split_images(labels, seed=0, classes=0.2).seen
    expected = measure(vectors[seen], labels[seen]).mean_average_precision
    figures = report.training["figures"]["seen"]["after"]
    # What the first blocks give is kept at half precision while training.
    assert figures["mean_average_precision"] == pytest.approx(expected, abs=0.02)
    assert not list((home.path / "cache" / "finetune").iterdir())


def reads(settings: Settings, request: Request) -> int:
    """Return how many pictures are still kept of a training, which is ended before any epoch."""
    events: list[tuple[str, int]] = []
    with pytest.raises(StoppedError):
        finetune(request, settings, on_progress=stopping(("train", 0), events))
    return events[0][1]


def test_a_training_that_was_stopped_twice_ends_as_if_it_had_not_been(
    settings: Settings, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.finetune.activations.BATCH", 4)
    whole, stopped = tmp_path / "whole.safetensors", tmp_path / "stopped.safetensors"
    finetune(request_of(whole), settings)
    parts: list[list[tuple[str, int]]] = []
    for end in (("read", 8), ("train", 1)):
        parts.append([])
        with pytest.raises(StoppedError):
            finetune(request_of(stopped), settings, on_progress=stopping(end, parts[-1]))
    parts.append([])
    finetune(request_of(stopped), settings, on_progress=stopping(("", 0), parts[-1]))
    assert parts[0] == [("read", 0), ("read", 4), ("read", 8)]
    assert parts[1][0] == ("read", 8)  # what was read is not read again
    assert parts[2] == [("read", READ), ("train", 1), ("train", 2)]  # nor is an epoch done again
    expected, tensors = load_file(whole), load_file(stopped)
    assert set(tensors) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_allclose(tensors[name], tensor, rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_was_read_of_other_pictures_of_the_same_names_is_not_gone_on_with(
    home: Home, tmp_path: Path, quick: None
) -> None:
    copy = Home(shutil.copytree(home.path, tmp_path / "home"))
    pictures = copy.path / "pictures"
    settings = read_settings({"RIS_HOME": str(copy.path), "RIS_CACHE_DIR": str(tmp_path / "cache")})
    request = request_of(tmp_path / "a.safetensors")
    build_few(copy, PixelsRuntime())
    assert [reads(settings, request), reads(settings, request)] == [0, READ]
    (pictures / "kind_1" / "00003.jpg").write_bytes(encoded(picture(99)))
    with pytest.raises(DatasetError, match=r"kind_1/00003\.jpg.*few"):
        finetune(replace(request, restart=True), settings)
    build_few(copy, PixelsRuntime())
    assert [reads(settings, request), reads(settings, request)] == [0, READ]
    kept = tmp_path / "cache" / "finetune" / "few"
    assert len(list(kept.glob("*.npy"))) == 2
    assert reads(settings, replace(request, restart=True)) == 0
    assert len(list(kept.glob("*.npy"))) == 1
    finetune(request, settings)
    assert not kept.exists()


def test_a_picture_that_is_gone_or_changed_is_named(
    home: Home, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pictures come first; what the network would make of them does not matter here.
    monkeypatch.setattr("lab.finetune.network.compiled", lambda first, side: lambda batch: batch)
    file = home.path / "pictures" / "kind_1" / "00003.jpg"
    data = file.read_bytes()
    try:
        file.write_bytes(b"no picture")
        with pytest.raises(DatasetError, match=r"kind_1/00003\.jpg.*few"):
            finetune(request_of(tmp_path / "a.safetensors"), settings)
        file.unlink()
        with pytest.raises(DatasetError, match=r"kind_1/00003\.jpg"):
            finetune(request_of(tmp_path / "a.safetensors"), settings)
    finally:
        file.write_bytes(data)


def test_other_weights_than_the_gallery_was_built_with_are_refused(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "efficientnet_lite0.pth").write_bytes(b"other weights")
    settings = read_settings({"RIS_HOME": str(home.path), "RIS_WEIGHTS_DIR": str(tmp_path)})
    with pytest.raises(ModelError, match=r"few.*efficientnet_lite0.*\.pth"):
        finetune(request_of(tmp_path / "a.safetensors"), settings)


@pytest.mark.parametrize("name", ["resnet18.gem", "efficientnet_lite0.max"])
def test_the_two_parts_of_a_network_are_the_network(name: str) -> None:
    model = model_named(name)
    state = random_state(model.network)
    stages = stages_of(model, state)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32))
    if "efficientnet" in name:
        x = torch.nn.functional.interpolate(x, 224)  # its padding is made for that side
    with torch.inference_mode():
        whole, parts = feature_network(model, state)(x), stages.last(stages.first(x))
    torch.testing.assert_close(parts, whole)
    assert set(stages.names) < set(state)
    assert all(torch.equal(tensor, state[key]) for key, tensor in stages.names.items())


def random_state(network: str) -> dict[str, torch.Tensor]:
    family, _, variant = network.partition(":")
    torch.manual_seed(0)
    if family == "efficientnet_lite":
        from efficientnet_lite_pytorch import EfficientNet

        return dict(EfficientNet.from_name(variant).state_dict())
    declare_torchvision_operators()
    import torchvision

    return dict(torchvision.models.get_model(variant, weights=None).state_dict())


def test_a_network_that_cannot_be_cut_is_named() -> None:
    model = model_named("alexnet")
    with pytest.raises(UsageError, match=r"alexnet.*--train head"):
        stages_of(model, {})
