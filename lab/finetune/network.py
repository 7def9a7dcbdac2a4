"""A gallery's pictures → the last blocks of its network, trained upon the output of the first ones.

The first blocks never change, so their output is computed once and kept in a file: of each picture
as it is and, where it is trained on, of another cut of it, mirrored.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.embed import Model
from app.embed.convert import read_weights
from app.embed.networks import feature_network, pooled
from app.embed.weights import find_weights
from app.errors import DatasetError, DecodeError, ModelError, UsageError
from app.images import decode
from app.images.edit import crop, mirror
from app.settings import Settings
from app.values import Box
from lab.finetune.activations import Activations, Compute
from lab.finetune.labelled import Labelled, picture_reader
from lab.finetune.learner import Draw, Head, Learner, Rows
from lab.finetune.split import Split
from lab.finetune.training import OnProgress

_SLOWER = 0.1  # a network that was trained on a million pictures needs small steps
_LEAST_SIDE = 0.7
_RESNET = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True)
class Stages:
    """A network in two: the first blocks, the last ones with the pooling, and how these are named.

    `first` turns (n, 3, H, W) float32 into (n, c, h, w), `last` that into (n, dim) features;
    `names` gives the published name of each tensor of the last blocks.
    """

    first: torch.nn.Module
    last: torch.nn.Module
    names: dict[str, torch.Tensor]


@dataclass(frozen=True)
class NetworkTraining:
    """A learner, the present state of its whole network by published names, and a clean-up."""

    learner: Learner
    state: Callable[[], dict[str, torch.Tensor]]
    forget: Callable[[], None]


class _EfficientNetBlocks(torch.nn.Module):
    """Some blocks of an EfficientNet-Lite, with what comes before the first or after the last."""

    def __init__(self, network: Any, blocks: slice) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(list(network._blocks)[blocks])
        self.begins, self.ends = not blocks.start, blocks.stop is None
        self.activation = network._swish
        self.convolution = network._conv_stem if self.begins else network._conv_head
        self.norm = network._bn0 if self.begins else network._bn1

    def forward(self, x: torch.Tensor) -> Any:
        if self.begins:
            x = self.activation(self.norm(self.convolution(x)))
        for block in self.blocks:
            x = block(x)
        return self.activation(self.norm(self.convolution(x))) if self.ends else x


def stages_of(model: Model, state: dict[str, Any]) -> Stages:
    """Return a model's network cut after the block that halves its picture for the last time.

    UsageError for a network that this file does not know, ModelError if the weights do not fit.
    """
    family, _, variant = model.network.partition(":")
    if family == "efficientnet_lite":
        network: Any = feature_network(replace(model, pool=None), state).network
        halving = [i for i, block in enumerate(network._blocks) if _halves(block._depthwise_conv)]
        first = _EfficientNetBlocks(network, slice(0, halving[-1] + 1))
        last: torch.nn.Module = _EfficientNetBlocks(network, slice(halving[-1] + 1, None))
        named = network.state_dict(keep_vars=True)
    elif family == "torchvision" and variant.startswith("resnet"):
        layers = dict(
            zip(_RESNET, feature_network(replace(model, pool=None), state).children(), strict=True)
        )
        named = torch.nn.ModuleDict(layers).state_dict(keep_vars=True)
        halving_block, *rest = layers.pop("layer4").children()
        first = torch.nn.Sequential(*layers.values(), halving_block)  # type: ignore[assignment]
        last = torch.nn.Sequential(*rest)
    else:
        raise UsageError(
            f"The network of {model.name} cannot be trained here, only those of the "
            "EfficientNet-Lite and ResNet models: use --train head."
        )
    own = {id(tensor) for tensor in last.state_dict(keep_vars=True).values()}
    names = {name: tensor for name, tensor in named.items() if id(tensor) in own}
    return Stages(first.eval(), pooled(last, model.pool).eval(), names)


def _halves(convolution: Any) -> bool:
    stride = convolution.stride
    return bool(stride[0] == 2)


def network_training(
    labelled: Labelled,
    head: Head,
    split: Split,
    settings: Settings,
    *,
    seed: int,
    on_progress: OnProgress,
) -> NetworkTraining:
    """Return the learner of a gallery's last blocks and `head`, with their inputs computed.

    Normalisation keeps the statistics that it came with. The file with the output of the first
    blocks lies in finetune/GALLERY of RIS_CACHE_DIR until `forget` is called; interrupted, the next
    call goes on with it, unless a picture or the weights are others now. UsageError for a network
    that cannot be trained, ModelError for weights that are not those of the gallery, DatasetError
    for pictures that are not here, StorageError if the file cannot be kept.
    """
    read = picture_reader(settings, labelled.gallery)
    published = _published(labelled, settings)
    stages = stages_of(labelled.model, published)
    every = np.concatenate([split.train, split.validation, split.seen, split.unseen])
    cuts = [(row, False) for row in every.tolist()] + [(row, True) for row in split.train.tolist()]
    how = labelled.model.picture_preprocessing
    prepare = _preparing(labelled, read, seed)
    content = [labelled.sha256s, hashlib.sha256(labelled.vectors.tobytes()).hexdigest()]
    made_by = [labelled.weights_sha256, labelled.model.network, how]
    kept = Activations(settings.cache_dir, labelled.gallery, [*made_by, *content, seed, cuts])
    kept.fill(
        compiled(stages.first, how.crop),
        lambda place: prepare(*cuts[place]),
        len(cuts),
        on_progress,
    )
    place_of = {cut: place for place, cut in enumerate(cuts)}

    def inputs(rows: Rows, draw: Draw | None) -> torch.Tensor:
        other = draw.random(len(rows)) < 0.5 if draw else np.zeros(len(rows), bool)
        asked = zip(rows.tolist(), other.tolist(), strict=True)
        places = [place_of.get(cut, place_of[cut[0], False]) for cut in asked]
        return kept.at(places)

    return NetworkTraining(
        Learner(
            module=torch.nn.Sequential(stages.last, head),
            groups=((_SLOWER, tuple(stages.last.parameters())), (1.0, tuple(head.parameters()))),
            inputs=inputs,
        ),
        state=lambda: published | {name: each.detach() for name, each in stages.names.items()},
        forget=kept.forget,
    )


def compiled(first: torch.nn.Module, side: int) -> Compute:
    """Return the first blocks as OpenVINO runs them: in a third of torch's time on a CPU."""
    import openvino as ov

    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how OpenVINO takes a network of torch is deprecated there
        converted = ov.convert_model(
            first, example_input=torch.zeros(1, 3, side, side), input=[-1, 3, side, side]
        )
    network = ov.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(network([batch])[0])


def _published(labelled: Labelled, settings: Settings) -> dict[str, Any]:
    """Return the weights that the gallery was built with."""
    path, digest = find_weights(
        labelled.model,
        weights_dir=settings.weights_dir,
        cache_dir=settings.cache_dir,
        download=False,
    )
    if digest != labelled.weights_sha256:
        raise ModelError(
            f"{labelled.gallery} was built with other weights of {labelled.model.name} than "
            f"{path}: bring those back, or build it anew."
        )
    return dict(read_weights(path))


def _preparing(
    labelled: Labelled, read: Callable[[str], bytes], seed: int
) -> Callable[[int, bool], NDArray[np.float32]]:
    """Return the function that prepares a picture for the network, as the build does, or a cut."""
    how = labelled.model.picture_preprocessing
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)

    def prepare(row: int, other: bool) -> NDArray[np.float32]:
        path = labelled.paths[row]
        changed = f"The picture {path} of {labelled.gallery} has changed since it was built"
        data = read(path)
        if labelled.sha256s[row] not in ("", hashlib.sha256(data).hexdigest()):
            raise DatasetError(f"{changed}: build it anew.")
        try:
            image = decode.decode(data, min_side=2 * how.resize)
        except DecodeError as exc:
            raise DatasetError(f"{changed} ({exc}) Build it anew.") from exc
        if other:
            image = mirror(crop(image, _box(np.random.default_rng([seed, row]))))
        return ((how.apply(image) - mean) / std).transpose(2, 0, 1)

    return prepare


def _box(draw: Draw) -> Box:
    """Return a part of a picture with sides of at least 0.7 of its own."""
    width, height = draw.uniform(_LEAST_SIDE, 1, 2)
    left, top = draw.uniform(0, 1 - width), draw.uniform(0, 1 - height)
    return Box(left, top, min(left + width, 1.0), min(top + height, 1.0))
