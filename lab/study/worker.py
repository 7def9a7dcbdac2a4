"""A job → its result files, in a process of its own: whatever a library does, the study goes on.

Started by `lab.study.supervise` as `python -m lab.study.worker JOB.json`; it reports how far it is
in JSON lines on standard output, which libraries cannot write into.
"""

import importlib
import json
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from app.embed.load import usable_cores
from app.values.vectors import unit, without_own
from lab.measures import distances_of
from lab.methods.method import Parameters, Rows, Searcher, Vectors
from lab.methods.threads import building, searching
from lab.study.folder import Job, StudyFolder
from lab.study.registry import known_methods
from lab.study.sets import asked_metric, work_file

ROUNDS = 3
ROUND_SECONDS = 4.0  # the first round of single queries ends then, later ones are left out
FEWEST_QUERIES = 20
WARM_UP = 3
_BLOCK_ROWS = 65_536
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def main(path: str) -> int:
    """Run the job that a JSON file describes; return the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the study's, which ends this process
    channel = _private_output()
    threading.Thread(target=_end_with_the_study, daemon=True).start()
    settings = json.loads(Path(path).read_text(encoding="utf-8"))

    def report(**values: Any) -> None:
        channel.write(json.dumps(values) + "\n")
        channel.flush()

    try:
        run(settings, report)
    except MemoryError as exc:
        report(failed=f"out of memory: {exc}" if str(exc) else "out of memory")
        return 1
    except Exception as exc:  # noqa: BLE001 - a study reports any failure and goes on
        lines = str(exc).strip().splitlines() or ["it did not say why"]
        report(failed=f"{type(exc).__name__}: {lines[0][:300]}")
        return 1
    return 0


def run(settings: Mapping[str, Any], report: Callable[..., None]) -> None:
    """Build one index, search it with every effort, and write what was measured after each."""
    folder, job = StudyFolder(Path(settings["folder"])), Job(**settings["job"])
    method = known_methods(settings["own"])[job.method]
    metric = asked_metric(job.metric)
    place = work_file(folder, job.set, job.metric)
    vectors: Vectors = np.load(place, mmap_mode="c").view(np.ndarray)
    queries, own = _queries(folder, job)
    importlib.import_module(method.library)  # neither time nor memory of the index
    before = _peak_with(vectors)
    started = time.perf_counter()
    searcher = method.build(vectors, metric, job.build)
    result = dict(settings["result"]) | {
        "build_seconds": time.perf_counter() - started,
        "build_threads": building(),
        "processors": usable_cores(),
        "peak_bytes": max(0, _peak() - before),
        "memory_bytes": int(searcher.memory_bytes()),
        "efforts": [],
    }
    efforts = list(method.efforts(len(vectors), job.build))
    arrays: dict[str, NDArray[Any]] = {}
    report(built=result["build_seconds"], efforts=len(efforts))
    for number, effort in enumerate(efforts):
        measured, rows, seconds = _measure(searcher, queries, settings["k"], effort, own)
        distances = distances_of(vectors, queries[: len(rows)], rows, metric)
        arrays[f"rows_{number}"] = rows.astype(np.int32)
        arrays[f"distances_{number}"] = distances.astype(np.float32)
        arrays[f"seconds_{number}"] = seconds
        result["efforts"].append(measured)
        result["status"] = "done" if number + 1 == len(efforts) else "running"
        folder.write_arrays(f"{job.stem}.npz", arrays)
        folder.write_json(f"{job.stem}.json", result)
        report(searched=number + 1)


def _queries(folder: StudyFolder, job: Job) -> tuple[Vectors, Rows | None]:
    truth = folder.read_arrays(f"{job.set}/truth.npz")
    queries = truth["queries"]
    return unit(queries) if job.metric == "cosine" else queries, truth.get("own_rows")


def _measure(
    searcher: Searcher, queries: Vectors, k: int, effort: Parameters, own: Rows | None
) -> tuple[dict[str, Any], Rows, NDArray[np.float32]]:
    """Ask one query at a time and then all at once, on one thread; keep the best of the rounds.

    A query that is a row of the set asks for one more, and leaves itself out.
    """
    wanted = k + (own is not None)
    with searching():
        searcher.search(queries[:WARM_UP], wanted, effort)
        busy, began = time.process_time(), time.perf_counter()
        rows, seconds, rounds = _one_by_one(searcher, queries, wanted, effort)
        answered = queries[: len(rows)]
        batch = _in_one(searcher, answered, wanted, effort)
        cores = (time.process_time() - busy) / max(time.perf_counter() - began, 1e-9)
    if own is not None:
        rows = without_own(rows, own[: len(rows)], k)
    measured = {
        "effort": dict(effort),
        "queries": len(rows),
        "rounds": rounds,
        "single_seconds": float(seconds.sum()),
        "batch_seconds": batch,
        "cores": cores,
    }
    return measured, rows, seconds


def _one_by_one(
    searcher: Searcher, queries: Vectors, k: int, effort: Parameters
) -> tuple[Rows, NDArray[np.float32], int]:
    """Return (q, k) rows, the (q,) seconds of the fastest round, and how many rounds there were.

    A slow method answers fewer queries than there are, and only once.
    """
    found: list[Rows] = []
    first = np.zeros(len(queries), np.float32)
    for number in range(len(queries)):
        rows, first[number] = _timed(searcher, queries[number : number + 1], k, effort)
        found.append(rows)
        if number + 1 >= FEWEST_QUERIES and float(first.sum()) > ROUND_SECONDS:
            break
    best = first[: len(found)]
    rounds = 1
    while rounds < ROUNDS and float(best.sum()) * (rounds + 1) <= ROUND_SECONDS:
        again = np.array(
            [
                _timed(searcher, queries[number : number + 1], k, effort)[1]
                for number in range(len(found))
            ],
            np.float32,
        )
        best = again if again.sum() < best.sum() else best
        rounds += 1
    return np.concatenate(found), best, rounds


def _timed(searcher: Searcher, query: Vectors, k: int, effort: Parameters) -> tuple[Rows, float]:
    started = time.perf_counter()
    rows = searcher.search(query, k, effort)
    return rows, time.perf_counter() - started


def _in_one(searcher: Searcher, queries: Vectors, k: int, effort: Parameters) -> float:
    return min(
        _timed(searcher, queries, k, effort)[1] for _ in range(ROUNDS if len(queries) > 200 else 1)
    )


def _peak_with(vectors: Vectors) -> int:
    """Return the most bytes that were in memory once all vectors have been read."""
    for start in range(0, len(vectors), _BLOCK_ROWS):
        vectors[start : start + _BLOCK_ROWS].sum()
    return _peak()


def _peak() -> int:
    """Return the most bytes that were in memory so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage counts the parent's memory too
        peak = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if peak:
            return 1024 * int(peak[1])
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT)


def _private_output() -> TextIO:
    """Return standard output, and let what libraries print go to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def _end_with_the_study() -> None:
    """End when the study does, however it ends: its end of the pipe closes then."""
    os.read(0, 1)  # not sys.stdin, whose lock a process that ends would wait for in vain
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
