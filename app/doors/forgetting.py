"""Uploads that nobody has asked for in an hour → gone."""

import contextlib
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

KEPT_SECONDS = 3_600.0
"""So long an upload stays after it was last asked for."""

_LOOK_SECONDS = 300.0
_OF_A_GALLERY = re.compile(r"([a-z0-9]+)-[0-9]+")  # as assets/create_upload.js names them


@contextlib.contextmanager
def forgetting(uploads: Path) -> Iterator[None]:
    """Delete old uploads in the background while the block runs."""
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_SECONDS):
            forget_old(uploads, time.time())

    thread = threading.Thread(target=look, name="forgetting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def forget_old(uploads: Path, now: float) -> None:
    """Delete what was neither sent nor asked for in `KEPT_SECONDS`, and folders left empty.

    The files of a new gallery, which the page names by one word and a number each, go together: the
    first may have come an hour before the last. What cannot be read or deleted is left to the next
    time.
    """
    together: dict[str, list[tuple[float, Path]]] = defaultdict(list)
    for folder, _, names in os.walk(uploads):  # passes over a folder that it cannot list
        for name in names:
            path = Path(folder, name)
            of_gallery = _OF_A_GALLERY.fullmatch(name)
            with contextlib.suppress(OSError):  # gone meanwhile
                if path.is_file():
                    key = of_gallery[1] if of_gallery else str(path)
                    together[key].append((path.stat().st_mtime, path))
    for files in together.values():
        if max(modified for modified, _ in files) > now - KEPT_SECONDS:
            continue
        for _, path in files:
            with contextlib.suppress(OSError):  # gone already, or in use on Windows
                path.unlink()
            with contextlib.suppress(OSError):  # other files are in it
                if path.parent != uploads:
                    path.parent.rmdir()
