"""A gallery or a file of vectors → the vectors and queries of a study, and the true answers."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from app.errors import StorageError, UsageError
from app.search.evaluation import others_that_count
from app.values.files import replacing
from app.values.measures import average_precision
from app.values.vectors import unit
from lab.methods.method import Metric, Rows, Vectors
from lab.study.folder import METRICS, StudyFolder, folder_name
from lab.study.request import StudyRequest
from lab.truth import exact_neighbours
from lab.vectors import VectorSet, of_file, of_gallery

Note = Callable[[str], None]

_BLOCK_ROWS = 65_536
_BLOCK_QUERIES = 50
_MOST_RANKED_ROWS = 200_000  # ranking all of more than that for mAP takes minutes


def sources_of(request: StudyRequest) -> dict[str, str | Path]:
    """Return the gallery or the file of each set, by the set's name in the study."""
    given: tuple[str | Path, ...] = request.galleries or request.files
    names = [each if isinstance(each, str) else folder_name(each.stem) for each in given]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} is named twice: name each gallery once.")
    return dict(zip(names, given, strict=True))


def load(name: str, source: str | Path, request: StudyRequest, home: Path | None) -> VectorSet:
    """Return the vectors of a gallery (a text) or of a file; UsageError if they cannot be asked."""
    if isinstance(source, Path):
        found = of_file(source, queries=request.queries, seed=request.seed)
    else:
        found = of_gallery(source, queries=request.queries, seed=request.seed, home=home)
    if "cosine" in (request.metrics or (found.metric or "cosine",)):
        found = found.with_direction()
    rows = len(found.vectors)
    if request.rows is not None and request.rows < rows:
        raise UsageError(
            f"{name} has {rows:,} vectors, which are not cut down: leave --n {request.rows} out, "
            "or give a larger number."
        )
    own = found.own_rows is not None
    if request.k > rows - own:
        raise UsageError(
            f"-k {request.k} is too many: a query has {rows - own} other vectors in {name}."
        )
    return found


def identity(found: VectorSet) -> str:
    """Return a hash of everything in a set that changes a result."""
    digest = hashlib.sha256()
    for array in (
        found.vectors,
        found.queries,
        found.own_rows,
        found.labels,
        found.query_labels,
    ):
        if array is None:
            digest.update(b"none")
        else:
            digest.update(repr((array.shape, str(array.dtype))).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def question(found: VectorSet, request: StudyRequest) -> dict[str, Any]:
    """Return all that the true answers of a set depend on."""
    return {
        "sha256": identity(found),
        "k": request.k,
        "queries": request.queries,
        "rows": request.rows,
        "seed": request.seed,
    }


def work_file(folder: StudyFolder, name: str, metric: str) -> Path:
    """Return where the vectors that a metric compares lie while they are searched."""
    return folder.work / f"{name}-{'units' if metric == 'cosine' else 'vectors'}.npy"


def asked_metric(metric: str) -> Metric:
    """Return the metric for a method: cosine is the inner product of unit vectors."""
    return "l2" if metric == "l2" else "ip"


def prepare(
    folder: StudyFolder,
    found: VectorSet,
    name: str,
    request: StudyRequest,
    metrics: Sequence[str],
    note: Note,
) -> None:
    """Write what a study needs of a set: the vectors in `work`, the true neighbours, the facts."""
    facts = _facts(found) | {"of": question(found, request)}
    if found.labels is not None and found.query_labels is not None:
        note(f"{name}: ranking by label …")
        facts |= _quality(found)
    found = extended(found, request, note)
    facts |= {"rows": len(found.vectors), "drawn": found.drawn}
    truth: dict[str, NDArray[Any]] = {"queries": found.queries}
    for key in ("own_rows", "labels", "query_labels"):
        if getattr(found, key) is not None:
            truth[key] = getattr(found, key)
    for metric in comparable_metrics(facts):
        note(f"{name}: exact neighbours by {metric} …")
        place = work_file(folder, name, metric) if metric in metrics else None
        rows, distances = _truth(found, metric, request.k, place)
        truth |= {f"rows_{metric}": rows.astype(np.int32), f"distances_{metric}": distances}
    folder.write_arrays(f"{name}/truth.npz", truth)
    folder.write_json(f"{name}/set.json", facts)


def extended(found: VectorSet, request: StudyRequest, note: Note) -> VectorSet:
    """Return a set with as many vectors as were asked for, some drawn to resemble its own."""
    if request.rows is None or request.rows <= len(found.vectors):
        return found
    from lab.extend import extend_set

    needed, free = 4 * request.rows * found.dim, psutil.virtual_memory().available
    if needed > free:
        raise UsageError(
            f"{request.rows:,} vectors of {found.dim:,} numbers take {needed / 1e9:,.0f} GB of "
            f"memory, and {free / 1e9:,.0f} GB are free: give a smaller --n."
        )
    note(f"{found.name}: drawing {request.rows - len(found.vectors):,} vectors …")
    return extend_set(found, request.rows, seed=request.seed)


def comparable_metrics(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the metrics by which vectors can be compared: those of zeros have no cosine."""
    return tuple(metric for metric in METRICS if metric != "cosine" or facts["shortest"] > 0)


def _truth(found: VectorSet, metric: str, k: int, place: Path | None) -> tuple[Rows, Vectors]:
    """Return the exact neighbours, and leave the vectors compared at `place`, if it is named."""
    vectors, queries = found.vectors, found.queries
    if place is not None:
        _write(vectors, place, units=metric == "cosine")
        vectors = np.load(place, mmap_mode="r")
    elif metric == "cosine":
        vectors = unit(vectors)
    if metric == "cosine":
        queries = unit(queries)
    return exact_neighbours(
        vectors, queries, k, metric=asked_metric(metric), leave_out=found.own_rows
    )


def _write(vectors: Vectors, place: Path, *, units: bool) -> None:
    """Write vectors, perhaps at length 1, a block at a time: no second copy is held."""
    place.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place.parent).free
    if vectors.nbytes > free:  # a file that is mapped and finds no room ends the process
        raise StorageError(
            f"{place.parent} has room for {free / 1e9:,.1f} GB, and the vectors take "
            f"{vectors.nbytes / 1e9:,.1f} GB: make room, or name another folder with --out."
        )
    with replacing(place) as new:
        written = np.lib.format.open_memmap(new, mode="w+", dtype=np.float32, shape=vectors.shape)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = vectors[start : start + _BLOCK_ROWS]
            written[start : start + _BLOCK_ROWS] = unit(block) if units else block
        written.flush()
        del written


def _facts(found: VectorSet) -> dict[str, Any]:
    norms = np.linalg.norm(found.vectors, axis=1)
    return {
        "name": found.name,
        "rows": len(found.vectors),
        "real_rows": len(found.vectors) - found.drawn,
        "dim": found.vectors.shape[1],
        "queries": len(found.queries),
        "own_queries": found.own_rows is not None,
        "shortest": float(norms.min()),
        "longest": float(norms.max()),
        "labels": 0 if found.labels is None else len(np.unique(found.labels[found.labels >= 0])),
        "pictures": found.pictures,
        "notes": list(found.notes),
    }


def _quality(found: VectorSet) -> Mapping[str, float | int]:
    """Return precision@5 and mAP by label over the exact ranking of all real vectors by cosine.

    Queries whose label no other vector has are not asked; those without one (-1) neither.
    """
    labels, asked = found.labels, found.query_labels
    if labels is None or asked is None or len(labels) > _MOST_RANKED_ROWS:
        return {}
    units, queries = unit(found.vectors), unit(found.queries)
    own = found.own_rows if found.own_rows is not None else np.full(len(queries), -1, np.int64)
    counts = labels >= 0
    precisions: list[float] = []
    averages: list[float] = []
    for start in range(0, len(queries), _BLOCK_QUERIES):
        block = slice(start, start + _BLOCK_QUERIES)
        order = np.argsort(-(queries[block] @ units.T), axis=1, kind="stable")
        ranked = others_that_count(order, own[block], counts, len(labels))
        right = (labels[ranked] == asked[block][:, None]) & (ranked >= 0)
        right = right[(asked[block] >= 0) & right.any(axis=1)]
        precisions += right[:, :5].mean(axis=1).tolist()
        averages += average_precision(right).tolist()
    if not averages:
        return {}
    return {
        "labelled_queries": len(averages),
        "precision_at_5": float(np.mean(precisions)),
        "mean_average_precision": float(np.mean(averages)),
    }
