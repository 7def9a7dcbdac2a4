"""Searches for duplicates that nobody waits for → one at a time, in a thread that is watched."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from app.errors import AppError, BusyError
from app.search.duplicates import Found
from app.search.pairs import OnProgress

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FindingProgress:
    """How far a search for a gallery's duplicates is, or how the last one ended.

    The stages are those of `app.search.duplicates`; `message` says why it failed, and `found` is
    what the last one that did not has found.
    """

    state: Literal["idle", "running", "stopped", "failed", "done"] = "idle"
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    found: Found | None = None


class _StoppedError(Exception):
    """Unwinds a search that was cancelled."""


class BackgroundFinding:
    """Searches one gallery for duplicates at a time, for they take all of a core.

    For many threads. `find` takes a gallery's name and `on_progress`.
    """

    def __init__(self, find: Callable[[str, OnProgress], Found]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._progress: dict[str, FindingProgress] = {}
        self._running: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self, name: str) -> FindingProgress:
        """Begin; BusyError while a search, of whichever gallery, is running."""
        with self._lock:
            if self._running is not None:
                raise BusyError(
                    "A search for duplicates is running just now: wait until it is done."
                )
            self._stopping.clear()
            self._progress[name] = FindingProgress("running", found=self.progress(name).found)
            self._running = threading.Thread(
                target=self._run, args=[name], name=f"duplicates-{name}", daemon=True
            )
            self._running.start()
            return self._progress[name]

    def progress(self, name: str) -> FindingProgress:
        """Return the progress of a gallery's search."""
        return self._progress.get(name, FindingProgress())

    def stop(self, name: str) -> FindingProgress:
        """End a gallery's search, if it is running, at its next step; return its progress."""
        with self._lock:
            if self.progress(name).state == "running":
                self._stopping.set()
            return self.progress(name)

    def close(self, timeout_seconds: float = 20) -> None:
        """Stop the search that is running, and wait until it has, at most so long."""
        running = self._running
        self._stopping.set()
        if running is not None:
            running.join(timeout_seconds)

    def _run(self, name: str) -> None:
        def on_progress(stage: str, done: int, total: int) -> None:
            if self._stopping.is_set():
                raise _StoppedError
            self._progress[name] = replace(
                self._progress[name], stage=stage, done=done, total=total
            )

        before = self.progress(name).found
        try:
            end = FindingProgress("done", found=self._find(name, on_progress))
        except _StoppedError:
            end = FindingProgress("stopped", message="Stopped before all were compared.")
        except AppError as exc:
            end = FindingProgress("failed", message=str(exc))
        except Exception:
            _logger.exception("The gallery %s could not be searched for duplicates", name)
            mistake = (
                f"The gallery {name} could not be searched for duplicates because of a mistake in "
                "this program: the server's log shows it."
            )
            end = FindingProgress("failed", message=mistake)
        with self._lock:
            self._progress[name] = replace(end, found=end.found or before)
            self._running = None
