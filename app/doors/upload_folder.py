"""Settings → the folder of what visitors upload: this process's own, or one that several share."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.errors import StorageError
from app.settings import Settings

_SHARED = "uploads"


@contextlib.contextmanager
def folder_for_uploads(settings: Settings) -> Iterator[Path]:
    """Give the folder while the block runs; StorageError if nothing can be written there.

    One of this process's own is new, in RIS_TEMP_DIR or the system's place, and is deleted at the
    end. Below RIS_SHARED_DIR all processes have one folder, which stays: another may have to
    search with what this one has taken. What the web server keeps of a large request goes to
    RIS_TEMP_DIR in either case.
    """
    with contextlib.ExitStack() as closing:
        try:
            if settings.temp_dir:
                settings.temp_dir.mkdir(parents=True, exist_ok=True)
                tempfile.tempdir = str(settings.temp_dir)
            if settings.shared_dir:
                folder = settings.shared_dir / _SHARED
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                tempfile.TemporaryFile(dir=folder).close()  # can it be written?
            else:
                own = tempfile.TemporaryDirectory(prefix="reverse-image-search-")
                folder = Path(closing.enter_context(own))
        except OSError as exc:
            setting = "RIS_SHARED_DIR" if settings.shared_dir else "RIS_TEMP_DIR"
            raise StorageError(
                f"There is no folder for uploads ({exc.strerror or exc}): set {setting} to one "
                "that can be written."
            ) from exc
        yield folder
