"""Networks and a plain PyTorch loop → images/s beside those of this program, as a table.

`python -m benchmarks.models_speed`; REAL_DATA names the folder that holds caltech101/.

The plain loop is what the earlier systems did: open a picture with Pillow, prepare it, one forward
pass of one picture, the next. Ours is the build's: as many threads as cores, batches, OpenVINO.
Both read the same files from the disk, by turns. Networks whose weights are not here get seeded
random ones, which are as fast.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from app.embed import Embedder
from app.embed.convert import network_of
from app.embed.load import load_embedder
from app.embed.models import NEEDS_NO_DOWNLOAD, Model, model_named
from app.embed.networks import declare_torchvision_operators
from app.embed.weights import find_weights
from app.errors import ModelError
from app.settings import read_settings
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from benchmarks.build_speed import Run, run_bare_loop
from benchmarks.report import Report, arguments, at_least, real_data

_MODELS = ("vgg16", "resnet50", NEEDS_NO_DOWNLOAD)
Way = tuple[str, str]  # a model's name, and "plain" or "ours"
_TIMES = 8  # row F6 of the mission: so many times the plain loop


def main() -> int:
    """Measure, print, and return 1 if the default path is not as fast as it has to be."""
    parser = arguments("Compare models in a plain PyTorch loop and in this program.")
    parser.add_argument("--images", type=int, default=64, help="pictures a round (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    options = parser.parse_args()
    data = real_data()
    if data is None:
        parser.error("REAL_DATA must name the folder that holds caltech101/")
    layout = open_data_set("caltech101", data)
    every = layout.pictures()
    drawn = np.random.default_rng(0).permutation(len(every))[: options.images]
    pictures = [every[row] for row in drawn]
    report = Report(
        "Speed of models: a plain PyTorch loop and this program",
        f"python -m benchmarks.models_speed --images {options.images} --rounds {options.rounds}",
    )
    report.add("pictures of Caltech101 a round, rounds", f"{len(pictures)}, {options.rounds}")
    with tempfile.TemporaryDirectory(prefix="ris-bench-") as folder:
        ways = _ways(pictures, layout.folder, Path(folder))
        runs: dict[Way, list[Run]] = {way: [] for way in ways}
        for number in range(options.rounds + 1):  # the first does not count
            for way, run in ways.items():
                took = run()
                if number:
                    runs[way].append(took)
                print(f"Round {number}: {' '.join(way)}: {took}", flush=True)
    _add(runs, len(pictures), report)
    return report.finish(options.save)


def _ways(
    pictures: Sequence[Picture], folder: Path, temporary: Path
) -> dict[Way, Callable[[], Run]]:
    """Return a function that runs each model once in each way and gives the seconds."""
    cache = read_settings().cache_dir
    ways: dict[Way, Callable[[], Run]] = {}
    for name in _MODELS:
        model = model_named(name)
        try:
            weights, _ = find_weights(model, weights_dir=None, cache_dir=cache, download=False)
            places = {"weights_dir": None, "cache_dir": cache}
        except ModelError:
            weights = _random_weights(model, temporary)
            places = {"weights_dir": temporary, "cache_dir": temporary}
        embedder = load_embedder(name, purpose="build", **places)
        network = network_of(model, weights)
        ways[name, "plain"] = partial(_plain_loop, model, network, pictures, folder)
        ways[name, "ours"] = partial(_our_loop, embedder, pictures, folder)
    return ways


def _random_weights(model: Model, folder: Path) -> Path:
    """Return a file of seeded random weights, where `find_weights` looks for an operator's own."""
    import torch
    from safetensors.torch import save_file

    declare_torchvision_operators()
    import torchvision

    torch.manual_seed(0)
    network = torchvision.models.get_model(model.network.partition(":")[2], weights=None)
    file = folder / f"{model.name}.safetensors"
    save_file(network.state_dict(), file)
    return file


def _our_loop(embedder: Embedder, pictures: Sequence[Picture], folder: Path) -> Run:
    return run_bare_loop(pictures, folder, embedder)


def _plain_loop(model: Model, network: Any, pictures: Sequence[Picture], folder: Path) -> Run:
    """Send one picture after the other through PyTorch."""
    import torch

    preprocessing = model.preprocessing
    mean, std = (np.array(each, np.float32) for each in (preprocessing.mean, preprocessing.std))
    vectors = []
    started, used = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for picture in pictures:
            image = Image.open(folder / picture.path).convert("RGB")
            pixels = (preprocessing.apply(np.asarray(image)) - mean) / std
            vectors.append(network(torch.from_numpy(pixels).permute(2, 0, 1)[None]).numpy()[0])
    seconds = time.perf_counter() - started
    return Run(len(vectors) / seconds, seconds, time.process_time() - used)


def _add(runs: dict[Way, list[Run]], images: int, report: Report) -> None:
    rates = {way: median(run.images_per_second for run in each) for way, each in runs.items()}
    busy = {way: median(run.cpu_seconds for run in each) / images for way, each in runs.items()}
    for name in _MODELS:
        for way, what in (("plain", "plain PyTorch, one picture at a time"), ("ours", "here")):
            rate, used = rates[name, way], busy[name, way]
            report.add(
                f"{name}, {model_named(name).dim} numbers: {what}",
                f"{rate:.1f} images/s, {1000 / rate:.0f} ms a picture; "
                f"{1000 * used:.0f} ms of processor time",
            )
    default = (NEEDS_NO_DOWNLOAD, "ours")
    for name in _MODELS:
        ours, plain = (name, "ours"), (name, "plain")
        report.add(
            f"{name} here against the same in the plain loop", _times(rates, busy, ours, plain)
        )
    for name in ("vgg16", "resnet50"):
        report.add(
            f"{NEEDS_NO_DOWNLOAD} here against {name} in the plain loop",
            _times(rates, busy, default, (name, "plain")),
            at_least(rates[default] / rates[name, "plain"], _TIMES, f"{_TIMES} times the images/s"),
        )


def _times(rates: dict[Way, float], busy: dict[Way, float], ours: Way, plain: Way) -> str:
    return (
        f"{rates[ours] / rates[plain]:.1f} times the images/s, "
        f"{busy[plain] / busy[ours]:.1f} times as many for the same processor time"
    )


if __name__ == "__main__":
    sys.exit(main())
