"""A model's name → an embedder: its weights found, its network converted or cached."""

import hashlib
import math
import os
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.embed.embedder import Embedder
from app.embed.model_file import adopt_model, find_model
from app.embed.models import Model, model_named
from app.embed.weights import check_weights, find_weights
from app.errors import ModelError
from app.values.files import sha256_of

if TYPE_CHECKING:
    from app.embed.texts import OpenClipTexts

BUILD_BATCH = 8
_CGROUPS = Path("/sys/fs/cgroup")


def load_embedder(
    name: str,
    *,
    weights_dir: Path | None,
    cache_dir: Path,
    purpose: Literal["query", "build"],
    models_dir: Path | None = None,
    download: bool = False,
) -> Embedder:
    """Return an embedder of the model `name`; trained models are files in `models_dir`.

    For a query one picture uses every core; for a build every core runs a batch of its own.
    UsageError if there is no such model, ModelError if it cannot run here.
    """
    model = find_model(name, models_dir)
    if model.weights is None:
        from app.embed.runtimes.mean_colour import MeanColourRuntime

        return Embedder(model, MeanColourRuntime(), weights_sha256="")
    path, digest = _weights_of(
        model, weights_dir=weights_dir, cache_dir=cache_dir, download=download
    )
    from app.embed.runtimes.openvino import OpenVinoRuntime, converted_network

    if path.suffix == ".onnx":  # taken from where it is: not every licence allows a copy
        if model.file is not None:
            raise ModelError(
                f"The model {model.name} was trained upon {model.entry}, whose network is run as "
                "its package has it, with nothing upon it: train upon another model."
            )
        network = path
    else:
        network = converted_network(model, path, digest, cache_dir)
    cores = usable_cores()
    batch, streams = (1, 1) if purpose == "query" else (BUILD_BATCH, cores)
    side = model.preprocessing.crop
    runtime = OpenVinoRuntime(network, batch=batch, streams=streams, threads=cores, side=side)
    texts = partial(_load_texts, model, path, digest, cache_dir, threads=cores)
    return Embedder(model, runtime, digest, texts if model.has_texts else None)


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


def check_can_run(name: str, *, weights_dir: Path | None, cache_dir: Path) -> None:
    """Raise the error that would stop a build with the registry's model `name`, if it shows early.

    UsageError if there is no such model, ModelError if a package that it needs is not installed.
    Nothing is loaded or downloaded.
    """
    model = model_named(name)
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


def _load_texts(
    model: Model, weights: Path, weights_sha256: str, cache_dir: Path, *, threads: int
) -> "OpenClipTexts":
    from app.embed.runtimes.openvino import converted_network
    from app.embed.texts import OpenClipTexts

    network = converted_network(model, weights, weights_sha256, cache_dir, texts=True)
    return OpenClipTexts(model, network, threads=threads)
