"""Searches at equal recall → their times, this program's beside hnswlib's, as a table and JSON.

Run by `make bench-search`; README.md beside this file says how each figure is measured.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.index import recall
from app.values.vectors import unit
from benchmarks.report import Report, arguments, at_most
from benchmarks.search_contenders import NAMES, Contender, K, contenders
from benchmarks.search_memory import DIM, ROWS, measure_memory
from lab.extend import extend

_SIZES = (10_000, 100_000, 1_000_000)
_TARGETS = (0.97, 0.99)
_QUERIES = 1_000
_TRIED = 60  # queries that say which of the efforts that reach the recall is quickest
_TIMED = 500
_TIMED_EXACTLY = 50
_QUICK = 4  # of the efforts that are enough, those that are tried
_TITLE = "Searches, one query at a time on one thread"

Vectors = NDArray[np.float32]


def main() -> int:
    """Measure, print, and return 1 if something expected is not reached."""
    parser = arguments("Measure searches at equal recall, beside hnswlib's.")
    parser.add_argument(
        "--rows", type=int, action="append", metavar="N", help="may be given again; 0: none"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help=f"of {', '.join(NAMES)} or another index string; may be given again",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the indexes for the next run"
    )
    parser.add_argument("--vectors", type=Path, metavar="FILE", help="a .npz file of real vectors")
    parser.add_argument(
        "--memory",
        action="store_true",
        help=f"also measure the memory that {ROWS} × {DIM} take (needs 5 GB of disk)",
    )
    options = parser.parse_args()
    report = Report(_TITLE, "make bench-search")
    measured: list[dict[str, Any]] = []
    if options.rows != [0]:
        real = real_vectors(options.vectors)
        for rows in options.rows or _SIZES:
            with _folder(options.keep, f"{rows}") as folder:
                measured += measure_size(real, rows, folder, options.only or NAMES, report)
    if options.memory:
        with tempfile.TemporaryDirectory(prefix="memory-") as folder:
            measure_memory(Path(folder), report)
    report.keep(searches=measured)
    return report.finish(options.save)


def real_vectors(path: Path | None) -> Vectors:
    """Return the (n, dim) unit vectors of a file of `codes` and their `scale`, or of `vectors`."""
    if path is None or not path.is_file():
        raise UsageError(
            "There are no vectors to search: name a .npz file that holds `vectors`, or `codes` and "
            "`scale`, with --vectors."
        )
    with np.load(path) as arrays:
        if "vectors" in arrays:
            return unit(arrays["vectors"].astype(np.float32))
        return unit(arrays["codes"].astype(np.float32) * arrays["scale"])


@contextlib.contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    """Give a folder below `keep`, which stays, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="search-") as folder:
            yield Path(folder)
        return
    (keep / name).mkdir(parents=True, exist_ok=True)
    yield keep / name


def measure_size(
    real: Vectors, rows: int, folder: Path, names: Sequence[str], report: Report
) -> list[dict[str, Any]]:
    """Build all indexes of so many vectors, and time them at each target; return the figures."""
    queries, base = real[:_QUERIES], real[_QUERIES:]

    def vectors() -> Vectors:
        return base[:rows] if rows <= len(base) else extend(base, rows)

    print(f"{rows} vectors of {base.shape[1]} numbers", flush=True)
    built = contenders(vectors, folder, names)
    exact = built[0]
    truth = exact.search(queries, exact.efforts[0])
    found = [_recalls(each, queries, truth) for each in built]
    figures = []
    for target in _TARGETS:
        figures += _at_recall(built, found, queries, rows, target, report)
    return figures


def _recalls(contender: Contender, queries: Vectors, truth: NDArray[np.int64]) -> list[float]:
    """Return the recall@10 of each of its efforts."""
    return [recall(truth, contender.search(queries, each)) for each in contender.efforts]


def _at_recall(
    built: Sequence[Contender],
    recalls: Sequence[list[float]],
    queries: Vectors,
    rows: int,
    target: float,
    report: Report,
) -> list[dict[str, Any]]:
    """Time each contender with the quickest effort that reaches the target; add it to the report.

    One that never reaches it is timed with the effort of its best recall, and said to miss it.
    """
    places = [
        _quickest(contender, found, queries, target)
        for contender, found in zip(built, recalls, strict=True)
    ]
    # Exact search by itself: it reads all vectors, and takes the caches from whoever is next.
    exact = _by_turns(built[:1], places[:1], queries[:_TIMED_EXACTLY])
    seconds = np.concatenate([exact, _by_turns(built[1:], places[1:], queries[:_TIMED])])
    figures = []
    for contender, found, place, took in zip(built, recalls, places, seconds, strict=True):
        figure = {
            "rows": rows,
            "target": target,
            "method": contender.name,
            "effort": str(contender.efforts[place]),
            "recall": round(found[place], 4),
            "reaches": found[place] >= target,
            "median_ms": round(1e3 * took, 4),
            "bytes": contender.bytes,
            "build_seconds": round(contender.build_seconds, 1),
        }
        figures.append(figure)
        missed = "" if figure["reaches"] else ", never enough"
        report.add(
            f"{rows:,} at recall@{K} ≥ {target:g}: {contender.name}",
            f"{figure['median_ms']:.3f} ms, recall {figure['recall']:.3f}{missed}, "
            f"{contender.bytes / 1e6:.0f} MB, built in {contender.build_seconds:.0f} s",
        )
    _compare(figures, rows, target, report)
    return figures


def _compare(figures: Sequence[dict[str, Any]], rows: int, target: float, report: Report) -> None:
    """Add the time of our fastest to that of hnswlib's fastest."""
    enough = [each for each in figures if each["reaches"]]
    theirs = [each for each in enough if each["method"].startswith("hnswlib")]
    own = [each for each in enough if each not in theirs]
    if not own or not theirs:
        return
    best, other = (min(each, key=lambda figure: figure["median_ms"]) for each in (own, theirs))
    ratio = best["median_ms"] / other["median_ms"]
    report.add(
        f"{rows:,} at recall@{K} ≥ {target:g}: {best['method']} to {other['method']}",
        f"{ratio:.2f} of its time",
        at_most(ratio, 1.0, "1.00"),
    )


def _quickest(contender: Contender, found: list[float], queries: Vectors, target: float) -> int:
    """Return the place of the effort that reaches the target in the least time.

    Efforts are tried in the order of the work that they ask for, as far as that is known.
    """
    enough = [place for place, each in enumerate(found) if each >= target]
    if not enough:
        return int(np.argmax(found))
    enough.sort(key=lambda place: _work(contender.efforts[place]))
    tried = enough[:_QUICK]
    seconds = _by_turns([contender] * len(tried), tried, queries[-_TRIED:])
    return tried[int(np.argmin(seconds))]


def _work(effort: Any) -> float:
    return effort if isinstance(effort, int) else effort.candidates * max(1, effort.probes)


def _by_turns(
    asked: Sequence[Contender], places: Sequence[int], queries: Vectors
) -> NDArray[np.float64]:
    """Return each one's median seconds; every query goes to all before the next does.

    In an order drawn for each: who is asked after another finds in the processor's caches what that
    one has read, and has lost what it has pushed out.
    """
    rng = np.random.default_rng(0)
    seconds = np.zeros((len(queries), len(asked)))
    for each, place in zip(asked, places, strict=True):  # opens what is opened late
        each.search(queries[:1], each.efforts[place])
    for turn, query in enumerate(queries):
        for number in rng.permutation(len(asked)):
            each, effort = asked[number], asked[number].efforts[places[number]]
            started = time.perf_counter()
            each.search(query[None], effort)
            seconds[turn, number] = time.perf_counter() - started
    medians: NDArray[np.float64] = np.median(seconds, axis=0)
    return medians


if __name__ == "__main__":
    sys.exit(main())
