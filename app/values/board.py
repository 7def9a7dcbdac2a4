"""How far a process's work is ↔ files in a folder that several processes share.

A job runs in one process, which writes its progress here; any other reads it, and may ask for its
end. Whoever works on a name holds its lock, which the operating system ends with the process: so
nobody else does the same, and a file that says "running" without a lock was left behind.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from app.errors import AppError, BusyError
from app.values.files import replacing
from app.values.locks import locked

_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 1.0  # others look for an instant whether the lock is held


class Progress(Protocol):
    """What can be put up."""

    @property
    def state(self) -> str:
        """Whether it is "running"."""


_Progress = TypeVar("_Progress", bound=Progress)


class Board(Generic[_Progress]):
    """The progress of one kind of work, a dataclass of `kind`, by the name of a gallery.

    `restored` turns what JSON makes of it into what `kind` can be made of. What cannot be written
    is not: the work goes on without being seen by others.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[_Progress],
        *,
        restored: Callable[[dict[str, Any]], dict[str, Any]] = lambda given: given,
    ) -> None:
        from pydantic import TypeAdapter  # of FastAPI, which a server has loaded

        self._folder = folder
        self._adapter = TypeAdapter(kind)
        self._restored = restored
        self._written: dict[str, float] = {}

    def write(self, name: str, progress: _Progress, *, at_most_often: bool = False) -> None:
        """Put up the progress; `at_most_often` passes over what comes within a second."""
        now = time.monotonic()
        if at_most_often and now - self._written.get(name, -_EVERY_SECONDS) < _EVERY_SECONDS:
            return
        self._written[name] = now
        text = json.dumps(self._adapter.dump_python(progress, mode="json"))
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(self._file(name, "json")) as new:
                new.write_text(text, encoding="utf-8")

    def read(self, name: str) -> _Progress | None:
        """Return the progress that was last put up; None where there is none, or of other code."""
        try:
            given = json.loads(self._file(name, "json").read_text(encoding="utf-8"))
            return self._adapter.validate_python(self._restored(given))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def latest(
        self, name: str, mine: _Progress, stopped: Callable[[_Progress], _Progress]
    ) -> _Progress:
        """Return the progress, whichever process does the work; `mine` where none is put up.

        What a process that was killed left behind is as `stopped` makes it.
        """
        if mine.state == "running":
            return mine
        shown = self.read(name) or mine
        if shown.state == "running" and not self.is_worked_on(name):
            # Looked at once more: it may have ended between the two.
            shown = self.read(name) or mine
            if shown.state == "running":
                return stopped(shown)
        return shown

    def forget(self, name: str) -> None:
        """Take the progress away."""
        with contextlib.suppress(OSError):
            self._file(name, "json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def working(self, name: str, *, busy: AppError) -> Iterator[None]:
        """Work on a name, as nobody else does meanwhile; raise `busy` if somebody does."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._file(name, "lock"), busy=busy, wait_seconds=_WAIT_SECONDS):
            self._file(name, "stop").unlink(missing_ok=True)
            yield

    def is_worked_on(self, name: str) -> bool:
        """Return whether some process works on a name now."""
        if not self._file(name, "lock").exists():
            return False
        try:
            with locked(self._file(name, "lock"), busy=BusyError("")):
                return False
        except (BusyError, OSError):
            return True

    def ask_to_stop(self, name: str) -> None:
        """Ask whoever works on a name to stop."""
        if self.is_worked_on(name):
            self._file(name, "stop").touch()

    def is_to_stop(self, name: str) -> bool:
        """Return whether somebody has asked for the end of what is worked on."""
        return self._file(name, "stop").exists()

    def _file(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}.{suffix}"
