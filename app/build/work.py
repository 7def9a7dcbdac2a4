"""A batch of pictures, from their files to vectors, records and thumbnails."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.embed import Embedder
from app.errors import DecodeError
from app.features import of_gallery_picture
from app.gallery import Gallery, Place, Stamp
from app.images import decode, encode
from app.images.facts import facts_of
from app.sources.picture import Picture, file_of
from app.values import ImageRecord, Noted, Skipped


@dataclass(frozen=True)
class Kept:
    """An image of a gallery to come, and where its vector is.

    It is in a `row` of the draft, or else that of an `image` that the gallery has already. The
    record's id is given later.
    """

    record: ImageRecord
    row: int | None = None
    image: int | None = None


class Content:
    """Contents whose vectors are there already or under way: each is decoded once.

    They are in a gallery, in rows of the draft, or in the hands of one of the threads. Of those
    that cannot be decoded it keeps why. For many threads.
    """

    def __init__(self, gallery: Gallery | None) -> None:
        self.gallery = gallery
        self.rows: dict[str, Kept] = {}
        self.refused: dict[str, str] = {}
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def find(self, record: ImageRecord) -> Kept | None:
        """Return `record` with the size and vector of an image of the same content; or None."""
        known = self.rows.get(record.sha256)
        if known is None and self.gallery is not None:
            for image in self.gallery.ids_of_content(record.sha256)[:1]:
                known = Kept(self.gallery.images([image])[0], image=image)
        if known is None:
            return None
        width, height = known.record.width, known.record.height
        return replace(known, record=replace(record, width=width, height=height))

    def take(self, sha256: str) -> bool:
        """Return whether the caller is the first to ask for a content, and has to embed it."""
        with self._lock:
            if sha256 in self._taken:
                return False
            self._taken.add(sha256)
            return True


@dataclass(frozen=True)
class Batch:
    """What became of a batch's pictures.

    `vectors` are the (n, dim) unit vectors of the n `images`, in their order; `copies` have theirs
    elsewhere already; `repeats` have the content of another picture that is under way.
    """

    images: list[ImageRecord]
    thumbnails: list[bytes]
    local: list[bytes]
    vectors: NDArray[np.float32]
    skipped: list[Skipped]
    copies: list[Kept]
    repeats: list[tuple[Picture, ImageRecord]]
    stamps: Mapping[Place, Stamp]
    pictures: int
    unreadable: int
    noted: list[Noted]

    def once(self, content: Content) -> "Batch":
        """Return the batch with what has come from elsewhere meanwhile as copies of that."""
        copies = [content.find(record) for record in self.images]
        new = [place for place, copy in enumerate(copies) if copy is None]
        if len(new) == len(copies):
            return self
        return replace(
            self,
            images=[self.images[place] for place in new],
            thumbnails=[self.thumbnails[place] for place in new],
            local=[self.local[place] for place in new] if self.local else [],
            vectors=self.vectors[new],
            copies=[*self.copies, *(copy for copy in copies if copy is not None)],
        )


@dataclass(frozen=True)
class Work:
    """What a worker needs: it takes a whole batch from file to vector.

    So a picture never waits for another thread.
    """

    folders: Sequence[Path]
    embedder: Embedder
    content: Content
    copies: bool

    def embed(self, pictures: Sequence[Picture]) -> Batch:
        """Read, decode and embed pictures; those that cannot be are skipped, with the reason."""
        images, thumbnails, local, inputs = [], [], [], []
        skipped, copies, repeats = [], [], []
        stamps: dict[Place, Stamp] = {}
        unreadable = 0
        noted: list[Noted] = []
        for picture in pictures:
            if picture.missing:
                skipped.append(skip(picture, picture.missing))
                continue
            try:
                picture.path.encode()
                data = file_of(self.folders, picture).read_bytes()
                record = record_of(picture, data)
                if copy := self.content.find(record):
                    copies.append(copy)
                    continue
                if not self.content.take(record.sha256):
                    repeats.append((picture, record))
                    continue
                # The network never needs more pixels; the query is prepared alike.
                image, (width, height), notes = decode.read(
                    data, min_side=self.embedder.decoded_side
                )
            except UnicodeEncodeError:
                skipped.append(skip(picture, "Its name is not valid UTF-8: rename it."))
                continue
            except OSError as exc:
                skipped.append(skip(picture, f"It cannot be read: {exc.strerror}."))
                unreadable += 1
                continue
            except DecodeError as exc:
                self.content.refused[record.sha256] = str(exc)
                skipped.append(skip(picture, str(exc)))
                stamps[place_of(picture)] = stamp_of(picture)
                continue
            noted += [Noted(picture.path, note) for note in notes]
            inputs.append(self.embedder.prepare(image))
            thumbnails.append(encode.thumbnail(image))
            if self.copies:
                local.append(of_gallery_picture(image).packed())
            images.append(replace(record, width=width, height=height))
            stamps[place_of(picture)] = stamp_of(picture)
        vectors = self.embedder.embed_prepared(inputs)
        return Batch(
            images,
            thumbnails,
            local,
            vectors,
            skipped,
            copies,
            repeats,
            stamps,
            len(pictures),
            unreadable,
            noted,
        )


def record_of(picture: Picture, data: bytes) -> ImageRecord:
    """Return what a file's bytes say of a picture, but for its width and height."""
    digest = hashlib.sha256(data).hexdigest()
    record = ImageRecord(-1, picture.path, digest, 0, 0, len(data), metadata=facts_of(data))
    return named(record, picture)


def named(record: ImageRecord, picture: Picture) -> ImageRecord:
    """Return a record with what the list of pictures says of it."""
    return replace(record, id=-1, labels=picture.labels, key=picture.key, source=picture.source)


def place_of(picture: Picture) -> Place:
    """Return where a picture's file is."""
    return picture.source, picture.path


def stamp_of(picture: Picture) -> Stamp:
    """Return the size and time of a picture's file."""
    return picture.size, picture.mtime_ns


def skip(picture: Picture, reason: str) -> Skipped:
    """Return a skipped picture; a list's file names say nothing, so the id is named too."""
    readable = picture.path.encode(errors="backslashreplace").decode()
    reason = f"Its id is {picture.key!r}. {reason}" if picture.key else reason
    return Skipped(readable, reason, picture.source)
