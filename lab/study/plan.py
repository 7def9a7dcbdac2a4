"""Sets and methods → the indexes to be built, the most usual first."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from itertools import zip_longest
from typing import Any

from app.errors import UsageError
from app.index import check_factory, fit_factory
from lab.methods import available
from lab.methods.method import Method, Parameters
from lab.study.application import APPLICATION
from lab.study.folder import Job
from lab.study.sets import asked_metric

MANY_ROWS = 300_000  # above, one index of each method unless more are asked for


def present(methods: Sequence[Method]) -> tuple[list[Method], dict[str, str]]:
    """Return the methods whose library is here, and for each other one the sentence why not.

    UsageError where none is left.
    """
    reasons = {method.name: available(method) for method in methods}
    missing = {name: why for name, why in reasons.items() if why}
    if len(missing) == len(methods):
        raise UsageError(f"No method is left: {' '.join(missing.values())}")
    return [method for method in methods if method.name not in missing], missing


def jobs_of(
    sets: Mapping[str, Mapping[str, Any]],
    methods: Sequence[Method],
    *,
    metrics: Sequence[str],
    builds: int | None,
) -> list[Job]:
    """Return the indexes to build, the first index of every method before the second of any.

    `sets` has the `rows` and `dim` of each. This application's own search takes the factory strings
    of all methods that have one, as far as `create_index.py` takes them.
    """
    jobs: list[Job] = []
    for name, facts in sets.items():
        rows, dim = facts["rows"], facts["dim"]
        limit = builds or (1 if rows > MANY_ROWS else None)
        for metric in metrics:
            able = [method for method in methods if _takes(method, metric)]
            builds_of = [list(method.builds(rows, dim))[:limit] for method in able]
            factories = list(_factories(able, builds_of, rows, dim))
            for place, method in enumerate(able):
                if method is APPLICATION:
                    builds_of[place] = [{"factory": factory} for factory in factories]
            jobs += [
                Job(name, metric, method.name, build)
                for turn in zip_longest(*builds_of)
                for method, build in zip(able, turn, strict=True)
                if build is not None
            ]
    if not jobs:
        raise UsageError(
            "None of these methods can run here by this metric: name others with --methods, or "
            "leave it out."
        )
    return jobs


def versions_of(methods: Sequence[Method]) -> dict[str, str]:
    """Return the version of the library of each method, by the library's name."""
    distributions = _distributions()
    found = {}
    for library in sorted({method.library.split(".")[0] for method in methods} | {"numpy"}):
        for distribution in distributions.get(library, [library])[:1]:
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:
                continue
    return found


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Return the distributions of each importable package; reading them takes half a second."""
    return packages_distributions()


def _takes(method: Method, metric: str) -> bool:
    if method is APPLICATION:  # a gallery's vectors are of length 1
        return metric == "cosine"
    return asked_metric(metric) in method.metrics


def _factories(
    methods: Sequence[Method], builds_of: Sequence[Sequence[Parameters]], rows: int, dim: int
) -> Iterator[str]:
    """Yield each factory string once, fitted to the rows, those of this application first."""
    yielded: set[str] = set()
    own = [[(APPLICATION, build) for build in APPLICATION.builds(0, dim)]]
    others = [
        [(method, build) for build in builds]
        for method, builds in zip(methods, builds_of, strict=True)
        if method is not APPLICATION
    ]
    for method, build in (each for group in own + others for each in group):
        factory = method.factory(build)
        if not factory or not _is_taken(factory, dim):
            continue
        fitted, _ = fit_factory(factory, rows, dim)
        if fitted not in yielded:
            yielded.add(fitted)
            yield fitted


def _is_taken(factory: str, dim: int) -> bool:
    try:
        check_factory(factory, dim)
    except UsageError:
        return False
    return True
