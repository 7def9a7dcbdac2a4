"""A model's name → an embedder: its weights found, its network converted or cached."""

import hashlib
import math
import os
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.embed.embedder import Embedder
from app.embed.model_file import adopt_model, find_model
from app.embed.models import Kind, Model, TextPreprocessing, model_named
from app.embed.running import (
    Purpose,
    Weights,
    in_openvino,
    in_torch,
    texts_in_openvino,
    texts_in_torch,
    torch_device,
)
from app.embed.runtimes.openvino import OpenVinoRuntime, converted_network
from app.embed.weights import check_weights, find_tokenizer, find_weights
from app.errors import ModelError
from app.values.files import sha256_of
from app.values.precision import check_precision

if TYPE_CHECKING:
    from app.embed.texts import OpenClipTexts

_CGROUPS = Path("/sys/fs/cgroup")


def load_embedder(
    name: str,
    /,
    *,
    precision: str = "f32",
    network: Path | None = None,
    calibration: NDArray[np.uint8] | None = None,
    weights_dir: Path | None,
    cache_dir: Path,
    purpose: Purpose,
    models_dir: Path | None = None,
    download: bool = False,
    runtime: str = "auto",
    cores: int | None = None,
) -> Embedder:
    """Return an embedder of the model `name`; trained models are files in `models_dir`.

    For a query one picture uses every core; for a build every core runs a batch of its own. With
    the `precision` "auto" the faster one on this processor is chosen; "bf16" is 32 bits where the
    processor has no instructions for it; "int8" needs a gallery's own `network`, or (n, H, W, 3)
    prepared pictures to fit one to, its `calibration`. The `runtime` is "openvino", "torch" or
    "auto", which is PyTorch for a build where there is a GPU. It takes so many `cores`, by default
    all that the process may use. UsageError if there is no such model
    or precision, ModelError if it cannot run here.
    """
    check_precision(precision)
    model = find_model(name, models_dir)
    if model.weights is None:
        from app.embed.runtimes.mean_colour import MeanColourRuntime

        return Embedder(model, MeanColourRuntime(), weights_sha256="")
    path, digest = _weights_of(
        model, weights_dir=weights_dir, cache_dir=cache_dir, download=download
    )
    weights = Weights(path, digest, cache_dir)
    cores = cores or usable_cores()
    device = torch_device(runtime, purpose, precision)
    if model.kind == "text":
        tokenizer, _ = find_tokenizer(model, weights_dir=weights_dir, cache_dir=cache_dir)
        pieces, note = (
            texts_in_torch(
                model, weights, tokenizer, precision=precision, purpose=purpose, device=device
            )
            if device
            else texts_in_openvino(
                model, weights, tokenizer, precision=precision, purpose=purpose, cores=cores
            )
        )
        return Embedder(model, None, digest, lambda: pieces, note=note)
    if device:
        running = in_torch(model, weights, precision=precision, purpose=purpose, device=device)
    else:
        running = in_openvino(
            model,
            weights,
            precision=precision,
            network=network,
            calibration=calibration,
            purpose=purpose,
            cores=cores,
        )
    texts = partial(_load_texts, model, weights, threads=cores, in_torch=bool(device))
    return Embedder(
        model,
        running.runtime,
        digest,
        texts if model.has_texts else None,
        network=running.network,
        network_sha256=sha256_of(running.network) if running.network else "",
        note=running.note,
    )


def usable_cores() -> int:
    """Return the number of processors that this process may use, its container's share of them.

    A share of 1.5 is 2: threads that wait for the share cost less than a processor that idles.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min(cores, _container_share(_CGROUPS))))


def _container_share(cgroups: Path) -> float:
    """Return how many processors' time the process may take, by the limits of its control group."""
    try:  # version 2, then version 1
        quota, period = (cgroups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (
                (cgroups / "cpu" / f"cpu.cfs_{name}_us").read_text().strip()
                for name in ("quota", "period")
            )
        except OSError:
            return math.inf
    limited = quota.isdigit() and period.isdigit() and int(period)
    return int(quota) / int(period) if limited else math.inf


def check_can_run(
    name: str, *, weights_dir: Path | None, cache_dir: Path, kind: Kind = "picture"
) -> None:
    """Raise the error that would stop a build with the registry's model `name`, if it shows early.

    UsageError if there is no such model or it does not embed that kind, ModelError if a package
    that it needs is not installed. Nothing is loaded or downloaded.
    """
    model = model_named(name)
    model.check_embeds(kind)
    if model.library:
        _check_installed(model)
    check_weights(model, weights_dir=weights_dir, cache_dir=cache_dir)


def adopt_model_file(
    file: Path, *, models_dir: Path, weights_dir: Path | None, cache_dir: Path, download: bool
) -> str:
    """Copy a model file into `models_dir` and return its model's name, as `adopt_model` does.

    ModelError, and no copy, if the weights that it was trained from are not here either.
    """
    return adopt_model(
        file,
        models_dir,
        check=partial(_weights_of, weights_dir=weights_dir, cache_dir=cache_dir, download=download),
    )


def _weights_of(
    model: Model, *, weights_dir: Path | None, cache_dir: Path, download: bool
) -> tuple[Path, str]:
    """Return a model's weights file and a SHA-256 of everything that its vectors depend on.

    ModelError if a library or the weights are missing, or a model file was trained from others.
    """
    if model.library:
        _check_installed(model)
    file_digest = sha256_of(model.file.path) if model.file else ""
    if model.file and model.file.whole:
        return model.file.path, file_digest
    path, digest = find_weights(
        model, weights_dir=weights_dir, cache_dir=cache_dir, download=download
    )
    if isinstance(model.preprocessing, TextPreprocessing):
        _, of_tokenizer = find_tokenizer(model, weights_dir=weights_dir, cache_dir=cache_dir)
        return path, hashlib.sha256(f"{digest} {of_tokenizer}".encode()).hexdigest()
    if model.file is None:
        return path, digest
    if digest != model.file.base_sha256:
        raise ModelError(
            f"The model {model.name} was trained from other weights of {model.entry} than {path} "
            f"(SHA-256 begins with {digest[:8]}, not {model.file.base_sha256[:8]}): put those into "
            "the folder that RIS_WEIGHTS_DIR names, or train it again."
        )
    return path, hashlib.sha256(f"{file_digest} {digest}".encode()).hexdigest()


def _check_installed(model: Model) -> None:
    try:
        version(model.library)
    except PackageNotFoundError as exc:
        raise ModelError(
            f"The model {model.name} needs the package {model.library}, which is not installed: "
            "run pip install -r requirements-lab.txt."
        ) from exc


def _load_texts(model: Model, weights: Weights, *, threads: int, in_torch: bool) -> "OpenClipTexts":
    from app.embed.texts import OpenClipTexts

    if in_torch:
        from app.embed.runtimes.torch import TorchTexts

        return OpenClipTexts(model, TorchTexts(model, weights.path))
    network = converted_network(model, weights.path, weights.sha256, weights.cache_dir, texts=True)
    return OpenClipTexts(model, OpenVinoRuntime(network, batch=1, streams=1, threads=threads))
