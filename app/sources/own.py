"""A user's folders, or the rows of a list → pictures with their labels."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import DatasetError, UsageError
from app.images.formats import SUFFIXES
from app.sources.listing import is_folder
from app.sources.patterns import Exclusions
from app.sources.picture import Layout, OneFolder, Picture, in_order
from app.sources.walk import Walk
from app.values.names import text_of


class OwnFolder:
    """A user's folders, of any depth; every sub-folder on the path to an image is a label.

    Left out, and counted by reason, are hidden files, what systems, NAS and photo libraries put
    beside photographs (`app.sources.passed_over`), what the patterns exclude, and all that is no
    picture. A folder that lies in another of them is listed once, by the first that reaches it.
    """

    def __init__(self, folders: Sequence[Path], name: str, *, exclude: Sequence[str] = ()) -> None:
        if not folders:
            raise UsageError("A gallery of your own pictures needs a folder: name one.")
        for folder in folders:
            if not is_folder(folder):
                state = "is not a folder" if folder.exists() else "does not exist"
                raise DatasetError(f"{text_of(folder)} {state}: name a folder that holds images.")
        self.name = name
        # Those that are the same without links: once, the first.
        by_place = {os.path.realpath(folder): folder for folder in reversed(folders)}
        self._folders = tuple(reversed(by_place.values()))
        self._exclusions = Exclusions.given(exclude)
        self._left_out: Mapping[str, int] = {}

    @property
    def folder(self) -> Path:
        """The first folder."""
        return self._folders[0]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders, each once."""
        return self._folders

    @property
    def left_out(self) -> Mapping[str, int]:
        """Why files and folders were passed over → how many, once `pictures` was called."""
        return self._left_out

    def pictures(self) -> list[Picture]:
        """Return every picture, by its suffix or, without one, by its first bytes.

        `missing` are those that cannot be had, such as links to nothing, and folders that may not
        be listed.

        Raises
        ------
        DatasetError
            One of the folders cannot be listed, or there is no image at all.
        UsageError
            An ignore file holds a pattern that can match nothing.
        """
        walk = Walk(self._folders, self._exclusions)
        pictures = in_order(walk.pictures())
        self._left_out = walk.left_out()
        for folder in self._folders:
            if not is_folder(folder):
                raise DatasetError(
                    f"{text_of(folder)} went away while it was listed: see that it is connected, "
                    "then run the same command again."
                )
        if not pictures:
            raise DatasetError(self._no_picture())
        return pictures

    def _no_picture(self) -> str:
        folders = ", ".join(map(text_of, self._folders))
        reasons = ", ".join(f"{number} {reason}" for reason, number in self._left_out.items())
        return (
            f"{folders} {'hold' if len(self._folders) > 1 else 'holds'} no image (a file named "
            f"{' '.join(sorted(SUFFIXES))}{f'; left out: {reasons}' if reasons else ''})."
        )


class Listed(OneFolder):
    """Pictures of a list, in its order; those that could not be fetched are `missing`."""

    def __init__(self, name: str, folder: Path, pictures: Sequence[Picture]) -> None:
        self.name = name
        self.folder = folder
        self._pictures = list(pictures)

    def pictures(self) -> list[Picture]:
        """Return every picture of the list."""
        return list(self._pictures)


def open_folders(folders: Sequence[Path], name: str, *, exclude: Sequence[str] = ()) -> Layout:
    """Return the layout of a user's folders, as the data set `name`.

    `exclude` are patterns in the syntax of .gitignore, from each folder on; the ignore files
    `.risignore` in the folders are read too.

    Raises
    ------
    DatasetError
        There is no such folder.
    UsageError
        A pattern can match nothing, or there is no folder.
    """
    return OwnFolder(folders, name, exclude=exclude)


def open_folder(folder: Path, name: str) -> Layout:
    """Return the layout of one of a user's folders, as the data set `name`.

    Raises
    ------
    DatasetError
        There is no such folder.
    """
    return open_folders([folder], name)
