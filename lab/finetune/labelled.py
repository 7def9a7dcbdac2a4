"""A gallery's name → its stored vectors with a label each, and its pictures, checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.embed import Model, model_named
from app.errors import DatasetError, GalleryError, UsageError
from app.gallery import Gallery, open_gallery
from app.settings import Settings
from app.values import ImageRecord
from app.values.gallery import Manifest
from app.wiring import make_service
from lab.vectors import first_labels

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

_UNUSABLE = "Fine-tuning starts from what a network gives: "


@dataclass(frozen=True)
class Labelled:
    """The labelled images of a gallery, each file once.

    Parameters
    ----------
    gallery, model, weights_sha256
        The gallery's name, the model that made its vectors, and the hash of its weights.
    vectors
        (n, dim) float32 of length 1, as stored.
    labels, names
        (n,) int64 that index the labels' names, which are in sorted order.
    paths, sha256s
        The n pictures' paths, from the folder that the gallery was made of, and their hashes; ''
        where the gallery does not know one.
    copies
        How many images were left out since another one is of an equal file.
    """

    gallery: str
    model: Model
    weights_sha256: str
    vectors: Vectors
    labels: Rows
    names: tuple[str, ...]
    paths: tuple[str, ...]
    sha256s: tuple[str, ...]
    copies: int


def read_labelled(
    settings: Settings, name: str, *, without: str = "", per_label: int | None = None
) -> Labelled:
    """Return the images of the gallery `name` that have a label, but for those of `without`.

    With `per_label`, up to so many of each label, drawn at random but always the same.

    An image with several labels counts for the first of them by name: a picture that shows several
    things would otherwise be drawn to all of their classes at once. Of equal files the first one
    counts: a copy would be trained on and held out. NotFoundError if there is no such gallery or
    label, GalleryError if its vectors are not here, UsageError if no training can start from them.
    """
    service = make_service(settings)
    service.folder(name)  # raises NotFoundError that names the galleries
    gallery = open_gallery(
        name, features_dir=settings.features_dir, indexes_dir=settings.indexes_dir
    )
    try:
        model = _model_of(gallery.manifest)
        records = service.images(name, service.ids(name))
        labels = first_labels(records)
        if without and without not in labels:
            gallery.ids_of_label(without)  # raises NotFoundError that names a similar label
        _check_vectors(gallery)
    finally:
        gallery.close()
    vectors = service.vectors(name)
    wanted = [row for row, label in enumerate(labels) if label not in ("", without)]
    different = _different_files(wanted, records, vectors)
    chosen = _chosen(different, labels, per_label)
    names = tuple(sorted({labels[row] for row in chosen}))
    _check_labels(name, names, without)
    number = {label: place for place, label in enumerate(names)}
    return Labelled(
        gallery=name,
        model=model,
        weights_sha256=gallery.manifest.weights_sha256,
        vectors=vectors[chosen].astype(np.float32),
        labels=np.array([number[labels[row]] for row in chosen], np.int64),
        names=names,
        paths=tuple(records[row].path for row in chosen),
        sha256s=tuple(records[row].sha256 for row in chosen),
        copies=len(wanted) - len(different),
    )


def picture_reader(settings: Settings, gallery: str) -> Callable[[str], bytes]:
    """Return a function from a picture's path to its bytes; DatasetError if pictures are not here.

    The function raises DatasetError for a single one that is gone.
    """
    service = make_service(settings)
    folder = service.folder(gallery)
    missing = service.gallery(gallery).pictures_missing
    if folder is None or missing:
        raise DatasetError(
            f"Training the network needs the pictures of {gallery}, --train head does not. "
            f"{missing}"
        )

    def read(path: str) -> bytes:
        try:
            return (folder / path).read_bytes()
        except OSError as exc:
            raise DatasetError(
                f"The picture {folder / path} cannot be read ({exc.strerror}): bring it back, or "
                f"build {gallery} anew without it."
            ) from exc

    return read


def _different_files(
    rows: Sequence[int], records: Sequence[ImageRecord], vectors: Vectors
) -> list[int]:
    """Return `rows` without those whose file came before; by vectors where no hash is known."""
    first: dict[str | bytes, int] = {}
    for row in rows:
        first.setdefault(records[row].sha256 or vectors[row].tobytes(), row)
    return list(first.values())


def _chosen(rows: Sequence[int], labels: Sequence[str], per_label: int | None) -> list[int]:
    """Return the rows to take, ascending."""
    draw = np.random.default_rng(0)
    rows_of: dict[str, list[int]] = {}
    for row in rows:
        rows_of.setdefault(labels[row], []).append(row)
    taken = [draw.permutation(own)[:per_label].tolist() for own in rows_of.values()]
    return sorted(row for own in taken for row in own)


def _model_of(manifest: Manifest) -> Model:
    """Return the model of the registry that made a gallery's vectors.

    UsageError if none did, or one without a network: no gallery can be built with a head upon it.
    """
    if not manifest.preprocessing:
        raise UsageError(
            f"{_UNUSABLE}the vectors of {manifest.name} came from elsewhere, and no model here "
            "made them. Name a gallery that was built here."
        )
    if manifest.pca:
        raise UsageError(
            f"{_UNUSABLE}the vectors of {manifest.name} were centred and shortened after it. Name "
            "a gallery that was built without --pca."
        )
    try:
        model = model_named(manifest.model)
    except UsageError as exc:
        raise UsageError(
            f"{_UNUSABLE}the model {manifest.model} of {manifest.name} is none of the program's "
            "own. Name a gallery of the model that it was made of."
        ) from exc
    if model.weights is None:
        raise UsageError(
            f"{_UNUSABLE}the model {model.name} of {manifest.name} has no network. Name a gallery "
            "of another model."
        )
    return model


def _check_vectors(gallery: Gallery) -> None:
    if gallery.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here ({gallery.folders.features}), and "
            f"training starts from them. Run: {gallery.manifest.command} --force"
        )


def _check_labels(gallery: str, names: tuple[str, ...], without: str) -> None:
    left = f" without {without}" if without else ""
    if not names:
        raise UsageError(
            f"No image of {gallery} has a label{left}: put the pictures of each kind into a folder "
            "of its own, and build the gallery anew."
        )
    if len(names) == 1:
        raise UsageError(
            f"All labelled images of {gallery}{left} have the same label, {names[0]!r}: there is "
            "nothing to learn from. Name a gallery with two labels or more."
        )
