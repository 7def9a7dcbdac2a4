"""One folder embedded in Ray clusters: of one worker, of several, of several of which one dies.

Run by `make bench-scale`. Every worker is a node of one processor on this machine's loopback. In
each round every cluster builds once, one after the other, so that other work meets all of them.
"""

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from app.build.build import BuildRequest
from app.settings import read_settings
from app.wiring import make_builder, make_spread
from benchmarks.cluster import embedding_processes, running_cluster
from benchmarks.report import Expectation, Report, arguments

_MODEL = "efficientnet_lite0"
_PICTURES, _ROUNDS = 2_000, 3
_LEAST_SHARE = 0.9  # of N times one worker's rate, where there is a processor for each


def main() -> int:
    """Measure, print a report, and return the exit code."""
    parser = arguments(__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=_PICTURES)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    options = parser.parse_args()
    report = Report("Embedding in a cluster", "make bench-scale")
    with tempfile.TemporaryDirectory() as folder:
        pictures = _linked(real_data(), Path(folder) / "pictures", options.pictures)
        _measure(report, pictures, Path(folder), options)
    return report.finish(options.save)


def real_data() -> Path:
    """Return the folder of photographs; SystemExit in one sentence without one."""
    if not (data := os.environ.get("REAL_DATA")):
        raise SystemExit("Say with REAL_DATA=folder where caltech101/ is.")
    return Path(data)


def _linked(data: Path, folder: Path, number: int) -> Path:
    """Return a folder of so many photographs; each is there once more where they are too few."""
    folder.mkdir()
    found = sorted((data / "caltech101").glob("*/*.jpg"))
    for place, file in enumerate(itertools.islice(itertools.cycle(found), number)):
        # What comes after a JPEG's end is not read, but makes other contents.
        (folder / f"{place:06}.jpg").write_bytes(file.read_bytes() + b"%d" % (place // len(found)))
    return folder


def _measure(report: Report, pictures: Path, folder: Path, options: argparse.Namespace) -> None:
    several = options.workers
    rates: dict[str, list[float]] = {"one": [], "several": [], "one dies": []}
    for number in range(options.rounds):
        for kind, found in rates.items():
            home = folder / f"{kind}-{number}"
            workers = 1 if kind == "one" else several
            found.append(_rate(pictures, home, workers, dies=kind == "one dies"))
    one, all_of_them, rest = (median(each) for each in rates.values())
    cores = os.cpu_count() or 1
    share = all_of_them / (several * one)
    report.add("photographs", f"{options.pictures}")
    report.add("one worker, images/s, median", f"{one:.1f}")
    report.add(
        f"{several} workers, images/s, median",
        f"{all_of_them:.1f}, {share:.2f} of {several} times one",
        # This process and Ray's own need a part of a processor, too.
        Expectation(f"≥ {_LEAST_SHARE}", share >= _LEAST_SHARE) if cores > several else None,
    )
    report.add(
        f"{several} workers, one killed half-way, images/s, median",
        f"{rest:.1f}, {rest / all_of_them:.2f} of what {several} do",
    )
    report.add("embedded twice or not at all", "none")
    report.keep(one=one, several=all_of_them, one_dies=rest, workers=several, cores=cores)


def _rate(pictures: Path, home: Path, workers: int, *, dies: bool) -> float:
    """Return the images embedded by the second; with `dies` a worker's process is killed."""
    with running_cluster() as cluster:
        for _ in range(workers):
            cluster.add(processors=1)
        settings = read_settings(os.environ | {"RIS_HOME": str(home)})
        request = BuildRequest(None, pictures, "mine", _MODEL, "Flat", None, False, copies=False)
        build = make_builder(settings, make_spread(settings, cluster.address))
        made = build(request, on_progress=_killing() if dies else lambda *_: None)
    assert made.manifest.images == made.embedded == len(list(pictures.iterdir()))
    return made.images_per_second


def _killing() -> Callable[[str, int, int], None]:
    killed: list[int] = []

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "embed" and done > total // 2 and not killed:
            process = embedding_processes()[0]
            killed.append(process.pid)
            process.kill()

    return on_progress


if __name__ == "__main__":
    raise SystemExit(main())
