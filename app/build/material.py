"""Where the vectors, features and thumbnails of a segment's images are → these, in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.build.work import Kept
from app.gallery import Gallery, SegmentWriter
from app.index import LOCAL_TRAINING_ROWS, Projection
from app.values.features import LocalFeatures, PHashes, Points, comparable

_CHUNK_ROWS = 4_096

Vectors = NDArray[np.float32]


class Rows(Protocol):
    """New vectors, those of the model itself, and thumbnails, by their rows."""

    def raw_vectors(self) -> NDArray[np.float16]:
        """Return the (rows, dim) fp16 vectors."""

    def thumbnails(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the thumbnails of rows, in their order."""

    def local_features(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the packed local features of rows, in their order."""


@dataclass(frozen=True)
class Material:
    """Where the vectors and thumbnails of kept images are: in new rows, and in a gallery.

    `projection` makes the gallery's vectors of the draft's, which are the model's own.
    """

    new: Rows | None
    gallery: Gallery | None = None
    projection: Projection | None = None

    def vectors(self, kept: Sequence[Kept], dim: int) -> Iterator[Vectors]:
        """Yield the vectors of kept images, (n, dim) float32 each, in their order."""
        raw = self.new.raw_vectors() if self.new else None
        for start in range(0, len(kept), _CHUNK_ROWS):
            part = kept[start : start + _CHUNK_ROWS]
            vectors = np.zeros((len(part), dim), np.float32)
            rows = {at: each.row for at, each in enumerate(part) if each.row is not None}
            images = {at: each.image for at, each in enumerate(part) if each.image is not None}
            if rows and raw is not None:
                drafted = raw[list(rows.values())].astype(np.float32)
                projected = self.projection.apply(drafted) if self.projection else drafted
                vectors[list(rows)] = projected
            if images and self.gallery:
                vectors[list(images)] = self.gallery.vectors(np.array(list(images.values())))
            yield vectors

    def thumbnails(self, kept: Sequence[Kept]) -> Iterator[tuple[int, bytes]]:
        """Yield the ids of kept images, each with its thumbnail."""
        for start in range(0, len(kept), _CHUNK_ROWS):
            part = kept[start : start + _CHUNK_ROWS]
            rows = [each.row for each in part if each.row is not None]
            images = [each.image for each in part if each.image is not None]
            drafted = iter(self.new.thumbnails(rows) if self.new else ())
            known = iter(self.gallery.thumbnails(images) if self.gallery else ())
            for each in part:
                yield each.record.id, next(known if each.row is None else drafted)

    def local_features(self, kept: Sequence[Kept]) -> Iterator[tuple[PHashes, Points, Vectors]]:
        """Yield hashes of kept images, and places and (n, 128) descriptors of their features."""
        for start in range(0, len(kept), _CHUNK_ROWS):
            part = kept[start : start + _CHUNK_ROWS]
            rows = [each.row for each in part if each.row is not None]
            images = [each.image for each in part if each.image is not None]
            drafted = iter(self.new.local_features(rows) if self.new else ())
            known = self._known_features(images)
            for each in part:
                if each.row is None:
                    yield next(known)
                else:
                    features = LocalFeatures.unpacked(next(drafted))
                    yield features.phash, features.points, comparable(features.descriptors)

    def _known_features(self, images: Sequence[int]) -> Iterator[tuple[PHashes, Points, Vectors]]:
        if images and self.gallery:
            ids = np.array(images)
            found = zip(self.gallery.phashes(ids), self.gallery.local_features(ids), strict=True)
            yield from ((phash, *features) for phash, features in found)


def write_local(writer: SegmentWriter, material: Material, kept: Sequence[Kept]) -> None:
    """Write the hashes and local features of kept images, in their order."""
    few = kept
    if len(kept) > LOCAL_TRAINING_ROWS:
        chosen = np.random.default_rng(0).choice(len(kept), LOCAL_TRAINING_ROWS, replace=False)
        few = [kept[at] for at in np.sort(chosen)]
    training = np.concatenate([vectors for *_, vectors in material.local_features(few)])
    expected = len(training) * len(kept) // max(1, len(few))
    writer.write_local(training, material.local_features(kept), expected)
