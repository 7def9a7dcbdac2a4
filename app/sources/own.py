"""A user's folder, or the rows of a list → pictures with their labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.errors import DatasetError
from app.images.formats import SUFFIXES
from app.sources.listing import is_folder, listing
from app.sources.picture import Layout, Picture, in_order, labels_of


class OwnFolder:
    """A user's folder, of any depth; every sub-folder on the path to an image is a label.

    Hidden files and folders are left out. Linked folders are followed, but each folder is
    visited once: under its own path if it lies inside, else under the first link to it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.folders: tuple[Path, ...] = (folder,)
        if not is_folder(folder):
            state = "is not a folder" if folder.exists() else "does not exist"
            raise DatasetError(f"{folder} {state}: name a folder that holds images.")

    def pictures(self) -> list[Picture]:
        """Return every file with an image's suffix; the names of its folders are its labels.

        Raises
        ------
        DatasetError
            A folder cannot be listed, or there is no image at all.
        """
        pictures = in_order(
            Picture("/".join((*way, image.name)), labels_of(way)) for way, image in self._images()
        )
        if not pictures:
            suffixes = " ".join(sorted(SUFFIXES))
            raise DatasetError(f"{self.folder} holds no image (a file named {suffixes}).")
        return pictures

    def _images(self) -> Iterator[tuple[tuple[str, ...], Path]]:
        # Real folders come before linked ones, which wait in `links`: so a link never takes the
        # place of the folder it leads to, and a loop of links ends.
        visited = set()
        folders: list[tuple[tuple[str, ...], Path]] = [((), self.folder)]
        links: list[tuple[tuple[str, ...], Path]] = []
        while folders or links:
            way, folder = folders.pop() if folders else links.pop(0)
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            try:
                inside = listing(folder)
            except DatasetError:
                if not way:
                    raise
                # Listed like a picture: the build then skips it, with the reason.
                yield way[:-1], folder
                continue
            for each in inside.folders:
                (links if each.is_symlink() else folders).append(((*way, each.name), each))
            for each in inside.files:
                if each.suffix.lower() in SUFFIXES:
                    yield way, each


class Listed:
    """Pictures of a list, in its order; those that could not be fetched are `missing`."""

    def __init__(self, name: str, folder: Path, pictures: Sequence[Picture]) -> None:
        self.name = name
        self.folder = folder
        self.folders: tuple[Path, ...] = (folder,)
        self._pictures = list(pictures)

    def pictures(self) -> list[Picture]:
        """Return every picture of the list."""
        return list(self._pictures)


def open_folder(folder: Path, name: str) -> Layout:
    """Return the layout of a user's folder, as the data set `name`.

    Raises
    ------
    DatasetError
        There is no such folder.
    """
    return OwnFolder(folder, name)


def open_folders(folders: "Sequence[Path]", name: str, *, exclude: "Sequence[str]" = ()) -> Layout:
    """Interim."""
    return OwnFolder(folders[0], name)
