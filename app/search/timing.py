"""The stages of one query → the time that each takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.values import Timings


class Stopwatch:
    """Milliseconds by stage, from the moment it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        before = time.perf_counter()
        yield
        self.add(stage, time.perf_counter() - before)

    def add(self, stage: str, seconds: float) -> None:
        """Add some seconds to a stage."""
        self._spent[stage] = self._spent.get(stage, 0.0) + 1000 * seconds

    def timings(self) -> Timings:
        """Return the times measured so far, and the time since the start as the total."""
        return Timings(**self._spent, total=1000 * (time.perf_counter() - self._started))
