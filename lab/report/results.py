"""A study's files → its figures: recall, speed, memory and build time of each search."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from lab.measures import precision_at_k, recall_at_k, right_rows
from lab.study.folder import METRICS, Job, StudyFolder
from lab.study.sets import asked_metric

Arrays = Mapping[str, NDArray[Any]]

APPLICATION = "application"


@dataclass(frozen=True)
class Point:
    """One index searched with one effort.

    `error` is the standard error of the recall, `precision` that by label, None without labels;
    `chosen` says that the application chose this effort itself; `cores` how many processors the
    search kept busy.
    """

    method: str
    build: Mapping[str, Any]
    effort: Mapping[str, Any]
    recall: float
    error: float
    per_second: float
    median_ms: float
    p95_ms: float
    batch_per_second: float
    queries: int
    memory_bytes: int
    build_seconds: float
    factory: str = ""
    exact: bool = False
    precision: float | None = None
    rounds: int = 1
    cores: float = 1.0

    @property
    def served(self) -> bool:
        """Whether it is this application's own search."""
        return self.method == APPLICATION

    @property
    def chosen(self) -> bool:
        """Whether the application itself chose the effort."""
        return "chosen" in self.effort

    def reaches(self, target: float) -> bool:
        """Whether the recall is enough.

        An effort that the application chose, which it does on other queries, may miss it by one
        standard error.
        """
        return self.recall + (self.error if self.chosen else 0.0) >= target


@dataclass(frozen=True)
class Built:
    """One index: what it took to build, or why it failed.

    `others` is the share of all processors that other programs took meanwhile, `idle` how many
    processors were not to be used while building.
    """

    job: Job
    library: str
    what: str
    status: str
    words: str
    build_seconds: float | None
    memory_bytes: int | None
    peak_bytes: int | None
    others: float
    idle: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class SetResults:
    """All that was measured of one set of vectors."""

    name: str
    facts: Mapping[str, Any]
    extraction: Mapping[str, Any] | None
    truth: Arrays
    built: tuple[Built, ...]
    waiting: tuple[Job, ...]

    @property
    def metrics(self) -> list[str]:
        """The metrics that methods were asked by."""
        there = {each.job.metric for each in self.built} | {job.metric for job in self.waiting}
        return [metric for metric in METRICS if metric in there]

    def points(self, metric: str) -> list[Point]:
        """Return every search by a metric."""
        return [p for each in self.built if each.job.metric == metric for p in each.points]

    @property
    def labelled(self) -> bool:
        """Whether vectors and queries have labels."""
        return "labels" in self.truth and "query_labels" in self.truth

    def overlaps(self, k: int) -> dict[tuple[str, str], float]:
        """Return the share of the k nearest that two metrics have in common, for each two."""
        known = [metric for metric in METRICS if f"rows_{metric}" in self.truth]
        return {
            (one, other): _common(
                self.truth[f"rows_{one}"][:, :k], self.truth[f"rows_{other}"][:, :k]
            )
            for one, other in combinations(known, 2)
        }

    def exact_precision(self, metric: str, k: int) -> float | None:
        """Return the share of the k true neighbours with their query's label; None: no labels."""
        rows = self.truth.get(f"rows_{metric}")
        return None if rows is None else _precision(self.truth, rows, k)


@dataclass(frozen=True)
class Study:
    """A study as its folder holds it, its recalls for the k nearest."""

    folder: StudyFolder
    description: Mapping[str, Any]
    k: int
    sets: tuple[SetResults, ...]

    @cached_property
    def methods(self) -> list[str]:
        """The names of all methods, in alphabetical order: each has its colour by its place."""
        return sorted({job["method"] for job in self.description["jobs"]})

    @property
    def target(self) -> float:
        """The recall that was asked for."""
        return float(self.description["request"]["target"])


def read_study(folder: StudyFolder, k: int | None = None) -> Study:
    """Return a study as its folder holds it, with recalls for the `k` nearest, default: all stored.

    UsageError if nothing is measured yet, a file is damaged, or `k` is larger than what was stored.
    """
    description = folder.description()
    stored = int(description["request"]["k"])
    if k is not None and not 1 <= k <= stored:
        raise UsageError(
            f"{folder.path} holds the {stored} nearest of each query: -k must be from 1 to "
            f"{stored}, not {k}."
        )
    jobs = [Job(**each) for each in description["jobs"]]
    sets = tuple(_read_set(folder, name, jobs, k or stored) for name in description["sets"])
    if not any(each.built for each in sets):
        raise UsageError(
            f"Nothing is measured yet in {folder.path}: run its command again, "
            f"{description['command']}."
        )
    return Study(folder, description, k or stored, sets)


def pareto(points: Sequence[Point]) -> list[Point]:
    """Return the Pareto front: no other point has more recall and queries per second; by recall."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, -p.per_second)):
        if not front or point.per_second > front[-1].per_second:
            front.append(point)
    return front[::-1]


def _read_set(folder: StudyFolder, name: str, jobs: Sequence[Job], k: int) -> SetResults:
    mine = [job for job in jobs if job.set == name]
    facts = folder.read_json(f"{name}/set.json")
    if facts is None:
        return SetResults(name, {}, None, {}, (), tuple(mine))
    truth = folder.read_arrays(f"{name}/truth.npz")
    built, waiting = [], []
    for job in _unique(mine):
        result = folder.read_json(f"{job.stem}.json")
        if result is None or result["status"] == "running":
            waiting.append(job)
        else:
            built.append(_built(folder, job, result, truth, k))
    extraction = folder.read_json(f"{name}/extraction.json")
    return SetResults(name, facts, extraction, truth, tuple(built), tuple(waiting))


def _built(
    folder: StudyFolder, job: Job, result: Mapping[str, Any], truth: Arrays, k: int
) -> Built:
    return Built(
        job=job,
        library=result["library"],
        what=result["what"],
        status=result["status"],
        words=result["words"],
        build_seconds=result.get("build_seconds"),
        memory_bytes=result.get("memory_bytes"),
        peak_bytes=result.get("peak_bytes"),
        others=result.get("others", 0.0),
        idle=max(0, result.get("processors", 0) - result.get("build_threads", 0)),
        points=tuple(_points(folder, job, result, truth, k)),
    )


def _points(
    folder: StudyFolder, job: Job, result: Mapping[str, Any], truth: Arrays, k: int
) -> Iterator[Point]:
    if not result["efforts"]:
        return
    arrays = folder.read_arrays(f"{job.stem}.npz")
    for number, effort in enumerate(result["efforts"]):
        seconds = arrays[f"seconds_{number}"]
        recalls = _recalls(truth, arrays[f"distances_{number}"], job.metric, k)
        yield Point(
            method=job.method,
            build=job.build,
            effort=effort["effort"],
            recall=float(recalls.mean()),
            error=float(recalls.std() / np.sqrt(len(recalls))),
            per_second=len(seconds) / float(seconds.sum()),
            median_ms=1_000 * float(np.median(seconds)),
            p95_ms=1_000 * float(np.percentile(seconds, 95)),
            batch_per_second=effort["queries"] / effort["batch_seconds"],
            queries=effort["queries"],
            memory_bytes=result["memory_bytes"],
            build_seconds=result["build_seconds"],
            factory=result["factory"],
            exact=result["exact"],
            precision=_precision(truth, arrays[f"rows_{number}"], k),
            rounds=effort["rounds"],
            cores=effort["cores"],
        )


def _recalls(truth: Arrays, found: NDArray[Any], metric: str, k: int) -> NDArray[np.float64]:
    """Return the (q,) recall of each query."""
    true = truth[f"distances_{metric}"]
    return np.array(
        [
            recall_at_k(true[query][None], found[query][None], k, asked_metric(metric))
            for query in range(len(found))
        ]
    )


def _precision(truth: Arrays, rows: NDArray[Any], k: int) -> float | None:
    if "labels" not in truth or "query_labels" not in truth:
        return None
    labels = truth["query_labels"][: len(rows)]
    asked = labels >= 0
    if not asked.any():
        return None
    right = right_rows(rows[asked].astype(np.int64), truth["labels"], labels[asked])
    return precision_at_k(right, k)


def _common(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float((one[:, :, None] == other[:, None, :]).any(axis=2).mean())


def _unique(jobs: Sequence[Job]) -> list[Job]:
    return list({job.stem: job for job in jobs}.values())
