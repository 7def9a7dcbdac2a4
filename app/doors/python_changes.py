"""The Python door's changes: pictures, vectors and ids → a gallery with them, or without."""

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.doors.inputs import name_of
from app.doors.python_pictures import Picture, bytes_of_picture
from app.errors import UsageError
from app.search.picture import PublicId, is_address
from app.settings import Settings
from app.values import ImageRecord
from app.wiring import make_fetch, make_keeper

if TYPE_CHECKING:
    from app.build.additions import AddReport, NewImage
    from app.build.embedding import OnProgress
    from app.build.keeper import GalleryKeeper
    from app.build.update import UpdateReport

Labels: TypeAlias = Sequence[str] | Sequence[Sequence[str]]
Removed: TypeAlias = PublicId | ImageRecord

_ONE_PICTURE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
_DIMENSIONS_OF_A_PICTURE = 3
_DIMENSIONS_OF_VECTORS = 2


class ChangeableGallery:
    """What changes a gallery; every search after it is answered from the new state."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name = name
        self._settings = settings

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        keys: str | Sequence[str] | None = None,
        labels: Labels = (),
    ) -> "AddReport":
        """Add a picture, or several in one change; return what became of each.

        `keys` are their ids, one for each; an image that has one already is replaced. `labels` are
        those of all, or a sequence for each. A picture that cannot be decoded is among the report's
        `skipped`; AppError for one that cannot be read or fetched, and then none is added.
        """
        from app.build.additions import NewImage

        fetch = make_fetch(self._settings)

        def new(picture: Picture, key: str, of_one: tuple[str, ...]) -> "NewImage":
            if isinstance(picture, str) and is_address(picture):
                return NewImage(picture, fetch(picture), key=key, labels=of_one)
            data = bytes_of_picture(picture)
            named = isinstance(picture, str | os.PathLike)
            name = os.fspath(picture) if named else name_of("picture", data)  # type: ignore[arg-type]
            return NewImage(name, data, key=key, labels=of_one)

        several = _several(pictures)
        facts = zip(several, _keys(keys, len(several)), _labels(labels, len(several)), strict=True)
        return self._keeper.add(self._name, [new(*each) for each in facts])

    def add_vectors(
        self,
        vectors: NDArray[np.floating],
        *,
        keys: str | Sequence[str] | None = None,
        labels: Labels = (),
    ) -> "AddReport":
        """Add (n, dim) vectors of the gallery's model, in one change; `keys`, `labels` as above."""
        from app.build.additions import NewImage

        rows = np.atleast_2d(np.asarray(vectors, np.float32))
        if rows.ndim != _DIMENSIONS_OF_VECTORS:
            raise UsageError(f"Vectors are an array (n, dim), not {rows.shape}.")
        facts = zip(rows, _keys(keys, len(rows)), _labels(labels, len(rows)), strict=True)
        new = [
            NewImage(key or name_of("vector", row.tobytes()), vector=row, key=key, labels=of_one)
            for row, key, of_one in facts
        ]
        return self._keeper.add(self._name, new)

    def keep_apart(self, images: Iterable[Removed]) -> int:
        """Remember that no two of some images are duplicates; return how many pairs are new.

        Images by their public ids or records; UsageError for fewer than two.
        """
        return self._keeper.keep_apart(self._name, _public_ids(images))

    def forget_apart(self, images: Iterable[Removed]) -> int:
        """Forget such decisions; return how many pairs there were."""
        return self._keeper.forget_apart(self._name, _public_ids(images))

    def remove(self, images: Removed | Iterable[Removed]) -> None:
        """Take images out, by their public ids or records: all of them or none.

        Their files stay, and no update brings them back. NotFoundError if one is not there.
        """
        one = isinstance(images, str | int | np.integer | ImageRecord)
        several: Iterable[Removed] = [images] if one else images  # type: ignore[list-item,assignment]
        self._keeper.remove(self._name, _public_ids(several))

    def update(
        self, *, accept_removals: bool = False, on_progress: "OnProgress | None" = None
    ) -> "UpdateReport":
        """Bring it up to date with its folders or its list; return what has changed.

        DatasetError where a folder is gone, or more than half of the pictures unless
        `accept_removals`. `on_progress` is called with a stage, and how much of it is done.
        """
        return self._keeper.update(
            self._name,
            accept_removals=accept_removals,
            on_progress=on_progress or (lambda stage, done, total: None),
        )

    def merge(self, other: "str | ChangeableGallery") -> tuple[int, int]:
        """Add the images of another gallery of the same model, which stays.

        Return how many were added, and how many were there already, by their content.
        """
        name = other if isinstance(other, str) else other.name
        _, added, known = self._keeper.merge(self._name, name)
        return added, known

    def set_title(self, title: str) -> None:
        """Give it a title, '' for none."""
        self._keeper.set_title(self._name, title)

    def rename(self, name: str) -> None:
        """Give it another name; UsageError if a gallery has it."""
        self._name = self._keeper.rename(self._name, name).name

    def move(self, folder: str | os.PathLike[str], *, before: str | os.PathLike[str] = "") -> None:
        """Say where its pictures are now; `before` is which of several folders has moved."""
        place = os.fspath(before)
        self._keeper.move(self._name, Path(folder).expanduser(), before=place)

    def compact(self) -> None:
        """Fold what was added into one segment, with an index; a change does it where needed."""
        self._keeper.compact(self._name)

    def delete(self) -> None:
        """Delete it; its pictures stay where they are."""
        self._keeper.delete(self._name)

    @cached_property
    def _keeper(self) -> "GalleryKeeper":
        return make_keeper(self._settings)


def _public_ids(images: Iterable[Removed]) -> list[str]:
    return [str(each.public_id if isinstance(each, ImageRecord) else each) for each in images]


def _several(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    one = isinstance(pictures, _ONE_PICTURE) or (
        isinstance(pictures, np.ndarray) and pictures.ndim <= _DIMENSIONS_OF_A_PICTURE
    )
    return [pictures] if one else list(pictures)  # type: ignore[list-item,arg-type]


def _keys(keys: str | Sequence[str] | None, count: int) -> list[str]:
    if keys is None:
        return [""] * count
    given = [keys] if isinstance(keys, str) else [str(key) for key in keys]
    if len(given) != count:
        raise UsageError(f"There are {count} images and {len(given)} keys: give one for each.")
    return given


def _labels(labels: Labels, count: int) -> list[tuple[str, ...]]:
    if isinstance(labels, str):
        labels = [labels]
    if all(isinstance(each, str) for each in labels):
        return [tuple(map(str, labels))] * count
    if len(labels) != count:
        raise UsageError(
            f"There are {count} images and labels for {len(labels)}: give labels for all, or a "
            "list for each."
        )
    return [(each,) if isinstance(each, str) else tuple(each) for each in labels]
