"""A build of Caltech101 → its memory, and its images/s beside those of the bare loop."""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from app.embed import Embedder
from app.embed.load import load_embedder
from app.images import decode
from app.settings import read_settings
from app.sources.datasets.register import open_data_set
from app.sources.picture import Picture
from benchmarks.processes import MB, PeakMemory
from benchmarks.report import Report, at_least, at_most, cores

_PROGRAM = Path(__file__).resolve().parents[1]
_MODEL = "efficientnet_lite0"
_FIRST_BUILD_IMAGES = 64
_RATE = re.compile(r"([\d.]+) images/s")


@dataclass(frozen=True)
class Run:
    """One run: its rate, its seconds on the clock and of the processors, its peak memory."""

    images_per_second: float
    seconds: float
    cpu_seconds: float
    peak_bytes: int = 0


def measure(data: Path, limit: int | None, rounds: int, report: Report) -> None:
    """Time the build and the bare loop by turns, `rounds` times each; medians."""
    layout = open_data_set("caltech101", data)
    pictures = layout.pictures()[:limit]
    settings = read_settings()
    cache = settings.cache_dir
    embedder = load_embedder(
        _MODEL, weights_dir=settings.weights_dir, cache_dir=cache, purpose="build"
    )
    bare: list[Run] = []
    builds: list[Run] = []
    for number in range(1, rounds + 1):
        bare.append(run_bare_loop(pictures, layout.folder, embedder))
        builds.append(run_build(data, cache, len(pictures)))
        print(f"Round {number}: bare loop {bare[-1]}, build {builds[-1]}", flush=True)
    _add_rates(len(pictures), bare, builds, report)
    _add_memory(data, cache, max(build.peak_bytes for build in builds), report)


def _add_rates(images: int, bare: Sequence[Run], builds: Sequence[Run], report: Report) -> None:
    shares = [
        build.images_per_second / loop.images_per_second
        for build, loop in zip(builds, bare, strict=True)
    ]
    report.add("images built from, rounds", f"{images}, {len(builds)}")
    report.add("bare decode + network loop", f"{_rate(bare):.1f} images/s")
    report.add("build, files to vectors", f"{_rate(builds):.1f} images/s")
    share = median(shares)
    report.add(
        f"the build's share of the bare loop's rate (rounds: {_percent(shares)})",
        f"{share:.1%}",
        at_least(share, 0.85, "85 %"),
    )
    whole = median(build.seconds for build in builds)
    report.add(
        "build as a whole: start, training and measuring of the index included",
        f"{whole:.1f} s, {images / whole:.1f} images/s",
    )
    report.add(
        "processor time of the bare loop, of the whole build",
        f"{median(run.cpu_seconds for run in bare):.1f} s, "
        f"{median(run.cpu_seconds for run in builds):.1f} s",
    )


def _rate(runs: Sequence[Run]) -> float:
    return median(run.images_per_second for run in runs)


def _percent(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.0%}" for share in shares)


def run_bare_loop(pictures: Sequence[Picture], folder: Path, embedder: Embedder) -> Run:
    """Read, decode, prepare and embed, and nothing else.

    With the build's own number of threads, each taking a whole batch, as the build does.
    """

    def embed(batch: Sequence[Picture]) -> None:
        inputs = []
        for picture in batch:
            data = (folder / picture.path).read_bytes()
            inputs.append(embedder.prepare(decode.decode(data, min_side=embedder.decoded_side)))
        embedder.embed_prepared(inputs)

    size = embedder.batch
    batches = [pictures[start : start + size] for start in range(0, len(pictures), size)]
    started, used = time.perf_counter(), _cpu_seconds(resource.RUSAGE_SELF)
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(embed, batches):
            pass
    seconds = time.perf_counter() - started
    return Run(len(pictures) / seconds, seconds, _cpu_seconds(resource.RUSAGE_SELF) - used)


def run_build(data: Path, cache: Path, images: int) -> Run:
    """Run create_index.py in a home of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ris-bench-") as home:
        places = {"RIS_HOME": home, "RIS_DATASETS_DIR": str(data), "RIS_CACHE_DIR": str(cache)}
        words = ["create_index.py", "--data", "caltech", "--model", _MODEL, "--limit", f"{images}"]
        started, used = time.perf_counter(), _cpu_seconds(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=_PROGRAM,
            env=os.environ | places,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with PeakMemory(process.pid) as memory:
            output, errors = process.communicate()
        seconds = time.perf_counter() - started
        used = _cpu_seconds(resource.RUSAGE_CHILDREN) - used
    if process.returncode != 0:
        raise SystemExit(f"create_index.py failed: {errors.strip().splitlines()[-1]}")
    rate = _RATE.search(output)
    assert rate is not None, output
    return Run(float(rate[1]), seconds, used, memory.peak_bytes)


def _cpu_seconds(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def _add_memory(data: Path, cache: Path, peak: int, report: Report) -> None:
    report.add(
        "peak memory of the build", f"{peak / MB:.0f} MB", at_most(peak, 1500 * MB, "1.5 GB")
    )
    with tempfile.TemporaryDirectory(prefix="ris-bench-") as empty:
        first = run_build(data, Path(empty), _FIRST_BUILD_IMAGES).peak_bytes
    report.add(
        "peak memory of a first build, which also converts the network",
        f"{first / MB:.0f} MB",
        at_most(first, 1500 * MB, "1.5 GB"),
    )
