"""Single pictures, addresses or vectors → images of a gallery; and images that are taken away."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.build.change import commit_change, current_gallery
from app.build.commit import load_for
from app.build.material import Material
from app.build.work import Kept
from app.embed import Embedder, LoadEmbedder
from app.errors import DecodeError, GalleryError, QueryError, UsageError
from app.features import of_gallery_picture
from app.gallery import NO_IMAGE, Gallery, committing, sync, writing_to
from app.images import decode, encode
from app.images.facts import facts_of
from app.index import Projection
from app.sources.ids import fault_of
from app.sources.picture import labels_of
from app.values import MAX_PICTURE_BYTES, ImageRecord, Skipped
from app.values.files import replacing
from app.values.gallery import Manifest
from app.values.vectors import unit

ADDED = -1
"""The `source` of a picture that was added by itself, in `datasets/added/<gallery>/`."""


@dataclass(frozen=True)
class NewImage:
    """An image to add: a picture's file (`data`), or a vector of the gallery's model.

    `name` is what it is called, a file's name or an address. An image that has the `key` already is
    replaced.
    """

    name: str
    data: bytes = b""
    vector: NDArray[np.float32] | None = None
    key: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of an image that was given, and its public id; or why it cannot be read."""

    name: str
    became: Literal["added", "replaced", "known", "skipped"]
    public_id: int | str | None = None
    reason: str = ""


@dataclass(frozen=True)
class AddReport:
    """The ids of the images that were given, in their order, None for one that cannot be read.

    `added` are new, `replaced` had the key already, `known` were there with the same content.
    """

    manifest: Manifest
    ids: tuple[int | None, ...]
    added: int
    replaced: int
    known: int
    skipped: tuple[Skipped, ...]
    outcomes: tuple[Outcome, ...] = ()

    @property
    def public_ids(self) -> list[int | str | None]:
        """The ids that every door shows, in the order of the images."""
        return [each.public_id for each in self.outcomes]


def add_images(
    gallery: Gallery,
    new: Sequence[NewImage],
    *,
    load_embedder: LoadEmbedder,
    datasets_dir: Path,
) -> AddReport:
    """Add images to a gallery, all of them in one change; return what became of each.

    A picture whose content the gallery has is not added again, unless it comes with a key of its
    own; in a gallery with keys its name is the key of one that comes without. Its file is copied
    into `datasets_dir`/added/. UsageError for keys or vectors that cannot be, ModelError where the
    model cannot make the gallery's vectors.
    """
    new = _with_keys(gallery, new)
    _check(gallery, new)
    drafts = _Drafts(gallery, load_embedder)
    kept = [drafts.take(each) for each in new]
    folder = datasets_dir / "added" / (gallery.manifest.added or gallery.name)
    for each, image in zip(new, kept, strict=True):
        by_itself = image is not None and image.record.source == ADDED
        if image is not None and by_itself and image.record.id == NO_IMAGE and each.data:
            _store(each.data, folder / image.record.path)
    with committing(gallery.folders) as commit:
        current = current_gallery(commit, gallery)
        placed = _placed(kept, current)
        material = Material(drafts, gallery, drafts.projection)
        rows = [each.kept for each in placed if each.kept is not None]
        facts: dict[str, Any] = {"added": current.manifest.added or gallery.name} if rows else {}
        manifest = commit_change(commit, current, rows, material, **facts)
    return AddReport(
        manifest,
        tuple(each.id for each in placed),
        added=sum(each.is_new for each in placed),
        replaced=sum(each.kept is not None and not each.is_new for each in placed),
        known=sum(each.id is not None and each.kept is None for each in placed),
        skipped=tuple(drafts.skipped),
        outcomes=tuple(_outcomes(new, placed, drafts.skipped)),
    )


def together(reports: Sequence[AddReport]) -> AddReport:
    """Return one report of additions to a gallery that followed each other, at least one."""
    return AddReport(
        reports[-1].manifest,
        tuple(image for each in reports for image in each.ids),
        added=sum(each.added for each in reports),
        replaced=sum(each.replaced for each in reports),
        known=sum(each.known for each in reports),
        skipped=tuple(skip for each in reports for skip in each.skipped),
    )


def remove_images(gallery: Gallery, ids: Iterable[int]) -> Manifest:
    """Take images away from a gallery, in one change; NotFoundError if one does not exist.

    Their files stay where they are, and an update does not bring them back until they change.
    """
    gone = list(ids)
    gallery.images(gone)
    with committing(gallery.folders) as commit:
        current = current_gallery(commit, gallery)
        return commit_change(commit, current, [], Material(None, gallery), removed=gone)


def _with_keys(gallery: Gallery, new: Sequence[NewImage]) -> list[NewImage]:
    """Return the images, in a gallery with keys those that lack one with their name as the key."""
    if not gallery.has_keys:
        return list(new)
    return [each if each.key else replace(each, key=each.name) for each in new]


def _check(gallery: Gallery, new: Sequence[NewImage]) -> None:
    manifest = gallery.manifest
    if gallery.approximate:
        raise GalleryError(
            f"The vectors of {gallery.name} are not here ({gallery.folders.features}): copy them "
            "to this machine first."
        )
    keys = [each.key for each in new if each.key]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UsageError(f"The key {twice[0]!r} is given twice: keys must differ.")
    for each in new:
        if each.key and (fault := fault_of(each.key)):
            raise UsageError(f"A key has {fault}: give another one than {each.key!r}.")
        if each.key.isdigit() and not gallery.has_keys:
            raise UsageError(
                f"The images of {gallery.name} are known by numbers: give a key that is none, "
                f"not {each.key!r}."
            )
        if bool(each.data) == (each.vector is not None):
            raise UsageError(f"Give a picture or a vector for {each.name!r}, one of them.")
        if each.vector is not None and each.vector.ndim != 1:
            raise UsageError(
                f"A vector is an array of {manifest.dim} numbers, not of shape {each.vector.shape}."
            )


@dataclass
class _Drafts:
    """New images on their way: vectors of the model, thumbnails, and what cannot be read."""

    gallery: Gallery
    load_embedder: LoadEmbedder
    skipped: list[Skipped] = field(default_factory=list)
    projection: Projection | None = None
    _vectors: list[NDArray[np.float32]] = field(default_factory=list)
    _thumbnails: list[bytes] = field(default_factory=list)
    _local: list[bytes] = field(default_factory=list)
    _embedder: Embedder | None = None

    def __post_init__(self) -> None:
        path = self.gallery.projection_path
        self.projection = Projection.read(path) if path else None

    def take(self, new: NewImage) -> Kept | None:
        """Return a new image as it is kept, its id NO_IMAGE; None if it cannot be read."""
        try:
            return self._vector(new) if new.vector is not None else self._picture(new)
        except QueryError as exc:
            self.skipped.append(Skipped(new.name, str(exc), ADDED))
            return None

    def raw_vectors(self) -> NDArray[np.float16]:
        """Return the (rows, dim) vectors of the model."""
        return np.array(self._vectors, np.float16)

    def thumbnails(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the thumbnails of rows, in their order."""
        return (self._thumbnails[row] for row in rows)

    def local_features(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the packed local features of rows, in their order."""
        return (self._local[row] for row in rows)

    def _vector(self, new: NewImage) -> Kept:
        assert new.vector is not None
        dim = self.projection.from_dim if self.projection else self.gallery.dim
        vector = new.vector.astype(np.float32)
        length = float(np.sqrt(np.dot(vector, vector)))
        if len(vector) != dim or not np.isfinite(length) or length < 1e-12:
            raise UsageError(
                f"The vector of {new.name!r} must be {dim} numbers that are not all zero, as the "
                f"gallery's model makes them, not {len(vector)}."
            )
        record = ImageRecord(NO_IMAGE, new.name, "", 0, 0, 0, labels_of(new.labels), new.key, ADDED)
        return self._row(record, unit(vector), encode.no_picture())

    def _picture(self, new: NewImage) -> Kept:
        if len(new.data) > MAX_PICTURE_BYTES:
            raise DecodeError(f"{new.name} has more than {MAX_PICTURE_BYTES // 10**6} MB.")
        digest = hashlib.sha256(new.data).hexdigest()
        labels = labels_of(new.labels)
        name = f"{digest[:12]}-{PurePosixPath(new.name.replace(chr(92), '/')).name[-80:] or 'file'}"
        if same := self.gallery.images(self.gallery.ids_of_content(digest)):
            known = next((each for each in same if each.key == new.key), same[0])
            if not new.key or (known.key == new.key and labels in ((), known.labels)):
                return Kept(known, image=known.id)
            record = replace(known, id=NO_IMAGE, labels=labels)
            if known.key != new.key:
                record = replace(record, path=name, key=new.key, source=ADDED)
            return Kept(record, image=known.id)
        embedder = self._embedder or load_for(self.gallery, self.load_embedder)
        self._embedder = embedder
        pixels, (width, height), _ = decode.read(new.data, min_side=embedder.decoded_side)
        size = (width, height, len(new.data))
        told = facts_of(new.data)
        kept = ImageRecord(NO_IMAGE, name, digest, *size, labels, new.key, ADDED, metadata=told)
        vector, thumbnail = embedder.embed([pixels])[0], encode.thumbnail(pixels)
        copies = self.gallery.manifest.copies
        local = of_gallery_picture(pixels).packed() if copies else b""
        return self._row(kept, vector, thumbnail, local)

    def _row(
        self,
        record: ImageRecord,
        vector: NDArray[np.float32],
        thumbnail: bytes,
        local: bytes = b"",
    ) -> Kept:
        self._vectors.append(vector)
        self._thumbnails.append(thumbnail)
        self._local.append(local)
        return Kept(record, row=len(self._vectors) - 1)


@dataclass(frozen=True)
class _Placed:
    """The id of an image, and what is written of it: None where it is there already."""

    id: int | None
    kept: Kept | None = None
    is_new: bool = False
    key: str = ""


def _placed(kept: Sequence[Kept | None], current: Gallery) -> list[_Placed]:
    """Give each image its id: that of its key or its content, or a new one."""
    placed: list[_Placed] = []
    next_id = current.manifest.next_id
    contents: dict[tuple[str, str], int] = {}
    for each in kept:
        if each is None:
            placed.append(_Placed(None))
            continue
        record = each.record
        content = (record.sha256, record.key)
        held = current.ids_of_key(record.key) if record.key else []
        if record.id != NO_IMAGE and current.has(record.id):
            placed.append(_Placed(record.id, key=record.key))
        elif record.sha256 and content in contents:
            placed.append(_Placed(contents[content], key=record.key))
        elif not record.key and (there := current.ids_of_content(record.sha256)):
            [added] = current.images(there[:1])  # by another meanwhile
            placed.append(_Placed(added.id, key=added.key))
        elif held:
            [stored] = current.images(held)
            same = (stored.sha256, stored.labels) == (record.sha256, record.labels)
            written = replace(each, record=replace(record, id=held[0]))
            is_there = same and bool(record.sha256)
            placed.append(_Placed(held[0], None if is_there else written, key=record.key))
        else:
            contents[content] = next_id
            # What was known when the change began may have been removed since.
            new = each if record.id == NO_IMAGE else replace(each, record=_as_new(record))
            placed.append(_Placed(next_id, new, is_new=True, key=record.key))
            next_id += 1
    return placed


def _as_new(record: ImageRecord) -> ImageRecord:
    return replace(record, id=NO_IMAGE)


def _outcomes(
    new: Sequence[NewImage], placed: Sequence[_Placed], skipped: Sequence[Skipped]
) -> Iterator[Outcome]:
    reasons = iter(skipped)
    for each, at in zip(new, placed, strict=True):
        if at.id is None:
            yield Outcome(each.name, "skipped", reason=next(reasons).reason)
        elif at.kept is None:
            yield Outcome(each.name, "known", at.key or at.id)
        else:
            yield Outcome(each.name, "added" if at.is_new else "replaced", at.key or at.id)


def _store(data: bytes, path: Path) -> None:
    """Keep an added picture's file, whole or not at all."""
    if path.is_file():
        return
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new:
            new.write_bytes(data)
            sync(new)
