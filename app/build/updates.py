"""Updates that nobody waits for → each in a thread of its own, which can be watched."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from app.build.update import UpdateReport
from app.errors import AppError, BusyError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UpdateProgress:
    """How far a gallery's update is, or how the last one ended.

    The stages are those of `app.build.update`; `message` says why it failed, and `report` is that
    of the last one that did not.
    """

    state: Literal["idle", "running", "stopped", "failed", "done"] = "idle"
    stage: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    report: UpdateReport | None = None


class _StoppedError(Exception):
    """Unwinds an update that was cancelled."""


class BackgroundUpdates:
    """Runs one update of a gallery at a time. For many threads.

    `update` takes a gallery's name, `accept_removals` and `on_progress`.
    """

    def __init__(self, update: Callable[..., UpdateReport]) -> None:
        self._update = update
        self._lock = threading.Lock()
        self._progress: dict[str, UpdateProgress] = {}
        self._stopping: set[str] = set()
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, *, accept_removals: bool = False) -> UpdateProgress:
        """Begin; BusyError while the one before is running."""
        with self._lock:
            before = self.progress(name)
            if before.state == "running":
                raise BusyError(f"{name} is being updated just now: wait until it is done.")
            self._stopping.discard(name)
            self._progress[name] = UpdateProgress("running", report=before.report)
            thread = threading.Thread(
                target=self._run, args=(name, accept_removals), name=f"update-{name}", daemon=True
            )
            self._threads[name] = thread
            thread.start()
            return self._progress[name]

    def progress(self, name: str) -> UpdateProgress:
        """Return the progress of a gallery's update."""
        return self._progress.get(name, UpdateProgress())

    def cancel(self, name: str) -> None:
        """Stop an update at its next step; what is embedded is kept for the next one."""
        with self._lock:
            self._stopping.add(name)

    def forget(self, name: str) -> None:
        """Drop the last report of a gallery that is gone."""
        with self._lock:
            if self.progress(name).state != "running":
                self._progress.pop(name, None)

    def close(self, timeout_seconds: float = 20) -> None:
        """Stop all updates, and wait until they have, at most so long each."""
        for name, thread in list(self._threads.items()):
            self.cancel(name)
            thread.join(timeout_seconds)

    def _run(self, name: str, accept_removals: bool) -> None:
        def on_progress(stage: str, done: int, total: int) -> None:
            with self._lock:
                if name in self._stopping:
                    raise _StoppedError
                self._progress[name] = replace(
                    self._progress[name], stage=stage, done=done, total=total
                )

        before = self.progress(name).report
        try:
            report = self._update(name, accept_removals=accept_removals, on_progress=on_progress)
            end = UpdateProgress("done", report=report)
        except _StoppedError:
            end = UpdateProgress("stopped", message="Stopped: the gallery is as it was.")
        except AppError as exc:
            end = UpdateProgress("failed", message=str(exc))
        except Exception:
            _logger.exception("The gallery %s could not be updated", name)
            mistake = (
                f"The gallery {name} could not be updated because of a mistake in this program: "
                "the server's log shows it."
            )
            end = UpdateProgress("failed", message=mistake)
        with self._lock:
            self._progress[name] = replace(end, report=end.report or before)
