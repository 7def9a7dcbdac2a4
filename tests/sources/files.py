"""Folders of files that stand for pictures."""

from pathlib import Path

from app.sources.own import open_folders


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"a picture")


def paths(*folders: Path, exclude: tuple[str, ...] = ()) -> list[str]:
    """Return the paths of the pictures that are listed in folders."""
    return [each.path for each in open_folders(folders, "own", exclude=exclude).pictures()]


def left_out(*folders: Path, exclude: tuple[str, ...] = ()) -> dict[str, int]:
    """Return how many files and folders a listing leaves out, by the reason."""
    layout = open_folders(folders, "own", exclude=exclude)
    layout.pictures()
    return dict(layout.left_out)
