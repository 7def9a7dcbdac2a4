"""Pictures → vectors a second, beside each part of the way alone and beside other programs' loops.

`python -m benchmarks.embed_speed`; REAL_DATA names the folder that holds caltech101/, or `--folder`
any folder of pictures. All ways take turns in each round, over the same pictures; medians count.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.build.embedding import embed_pictures, stamped
from app.embed import Embedder
from app.embed.load import load_embedder
from app.embed.models import model_named
from app.features import of_gallery_picture
from app.gallery import Draft, Folders
from app.images import decode, encode
from app.sources.own import open_folder
from app.sources.picture import Layout, Picture
from app.values import ImageRecord
from app.values.precision import PRECISIONS
from benchmarks.build_speed import Run, run_bare_loop
from benchmarks.embed_peers import Way, peers, weights_of
from benchmarks.report import Report, arguments, at_least, cores, real_data

_FITTED_TO = 100  # pictures: how fast an INT8 network is does not depend on how well it fits
_SHARE = 0.75  # of the slower of decoding and network alone, that the whole has to reach


@dataclass(frozen=True)
class Material:
    """The pictures of a run, and where they are."""

    pictures: Sequence[Picture]
    layout: Layout

    @property
    def paths(self) -> list[Path]:
        """The files, in the pictures' order."""
        return [self.layout.folder / picture.path for picture in self.pictures]


def main() -> int:
    """Measure, print, keep; return 1 if the whole is not as fast as it has to be."""
    parser = _parser()
    options = parser.parse_args()
    data = real_data()
    folder = options.folder or (data and data / "caltech101")
    if folder is None:
        parser.error("give --folder, or REAL_DATA the folder that holds caltech101/")
    report = Report("Embedding: pictures to vectors, and beside it", _command(options))
    with tempfile.TemporaryDirectory(prefix="ris-bench-") as temporary:
        material = _material(folder.resolve(), options.images)
        if options.megapixels:
            material = _enlarged(material, options.megapixels, Path(temporary) / "large")
        report.add(
            "pictures a round, rounds, threads",
            f"{len(material.pictures)}, {options.rounds}, {cores()}",
        )
        ways = _ways(material, options, Path(temporary))
        if options.peers:
            found, missing = peers(
                options.model, material.pictures, material.layout.folder, Path(temporary)
            )
            ways |= found
            for name, reason in missing.items():
                report.add(f"not measured: {name}", reason)
        runs = _take_turns(ways, options.rounds)
        stages = _stages(material, _embedder(options.model, "f32", Path(temporary)))
    _add_rates(runs, options.precision, report)
    for stage, milliseconds in stages.items():
        report.add(f"processor time of a picture: {stage}", f"{milliseconds:.2f} ms")
    whole = sum(stages.values())
    report.add("processor time of a picture: all of these", f"{whole:.2f} ms")
    report.keep(**_numbers(runs, stages))
    return report.finish(options.save)


def _parser() -> argparse.ArgumentParser:
    parser = arguments("Measure how fast pictures become vectors, part by part.")
    add = parser.add_argument
    add("--folder", type=Path, help="pictures, in it and below (default: Caltech101)")
    add("--images", type=int, default=300, help="so many of them, drawn (default: 300)")
    add("--rounds", type=int, default=3, help="rounds (default: 3)")
    add("--megapixels", type=float, help="enlarge the pictures to so many, with noise")
    add("--model", default="efficientnet_lite0", help="default: efficientnet_lite0")
    add(
        "--precision",
        action="append",
        choices=PRECISIONS,
        help="measure the model in this one; may be given again (default: all)",
    )
    add("--no-peers", dest="peers", action="store_false", help="leave out other programs' loops")
    return parser


def _command(options: argparse.Namespace) -> str:
    words = f"python -m benchmarks.embed_speed --images {options.images} --rounds {options.rounds}"
    words += f" --model {options.model}"
    words += f" --folder {options.folder.name}" if options.folder else ""
    words += f" --megapixels {options.megapixels:g}" if options.megapixels else ""
    return words + ("" if options.peers else " --no-peers")


def _material(folder: Path, images: int) -> Material:
    layout = open_folder(folder, "pictures")
    every = layout.pictures()
    drawn = np.sort(np.random.default_rng(0).permutation(len(every))[:images])
    return Material(list(stamped([every[row] for row in drawn], layout.folders)), layout)


def _enlarged(material: Material, megapixels: float, folder: Path) -> Material:
    """Return as many photographs of a phone: these enlarged to 4 : 3, with a sensor's noise."""
    size = round(1000 * (megapixels * 4 / 3) ** 0.5), round(1000 * (megapixels * 3 / 4) ** 0.5)
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, path in enumerate(material.paths):
        with Image.open(path) as image:
            large = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))
        noise = rng.normal(0, 4, large.shape[:2]).astype(np.int16)
        noisy = np.clip(large + noise[:, :, None], 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:04}.jpg", quality=90)
    return _material(folder, len(material.pictures))


def _embedder(
    name: str, precision: str, temporary: Path, calibration: NDArray[np.uint8] | None = None
) -> Embedder:
    _, folders = weights_of(model_named(name), temporary)
    return load_embedder(
        name, precision=precision, calibration=calibration, purpose="build", **folders
    )


def _ways(material: Material, options: argparse.Namespace, temporary: Path) -> dict[str, Way]:
    """Return a function for each way, which goes it once."""
    ways: dict[str, Way] = {}
    full = _embedder(options.model, "f32", temporary)
    ways["decode alone"] = partial(_decode, material, full.decoded_side)
    inputs = [
        full.prepare(decode.decode(path.read_bytes(), min_side=full.decoded_side))
        for path in material.paths
    ]
    for precision in options.precision or PRECISIONS:
        embedder = full
        if precision != "f32":
            embedder = _embedder(options.model, precision, temporary, np.stack(inputs[:_FITTED_TO]))
        ways[f"network alone, {precision}"] = partial(_network, embedder, inputs)
        ways[f"files to vectors, {precision}"] = partial(
            run_bare_loop, material.pictures, material.layout.folder, embedder
        )
        ways[f"files to a gallery's draft, {precision}"] = partial(_draft, material, embedder)
    return ways


def _take_turns(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Run]]:
    """Go all ways once that does not count, then `rounds` times."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, go in ways.items():
            run = go()
            if number:
                runs[name].append(run)
                print(f"Round {number}: {name}: {run.images_per_second:.1f} images/s", flush=True)
    return runs


def _timed(images: int, work: Callable[[], object]) -> Run:
    started, used = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - started
    return Run(images / seconds, seconds, time.process_time() - used)


def _decode(material: Material, side: int) -> Run:
    """Read and decode, in as many threads as cores."""

    def one(path: Path) -> None:
        decode.decode(path.read_bytes(), min_side=side)

    with ThreadPoolExecutor(cores()) as pool:
        return _timed(len(material.paths), lambda: list(pool.map(one, material.paths)))


def _network(embedder: Embedder, inputs: Sequence[np.ndarray]) -> Run:
    """Send prepared pictures through the network, in as many threads as cores."""
    size = embedder.batch
    batches = [inputs[start : start + size] for start in range(0, len(inputs), size)]
    with ThreadPoolExecutor(cores()) as pool:
        return _timed(len(inputs), lambda: list(pool.map(embedder.embed_prepared, batches)))


def _draft(material: Material, embedder: Embedder) -> Run:
    """Make what a build of own folders keeps: vector, features, hash, thumbnail, written."""
    with _new_draft(embedder) as draft:
        return _timed(
            len(material.pictures),
            lambda: embed_pictures(
                material.pictures,
                material.layout,
                embedder,
                draft,
                copies=True,
                workers=cores(),
                on_progress=lambda *_: None,
            ),
        )


class Spent:
    """Adds up the processor time of stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        """Count what happens inside as a stage's."""
        used = time.process_time()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - used


def _stages(material: Material, embedder: Embedder) -> dict[str, float]:
    """Return the milliseconds of one core that a picture costs in each stage of a build."""
    spent = Spent()
    inputs, records, thumbnails, local = [], [], [], []
    for path in material.paths:
        with spent.on("read"):
            data = path.read_bytes()
        with spent.on("SHA-256"):
            digest = hashlib.sha256(data).hexdigest()
        with spent.on("decode"):
            image = decode.decode(data, min_side=embedder.decoded_side)
        with spent.on("prepare"):
            inputs.append(embedder.prepare(image))
        with spent.on("thumbnail"):
            thumbnails.append(encode.thumbnail(image))
        with spent.on("features and hash"):
            local.append(of_gallery_picture(image).packed())
        records.append(ImageRecord(-1, path.name, digest, 1, 1, len(data)))
    with spent.on("network"):
        vectors = embedder.embed_prepared(inputs)
    with _new_draft(embedder) as draft:
        for start in range(0, len(records), embedder.batch):
            rows = slice(start, start + embedder.batch)
            with spent.on("writing"):
                draft.add(records[rows], thumbnails[rows], vectors[rows], [], local=local[rows])
    return {stage: 1000 * each / len(records) for stage, each in spent.seconds.items()}


@contextmanager
def _new_draft(embedder: Embedder) -> Iterator[Draft]:
    """Give the empty draft of a gallery, and delete it."""
    with tempfile.TemporaryDirectory(prefix="ris-bench-") as home:
        folders = Folders.of("bench", Path(home) / "features", Path(home) / "indexes")
        draft = Draft(folders, recipe="", dim=embedder.dim)
        try:
            yield draft
        finally:
            draft.discard()


def _add_rates(
    runs: Mapping[str, Sequence[Run]], precisions: Sequence[str] | None, report: Report
) -> None:
    rates = {name: _rate(each) for name, each in runs.items()}
    spent = {name: _milliseconds(each) for name, each in runs.items()}
    for name, rate in rates.items():
        report.add(name, f"{rate:.1f} images/s, {spent[name]:.1f} ms of processor time each")
    for precision in precisions or PRECISIONS:
        parts = "decode alone", f"network alone, {precision}"
        slower = min(rates[part] for part in parts)
        for what in ("files to vectors", "files to a gallery's draft"):
            name = f"{what}, {precision}"
            share = rates[name] / slower
            of_time = max(spent[part] for part in parts) / spent[name]
            report.add(
                f"{name}: share of the slower of decoding and network alone",
                f"{share:.0%}; by processor time {of_time:.0%}",
                at_least(share, _SHARE, f"{_SHARE:.0%}") if "draft" in what else None,
            )


def _milliseconds(runs: Sequence[Run]) -> float:
    """Return the processor time of a picture."""
    images = runs[0].images_per_second * runs[0].seconds
    return 1000 * median(run.cpu_seconds for run in runs) / images


def _rate(runs: Sequence[Run]) -> float:
    return median(run.images_per_second for run in runs)


def _numbers(
    runs: Mapping[str, Sequence[Run]], stages: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return the same figures as numbers, for plots."""
    return {
        "images_per_second": {
            name: [round(run.images_per_second, 2) for run in each] for name, each in runs.items()
        },
        "cpu_seconds": {
            name: [round(run.cpu_seconds, 3) for run in each] for name, each in runs.items()
        },
        "stages_ms": {stage: round(spent, 3) for stage, spent in stages.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
