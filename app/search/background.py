"""Searches for duplicates that nobody waits for → one at a time, in a thread that is watched."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from app.errors import AppError, BusyError
from app.search.duplicates import Found
from app.search.pairs import OnProgress

if TYPE_CHECKING:
    from app.values.board import Board

_LEFT_BEHIND = "The server that searched has ended before all were compared: begin anew."
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


def restored(progress: dict[str, Any]) -> dict[str, Any]:
    """Return a progress as JSON has it, with the pairs that are keys there as pairs again."""
    found = progress["found"]
    if found:
        matches = {tuple(pair.split(",")): match for pair, match in found["matches"].items()}
        progress = progress | {"found": found | {"matches": matches}}
    return progress


class _StoppedError(Exception):
    """Unwinds a search that was cancelled."""


class BackgroundFinding:
    """Searches one gallery for duplicates at a time, for they take all of a core.

    For many threads, and processes with one `board`. `find` takes a gallery's name and
    `on_progress`.
    """

    def __init__(
        self,
        find: Callable[[str, OnProgress], Found],
        board: "Board[FindingProgress] | None" = None,
    ) -> None:
        self._find = find
        self._board = board
        self._lock = threading.Lock()
        self._progress: dict[str, FindingProgress] = {}
        self._running: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self, name: str) -> FindingProgress:
        """Begin; BusyError while a search, here of whichever gallery, is running."""
        with self._lock, contextlib.ExitStack() as stack:
            busy = BusyError("A search for duplicates is running just now: wait until it is done.")
            if self._running is not None:
                raise busy
            before = self.progress(name).found
            if self._board:
                stack.enter_context(self._board.working(name, busy=busy))
            self._stopping.clear()
            self._put(name, FindingProgress("running", found=before))
            self._running = threading.Thread(
                target=self._run,
                args=[name, stack.pop_all()],
                name=f"duplicates-{name}",
                daemon=True,
            )
            self._running.start()
            return self._progress[name]

    def progress(self, name: str) -> FindingProgress:
        """Return the progress of a gallery's search, whichever process does it."""
        mine = self._progress.get(name, FindingProgress())
        if self._board is None:
            return mine
        return self._board.latest(
            name, mine, lambda left: replace(left, state="stopped", message=_LEFT_BEHIND)
        )

    def stop(self, name: str) -> FindingProgress:
        """End a gallery's search, if it is running, at its next step; return its progress."""
        with self._lock:
            mine = self._progress.get(name)
            if mine and mine.state == "running":
                self._stopping.set()
            elif self._board:
                self._board.ask_to_stop(name)
            return self.progress(name)

    def close(self, timeout_seconds: float = 20) -> None:
        """Stop the search that is running, and wait until it has, at most so long."""
        running = self._running
        self._stopping.set()
        if running is not None:
            running.join(timeout_seconds)

    def _put(self, name: str, progress: FindingProgress, *, step: bool = False) -> None:
        self._progress[name] = progress
        if self._board:
            self._board.write(name, progress, at_most_often=step)

    def _is_to_stop(self, name: str) -> bool:
        return self._stopping.is_set() or bool(self._board and self._board.is_to_stop(name))

    def _run(self, name: str, held: contextlib.ExitStack) -> None:
        def on_progress(stage: str, done: int, total: int) -> None:
            if self._is_to_stop(name):
                raise _StoppedError
            now = replace(self._progress[name], stage=stage, done=done, total=total)
            self._put(name, now, step=True)

        before = self._progress[name].found
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
        with self._lock, held:
            self._put(name, replace(end, found=end.found or before))
            self._running = None
