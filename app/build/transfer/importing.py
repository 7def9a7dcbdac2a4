"""A folder of embeddings and metadata → a gallery; no network runs, and no picture is needed."""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.build.build import BuildReport
from app.build.commit import Origin, check_room, finish_gallery, made_by_model
from app.build.transfer.parts import Part, parts_of
from app.build.transfer.places import NETWORK, PROJECTION, Exported, read_exported
from app.build.work import Kept
from app.embed import LoadEmbedder, Model, model_named
from app.errors import DatasetError, DecodeError, GalleryError, UsageError
from app.gallery import Draft, Folders, check_name, gallery_names, recipe_of
from app.images import decode, encode
from app.index import Projection, check_factory
from app.sources.datasets.register import DATA_SETS
from app.sources.ids import fault_of
from app.sources.picture import labels_of
from app.values import ImageRecord, VectorOptions
from app.values.gallery import Manifest, request_of
from app.values.names import path_of, text_of
from app.values.vectors import unit

_BATCH_ROWS = 1_000
_DEFAULT_INDEX = "IVF100,PQ8"
_NEARLY_ONE = 1e-3  # how far rounding to 16 bits moves a vector's length from 1
_UNKNOWN = "unknown"
_THUMBNAIL_SIDE = 160
_MOST_THUMBNAIL_BYTES, _MOST_THUMBNAIL_SIDE = 100_000, 1_000
_MOST_LABEL_CHARACTERS = 200


@dataclass(frozen=True)
class ImportRequest:
    """What to make a gallery of: the `folder` of embeddings.

    `model` is the model that made them, where the folder does not say; None leaves it unknown, and
    the gallery is then searched with its own images alone. `pictures` is the folder that the paths
    in the metadata begin in, None where the originals are not here. `pca`, `expand` and `alpha` are
    as in VectorOptions, those of an exported gallery where they are None.
    """

    folder: Path
    name: str
    model: str | None = None
    index: str | None = None
    pca: int | None = None
    expand: int | None = None
    alpha: float | None = None
    pictures: Path | None = None
    force: bool = False

    def kept(self) -> dict[str, Any]:
        """Return the request as the gallery's manifest keeps it."""
        return request_of(
            embeddings=self.folder,
            name=self.name,
            model=self.model,
            index=self.index,
            pca=self.pca,
            expand=self.expand,
            alpha=self.alpha,
            pictures=self.pictures,
        )


def import_embeddings(
    request: ImportRequest,
    *,
    features_dir: Path,
    indexes_dir: Path,
    load_embedder: LoadEmbedder,
    find_model: Callable[[str], Model] = model_named,
    on_progress: Callable[[str, int, int], None],
) -> BuildReport:
    """Make a gallery of a folder of embeddings; see `app.build.transfer` for what is read.

    What `export_gallery` wrote comes back with the same ids, vectors, labels and thumbnails.
    Vectors of others are brought to length 1. UsageError for options that cannot be, DatasetError
    for a folder that does not hold together, ModelError for missing weights, StorageError if the
    disk cannot take it.
    """
    started = time.perf_counter()
    if not request.name:
        raise UsageError("A gallery of embeddings needs a name: add --name NAME.")
    check_name(request.name)
    if request.pictures is not None and not request.pictures.is_dir():
        raise DatasetError(f"{request.pictures} is not a folder: name the one with the pictures.")
    if request.name in gallery_names(indexes_dir) and not request.force:
        raise UsageError(f"The gallery {request.name} exists already: add --force to replace it.")
    exported = read_exported(request.folder)
    parts = parts_of(request.folder)
    dim, rows = parts[0].dim, sum(part.rows for part in parts)
    origin = _origin(request, exported, dim, load_embedder, find_model)
    index = request.index or (exported.manifest.index_asked if exported else _DEFAULT_INDEX)
    options = _options(request, exported)
    check_factory(index, options.dim_of(dim))
    options.check_images(rows)
    folders = Folders.of(request.name, features_dir, indexes_dir)
    # It is quick, so it always begins anew: a recipe that no other draft has.
    draft = Draft(folders, recipe=recipe_of(["embeddings", secrets.token_hex()]), dim=dim)
    try:
        check_room(folders, rows, 0, dim)
        blank = _fill(draft, parts, rows, request, exported, on_progress)
        if blank:
            note = f"of {blank} of the {rows} images no picture was found: a grey card is shown"
            origin = replace(origin, notes=(*origin.notes, note))
        skipped = tuple(exported.skipped) if exported else ()
        kept = [Kept(record, row=row) for row, record in enumerate(draft.records())]
        manifest = finish_gallery(
            draft,
            kept,
            origin,
            skipped=skipped,
            index=index,
            dim=dim,
            options=options,
            on_progress=on_progress,
        )
    except BaseException:
        draft.discard()
        raise
    return BuildReport(manifest, skipped, 0, 0.0, time.perf_counter() - started)


def _options(request: ImportRequest, exported: Exported | None) -> VectorOptions:
    """Return the request's options, and for the rest those of the exported gallery."""
    expand, alpha = request.expand, request.alpha
    if exported:
        known = exported.manifest
        if known.pca and request.pca is not None:
            raise UsageError(
                f"These vectors are {known.pca} principal components already: leave --pca out."
            )
        if expand is None and known.expand:
            expand, alpha = known.expand, known.alpha if alpha is None else alpha
    return VectorOptions.of(request.pca, expand, alpha)


def _origin(
    request: ImportRequest,
    exported: Exported | None,
    dim: int,
    load_embedder: LoadEmbedder,
    find_model: Callable[[str], Model],
) -> Origin:
    """Return where the vectors come from, as far as the folder or the request says."""
    known = exported.manifest if exported else None
    if known and known.dim != dim:
        raise DatasetError(f"{request.folder} holds vectors of {dim} numbers, not {known.dim}.")
    made_by: dict[str, Any] = {"model": _UNKNOWN, "weights_sha256": "", "preprocessing": {}}
    if known and request.model in (None, known.model):
        made_by = {key: getattr(known, key) for key in (*made_by, "precision")}
    elif known:
        raise UsageError(f"These vectors are of {known.model}: leave --model {request.model} out.")
    elif request.model is not None:
        if (model := find_model(request.model)).dim != dim:
            raise UsageError(
                f"{request.model} makes vectors of {model.dim} numbers and these "
                f"have {dim}: name the model that made them, or none."
            )
        made_by = made_by_model(load_embedder(request.model))
    else:
        note = "the model is not known: only images of the gallery can be searched with"
        made_by["notes"] = (note,)
    # Where an exported gallery's pictures were is another machine's matter, and could be any
    # folder of this one: who imports says where they are.
    sources: tuple[str, ...] = ()
    published = known is not None and not known.source and known.data in DATA_SETS
    if published and known is not None and request.pictures is None:
        data = known.data
    else:
        data, sources = request.name, (text_of((request.pictures or request.folder).resolve()),)
    projection = _projection(request.folder, known) if known and known.pca else None
    network = _network(request.folder, exported) if exported else None
    return Origin(
        data=data,
        sources=sources,
        request=request.kept(),
        projection=projection,
        network=network,
        **made_by,
    )


def _network(folder: Path, exported: Exported) -> Path | None:
    """Return the INT8 network of an exported gallery; DatasetError if it is missing."""
    if NETWORK in exported.files:
        return folder / NETWORK
    if exported.manifest.precision == "int8":
        raise DatasetError(f"{folder / NETWORK} is missing: copy the folder anew.")
    return None


def _projection(folder: Path, known: Manifest) -> Projection:
    """Return the projection of an exported gallery; DatasetError if it is missing or wrong."""
    path = folder / PROJECTION
    try:
        projection = Projection.read(path)
    except GalleryError as exc:
        raise DatasetError(f"{path} is missing or damaged: copy the folder anew.") from exc
    try:
        from_dim = model_named(known.model).dim
    except UsageError:  # a model of the other machine's own: one here may have the same name
        from_dim = projection.from_dim
    if (projection.dim, projection.from_dim) != (known.dim, from_dim):
        raise DatasetError(
            f"{path} makes {projection.dim} numbers of {projection.from_dim}, and the vectors of "
            f"{known.model} are {known.dim} of {from_dim}: copy the folder anew."
        )
    return projection


def _fill(
    draft: Draft,
    parts: list[Part],
    rows: int,
    request: ImportRequest,
    exported: Exported | None,
    on_progress: Callable[[str, int, int], None],
) -> int:
    """Put all rows into the draft; return how many have no picture to show."""
    known = _Known(request.pictures)
    blank = 0
    skipped = exported.skipped if exported else ()
    on_progress("import", 0, rows)
    with ThreadPoolExecutor(thread_name_prefix="import") as pool:
        for part in parts:
            for stored, metadata in part.batches(_BATCH_ROWS):
                vectors = _unit(stored, part.vectors, draft.rows)
                records = [known.record(row, each) for row, each in enumerate(metadata, draft.rows)]
                seen = list(pool.map(partial(_seen, request.pictures), records, metadata))
                draft.add(
                    [record for record, _ in seen],
                    [webp or encode.no_picture() for _, webp in seen],
                    vectors,
                    skipped,
                )
                skipped = ()
                blank += sum(not webp for _, webp in seen)
                on_progress("import", draft.rows, rows)
    return blank


class _Known:
    """The ids and paths of the rows so far: neither may come twice, and all or none have an id."""

    def __init__(self, pictures: Path | None) -> None:
        self._pictures = pictures
        self._keys: set[str] = set()
        self._paths: set[str] = set()

    def record(self, row: int, metadata: dict[str, Any]) -> ImageRecord:
        """Return the record of an image from its row of metadata."""
        key = _text(metadata, "key")
        location = _text(metadata, "image_path") or _text(metadata, "url") or key or str(row)
        path = _path(location, self._pictures)
        if row and bool(key) != bool(self._keys):
            raise DatasetError(f"Some rows of the metadata have a key and row {row} is not alike.")
        if key in self._keys:
            raise DatasetError(f"The key {key!r} is in the metadata twice: keys must differ.")
        if key and (fault := fault_of(key)):
            raise DatasetError(f"Row {row} of the metadata has {fault}: mend its key.")
        if path in self._paths:
            raise DatasetError(f"The path {path!r} is in the metadata twice: paths must differ.")
        if key:
            self._keys.add(key)
        self._paths.add(path)
        digest = _text(metadata, "sha256").lower()
        return ImageRecord(
            row,
            path,
            digest if re.fullmatch("[0-9a-f]{64}", digest) else "",
            _number(metadata, "width"),
            _number(metadata, "height"),
            _number(metadata, "bytes"),
            labels=_labels(metadata),
            key=key,
            metadata=_told(metadata),
        )


def _seen(
    pictures: Path | None, record: ImageRecord, metadata: dict[str, Any]
) -> tuple[ImageRecord, bytes]:
    """Return a record with its thumbnail, both made of the picture where the metadata lacks them.

    The thumbnail is b"" where there is no picture either.
    """
    webp = metadata.get("webp")
    thumbnail = webp if isinstance(webp, bytes) and _is_thumbnail(webp) else b""
    if pictures is None or (thumbnail and record.sha256 and record.width):
        return record, thumbnail
    path = PurePosixPath(record.path)
    try:
        if ".." in path.parts:
            return record, thumbnail
        data = (pictures / path_of(record.path)).read_bytes()
        image, (width, height), _ = decode.read(data, min_side=_THUMBNAIL_SIDE)
    except (OSError, ValueError, DecodeError):
        return record, thumbnail
    measured = replace(
        record,
        sha256=hashlib.sha256(data).hexdigest(),
        width=width,
        height=height,
        bytes=len(data),
    )
    return measured, thumbnail or encode.thumbnail(image)


def _is_thumbnail(data: bytes) -> bool:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) > _MOST_THUMBNAIL_BYTES:
        return False
    try:
        size = decode.read(data).size
    except DecodeError:
        return False
    return max(size) <= _MOST_THUMBNAIL_SIDE


def _unit(stored: NDArray[np.floating[Any]], path: Path, first: int) -> NDArray[np.float32]:
    """Return vectors of length 1; those that have it, but for rounding, are not touched."""
    vectors = stored.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths < np.float32(1e-12)))
    if len(bad):
        raise DatasetError(
            f"The vector of row {first + int(bad[0])} in {path} is zero or holds values that are "
            "no numbers: leave it out."
        )
    units = unit(vectors)
    has_it = np.abs(lengths - 1) < _NEARLY_ONE
    units[has_it] = vectors[has_it]
    return units


def _path(text: str, pictures: Path | None) -> str:
    """Return a path that begins in the folder of the pictures, whatever it began with elsewhere."""
    path = PurePosixPath(text)
    if pictures is not None and path.is_relative_to(pictures.resolve()):
        return str(path.relative_to(pictures.resolve()))
    return text.lstrip("/")


def _text(metadata: dict[str, Any], name: str) -> str:
    value = metadata.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(metadata: dict[str, Any], name: str) -> int:
    value = metadata.get(name)
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def _told(metadata: dict[str, Any]) -> dict[str, str | int | float]:
    """Return what is known of an image besides, as an export wrote it; {} for anything else."""
    try:
        told = json.loads(_text(metadata, "metadata") or "{}")
    except ValueError:
        return {}
    values = told.items() if isinstance(told, dict) else ()
    return {
        name: value
        for name, value in values
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


def _labels(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the labels, or the caption as the one label, sorted, each once."""
    labels = metadata.get("labels")
    if not isinstance(labels, list):
        labels = [_text(metadata, "caption")[:_MOST_LABEL_CHARACTERS]]
    return labels_of(str(each) for each in labels if each is not None)
