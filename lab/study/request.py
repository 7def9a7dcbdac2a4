"""The options of a study → one checked value."""

from dataclasses import dataclass
from pathlib import Path

from app.errors import UsageError
from lab.study.folder import METRICS

_MOST_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class StudyRequest:
    """What a study measures, with what and within which limits; UsageError where that cannot be.

    Parameters
    ----------
    galleries, files
        Names of galleries; files of vectors. Either of them.
    out
        The folder; None for one of the studies folder of the home, called after the vectors.
    metrics
        Of cosine, l2, ip; empty: what the file was made for, or cosine.
    k
        How many neighbours each query asks for.
    queries
        How many queries are asked, fewer where they are slow.
    methods
        Names of methods; empty for all.
    rows
        How many vectors there are to be; more than there are get drawn to resemble them. None for
        those that are there.
    target
        The recall@k that a recommended index has to reach.
    seconds, memory_bytes
        What building one index, and one search of all queries, may take; None: no limit.
    builds
        How many indexes of each method are built; None: all, or one above 300,000 rows.
    own
        Modules with further methods (`METHOD` or `METHODS`).
    retry_failed
        Whether to try again what failed.
    extraction
        Whether to measure, of galleries, how long a picture takes to become a vector.
    command
        What was typed, for the report.
    seed
        Of everything that is drawn at random.
    """

    galleries: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    out: Path | None = None
    metrics: tuple[str, ...] = ()
    k: int = 10
    queries: int = 1_000
    methods: tuple[str, ...] = ()
    rows: int | None = None
    target: float = 0.97
    seconds: float = 900.0
    memory_bytes: int | None = None
    builds: int | None = None
    own: tuple[str, ...] = ()
    retry_failed: bool = False
    extraction: bool = True
    command: str = "python -m lab study"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.galleries and not self.files:
            raise UsageError("Name what is studied: --gallery NAME or --vectors FILE.")
        if self.galleries and self.files:
            raise UsageError("Give --gallery or --vectors, not both.")
        for metric in self.metrics:
            if metric not in METRICS:
                raise UsageError(f"There is no metric {metric!r}: use {', '.join(METRICS)}.")
        _check("-k", self.k, 1, 1_000)
        _check("--queries", self.queries, 1, 100_000)
        _check("--seconds", self.seconds, 0.1, _MOST_SECONDS)
        _check("--recall", self.target, 0.01, 1)
        for name, number in (("--n", self.rows), ("--builds", self.builds)):
            if number is not None:
                _check(name, number, 1, 10**9)
        if self.memory_bytes is not None:
            _check("--memory", self.memory_bytes / 1e9, 0.01, 1e6)


def _check(name: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:
        raise UsageError(f"{name} must be from {least:g} to {most:,g}, not {number:g}.")
