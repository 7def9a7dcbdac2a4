"""Other programs' ways from files to vectors, as loops that can take turns with this program's.

Each loop is what the program named does, with the same network where it has one that is here too:
reading, decoding, preparing and the network. Networks whose weights are not on the machine get
seeded random ones, which are as fast.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.embed import Model, model_named
from app.embed.convert import network_of
from app.embed.load import load_embedder
from app.embed.networks import declare_torchvision_operators
from app.embed.weights import find_weights
from app.errors import ModelError
from app.settings import read_settings
from app.sources.picture import Picture
from benchmarks.build_speed import Run, run_bare_loop
from benchmarks.report import cores

Way = Callable[[], Run]
_FEW = 64  # pictures for what takes tens of milliseconds each and more
_LARGE = ("clip_vit_b_32",)
_BATCH = 32
_IMAGEDEDUP_BATCH = 64  # its `CNN.batch_size`


def peers(
    model: str, pictures: Sequence[Picture], folder: Path, temporary: Path
) -> tuple[dict[str, Way], dict[str, str]]:
    """Return the loops by what they are called, and why each that is missing cannot run here."""
    paths = [folder / picture.path for picture in pictures]
    makers: dict[str, Callable[[], dict[str, Way]]] = {
        f"PyTorch, {model}": lambda: _pytorch(model, paths, temporary),
        f"ONNX Runtime, {model}": lambda: _onnx_runtime(model, paths, temporary),
        "imagededup's loop, MobileNetV3 small": lambda: _imagededup(paths),
        **{
            f"PyTorch and this program, {large}": partial(
                _both, large, pictures[:_FEW], folder, temporary
            )
            for large in _LARGE
        },
    }
    ways: dict[str, Way] = {}
    missing: dict[str, str] = {}
    for name, make in makers.items():
        try:
            ways |= make()
        except (ImportError, ModelError, RuntimeError, OSError) as exc:
            missing[name] = f"{type(exc).__name__}: {str(exc).splitlines()[0]}"
    return ways, missing


def _pytorch(name: str, paths: Sequence[Path], temporary: Path) -> dict[str, Way]:
    """Return eager PyTorch, in batches and one picture at a time."""
    model = model_named(name)
    network = network_of(model, weights_of(model, temporary)[0])
    few = paths[:_FEW]
    return {
        f"PyTorch, {name}, batches of {_BATCH}": partial(_torch_loop, model, network, few, _BATCH),
        f"PyTorch, {name}, one by one": partial(_torch_loop, model, network, few, 1),
    }


def _both(name: str, pictures: Sequence[Picture], folder: Path, temporary: Path) -> dict[str, Way]:
    """Return eager PyTorch and this program with the same network."""
    model = model_named(name)
    weights, folders = weights_of(model, temporary)
    embedder = load_embedder(name, purpose="build", **folders)
    network = network_of(model, weights)
    paths = [folder / picture.path for picture in pictures]
    return {
        f"PyTorch, {name}, batches of {_BATCH}": partial(
            _torch_loop, model, network, paths, _BATCH
        ),
        f"this program, {name}": partial(run_bare_loop, pictures, folder, embedder),
    }


def _imagededup(paths: Sequence[Path]) -> dict[str, Way]:
    """Return `CNN().encode_images` of imagededup 0.3: torchvision's network, one loading thread."""
    declare_torchvision_operators()
    import torch
    import torchvision

    torch.manual_seed(0)
    whole = torchvision.models.mobilenet_v3_small(weights=None).eval()
    network = torch.nn.Sequential(whole.features, whole.avgpool, torch.nn.Flatten())
    name = f"imagededup's loop, MobileNetV3 small, batches of {_IMAGEDEDUP_BATCH}"
    model = model_named("mobilenet_v3_large")  # its preparation is the small one's
    return {name: partial(_torch_loop, model, network, paths, _IMAGEDEDUP_BATCH)}


def _onnx_runtime(name: str, paths: Sequence[Path], temporary: Path) -> dict[str, Way]:
    """Return ONNX Runtime with the network that torch exports, as many threads as cores."""
    import onnxruntime
    import torch

    model = model_named(name)
    network = network_of(model, weights_of(model, temporary)[0])
    side = model.preprocessing.crop
    file = temporary / f"{name}.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(_BATCH, 3, side, side),),
        file,
        dynamo=False,
        input_names=["pictures"],
        dynamic_axes={"pictures": {0: "n"}},
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(batch: np.ndarray) -> np.ndarray:
        return session.run(None, {"pictures": batch})[0]

    return {f"ONNX Runtime, {name}, batches of {_BATCH}": partial(_loop, model, run, paths, _BATCH)}


def _torch_loop(model: Model, network: Any, paths: Sequence[Path], batch: int) -> Run:
    import torch

    def run(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(pictures)).numpy()

    return _loop(model, run, paths, batch)


def _loop(
    model: Model, run: Callable[[np.ndarray], np.ndarray], paths: Sequence[Path], batch: int
) -> Run:
    """Open, prepare and embed `batch` pictures, then the next; only the network has threads."""
    preprocessing = model.preprocessing
    mean, std = (np.array(each, np.float32) for each in (preprocessing.mean, preprocessing.std))
    started, used = time.perf_counter(), time.process_time()
    for start in range(0, len(paths), batch):
        prepared = []
        for path in paths[start : start + batch]:
            with Image.open(path) as image:
                pixels = preprocessing.apply(np.asarray(image.convert("RGB")))
            prepared.append(((pixels - mean) / std).transpose(2, 0, 1))
        run(np.ascontiguousarray(prepared, np.float32))
    seconds = time.perf_counter() - started
    return Run(len(paths) / seconds, seconds, time.process_time() - used)


def weights_of(model: Model, temporary: Path) -> tuple[Path, dict[str, Any]]:
    """Return a weights file, real or random, and the folders by which `load_embedder` finds it."""
    settings = read_settings()
    folders = {"weights_dir": settings.weights_dir, "cache_dir": settings.cache_dir}
    try:
        return find_weights(model, **folders, download=False)[0], folders
    except ModelError:
        return _random_weights(model, temporary), {
            "weights_dir": temporary,
            "cache_dir": temporary,
        }


def _random_weights(model: Model, folder: Path) -> Path:
    declare_torchvision_operators()
    import torch
    from safetensors.torch import save_model

    file = folder / f"{model.name}.safetensors"
    family, _, variant = model.network.partition(":")
    torch.manual_seed(0)
    if family == "open_clip":
        import open_clip

        network = open_clip.create_model(variant)
    else:
        import torchvision

        network = torchvision.models.get_model(variant, weights=None)
    save_model(network, str(file))
    return file
