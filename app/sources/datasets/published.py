"""A published data set: its names, its archives, and when its folder is whole."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from app.errors import DatasetError, UsageError
from app.sources.picture import OneFolder, Picture


@dataclass(frozen=True)
class Archive:
    """A file that a data set is downloaded as, and the folder that it becomes.

    Attributes
    ----------
    name
        What messages call it; in capitals, the beginning of its environment variables.
    url, file
        Its address, and its name as published.
    size_bytes, md5
        What is checked; None and '' where they are not known.
    inside
        The folder in the archive that is unpacked; nothing else of it is kept.
    places
        Where that folder may lie, relative to ``datasets/<data set>``: the first is where the
        download puts it, the others are how people unpack the archive by hand.
    counted
        Groups of patterns: the files of each group are together at least `images` many in a
        whole folder.
    needed
        Files that a whole folder must hold, not empty.
    images
        The number of images; 0 where nothing is counted.
    growth
        The room that the unpacked files take, as a multiple of the archive.
    packed_again
        The archive in the archive that holds `inside`; '' where it holds it itself.
    guessed_bytes
        About how large it is, where the size is not known.
    by_hand
        The page where a browser gets it when the host refuses programs; '' where it does not.
    """

    name: str
    url: str
    file: str
    md5: str
    inside: str
    places: tuple[str, ...]
    growth: float
    size_bytes: int | None = None
    counted: tuple[tuple[str, ...], ...] = ()
    needed: tuple[str, ...] = ()
    images: int = 0
    packed_again: str = ""
    guessed_bytes: int = 0
    by_hand: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that replace what is published: a field's name → variable."""
        fields = {"url": "URL", "size_bytes": "SIZE", "md5": "MD5"}
        if self.images:
            fields["images"] = "IMAGES"
        prefix = self.name.upper().replace(" ", "_")
        return {field: f"{prefix}_{ending}" for field, ending in fields.items()}

    @property
    def expected_bytes(self) -> int:
        """Its size, or about that where it is not known."""
        return self.guessed_bytes if self.size_bytes is None else self.size_bytes

    def changed_by(self, environ: Mapping[str, str]) -> "Archive":
        """Return the archive with what the environment says instead of what is published.

        An empty variable changes nothing, but an empty MD5 leaves out the check.

        Raises
        ------
        UsageError
            A size or number of images is not a whole number.
        """
        changes: dict[str, object] = {}
        for field, variable in self.variables.items():
            value = environ.get(variable, "")
            if field == "md5":
                changes[field] = environ.get(variable, self.md5)
            elif value and field == "url":
                changes[field] = value
            elif value:
                changes[field] = _whole_number(variable, value)
        return replace(self, **changes)  # type: ignore[arg-type]

    def is_whole(self, folder: Path) -> bool:
        """Return whether a folder holds as many files as were published."""
        return all(_is_filled(folder / name) for name in self.needed) and all(
            sum(_count(folder, pattern) for pattern in group) >= self.images
            for group in self.counted
        )

    def places_in(self, home: Path) -> list[Path]:
        """Return the folders where it may lie unpacked, the downloaded one first."""
        return [home / place for place in self.places]


class PublishedDataSet(OneFolder, ABC):
    """A layout of a data set that others published.

    A subclass says everything about one: the constants below, how its folder ``datasets/<name>``
    is checked (`__init__` raises DatasetError) and how pictures and labels are read from it.

    Attributes
    ----------
    name
        The data set's full name, and its folder's.
    aliases
        Shorter names; the first is the one that messages use.
    page
        The web page of its authors.
    archives
        What it is downloaded as, in that order.
    folder
        Where the paths of its pictures start.
    """

    name: str
    aliases: ClassVar[tuple[str, ...]] = ()
    page: ClassVar[str]
    archives: ClassVar[tuple[Archive, ...]]

    @abstractmethod
    def __init__(self, home: Path) -> None: ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that the pictures lie in; `folder` is the first."""
        return (self.folder,)

    @abstractmethod
    def pictures(self) -> list[Picture]:
        """Every image in the order of the paths; DatasetError if a label cannot be read."""

    @classmethod
    def short_name(cls) -> str:
        """Return the name that messages use."""
        return cls.aliases[0] if cls.aliases else cls.name

    @classmethod
    def download_command(cls) -> str:
        """Return the command that downloads it."""
        return f"bash data_download.sh {cls.short_name()}"

    @classmethod
    def how_to_fetch(cls) -> str:
        """Return the end of a sentence about files that are missing."""
        return f'fetch it with "{cls.download_command()}"'

    @classmethod
    def not_as_published(cls, home: Path, missing: str) -> DatasetError:
        """Return the error for a folder that lacks what the published one holds."""
        return DatasetError(
            f"{home} is not laid out as published (it has no {missing}): {cls.how_to_fetch()}."
        )


def _whole_number(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise UsageError(f'{variable} must be a whole number, not "{value}".')
    return int(value)


def _is_filled(file: Path) -> bool:
    try:
        return file.is_file() and file.stat().st_size > 0
    except OSError:
        return False


def _count(folder: Path, pattern: str) -> int:
    try:
        return sum(file.is_file() for file in folder.glob(pattern))
    except OSError:  # a folder that may not be read is not whole
        return 0
