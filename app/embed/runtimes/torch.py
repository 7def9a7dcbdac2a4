"""A model's weights → its network running in PyTorch: on a GPU, or where OpenVINO is not wanted."""

import platform
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.embed.convert import network_of, texts_of
from app.embed.models import Model
from app.errors import ModelError

BATCH = 64
"""Pictures at once on a GPU; a processor takes fewer."""
_BATCH_ON_CPU = 8


class TorchRuntime:
    """A network on one device, channels last, with a fixed batch; thread-safe.

    One batch runs at a time: a GPU is no faster with two, and PyTorch's threads on a processor are
    in each other's way.
    """

    def __init__(
        self, model: Model, weights: Path, *, device: str, precision: str = "f32", batch: int = 0
    ) -> None:
        """Load the network; ModelError if the weights do not fit, or "bf16" is not possible."""
        import torch

        self.precision = precision
        self.batch = batch or (_BATCH_ON_CPU if device == "cpu" else BATCH)
        self._device = torch.device(device)
        self._type = torch.bfloat16 if precision == "bf16" else torch.float32
        if precision == "f32":  # else some GPUs multiply with 10 bits
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
        network = network_of(model, weights).eval()
        self._network = network.to(self._device, memory_format=torch.channels_last)
        how = model.picture_preprocessing
        self._mean, self._std = (
            torch.tensor(each, device=self._device).view(1, 3, 1, 1) for each in (how.mean, how.std)
        )
        self._one_at_a_time = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (batch, dim) float32 features of (batch, H, W, 3) uint8 pictures."""
        import torch

        with self._one_at_a_time, torch.inference_mode():
            images = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2)
            inputs = (images.float() - self._mean) / self._std  # channels stay last
            with torch.autocast(
                self._device.type, torch.bfloat16, enabled=self._type is torch.bfloat16
            ):
                features = self._network(inputs)
            found: NDArray[np.float32] = features.float().cpu().numpy()
        return found


class TorchTexts:
    """A model's network for texts on one device; thread-safe."""

    def __init__(
        self, model: Model, weights: Path, *, device: str = "cpu", precision: str = "f32"
    ) -> None:
        self.precision = precision
        self._device = device
        self._network = texts_of(model, weights).eval().to(device)

    def run(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (n, dim) float32 features of (n, length) int64 tokens."""
        import torch

        half = self.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16, enabled=half):
            features = self._network(torch.from_numpy(tokens).to(self._device))
            found: NDArray[np.float32] = features.float().cpu().numpy()
        return found


def accelerator() -> str:
    """Return the GPU that PyTorch can use here, "cuda" or "mps"; '' for none.

    PyTorch is imported only where there is a GPU: it takes seconds.
    """
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    if not apple and not has_nvidia_driver():
        return ""
    try:
        import torch
    except ImportError:
        return ""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else ""


def has_nvidia_driver() -> bool:
    """Return whether a driver of an NVIDIA GPU is installed, at next to no cost."""
    system = Path("C:/Windows/System32/nvcuda.dll")
    return Path("/proc/driver/nvidia/version").exists() or system.exists()


def precision_on(device: str, asked: str) -> str:
    """Return the precision that is calculated in on a device where `asked` is: "f32" or "bf16".

    "auto" is bfloat16 on the GPUs of NVIDIA that have instructions for it, and 32 bits elsewhere.
    """
    import torch

    if device == "cuda":
        has: Any = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if asked in ("auto", "bf16") and has else "f32"
    return "bf16" if asked == "bf16" and device == "cpu" else "f32"


def check_weights_run(weights: Path, name: str) -> None:
    """Raise ModelError for a file in ONNX's format, which PyTorch does not run."""
    if weights.suffix == ".onnx":
        raise ModelError(
            f"The model {name} is a file that OpenVINO runs and PyTorch does not: choose "
            "RIS_RUNTIME=openvino."
        )
