"""A study's figures → the tables of its report."""

from collections.abc import Mapping, Sequence
from typing import Any

from lab.report.blocks import Table
from lab.report.results import Built, Point, SetResults, Study, pareto
from lab.report.wording import duration, megabytes, milliseconds, parameters_in_words

BRUTE, FLAT, IVF = "numpy-brute", "faiss-flat", "faiss-ivf-flat"

_NONE = "–"


def best_of_methods(points: Sequence[Point], k: int, target: float) -> Table:
    """Return the fastest search of each method that reaches the target, else its best recall.

    Of the application's own those count whose effort it chooses itself.
    """
    points = [p for p in points if p.chosen or not p.served]
    best = sorted(
        (_best(group, target) for group in _by_method(points).values()),
        key=lambda p: (not p.reaches(target), -p.per_second),
    )
    labelled = any(p.precision is not None for p in best)
    columns = ["method", "index", "search", f"recall@{k}", "queries/s", "median", "95 %"]
    columns += ["queries/s in one batch", "index size"]
    rows = []
    for p in best:
        short = not p.reaches(target)
        row = [
            p.method,
            p.factory if p.served else _parameters(p.build),
            _parameters(p.effort),
            f"{p.recall:.3f}" + (" ↓" if short else ""),
            f"{p.per_second:,.0f}",
            milliseconds(p.median_ms),
            milliseconds(p.p95_ms),
            f"{p.batch_per_second:,.0f}",
            megabytes(p.memory_bytes),
        ]
        rows.append([*row, _share(p.precision)] if labelled else row)
    if labelled:
        columns.append(f"precision@{k}")
    return Table(columns, rows, words=frozenset({"method", "index", "search"}))


def costs(built: Sequence[Built]) -> Table:
    """Return the time to build and the memory of each index."""
    rows = [
        [
            each.job.method,
            _parameters(each.job.build),
            _NONE if each.build_seconds is None else duration(each.build_seconds),
            _NONE if each.memory_bytes is None else megabytes(each.memory_bytes),
            _NONE if each.peak_bytes is None else megabytes(each.peak_bytes),
            "done" if each.status == "done" else each.words,
        ]
        for each in sorted(built, key=lambda b: (b.job.method, _parameters(b.job.build)))
    ]
    columns = ["method", "index", "build", "size", "process grew by", "what became of it"]
    return Table(columns, rows, words=frozenset({"method", "index", "what became of it"}))


def every_search(points: Sequence[Point], k: int) -> Table:
    """Return every search that was measured; those on the Pareto front are marked."""
    front = pareto(points)
    rows = [
        [
            p.method,
            _parameters(p.build),
            _parameters(p.effort),
            f"{p.recall:.4f}" + (" ●" if p in front else ""),
            f"{p.per_second:,.0f}",
            milliseconds(p.median_ms),
            milliseconds(p.p95_ms),
            f"{p.batch_per_second:,.0f}",
            f"{p.queries:,}",
            str(p.rounds),
        ]
        for p in sorted(points, key=lambda p: (p.method, _parameters(p.build), p.recall))
    ]
    columns = ["method", "index", "search", f"recall@{k}", "queries/s", "median", "95 %"]
    columns += ["queries/s in one batch", "queries", "rounds"]
    return Table(columns, rows, words=frozenset({"method", "index", "search"}))


def metrics_compared(results: SetResults, k: int) -> Table:
    """Return how many neighbours each two metrics share, and how many are right by label."""
    overlaps = results.overlaps(k)
    known = sorted({name for pair in overlaps for name in pair})
    columns = ["exact search by", *(f"shared with {name}" for name in known)]
    if results.labelled:
        columns.append(f"precision@{k}")
    rows = []
    for one in known:
        shared = [
            _NONE if one == other else f"{_overlap(overlaps, one, other):.1%}" for other in known
        ]
        row = [one, *shared]
        if results.labelled:
            row.append(_share(results.exact_precision(one, k)))
        rows.append(row)
    return Table(columns, rows, words=frozenset({"exact search by"}))


def models_compared(study: Study, metric: str) -> Table:
    """Return the table of models: sizes, seconds an image, times of a query, quality by label."""
    columns = [
        "model",
        "dimension",
        "vectors",
        "extraction",
        "brute force",
        "flat",
        "IVF, √N cells",
    ]
    columns += ["IVF's recall", "mAP", "precision@5"]
    rows = []
    for each in study.sets:
        ivf, drawn = timed(each, IVF, metric, study.target), each.facts["drawn"]
        rows.append(
            [
                model_of(study, each),
                f"{each.facts['dim']:,}",
                f"{each.facts['rows']:,}" + (f" ({drawn:,} drawn)" if drawn else ""),
                _extraction(each.extraction),
                _median(timed(each, BRUTE, metric, study.target)),
                _median(timed(each, FLAT, metric, study.target)),
                _median(ivf),
                _NONE if ivf is None else f"{ivf.recall:.3f}",
                _share(each.facts.get("mean_average_precision")),
                _share(each.facts.get("precision_at_5")),
            ]
        )
    return Table(columns, rows, words=frozenset({"model"}))


def model_of(study: Study, results: SetResults) -> str:
    """Return the model that made a set's vectors, or the set's name where that says more."""
    models = [(each.extraction or {}).get("model") for each in study.sets]
    model = (results.extraction or {}).get("model")
    return str(model) if model and models.count(model) == 1 else results.name


def timed(results: SetResults, method: str, metric: str, target: float) -> Point | None:
    """Return the fastest search of a method that reaches the target, else its best, if any."""
    points = [point for point in results.points(metric) if point.method == method]
    return _best(points, target) if points else None


def _best(points: Sequence[Point], target: float) -> Point:
    enough = [p for p in points if p.reaches(target)]
    if enough:
        return max(enough, key=lambda p: p.per_second)
    return max(points, key=lambda p: p.recall)


def _by_method(points: Sequence[Point]) -> dict[str, list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.method, []).append(point)
    return groups


def _overlap(overlaps: Mapping[tuple[str, str], float], one: str, other: str) -> float:
    return overlaps[(one, other)] if (one, other) in overlaps else overlaps[(other, one)]


def _parameters(parameters: Mapping[str, Any]) -> str:
    return parameters_in_words(parameters, none=_NONE)


def _extraction(measured: Mapping[str, Any] | None) -> str:
    if not measured or measured.get("seconds") is None:
        return _NONE
    return f"{measured['seconds']:.4f} s"


def _median(point: Point | None) -> str:
    return _NONE if point is None else milliseconds(point.median_ms)


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def failures(built: Sequence[Built]) -> Table:
    """Return the indexes that failed, and why."""
    rows = [
        [each.job.method, _parameters(each.job.build), each.words, str(len(each.points))]
        for each in built
        if each.status != "done"
    ]
    columns = ["method", "index", "what became of it", "searches kept"]
    return Table(columns, rows, words=frozenset({"method", "index", "what became of it"}))
