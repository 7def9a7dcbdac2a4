"""A folder → its files and folders, or one sentence that says why it cannot be read."""

from pathlib import Path
from typing import NamedTuple

from app.errors import DatasetError
from app.values.names import text_of


class Listing(NamedTuple):
    """A folder's content without hidden files, sorted by name; links count as their targets."""

    folders: list[Path]
    files: list[Path]


def listing(folder: Path) -> Listing:
    """Return a folder's content; DatasetError if it cannot be read."""
    content = Listing([], [])
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                content.folders.append(entry)
            elif entry.is_file():
                content.files.append(entry)
    except OSError as exc:
        raise unreadable(folder, exc) from exc
    return content


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; DatasetError if the system does not say."""
    try:
        return path.is_dir()
    except OSError as exc:
        raise unreadable(path, exc) from exc


def jpegs(folder: Path, *, suffix: str = ".jpg") -> list[Path]:
    """Return the JPEG files of a folder: the only kind in the published data sets."""
    return [file for file in listing(folder).files if file.suffix.lower() == suffix]


def unreadable(path: Path, exc: OSError) -> DatasetError:
    """Return the error for a file or folder that the system refuses to open."""
    return DatasetError(f"{text_of(path)} cannot be read ({exc.strerror}).")
