"""A study's folder → its vectors, true neighbours and searches, in ann-benchmarks' layouts."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import UsageError
from lab.hdf5 import Benchmark, Found, as_stored, write_found, write_hdf5
from lab.study import sets
from lab.study.folder import Job, StudyFolder
from lab.study.request import StudyRequest
from lab.vectors import VectorSet


def write_benchmark_files(
    folder: StudyFolder, out: Path, *, home: Path | None, note: sets.Note = lambda line: None
) -> Iterator[Path]:
    """Write the files and yield each: `out/SET-METRIC.hdf5`, and `out/results/SET-METRIC/K/METHOD`
    with a file of each search, where ann-benchmarks looks for them.

    The vectors are read again where they came from, and drawn again where some were. UsageError if
    nothing is measured yet, a file is damaged, or the vectors have changed since.
    """
    description = folder.description()
    jobs = [Job(**each) for each in description["jobs"]]
    for name, origin in description["sets"].items():
        if "left_out" in origin:
            continue
        if folder.read_json(f"{name}/set.json") is None:
            raise UsageError(
                f"Nothing of {name} is measured yet in {folder.path}: finish it first."
            )
        truth = folder.read_arrays(f"{name}/truth.npz")
        found = _vectors(folder, name, origin, description["request"], home, note)
        mine = {job.stem: job for job in jobs if job.set == name}
        for metric in dict.fromkeys(job.metric for job in mine.values()):
            yield _write_vectors(out / f"{name}-{metric}.hdf5", found, truth, metric)
            for job in mine.values():
                if job.metric == metric:
                    yield from _write_searches(folder, job, out)


def _vectors(
    folder: StudyFolder,
    name: str,
    origin: Mapping[str, Any],
    options: Mapping[str, Any],
    home: Path | None,
    note: sets.Note,
) -> VectorSet:
    of_gallery = origin["source"] == name
    source: str | Path = name if of_gallery else Path(origin["source"])
    request = StudyRequest(
        galleries=(name,) if of_gallery else (),
        files=() if of_gallery else (Path(source),),
        metrics=tuple(origin["metrics"]),
        k=options["k"],
        queries=options["queries"],
        rows=options["rows"],
        seed=options["seed"],
    )
    note(f"{name}: reading …")
    found = sets.load(name, source, request, home)
    if sets.identity(found) != origin["sha256"]:
        raise UsageError(
            f"{folder.path} holds results of other vectors called {name}, which have changed "
            "since: run the study again with another --out."
        )
    return sets.extended(found, request, note)


def _write_vectors(path: Path, found: VectorSet, truth: Mapping[str, Any], metric: str) -> Path:
    distances = as_stored(truth[f"distances_{metric}"], metric)
    rows = truth[f"rows_{metric}"].astype(np.int64)
    known: Any = metric
    write_hdf5(
        path, Benchmark(found.vectors, found.queries, rows, distances, known, found.own_rows)
    )
    return path


def _write_searches(folder: StudyFolder, job: Job, out: Path) -> Iterator[Path]:
    """Write the file of each search of one index; none where it did not come to a search."""
    result = folder.read_json(f"{job.stem}.json")
    if result is None or not result.get("efforts"):
        return
    arrays = folder.read_arrays(f"{job.stem}.npz")
    data = f"{job.set}-{job.metric}"
    for number, searched in enumerate(result["efforts"]):
        parameters = [dict(job.build), searched["effort"]]
        plain = re.sub(r"\W+", "_", json.dumps(parameters)).strip("_") or "default"
        path = out / "results" / data / str(result["k"]) / job.method / f"{plain}.hdf5"
        metric: Any = job.metric
        seconds = arrays[f"seconds_{number}"]
        attributes = {
            "algo": job.method,
            "name": f"{job.method} {json.dumps(parameters)}",
            "dataset": data,
            "count": result["k"],
            "candidates": float(result["k"]),
            "run_count": searched["rounds"],
            "best_search_time": float(seconds.mean()),
            "build_time": result["build_seconds"],
            "index_size": result["memory_bytes"] / 1_000,
            "batch_mode": False,
            "expect_extra": False,
        }
        rows = arrays[f"rows_{number}"].astype(np.int64)
        distances = as_stored(arrays[f"distances_{number}"], job.metric)
        write_found(path, Found(seconds, rows, distances, metric, attributes))
        yield path
