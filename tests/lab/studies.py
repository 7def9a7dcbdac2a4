"""What tests of studies share: small vectors, requests, results, and jobs run in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lab.report.results import Built, Point, Study
from lab.report.story import write_report
from lab.study import supervise, worker
from lab.study.folder import StudyFolder
from lab.study.request import StudyRequest

OWN = "tests.lab.own_methods"


@contextmanager
def jobs_in_this_process() -> Iterator[None]:
    """Run the jobs of studies here: a process of its own for each takes a second to start."""

    def run_job(job: Path, *, on_event: supervise.OnEvent, **limits: object) -> str:
        try:
            worker.run(json.loads(job.read_text()), lambda **event: on_event(event))
        except Exception as exc:  # noqa: BLE001 - as the worker's process does
            return f"failed: {type(exc).__name__}: {exc}"
        return ""

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(supervise, "run_job", run_job)
        yield


def write_vectors(path: Path, rows: int = 100, dim: int = 16, *, seed: int = 0) -> Path:
    """Write vectors in 30 clusters, with the number of their cluster as label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 30, rows)
    vectors = rng.normal(size=(30, dim))[labels] + 0.4 * rng.normal(size=(rows, dim))
    np.savez(path, vectors=vectors.astype(np.float32), labels=labels)
    return path


def request(vectors: Path, out: Path, *methods: str, **options: object) -> StudyRequest:
    values: dict[str, object] = {"queries": 60, "builds": 1, "own": (OWN,), "seconds": 60.0}
    return StudyRequest(files=(vectors,), out=out, methods=methods, **(values | options))  # type: ignore[arg-type]


def result_files(folder: Path) -> dict[str, int]:
    """Return when the result of each method was written."""
    return {
        path.name.rpartition("-")[0]: path.stat().st_mtime_ns
        for path in folder.rglob("*.json")
        if path.parent.name in ("cosine", "l2", "ip")
    }


def built_of(study: Study, method: str) -> Built:
    (built,) = [each for each in study.sets[0].built if each.job.method == method]
    return built


def points_of(study: Study, method: str) -> list[Point]:
    return [point for point in study.sets[0].points("cosine") if point.method == method]


def report_of(out: Path) -> str:
    """Write the report of a study's folder, and return its Markdown."""
    write_report(StudyFolder(out))
    return (out / "report.md").read_text()
