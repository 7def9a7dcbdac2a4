"""The figures of a study → which index to use, and why, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.results import Point
from lab.report.wording import duration, megabytes, milliseconds, parameters_in_words

_ALIKE = 1.25  # times as slow: still nearly as fast
_NOTHING_TO_GAIN_MS = 2.0  # decoding and embedding one picture takes several times that
_UNNOTICED_MS = 50.0
_FAR_LESS = 4  # times
_NONE = "–"
_REFINED = "-refine"  # ends the name of a method of codes that are compared anew


@dataclass(frozen=True)
class Recommendation:
    """The string for `create_index.py --index` ('' if there is none to name), and the reasons."""

    factory: str
    sentences: tuple[str, ...]


def recommend(
    points: Sequence[Point],
    *,
    rows: int,
    dim: int,
    drawn: int,
    k: int,
    target: float,
    metric: str,
    name: str = "",
) -> Recommendation:
    """Return the index to use for `rows` vectors of `dim` numbers that were measured as `points`.

    Of the indexes that this application would serve, re-ranked exactly and with the effort that it
    chooses itself, those count whose recall@k is `target` or more within one standard error. Of
    those nearly as fast as the fastest the smallest is taken; exact search where it is so fast that
    nothing is gained. The first sentence says which vectors are meant, with their `name` if given.
    """
    subject = (
        f"For {'the' if name else 'these'} {rows:,} vectors of "
        + (f"`{name}`, {dim:,} numbers each" if name else f"{dim:,} numbers")
        + (f" ({drawn:,} of them drawn to resemble the others)" if drawn else "")
    )
    served = [point for point in points if point.served and point.chosen]
    exact = next((point for point in served if point.factory == "Flat"), None)
    enough = [p for p in served if p.reaches(target) and p is not exact]
    faster = [p for p in enough if exact is None or p.median_ms < exact.median_ms]
    outside = _outside(points, k, target)
    if not served:
        why = (
            "this application compares by cosine alone"
            if metric != "cosine"
            else "none of this application's own indexes was measured"
        )
        none = f"{subject} there is no string for create_index.py to name by {metric}: {why}."
        return Recommendation("", (none, *outside))
    if exact is not None and (exact.median_ms <= _NOTHING_TO_GAIN_MS or not faster):
        return Recommendation(
            "Flat", (_of_exact(subject, exact, served, k, target), *_taken("Flat"), *outside)
        )
    if not faster:
        best = max(served, key=lambda p: p.recall)
        unreached = (
            f"{subject}: none of the {len(served)} indexes tried reaches recall@{k} ≥ {target:g}; "
            f"the best is `{best.factory}` with {best.recall:.3f}. `Flat` compares every vector "
            "and misses nothing."
        )
        return Recommendation("Flat", (unreached, *_taken("Flat"), *outside))
    pick = _pick(faster)
    sentences = (
        _of_pick(subject, pick, exact, k),
        _why(pick, served, enough, faster, exact, k, target),
        *_raw(points, pick, k),
        *_smaller(enough, pick),
        *_taken(pick.factory),
        *_of_exact_beside(exact),
        *outside,
    )
    return Recommendation(pick.factory, sentences)


def _pick(faster: Sequence[Point]) -> Point:
    fastest = max(p.per_second for p in faster)
    alike = [p for p in faster if p.per_second * _ALIKE >= fastest]
    return min(alike, key=lambda p: (p.memory_bytes, -p.per_second))


def _of_pick(subject: str, pick: Point, exact: Point | None, k: int) -> str:
    beside = (
        f", {exact.median_ms / pick.median_ms:.0f} times as fast as comparing every vector"
        if exact is not None and exact.median_ms > 1.5 * pick.median_ms
        else ""
    )
    return (
        f"{subject}: **`{pick.factory}`**. It finds {pick.recall:.1%} of the true {k} nearest in "
        f"{milliseconds(pick.median_ms)} a query on one thread{beside}; its index takes "
        f"{megabytes(pick.memory_bytes)} and {duration(pick.build_seconds)} to build."
    )


def _why(
    pick: Point,
    served: Sequence[Point],
    enough: Sequence[Point],
    faster: Sequence[Point],
    exact: Point | None,
    k: int,
    target: float,
) -> str:
    tried = sum(p.factory != "Flat" for p in served)
    if len(faster) == 1:
        reason = "it is the only one of them that is faster than exact search"
        if exact is None:
            reason = "it is the only one"
    elif pick.per_second == max(p.per_second for p in faster):
        reason = "it is the fastest of them"
    else:
        reason = "it is the smallest of those nearly as fast as the fastest"
    return (
        f"Of the {tried} index strings tried as this application serves them, re-ranked exactly, "
        f"{len(enough)} reach recall@{k} ≥ {target:g}; {reason}."
    )


def _raw(points: Sequence[Point], pick: Point, k: int) -> tuple[str, ...]:
    """Return a sentence with the recall of the same codes without exact re-ranking, if lower."""
    refined = [(p.method, p.build) for p in points if p.factory == pick.factory and not p.served]
    alone = [p.recall for p in points if not p.served and (p.method + _REFINED, p.build) in refined]
    if not alone or max(alone) >= pick.recall:
        return ()
    return (
        f"Without the exact re-ranking the same codes find {max(alone):.1%} of them at most, "
        "with as many cells as were tried.",
    )


def _smaller(enough: Sequence[Point], pick: Point) -> tuple[str, ...]:
    """Return a sentence on the good enough index that takes far less memory, if one does."""
    least = min(enough, key=lambda p: (p.memory_bytes, p.median_ms))
    if least.memory_bytes * _FAR_LESS > pick.memory_bytes:
        return ()
    return (
        f"Where memory counts, `{least.factory}` takes {megabytes(least.memory_bytes)} instead of "
        f"{megabytes(pick.memory_bytes)}, and {milliseconds(least.median_ms)} a query.",
    )


def _taken(factory: str) -> tuple[str, ...]:
    return (f"To use it, build the gallery with `create_index.py … --index {factory}`.",)


def _of_exact(subject: str, exact: Point, served: Sequence[Point], k: int, target: float) -> str:
    faster = [
        p for p in served if p.reaches(target) and p.median_ms < exact.median_ms and p is not exact
    ]
    if faster:
        best = _pick(faster)
        beside = (
            f"`{best.factory}` would take {milliseconds(best.median_ms)}, which nobody notices "
            "beside the time that a picture takes to become a vector"
        )
    else:
        beside = f"none of the indexes tried reaches recall@{k} ≥ {target:g} faster"
    return (
        f"{subject}: **`Flat`**, exact search. It compares every vector in "
        f"{milliseconds(exact.median_ms)} a query on one thread and misses nothing; {beside}."
    )


def _of_exact_beside(exact: Point | None) -> tuple[str, ...]:
    if exact is None:
        return ()
    costs = f"Exact search (`--index Flat`) takes {milliseconds(exact.median_ms)} a query"
    if exact.median_ms <= _UNNOTICED_MS:
        return (
            f"{costs}: enough where one person asks at a time, for nobody notices that; the index "
            "is for many at once.",
        )
    return (f"{costs}: a person waits for it, and others wait longer.",)


def _outside(points: Sequence[Point], k: int, target: float) -> tuple[str, ...]:
    """Return a sentence on the fastest method outside this application, beside its own fastest."""
    enough = [p for p in points if p.reaches(target)]
    others = [p for p in enough if not p.served]
    inside = [p for p in enough if p.served and p.chosen]
    if not others:
        return ()
    best = max(others, key=lambda p: p.per_second)
    build, effort = (parameters_in_words(each, none=_NONE) for each in (best.build, best.effort))
    build, effort = (parameters_in_words(each, none=_NONE) for each in (best.build, best.effort))
    sentence = (
        f"Outside this application {best.method} ({build}; {effort}) reached "
        f"{best.per_second:,.0f} queries a second at recall@{k} {best.recall:.3f}"
    )
    if inside:
        own = max(inside, key=lambda p: p.per_second)
        ratio = best.per_second / own.per_second
        sentence += (
            f", {ratio:.1f} times the {own.per_second:,.0f} of this application's fastest, "
            f"`{own.factory}`"
            if ratio > 1
            else f", not more than this application's {own.per_second:,.0f} (`{own.factory}`)"
        )
    return (f"{sentence}.",)
