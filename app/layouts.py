"""A published data set's folder, or a folder of one's own, turned into (path, labels) in a fixed
order; one small class a layout.

Nothing is ever written here, and no picture is opened: whether a file can be read is for
the stage that decodes it.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from xml.etree import ElementTree

from app.errors import DatasetError, NotFoundError

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"),
        *(".tif", ".tiff", ".heic", ".heif", ".avif"),
    }
)

COCO_KEYS = (
    *("images", "annotations", "categories"),
    *("id", "name", "file_name", "image_id", "category_id"),
)


@dataclass(frozen=True)
class Picture:
    """One image of a data set.

    Attributes
    ----------
    path
        Relative to the layout's `folder`, with forward slashes on every system.
    labels
        Sorted, each once; empty when nothing is known about the image.
    key
        The id that a list of pictures gave it; '' where there was no such list.
    missing
        Why a listed picture is not in the folder, in one sentence; '' where it is.
    """

    path: str
    labels: tuple[str, ...]
    # No part of the text from which a build's recipe is made: drafts of folders go on as before.
    key: str = field(default="", repr=False)
    missing: str = field(default="", repr=False)


class Layout(Protocol):
    """What every layout answers."""

    name: str
    folder: Path

    def pictures(self) -> list[Picture]:
        """Every image of `folder` in an order that stays, so that rows never move.

        That is by path (code points), or the order of the list that names them.
        """
        ...


class Caltech101:
    """``CLASS/image_NNNN.jpg``, as `data_download.sh` leaves it or as the archive unpacks.

    The label is the folder's name.
    """

    name = "caltech101"

    def __init__(self, home: Path) -> None:
        places = (
            home,
            home / "101_ObjectCategories",
            home / "caltech-101" / "101_ObjectCategories",
        )
        for place in places:
            if _is_folder(place) and any(_jpegs(folder) for folder in _listing(place).folders):
                self.folder = place
                return
        raise _not_as_published(home, "CLASS/image_0001.jpg", fetch="caltech")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg`` one folder deep, with that folder's name as its label."""
        return _in_order(
            Picture(f"{folder.name}/{image.name}", (folder.name,))
            for folder in _listing(self.folder).folders
            for image in _jpegs(folder)
        )


class Voc2012:
    """``VOCdevkit/VOC2012/{JPEGImages,Annotations}``, or the two folders without those above.

    The labels are the names of the objects in ``Annotations/<stem>.xml``.
    """

    name = "voc2012"

    def __init__(self, home: Path) -> None:
        for place in (home / "VOCdevkit" / "VOC2012", home):
            self.folder, self._annotations = place / "JPEGImages", place / "Annotations"
            if all(map(_is_folder, (self.folder, self._annotations))) and _jpegs(self.folder):
                return
        needed = "VOCdevkit/VOC2012/JPEGImages/*.jpg and VOCdevkit/VOC2012/Annotations"
        raise _not_as_published(home, needed, fetch="voc")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg``; without labels when it has no annotation.

        Raises
        ------
        DatasetError
            An annotation cannot be read.
        """
        return _in_order(
            Picture(image.name, self._labels(image.stem)) for image in _jpegs(self.folder)
        )

    def _labels(self, stem: str) -> tuple[str, ...]:
        # The name of an <object> itself: its <part>s (head, hand, foot) have names too.
        file = self._annotations / f"{stem}.xml"
        try:
            names = (each.findtext("name", "") for each in _xml(file).findall("object"))
        except FileNotFoundError:
            return ()
        return _labels(names)


class Coco:
    """``val2014/*.jpg`` and ``annotations/instances_val2014.json``.

    The labels are the names of the categories annotated in the image.
    """

    name = "coco"

    def __init__(self, home: Path) -> None:
        self.folder = home / "val2014"
        self._annotations = home / "annotations" / "instances_val2014.json"
        if not _is_folder(self.folder) or not _jpegs(self.folder):
            raise _not_as_published(home, "val2014/*.jpg", fetch="coco")
        if not self._annotations.is_file():
            raise DatasetError(f"The file {self._annotations} is missing: {_fetch('coco')}.")

    def pictures(self) -> list[Picture]:
        """Every ``.jpg``, also those that the annotations do not know (they have no labels).

        Raises
        ------
        DatasetError
            The annotations cannot be read.
        """
        labels = self._labels()
        return _in_order(
            Picture(image.name, labels.get(image.name, ())) for image in _jpegs(self.folder)
        )

    def _labels(self) -> dict[str, tuple[str, ...]]:
        try:
            with self._annotations.open(encoding="utf-8") as file:
                published = json.load(file, object_hook=_only_what_is_used)
            categories = {each["id"]: str(each["name"]) for each in published["categories"]}
            names = defaultdict(set)
            for each in published["annotations"]:
                names[each["image_id"]].add(categories[each["category_id"]])
            return {each["file_name"]: _labels(names[each["id"]]) for each in published["images"]}
        except OSError as exc:
            raise _unreadable(self._annotations, exc) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise DatasetError(
                f"{self._annotations} is not the published file ({exc!r}): "
                f"remove it, then {_fetch('coco')}."
            ) from exc


class OwnFolder:
    """A folder of one's own, at any depth; every sub-folder on the way to an image is a label.

    Hidden files and folders are left out. Linked folders are followed, but each folder is
    visited once: under its own path if it lies inside, else under the first link to it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        if not _is_folder(folder):
            state = "is not a folder" if folder.exists() else "does not exist"
            raise DatasetError(f"{folder} {state}: name a folder that holds images.")

    def pictures(self) -> list[Picture]:
        """Every file with an image's suffix, with the names of its folders as labels.

        Raises
        ------
        DatasetError
            A folder cannot be listed, or there is no image at all.
        """
        found = _in_order(
            Picture("/".join((*way, image.name)), _labels(way)) for way, image in self._images()
        )
        if not found:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise DatasetError(f"{self.folder} holds no image (a file named {suffixes}).")
        return found

    def _images(self) -> Iterator[tuple[tuple[str, ...], Path]]:
        # Folders that really lie here come before linked ones, which wait in `links`: so a
        # link never takes the place of the folder it leads to, and a loop of links ends.
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
                inside = _listing(folder)
            except DatasetError:
                if not way:
                    raise
                # Listed like a picture: the build then skips it, with the reason.
                yield way[:-1], folder
                continue
            for each in inside.folders:
                (links if each.is_symlink() else folders).append(((*way, each.name), each))
            for each in inside.files:
                if each.suffix.lower() in IMAGE_SUFFIXES:
                    yield way, each


class Listed:
    """Pictures of a list, in its order; those that could not be had are `missing`."""

    def __init__(self, name: str, folder: Path, pictures: Sequence[Picture]) -> None:
        self.name = name
        self.folder = folder
        self._pictures = list(pictures)

    def pictures(self) -> list[Picture]:
        """Every picture of the list."""
        return list(self._pictures)


DATA_SETS: Mapping[str, Callable[[Path], Layout]] = {
    Caltech101.name: Caltech101,
    Voc2012.name: Voc2012,
    Coco.name: Coco,
}
"""The published data sets: each layout's class is called with the folder ``datasets/<name>``."""

ALIASES = {"caltech": "caltech101", "voc": "voc2012"}
"""The short names that `data_download.sh` uses too."""


def open_data_set(name: str, datasets_dir: Path) -> Layout:
    """Return the layout of the published data set `name` in ``datasets_dir/<name>``.

    Raises
    ------
    NotFoundError
        There is no data set of that name.
    DatasetError
        Its folder is missing, or not laid out as published.
    """
    full_name = ALIASES.get(name, name)
    if full_name not in DATA_SETS:
        accepted = ", ".join(sorted({*DATA_SETS, *ALIASES}))
        raise NotFoundError(f'There is no data set "{name}": choose one of {accepted}.')
    home = datasets_dir / full_name
    if not _is_folder(home):
        short_name = {full: short for short, full in ALIASES.items()}.get(full_name, full_name)
        raise DatasetError(f"The folder {home} is missing: {_fetch(short_name)}.")
    return DATA_SETS[full_name](home)


def open_folder(folder: Path, name: str) -> Layout:
    """Return the layout of a folder of one's own, as the data set `name`.

    Raises
    ------
    DatasetError
        There is no such folder.
    """
    return OwnFolder(folder, name)


def _in_order(pictures: Iterable[Picture]) -> list[Picture]:
    return sorted(pictures, key=lambda picture: picture.path)


def _labels(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in names} - {""}))


class _Listing(NamedTuple):
    """What is in a folder and not hidden, sorted by name; links count as what they lead to."""

    folders: list[Path]
    files: list[Path]


def _listing(folder: Path) -> _Listing:
    listing = _Listing([], [])
    try:
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                listing.folders.append(entry)
            elif entry.is_file():
                listing.files.append(entry)
    except OSError as exc:
        raise _unreadable(folder, exc) from exc
    return listing


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _jpegs(folder: Path) -> list[Path]:
    """Return the JPEG files of a folder: the only kind in the published data sets."""
    return [file for file in _listing(folder).files if file.suffix.lower() == ".jpg"]


def _xml(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(file.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise _unreadable(file, exc) from exc
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise DatasetError(
            f"{file} is not an XML file ({exc}): put the published file in its place."
        ) from exc


def _only_what_is_used(value: dict[str, Any]) -> dict[str, Any]:
    """Keep few keys of each object while parsing: with the outlines it takes a gigabyte."""
    return {key: value[key] for key in COCO_KEYS if key in value}


def _fetch(short_name: str) -> str:
    return f'fetch it with "bash data_download.sh {short_name}"'


def _not_as_published(home: Path, needed: str, *, fetch: str) -> DatasetError:
    return DatasetError(
        f"{home} is not laid out as published (it has no {needed}): {_fetch(fetch)}."
    )


def _unreadable(path: Path, exc: OSError) -> DatasetError:
    return DatasetError(f"{path} cannot be read ({exc.strerror}).")
