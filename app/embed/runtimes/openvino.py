"""A model's weights → a network running on this CPU.

Only this file and `convert` name OpenVINO.
"""

import contextlib
import hashlib
import queue
import secrets
import threading
import zipfile
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.embed.models import Model
from app.embed.own_process import run_in_own_process
from app.errors import ModelError, StorageError
from app.values.files import sha256_of

# OpenVINO's binding initialises itself at the first inference of a process. Two threads that make
# it at the same time wait for each other for ever, one of them with the interpreter's lock.
_first_inference = threading.Lock()
ANY = -1
"""A batch, or a length of texts, that a compiled network leaves open."""
PACKED = ".zip"
"""The suffix of a network in one file: a ZIP, nothing compressed, of the two `PARTS`."""
PARTS = ("network.xml", "network.bin")
_CONVERSION = 2  # to be raised when `convert` writes another network for the same weights


class OpenVinoRuntime:
    """A compiled network with a fixed batch and a few requests that run side by side."""

    def __init__(
        self,
        network: Path,
        *,
        batch: int,
        streams: int,
        threads: int,
        side: int = 0,
        precision: str = "f32",
    ) -> None:
        """Compile a file of `converted_network` or `quantised_network`, or one in ONNX's format.

        `side` is that of its pictures, where the file leaves it open; with `ANY` for it and for
        `batch` it takes texts of any number and length. ModelError if it cannot run.
        """
        import openvino as ov

        core = ov.Core()
        self.precision = precision
        try:
            model = _read(core, network)
            _, *shape = model.input().partial_shape
            model.reshape([batch, *(side if each.is_dynamic else each for each in shape)])
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "NUM_STREAMS": streams,
                    "INFERENCE_NUM_THREADS": threads,
                    # By default some CPUs calculate in bfloat16, and the same picture would have
                    # another vector there. What an INT8 network calculates in beside its integers
                    # hardly changes its vectors.
                    "INFERENCE_PRECISION_HINT": precision
                    if precision != "int8"
                    else ("bf16" if calculates_in_bf16() else "f32"),
                    "CACHE_DIR": "",
                },
            )
        except (RuntimeError, OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
            mend = {
                ".onnx": "install its package again",
                PACKED: "build the gallery that it belongs to anew",
            }.get(network.suffix, "delete it, and it is converted again")
            raise ModelError(
                f"The network {network} cannot run here ({_reason(exc)}): if it is damaged, {mend}."
            ) from exc
        self.batch = batch
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())
        with _first_inference:
            images = compiled.input(0)
            shape = [each.min_length or 1 for each in images.partial_shape]
            self.run(np.zeros(shape, images.element_type.to_dtype()))

    def run(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return (batch, dim) float32 features of a batch: (batch, H, W, 3) uint8 pictures, or
        (batch, length) int64 tokens.
        """
        request = self._idle.get()
        try:
            request.infer([batch], share_inputs=True)
            return np.array(request.get_output_tensor(0).data, np.float32)
        finally:
            self._idle.put(request)


@cache
def calculates_in_bf16() -> bool:
    """Return whether this processor has instructions for bfloat16; else 32 bits are faster."""
    import openvino as ov

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _read(core: Any, network: Path) -> Any:
    """Return the network in a file; both parts of a packed one are read into memory."""
    if network.suffix != PACKED:
        return core.read_model(network)
    with zipfile.ZipFile(network) as packed:
        return core.read_model(*(packed.read(part) for part in PARTS))


def _reason(error: Exception) -> str:
    """Return what OpenVINO says in its last line; those before name its own files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].partition(". ")[0].rstrip(".") if lines else "no reason given"


def converted_network(
    model: Model, weights: Path, weights_sha256: str, cache_dir: Path, *, texts: bool = False
) -> Path:
    """Return the .xml of a model's converted network in `cache_dir`.

    It is converted if it is not there, or not as it was written: a byte that has changed would give
    other vectors. It is the network for pictures, or the one for `texts`. Its name contains a hash
    of the weights and of the versions of the converting packages. ModelError if the conversion
    fails, StorageError if the folder cannot be written.
    """
    what = "texts" if texts else "pictures"
    folder = cache_dir / "networks"
    network = folder / f"{model.name}-{_key(model, weights_sha256, what)}.xml"
    seal = network.with_suffix(".sha256")
    with contextlib.suppress(OSError):
        if seal.read_text(encoding="ascii") == _sealed(network):
            return network
    # A drawn name: two that start at once convert twice, with the same result. In containers that
    # share the folder all processes have one number.
    mine = folder / f"{network.stem}.{secrets.token_hex(8)}.xml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _convert(model, weights, mine, what)
        mine.with_suffix(".sha256").write_text(_sealed(mine), encoding="ascii")
        for part in (".bin", ".xml", ".sha256"):
            mine.with_suffix(part).replace(network.with_suffix(part))
    except OSError as exc:
        raise StorageError(
            f"The converted network cannot be written to {folder} ({exc.strerror}): "
            "set RIS_CACHE_DIR to a folder that can be written."
        ) from exc
    finally:
        for left in folder.glob(f"{mine.stem}*"):
            left.unlink(missing_ok=True)
    return network


def _sealed(network: Path) -> str:
    """Return the hashes of both files of a network; OSError if one cannot be read."""
    return "".join(f"{sha256_of(network.with_suffix(part))}\n" for part in (".xml", ".bin"))


def _key(model: Model, weights_sha256: str, what: str) -> str:
    """Return 16 hex digits that differ wherever the converted network may."""
    parts = (
        _CONVERSION,
        weights_sha256,
        what,
        (model.network, model.pool, model.preprocessing),
        [version(name) for name in ("openvino", "torch", "torchvision")],
        model.library and version(model.library),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _convert(model: Model, weights: Path, output: Path, what: str) -> None:
    """Run `app.embed.convert` in a process of its own; ModelError if it fails."""
    run_in_own_process(
        "app.embed.convert",
        [
            *(what, model.name, str(weights.resolve()), str(output.resolve())),
            *([str(model.file.path.parent.resolve())] if model.file else []),
        ],
        failed=f"The network of {model.name} could not be converted",
    )
