"""The networks in PyTorch: the vectors of OpenVINO, chosen where there is a GPU, or on request."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.embed import Embedder, running
from app.embed.load import load_embedder
from app.embed.runtimes import torch as in_torch
from app.errors import ModelError
from tests.conftest import is_one_sentence
from tests.embed.pictures import PICTURES
from tests.embed.runtimes.test_openvino import python

LITE0 = "efficientnet_lite0"


def loaded(networks: Path, **options: Any) -> Embedder:
    return load_embedder(
        LITE0, **({"weights_dir": None, "cache_dir": networks, "purpose": "query"} | options)
    )


def test_the_vectors_are_those_of_openvino(networks: Path) -> None:
    openvino = loaded(networks)
    torch = loaded(networks, runtime="torch", purpose="build")
    assert isinstance(torch._runtime, in_torch.TorchRuntime)
    assert torch.precision == "f32"
    assert torch.weights_sha256 == openvino.weights_sha256
    assert torch.note == "calculated by PyTorch on cpu, in f32"
    cosines = (openvino.embed(PICTURES) * torch.embed(PICTURES)).sum(axis=1)
    assert (cosines > 0.99999).all()
    one = loaded(networks, runtime="torch")
    assert one.batch == 1
    assert one.embed(PICTURES) == pytest.approx(torch.embed(PICTURES), abs=1e-5)


def test_in_bfloat16_they_are_near(networks: Path) -> None:
    torch = loaded(networks, runtime="torch", precision="bf16")
    assert torch.precision == "bf16"
    cosines = (loaded(networks).embed(PICTURES) * torch.embed(PICTURES)).sum(axis=1)
    assert (cosines > 0.98).all()
    assert (cosines < 0.999999).any()


WITHOUT_OPENVINO = """
import importlib.util, sys
from pathlib import Path
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "openvino":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "openvino" else found(name, *rest)
import numpy as np
from app.embed.load import load_embedder
embedder = load_embedder(
    "efficientnet_lite0", weights_dir=None, cache_dir=Path(sys.argv[1]), purpose="build")
print(type(embedder._runtime).__name__, "openvino" in sys.modules)
np.save(sys.argv[2], embedder.embed([np.load(sys.argv[3])]))
"""


def test_it_needs_no_openvino(networks: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "picture.npy", PICTURES[0])
    said = python(
        WITHOUT_OPENVINO, tmp_path / "empty", tmp_path / "vector.npy", tmp_path / "picture.npy"
    )
    assert said.split() == ["TorchRuntime", "False"]
    vector = np.load(tmp_path / "vector.npy")[0]
    assert vector @ loaded(networks).embed(PICTURES[:1])[0] > 0.99999


@pytest.mark.parametrize(
    ("runtime", "purpose", "precision", "gpu", "device"),
    [
        ("auto", "build", "auto", "cuda", "cuda"),
        ("auto", "build", "auto", "", ""),
        ("auto", "query", "f32", "cuda", ""),
        ("torch", "query", "f32", "mps", "mps"),
        ("torch", "build", "f32", "", "cpu"),
        ("openvino", "build", "f32", "cuda", ""),
        ("auto", "build", "int8", "cuda", ""),
    ],
)
def test_a_gpu_is_taken_for_builds(
    runtime: str,
    purpose: running.Purpose,
    precision: str,
    gpu: str,
    device: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_torch, "accelerator", lambda: gpu)
    assert running.torch_device(runtime, purpose, precision) == device


def test_without_a_gpu_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_torch, "has_nvidia_driver", lambda: False)
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would be an error
    assert in_torch.accelerator() == ""


@pytest.mark.parametrize(("cuda", "mps", "found"), [(1, 0, "cuda"), (0, 1, "mps"), (0, 0, "")])
def test_what_the_driver_promises_is_asked_of_torch(
    cuda: bool, mps: bool, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_torch, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: bool(cuda))
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: bool(mps))
    assert in_torch.accelerator() == found


@pytest.mark.parametrize(
    ("device", "asked", "has", "used"),
    [
        *(("cuda", "auto", True, "bf16"), ("cuda", "auto", False, "f32")),
        *(("cuda", "f32", True, "f32"), ("mps", "auto", True, "f32")),
        *(("cpu", "auto", True, "f32"), ("cpu", "bf16", True, "bf16")),
    ],
)
def test_the_precision_is_what_the_device_can_do(
    device: str, asked: str, has: bool, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: has)
    assert in_torch.precision_on(device, asked) == used


def test_a_file_for_openvino_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="RIS_RUNTIME=openvino") as caught:
        in_torch.check_weights_run(tmp_path / "model.onnx", "sscd_distilled")
    assert is_one_sentence(str(caught.value))
