"""A network in 32 bits and some of a gallery's pictures → the network in INT8, fitted to them.

`python -m app.embed.quantise NETWORK.xml PICTURES.npy OUTPUT.zip` runs in a process of its own, the
only one that needs NNCF (https://github.com/openvinotoolkit/nncf): weights and activations become
8-bit integers, their ranges those that the activations have on the pictures.
"""

import hashlib
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.embed.own_process import run_in_own_process
from app.embed.runtimes.openvino import PACKED, PARTS
from app.errors import ModelError, StorageError
from app.values.files import replacing

_QUANTISATION = 1  # to be raised when another INT8 network is made of the same pictures


def quantised_network(network: Path, pictures: NDArray[np.uint8]) -> Path:
    """Return the INT8 network of a file of `converted_network`, fitted to (n, H, W, 3) pictures.

    It is one file beside the other's, named after it and a hash of the pictures, and made if it is
    not there yet. ModelError if it cannot be made, StorageError if the folder cannot be written.
    """
    try:
        made_by = version("nncf")
    except PackageNotFoundError as exc:
        raise ModelError(
            "An INT8 network is fitted by the package nncf, which is not installed: run "
            "pip install -r requirements-int8.txt, or choose another precision."
        ) from exc
    key = hashlib.sha256(pictures.tobytes() + f"{_QUANTISATION} {made_by}".encode()).hexdigest()
    fitted = network.with_name(f"{network.stem}-int8-{key[:16]}{PACKED}")
    if fitted.is_file():
        return fitted
    try:
        with tempfile.TemporaryDirectory(dir=network.parent) as folder:
            kept = Path(folder) / "pictures.npy"
            np.save(kept, pictures)
            with replacing(fitted) as new:
                run_in_own_process(
                    "app.embed.quantise",
                    [str(path.resolve()) for path in (network, kept, new)],
                    failed=f"The INT8 network of {network.stem} could not be made",
                )
    except OSError as exc:
        raise StorageError(
            f"The INT8 network cannot be written to {network.parent} ({exc.strerror}): "
            "set RIS_CACHE_DIR to a folder that can be written."
        ) from exc
    return fitted


def main(arguments: list[str]) -> int:
    """Fit the network to the pictures that the arguments name, and write it as one file."""
    import openvino as ov

    network, pictures, output = map(Path, arguments)
    inputs, full = np.load(pictures), ov.Core().read_model(network)
    import nncf  # takes seconds

    dataset = nncf.Dataset([each[None] for each in inputs])
    fitted = nncf.quantize(full, dataset, subset_size=len(inputs))
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        ov.save_model(fitted, Path(folder) / PARTS[0], compress_to_fp16=False)
        with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as packed:
            for part in PARTS:
                packed.write(Path(folder) / part, part)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
