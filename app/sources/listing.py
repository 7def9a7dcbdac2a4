"""A folder → what is in it; a folder that is not as it should be → one sentence that says so."""

from pathlib import Path
from typing import NamedTuple

from app.errors import DatasetError


class Listing(NamedTuple):
    """What is in a folder and not hidden, sorted by name; links count as what they lead to."""

    folders: list[Path]
    files: list[Path]


def listing(folder: Path) -> Listing:
    """Return what a folder holds; DatasetError if it cannot be read."""
    found = Listing([], [])
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                found.folders.append(entry)
            elif entry.is_file():
                found.files.append(entry)
    except OSError as exc:
        raise unreadable(folder, exc) from exc
    return found


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; DatasetError if that cannot be known."""
    try:
        return path.is_dir()
    except OSError as exc:
        raise unreadable(path, exc) from exc


def jpegs(folder: Path, *, suffix: str = ".jpg") -> list[Path]:
    """Return the JPEG files of a folder: the only kind in the published data sets."""
    return [file for file in listing(folder).files if file.suffix.lower() == suffix]


def fetch(short_name: str) -> str:
    """Return what to do about a data set that is not here."""
    return f'fetch it with "bash data_download.sh {short_name}"'


def not_as_published(home: Path, needed: str, *, fetched_as: str) -> DatasetError:
    """Return the error for a folder that lacks what the published one holds."""
    return DatasetError(
        f"{home} is not laid out as published (it has no {needed}): {fetch(fetched_as)}."
    )


def unreadable(path: Path, exc: OSError) -> DatasetError:
    """Return the error for what the system does not let us read."""
    return DatasetError(f"{path} cannot be read ({exc.strerror}).")
