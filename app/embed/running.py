"""A model's weights → its network, running: the runtime, the precision and the batches chosen."""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.embed.embedder import Runtime
from app.embed.models import Model, TextPreprocessing
from app.embed.quantise import quantised_network
from app.embed.runtimes.fastest import fastest
from app.embed.runtimes.openvino import (
    ANY,
    OpenVinoRuntime,
    calculates_in_bf16,
    converted_network,
)
from app.embed.shared import TOGETHER, SharedBatches
from app.embed.texts import TokenRuntime, WordPieceTexts
from app.errors import ModelError

BUILD_BATCH = 8
"""With a stream a core the fastest in bfloat16 of 1, 8, 16 and 32 pictures, and within 3 % of the
fastest in 32 bits (docs/performance.md): more leave the processor's caches."""

_TEXTS_BATCH = 32
"""Of 8, 32 and 64 the one that is fast for sentences and for paragraphs alike."""
_TEXTS_BATCH_ON_GPU = 256
_MEASURED_TOKENS = 32  # a long sentence

Purpose = Literal["query", "build"]


@dataclass(frozen=True)
class Weights:
    """A model's weights file, the hash of all that its vectors depend on, and the cache folder."""

    path: Path
    sha256: str
    cache_dir: Path


@dataclass(frozen=True)
class Running:
    """A runtime, the file of its INT8 network if it is one, and why its precision was chosen."""

    runtime: Runtime
    network: Path | None = None
    note: str = ""


def in_openvino(
    model: Model,
    weights: Weights,
    *,
    precision: str,
    network: Path | None,
    calibration: NDArray[np.uint8] | None,
    purpose: Purpose,
    cores: int,
) -> Running:
    """Return the network in OpenVINO; see `app.embed.load.load_embedder`."""
    published = _published(model, weights)
    note = ""
    if precision == "int8":
        network = network or _fitted(model, published, calibration)
    elif precision == "auto":
        precision, note = _fastest(model, published, cores)
    elif precision == "bf16" and not calculates_in_bf16():
        precision = "f32"
    int8 = network if precision == "int8" else None
    load = partial(
        OpenVinoRuntime,
        int8 or published,
        threads=cores,
        side=model.picture_preprocessing.crop,
        precision=precision,
    )
    if purpose == "build":
        return Running(load(batch=BUILD_BATCH, streams=cores), int8, note)
    one = load(batch=1, streams=1)
    # On a busy machine threads that share a picture wait for each other: each has its own batch.
    more = partial(load, batch=TOGETHER, streams=cores)
    return Running(SharedBatches(one, more, at_once=cores), int8, note)


def in_torch(
    model: Model, weights: Weights, *, precision: str, purpose: Purpose, device: str
) -> Running:
    """Return the network in PyTorch on a device; see `app.embed.load.load_embedder`."""
    from app.embed.runtimes.torch import TorchRuntime, check_weights_run, precision_on

    check_weights_run(weights.path, model.name)
    used = precision_on(device, precision)
    batch = 1 if purpose == "query" else 0
    runtime = TorchRuntime(model, weights.path, device=device, precision=used, batch=batch)
    note = f"calculated by PyTorch on {device}, in {used}" if purpose == "build" else ""
    return Running(runtime, note=note)


def texts_in_openvino(
    model: Model,
    weights: Weights,
    tokenizer: Path,
    *,
    precision: str,
    purpose: Purpose,
    cores: int,
) -> tuple[WordPieceTexts, str]:
    """Return the network of a model for texts in OpenVINO, and why its precision was chosen."""
    if precision == "int8":
        raise ModelError(
            f"An INT8 network is fitted to pictures, and {model.name} embeds texts: choose another "
            "precision."
        )
    network = converted_network(model, weights.path, weights.sha256, weights.cache_dir, texts=True)
    load = partial(OpenVinoRuntime, network, batch=ANY, side=ANY, threads=cores)
    note = ""
    if precision == "auto":
        shape = (_TEXTS_BATCH, _MEASURED_TOKENS)
        precision, note = fastest(
            network,
            np.random.default_rng(0).integers(1000, 20_000, shape),
            lambda each: load(streams=cores, precision=each),
            threads=cores,
            has_bf16=calculates_in_bf16(),
        )
    elif precision == "bf16" and not calculates_in_bf16():
        precision = "f32"
    at_once = cores if purpose == "build" else 1
    runtime = load(streams=at_once, precision=precision)
    return _word_pieces(model, tokenizer, runtime, batch=_TEXTS_BATCH, at_once=at_once), note


def texts_in_torch(
    model: Model,
    weights: Weights,
    tokenizer: Path,
    *,
    precision: str,
    purpose: Purpose,
    device: str,
) -> tuple[WordPieceTexts, str]:
    """Return the network of a model for texts in PyTorch, and a note on that for a build."""
    from app.embed.runtimes.torch import TorchTexts, precision_on

    used = precision_on(device, precision)
    runtime = TorchTexts(model, weights.path, device=device, precision=used)
    batch = _TEXTS_BATCH if device == "cpu" else _TEXTS_BATCH_ON_GPU
    note = f"calculated by PyTorch on {device}, in {used}" if purpose == "build" else ""
    return _word_pieces(model, tokenizer, runtime, batch=batch, at_once=1), note


def _word_pieces(
    model: Model, tokenizer: Path, runtime: TokenRuntime, *, batch: int, at_once: int
) -> WordPieceTexts:
    assert isinstance(model.preprocessing, TextPreprocessing)
    return WordPieceTexts(
        tokenizer,
        runtime,
        max_tokens=model.preprocessing.max_tokens,
        batch=batch,
        at_once=at_once,
    )


def torch_device(runtime: str, purpose: Purpose, precision: str) -> str:
    """Return the device that PyTorch is to run on; '' where OpenVINO runs the network.

    `runtime` is "openvino", "torch" or "auto": a build then takes a GPU where there is one, and
    one query is answered before PyTorch is imported. INT8 networks are OpenVINO's own.
    """
    installed = find_spec("openvino") is not None
    if precision == "int8" and not installed:
        raise ModelError(
            "An INT8 network runs in OpenVINO, which is not installed: run pip install openvino, "
            "or choose another precision."
        )
    if runtime == "openvino" or precision == "int8":
        return ""
    from app.embed.runtimes.torch import accelerator

    if runtime == "torch" or not installed:
        return accelerator() or "cpu"
    return accelerator() if purpose == "build" else ""


def _published(model: Model, weights: Weights) -> Path:
    """Return the file of a model's network, converted if need be."""
    if weights.path.suffix != ".onnx":
        return converted_network(model, weights.path, weights.sha256, weights.cache_dir)
    if model.file is not None:
        raise ModelError(
            f"The model {model.name} was trained upon {model.entry}, whose network is run as "
            "its package has it, with nothing upon it: train upon another model."
        )
    return weights.path  # taken from where it is: not every licence allows a copy


def _fastest(model: Model, network: Path, cores: int) -> tuple[str, str]:
    if network.suffix == ".onnx":  # its folder is another package's: nothing is kept there
        return "f32", ""
    side = model.picture_preprocessing.crop
    load = partial(
        OpenVinoRuntime, network, batch=BUILD_BATCH, streams=cores, threads=cores, side=side
    )
    return fastest(
        network,
        np.random.default_rng(0).integers(0, 256, (BUILD_BATCH, side, side, 3), np.uint8),
        lambda precision: load(precision=precision),
        threads=cores,
        has_bf16=calculates_in_bf16(),
    )


def _fitted(model: Model, network: Path, calibration: NDArray[np.uint8] | None) -> Path:
    if network.suffix == ".onnx":
        raise ModelError(
            f"The network of {model.name} may only be run as its package has it: leave "
            "--precision int8 out."
        )
    if calibration is None:
        raise ModelError(
            f"An INT8 network of {model.name} is fitted to a gallery's pictures, and none are "
            "given: name another precision."
        )
    return quantised_network(network, calibration)
