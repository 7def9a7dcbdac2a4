"""Folders → a call for every change in them; the only file that names watchfiles.

Of watchfiles this is the part below its functions (`RustNotify`): it says when all folders are
followed, so that what changes after that is never missed, and it can be emptied while an update is
at work, so that the events of a long one do not pile up.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from app.values.names import path_of, text_of

_STEP_MS = 100
_MOST_MS = 400  # so long at most before a stream of events is passed on
_NO_END = 0
_REFUSALS = (OSError, WatchfilesRustInternalError, UnicodeEncodeError)

OnEvents = Callable[[Iterable[str]], None]


class NotFollowedError(Exception):
    """The system does not follow the folders; the text says why, as part of a sentence."""


class FolderEvents:
    """Follows folders, with all that is in them, from a thread of its own.

    `on_events` gets the paths of what changed, as text (`app.values.names`). `on_lost` gets a
    reason when that has ended by itself: then follow the folders anew.
    """

    def __init__(self, on_events: OnEvents, on_lost: Callable[[str], None]) -> None:
        self._on_events = on_events
        self._on_lost = on_lost
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, folders: Sequence[Path]) -> None:
        """Follow these folders in place of those before; NotFollowedError if that cannot be done.

        What changes after the return is passed on.
        """
        self.close()
        if not folders:
            return
        notify = _opened([text_of(folder) for folder in folders])
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._pass_on, args=(notify, self._stop), name="folder-events", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Follow nothing any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _pass_on(self, notify: RustNotify, stop: threading.Event) -> None:
        try:
            while True:
                changes = notify.watch(_MOST_MS, _STEP_MS, _NO_END, stop)
                if isinstance(changes, str):
                    return
                self._on_events(path for _, path in changes)
        except WatchfilesRustInternalError as exc:
            self._on_lost(_reason(exc))
        finally:
            notify.close()


def _opened(folders: list[str]) -> RustNotify:
    try:
        try:
            return _notify(folders)
        except PermissionError:
            # It gives a folder up at the first sub-folder that may not be read: name the others.
            readable = [at for folder in folders for at, _, _ in os.walk(path_of(folder))]
            return _notify(list(map(text_of, readable)), ignore_permission_denied=True)
    except _REFUSALS as exc:
        raise NotFollowedError(_reason(exc)) from exc


def _notify(folders: list[str], *, ignore_permission_denied: bool = False) -> RustNotify:
    return RustNotify(
        folders,
        debug=False,
        force_polling=False,
        poll_delay_ms=0,
        recursive=True,
        ignore_permission_denied=ignore_permission_denied,
    )


def _reason(exc: Exception) -> str:
    # The error has neither a number nor a class of its own for either.
    if "MaxFilesWatch" in str(exc):
        return "there are more of them than fs.inotify.max_user_watches allows"
    if "os error 24" in str(exc):  # EMFILE
        return "there are more programs that do so than fs.inotify.max_user_instances allows"
    if isinstance(exc, UnicodeEncodeError) or "decode path" in str(exc):
        return "a name in them is not valid UTF-8"
    return f"the system refuses: {str(exc).rstrip('.')}"
