"""A trained model's file → a model, its metadata and tensors checked; and a copy in RIS_HOME.

One file `NAME.safetensors` holds the tensors `head.weight` (out, in) and `head.bias` (out,), both
float32, and perhaps `network.…`: the whole network, named as in its published weights. Its metadata
(all strings): `format`, `base` (a model of the registry), `base_sha256` (of that model's weights)
and `training`. A picture's features x, scaled to length 1, become head.weight @ x + head.bias,
and that is scaled to length 1.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.embed.models import MODELS, POOLS, Model, ModelFile, model_named
from app.errors import ModelError, StorageError, UsageError
from app.values.files import replacing, sha256_of

FORMAT = "reverse-image-search-model/1"
HEAD_PREFIX = "head."
BASE_PREFIX = "network."
SUFFIX = ".safetensors"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def find_model(name: str, models_dir: Path | None = None) -> Model:
    """Return the model called `name`: of the registry, or of a file in `models_dir`.

    UsageError, with the accepted names, for any other; ModelError if its file cannot be used.
    """
    trained = trained_names(models_dir)
    if name in trained and models_dir is not None:
        return read_model_file(models_dir / f"{name}{SUFFIX}")
    try:
        return model_named(name)
    except UsageError as exc:
        if not trained:
            raise
        raise UsageError(
            f"{str(exc).removesuffix('.')}, or one that was trained here: {', '.join(trained)}."
        ) from exc


def trained_names(models_dir: Path | None) -> list[str]:
    """Return the names of the trained models in a folder; none where there is no such folder."""
    if models_dir is None or not models_dir.is_dir():
        return []
    names = sorted(path.name.removesuffix(SUFFIX) for path in models_dir.glob(f"*{SUFFIX}"))
    return [name for name in names if not why_invalid_name(name)]


def read_model_file(path: Path) -> Model:
    """Return the model of a trained model's file; ModelError if the file cannot be used."""
    metadata, weight, whole = _read(path)
    base_name, base_sha256 = metadata.get("base", ""), metadata.get("base_sha256", "")
    try:
        base = model_named(base_name)
    except UsageError as exc:
        raise ModelError(f"The model file {path} cannot be used: {exc}") from exc
    if base.weights is None:
        raise ModelError(
            f"The model file {path} cannot be used: its base {base_name} has no network."
        )
    if not base.embeds("picture"):
        raise ModelError(
            f"The model file {path} cannot be used: its base {base_name} embeds no pictures."
        )
    if weight.shape[1] != base.dim:
        raise ModelError(
            f"The model file {path} cannot be used: its head takes {weight.shape[1]} numbers, and "
            f"{base_name} gives {base.dim}."
        )
    return replace(
        base,
        name=path.name.removesuffix(SUFFIX),
        dim=weight.shape[0],
        has_texts=False,  # the head maps pictures to another space than that of the texts
        file=ModelFile(path, base.name, base_sha256, whole=whole),
    )


def why_invalid_name(name: str) -> str:
    """Return why a trained model cannot have this name; '' if it can."""
    entry, _, pool = name.partition(".")
    if name in MODELS or (entry in MODELS and pool in POOLS):
        return "a model of the program has that name"
    if not name or name.startswith(".") or not set(name) <= _NAME_CHARACTERS:
        return "a name has letters, digits, '.', '_' and '-'"
    return ""


def adopt_model(path: Path, models_dir: Path, *, check: Callable[[Model], Any]) -> str:
    """Copy a model file into `models_dir`, unless it is there, and return its model's name.

    `check` raises an error if the model cannot run here, and nothing is copied. UsageError for a
    missing file and for a name that is taken or invalid, ModelError for a file that cannot be used,
    StorageError if the folder cannot be written.
    """
    name = path.name.removesuffix(SUFFIX)
    if not path.is_file():
        raise UsageError(f"There is no model file {path}: give the path of a trained model.")
    if why := why_invalid_name(name):
        raise UsageError(f"The model file {path} cannot be used as {name!r}: {why}; rename it.")
    place = models_dir / path.name
    if place.is_file():
        if sha256_of(place) == sha256_of(path):
            return name
        raise UsageError(
            f"Another model named {name} is in {models_dir} already: rename {path.name}, or delete "
            "the other if no gallery needs it."
        )
    check(read_model_file(path))
    _copy(path, place)
    return name


def _read(path: Path) -> tuple[dict[str, str], NDArray[np.float32], bool]:
    """Return a file's metadata, its (out, in) head matrix, and whether it holds a whole network."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            names = list(file.keys())
            head = {name: file.get_tensor(name) for name in names if name.startswith(HEAD_PREFIX)}
    except (SafetensorError, OSError, ValueError, TypeError) as exc:
        raise ModelError(
            f"The model file {path} cannot be read: copy it again, or train it again."
        ) from exc
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"{path} is not a model file of this program: its format is "
            f"{metadata.get('format')!r}, not {FORMAT!r}."
        )
    weight, bias = head.get("head.weight"), head.get("head.bias")
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ModelError(f"The model file {path} has no complete head: train it again.")
    if any(part.dtype != np.float32 or not np.isfinite(part).all() for part in (weight, bias)):
        raise ModelError(
            f"The head in the model file {path} is not of finite float32 numbers: train it again."
        )
    return metadata, weight, any(name.startswith(BASE_PREFIX) for name in names)


def _copy(path: Path, place: Path) -> None:
    """Copy a file in one step: afterwards the whole copy is at its place, or nothing."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as new:
            shutil.copyfile(path, new)
    except OSError as exc:
        raise StorageError(
            f"The model file {path} cannot be copied to {place.parent} ({exc.strerror or exc}): "
            "make room there, or choose another RIS_HOME."
        ) from exc
