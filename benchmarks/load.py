"""Many clients of a running server for a long time → its answers, and the memory it holds.

Run by `make load`; README.md beside this file says what the clients send and how it is measured.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import UsageError
from benchmarks.processes import MB, resident_bytes
from benchmarks.report import Expectation, Report, arguments, at_most, real_data
from benchmarks.server_speed import GALLERY, running_server

_CLIENTS_FILE = Path(__file__).with_name("load_clients.py")
_SAMPLE_SECONDS = 5.0
_FIRST_SHARE = 1 / 6  # of the time, in which caches fill and threads start
_MOST_GROWTH = 1.05


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    parser = arguments("Ask a server from many clients for a long time, with bad input too.")
    parser.add_argument("--clients", type=int, default=64, metavar="N")
    parser.add_argument("--minutes", type=float, default=30, metavar="N")
    parser.add_argument(
        "--locust", required=True, metavar="FILE", help="the program, as `make load` installs it"
    )
    options = parser.parse_args()
    data = real_data()
    if data is None:
        raise UsageError("REAL_DATA must name the folder that holds caltech101/.")
    report = Report("Load", "make load")
    with (
        tempfile.TemporaryDirectory(prefix="load-") as folder,
        running_server() as (server, address),
    ):
        with _memory(server.pid) as samples:
            _run(options, address, data / "caltech101", Path(folder) / "load")
        answered = _statistics(Path(folder) / "load_stats.csv")
        failures = (Path(folder) / "load_failures.csv").read_text(encoding="utf-8")
        alive = server.poll() is None
    _tell(report, answered, samples, alive, options)
    print(failures)
    return report.finish(options.save)


def _run(options: argparse.Namespace, address: str, pictures: Path, prefix: Path) -> None:
    """Run locust without its page, in a process of its own."""
    subprocess.run(
        [
            *(options.locust, "--locustfile", str(_CLIENTS_FILE), "--headless", "--host", address),
            *("--users", str(options.clients), "--spawn-rate", "4", "--csv", str(prefix)),
            *("--run-time", f"{round(60 * options.minutes)}s", "--stop-timeout", "120"),
            *("--only-summary", "--loglevel", "WARNING"),
        ],
        env=os.environ | {"GALLERY": GALLERY, "FOLDER": str(pictures)},
        check=False,  # it fails where a request has: the table says which
    )


@contextmanager
def _memory(pid: int) -> Iterator[list[int]]:
    """Gather, while the block runs, the bytes that a process and its children hold."""
    samples: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            samples.append(resident_bytes(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def _statistics(path: Path) -> dict[str, dict[str, str]]:
    """Return locust's figures by the name of the request; "Aggregated" are all."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def _tell(
    report: Report,
    answered: dict[str, dict[str, str]],
    samples: list[int],
    alive: bool,
    options: argparse.Namespace,
) -> None:
    for name, row in answered.items():
        count, failed = int(row["Request Count"]), int(row["Failure Count"])
        what = "all" if name == "Aggregated" else name
        report.add(
            f"{what}: answers, wrong ones, median, p99",
            f"{count:,}, {failed:,}, {row['50%']} ms, {row['99%']} ms",
            at_most(failed, 0, "0 wrong") if what == "all" else None,
        )
    late = sum(int(row["Request Count"]) for name, row in answered.items() if "not now" in name)
    report.add("answered 429 with the seconds to wait", f"{late:,}")
    first = max(1, round(len(samples) * _FIRST_SHARE))
    middle = len(samples) - max(1, (len(samples) - first) // 4)
    early, end = (max(part) for part in (samples[first:middle], samples[middle:]))
    report.add(
        f"memory at {options.minutes * _FIRST_SHARE:.0f} minutes, at most from then on, and in the "
        "last quarter",
        f"{samples[first] / MB:.0f}, {early / MB:.0f}, {end / MB:.0f} MB",
        at_most(end / early, _MOST_GROWTH, "1.05 times as much in the last quarter"),
    )
    report.add(
        "the server at the end", "answers" if alive else "is gone", Expectation("answers", alive)
    )


if __name__ == "__main__":
    sys.exit(main())
