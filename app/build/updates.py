"""Updates that nobody waits for → each in a thread of its own, which can be watched."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from app.build.update import UpdateReport
from app.errors import AppError, BusyError

if TYPE_CHECKING:
    from app.values.board import Board

_LEFT_BEHIND = "The server that did it has ended: begin anew, what is embedded is kept."
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
    """Runs one update of a gallery at a time. For many threads, and processes with one `board`.

    `update` takes a gallery's name, `accept_removals` and `on_progress`.
    """

    def __init__(
        self, update: Callable[..., UpdateReport], board: "Board[UpdateProgress] | None" = None
    ) -> None:
        self._update = update
        self._board = board
        self._lock = threading.Lock()
        self._progress: dict[str, UpdateProgress] = {}
        self._stopping: set[str] = set()
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, *, accept_removals: bool = False) -> UpdateProgress:
        """Begin; BusyError while the one before is running."""
        with self._lock, contextlib.ExitStack() as stack:
            before = self.progress(name)
            busy = BusyError(f"{name} is being updated just now: wait until it is done.")
            if before.state == "running":
                raise busy
            if self._board:
                stack.enter_context(self._board.working(name, busy=busy))
            self._stopping.discard(name)
            started = UpdateProgress("running", report=before.report)
            self._put(name, started)
            thread = threading.Thread(
                target=self._run,
                args=(name, accept_removals, stack.pop_all()),
                name=f"update-{name}",
                daemon=True,
            )
            self._threads[name] = thread
            thread.start()
            return started

    def progress(self, name: str) -> UpdateProgress:
        """Return the progress of a gallery's update, whichever process does it."""
        mine = self._progress.get(name, UpdateProgress())
        if self._board is None:
            return mine
        return self._board.latest(
            name, mine, lambda left: replace(left, state="stopped", message=_LEFT_BEHIND)
        )

    def cancel(self, name: str) -> None:
        """Stop an update at its next step; what is embedded is kept for the next one."""
        with self._lock:
            self._stopping.add(name)
            mine = self._progress.get(name)
        if self._board and not (mine and mine.state == "running"):
            self._board.ask_to_stop(name)

    def forget(self, name: str) -> None:
        """Drop the last report of a gallery that is gone."""
        with self._lock:
            if self.progress(name).state != "running":
                self._progress.pop(name, None)
                if self._board:
                    self._board.forget(name)

    def close(self, timeout_seconds: float = 20) -> None:
        """Stop all updates here, and wait until they have, at most so long each."""
        for name, thread in list(self._threads.items()):
            with self._lock:
                self._stopping.add(name)
            thread.join(timeout_seconds)

    def _put(self, name: str, progress: UpdateProgress, *, step: bool = False) -> None:
        self._progress[name] = progress
        if self._board:
            self._board.write(name, progress, at_most_often=step)

    def _is_to_stop(self, name: str) -> bool:
        return name in self._stopping or bool(self._board and self._board.is_to_stop(name))

    def _run(self, name: str, accept_removals: bool, held: contextlib.ExitStack) -> None:
        def on_progress(stage: str, done: int, total: int) -> None:
            with self._lock:
                if self._is_to_stop(name):
                    raise _StoppedError
                now = replace(self._progress[name], stage=stage, done=done, total=total)
                self._put(name, now, step=True)

        before = self._progress[name].report
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
        with self._lock, held:
            self._put(name, replace(end, report=end.report or before))
