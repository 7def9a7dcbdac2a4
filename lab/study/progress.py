"""A study's progress → lines for its first steps, then a bar with the time left, on the
terminal.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lab.report.wording import parameters_in_words
from lab.study.folder import Job


class Bar:
    """How many indexes of a study are measured; this one shows nothing."""

    def start(self, job: Job) -> None:
        """Show which index is built now."""

    def update(self, event: Mapping[str, Any]) -> None:
        """Show what the worker process reports: {"efforts": n} once built, then {"searched": i}."""

    def finish(self) -> None:
        """Count the index as measured."""


class Progress:
    """What a study reports while it runs; this one shows nothing."""

    def line(self, text: str) -> None:
        """Show one line."""

    @contextmanager
    def bar(self, total: int, done: int) -> Iterator[Bar]:
        """Show how many of `total` indexes are measured."""
        yield Bar()


class TerminalProgress(Progress):
    """Shows it on standard error, with tqdm's bar."""

    def line(self, text: str) -> None:
        """Print one line above the bar."""
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    @contextmanager
    def bar(self, total: int, done: int) -> Iterator[Bar]:
        """Show how many of `total` indexes are measured, and which one is at work."""
        from tqdm import tqdm

        if done:
            self.line(f"Going on after {done} of {total} indexes.")
        with tqdm(total=total, initial=done, unit=" indexes", desc="Measuring") as bar:
            yield _TqdmBar(bar)


class _TqdmBar(Bar):
    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._index, self._efforts = "", 0

    def start(self, job: Job) -> None:
        self._index = " ".join(
            filter(None, [job.method, parameters_in_words(job.build), job.metric])
        )
        self._bar.set_postfix_str(f"{self._index}, building")

    def update(self, event: Mapping[str, Any]) -> None:
        self._efforts = event.get("efforts", self._efforts)
        search = min(event.get("searched", 0) + 1, self._efforts)
        self._bar.set_postfix_str(f"{self._index}, search {search} of {self._efforts}")

    def finish(self) -> None:
        self._bar.update()
