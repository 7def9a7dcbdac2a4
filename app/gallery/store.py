"""What the rest of the program may ask of a gallery, whatever holds it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.index import LocalMatches, Neighbours
from app.values import ImageRecord, MetadataValue, Skipped
from app.values.conditions import Condition
from app.values.features import PHashes, Points
from app.values.gallery import Manifest

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


class KnownOfImages(Protocol):
    """What is known of a gallery's images besides their looks: labels, paths, sizes, metadata."""

    def columns(self) -> list[str]:
        """Return what conditions may be put on: the program's own columns, then the metadata's."""

    def ids_where(self, conditions: Iterable[Condition]) -> Ids:
        """Return the ids of the images that all conditions, at least one, hold for, ascending.

        Of a column that the gallery does not have, no image has a value.
        """

    def column(self, name: str) -> str:
        """Return a column's own name, which may be given in other letters; the same if none is."""

    def counts(self, column: str, among: Ids) -> list[tuple[MetadataValue, int]]:
        """Return how many of some images have each value of a column, the most frequent first."""

    def in_order_of(self, column: str, ids: Ids, *, descending: bool = False) -> Ids:
        """Return (n,) ids sorted by what they have in a column; those that have nothing come last.

        Of equal ones, the lower id comes first.
        """

    def ids_of_words(self, words: Sequence[str]) -> tuple[Ids, Vectors]:
        """Return the images of which some words are written, best first, and their (n,) scores.

        A score is the share of the words that is there: 1 for an image of which all are written.
        """


class Store(Protocol):
    """An open gallery, as it was when it was opened. For any number of threads.

    An image is known by its id, which it keeps and which is never another's. `Neighbours.rows`
    holds ids here.
    """

    manifest: Manifest

    @property
    def name(self) -> str:
        """The gallery's name."""

    @property
    def rows(self) -> int:
        """How many images there are."""

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""

    @property
    def approximate(self) -> bool:
        """True without the vectors: the index's own order and scores are all there is."""

    @property
    def exact_only(self) -> bool:
        """True where every search compares every vector."""

    @property
    def projection_path(self) -> Path | None:
        """The projection of the model's vectors; None where the gallery keeps those themselves."""

    @property
    def network_path(self) -> Path | None:
        """The gallery's own INT8 network; None where it was built with the model's."""

    def replaced(self) -> bool:
        """Return whether the gallery has changed since, or is gone."""

    def close(self) -> None:
        """Let go of the files."""

    def search(self, queries: Vectors, k: int, *, exact: bool = False) -> Neighbours:
        """Return the min(k, rows) nearest ids of each of (q, dim) unit vectors, exactly scored.

        By score, then id; an `exact` search compares every vector.
        """

    def search_codes(self, queries: Vectors, k: int) -> Neighbours:
        """Return the k nearest ids as the index orders them, before they are compared exactly.

        -1 stands where the cells that were visited hold too few.
        """

    def search_among(self, query: Vectors, k: int, among: Ids) -> Neighbours:
        """Return the min(k, n) nearest of (n,) ids to one (dim,) unit vector; each is compared."""

    def scores(self, query: Vectors, ids: Ids) -> Vectors:
        """Return the (n,) cosines of a (dim,) query to (n,) ids."""

    def vectors(self, ids: Ids) -> Vectors:
        """Return the (n, dim) vectors of (n,) ids, as stored."""

    def vector(self, image: int) -> Vectors:
        """Return the (dim,) vector of an image, of norm 1."""

    @property
    def has_local(self) -> bool:
        """Whether it keeps local features, by which copies are found."""

    def local_matches(self, descriptors: Vectors, k: int) -> LocalMatches:
        """Return the k features nearest to each of (n, 128) descriptors, by the ids of images.

        Only where it `has_local`.
        """

    def local_features(self, ids: Ids) -> list[tuple[Points, Vectors]]:
        """Return the places and (n, 128) descriptors of each image's features, as stored.

        None at all of an image that was added without.
        """

    def phash_matches(self, phash: PHashes, most: int, k: int) -> Ids:
        """Return the k images whose perceptual hashes differ from (8,) one in the fewest bits.

        In at most so many; only where it `has_local`.
        """

    def ids(self) -> Ids:
        """Return the (rows,) ids of all images, ascending."""

    def images(self, ids: Sequence[int]) -> list[ImageRecord]:
        """Return the images of these ids, in their order; NotFoundError if one does not exist."""

    def thumbnail(self, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none of that id."""

    def thumbnails(self, ids: Sequence[int]) -> list[bytes]:
        """Return the small WebP pictures of these ids, in their order."""

    def ids_of_content(self, sha256: str) -> list[int]:
        """Return the ids of the images whose file has this SHA-256 (hex); none for '' (unknown)."""

    def copies(self, ids: Iterable[int]) -> list[list[int]]:
        """Return the ids of all images with a content that one of `ids` shares with another image.

        One ascending list a content. An unknown content ('') is shared with none.
        """

    def one_of_each_content(self) -> list[int]:
        """Return the lowest id of each content, ascending; every id whose content is unknown."""

    def ids_of_label(self, label: str) -> list[int]:
        """Return the ids of the images with this label, ascending; NotFoundError if it is none."""

    @property
    def known(self) -> KnownOfImages:
        """What is known of its images besides their looks."""

    def id_of(self, public_id: str) -> int:
        """Return the id of the image with this key or id; NotFoundError if there is none."""

    def random_ids(self, count: int) -> list[int]:
        """Return up to `count` different ids, drawn afresh at each call."""

    def labels(self) -> list[tuple[str, ...]]:
        """Return the labels of every image in the order of `ids`."""

    def skipped(self) -> list[Skipped]:
        """Return the files that could not be read, by path."""
