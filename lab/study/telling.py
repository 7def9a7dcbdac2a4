"""A study's progress → a bar with the time left, and a line for each step before it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lab.study.folder import Job


class Bar:
    """How far the indexes of a study are; this one shows nothing."""

    def begin(self, job: Job) -> None:
        """Show which index is built now."""

    def heard(self, told: Mapping[str, Any]) -> None:
        """Show what its process tells."""

    def done(self) -> None:
        """Count it."""


class Telling:
    """What a study says while it runs; this one says nothing."""

    def line(self, text: str) -> None:
        """Say one line."""

    @contextmanager
    def bar(self, total: int, done: int) -> Iterator[Bar]:
        """Show how many of `total` indexes are measured."""
        yield Bar()


class TerminalTelling(Telling):
    """Says it on standard error, with tqdm's bar."""

    def line(self, text: str) -> None:
        """Say one line."""
        from tqdm import tqdm

        tqdm.write(text, file=_stderr())

    @contextmanager
    def bar(self, total: int, done: int) -> Iterator[Bar]:
        """Show how many of `total` indexes are measured, and which one is at work."""
        from tqdm import tqdm

        if done:
            self.line(f"Going on after {done} of {total} indexes.")
        with tqdm(total=total, initial=done, unit=" indexes", desc="Measuring") as shown:
            yield _TqdmBar(shown)


class _TqdmBar(Bar):
    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._what, self._efforts = "", 0

    def begin(self, job: Job) -> None:
        self._what = f"{job.method} {described(job.build)} {job.metric}".replace("  ", " ")
        self._shown.set_postfix_str(f"{self._what}, building")

    def heard(self, told: Mapping[str, Any]) -> None:
        self._efforts = told.get("efforts", self._efforts)
        at_work = min(told.get("searched", 0) + 1, self._efforts)
        self._shown.set_postfix_str(f"{self._what}, search {at_work} of {self._efforts}")

    def done(self) -> None:
        self._shown.update()


def described(parameters: Mapping[str, Any]) -> str:
    """Return parameters in few words.

    >>> described({"m": 16, "factory": "Flat"})
    'm=16 factory=Flat'
    """
    return " ".join(f"{key}={value}" for key, value in parameters.items())


def _stderr() -> Any:
    import sys

    return sys.stderr
