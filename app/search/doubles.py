"""The results of a search → which of them show one picture, and the best of those.

Vectors that are nearly equal say so alone. Those of a smaller or a grey copy are not, but near: of
such pairs the thumbnails are compared, first as they look from afar, which leaves out nearly all.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError
from app.features import coarse
from app.gallery import Store
from app.images import decode
from app.search.pairs import as_a_whole, of_one_shape
from app.values import ImageRecord

_NEARLY_EQUAL = 0.95  # cosine
_NEAR = 0.7  # that of a copy of half the size, or in grey, is below for one in a hundred
_MOST_LOOKED_AT = 24  # pairs, the nearest first
_MOST_COMPARED = 8  # of them: a comparison takes some milliseconds
_LIKE_FROM_AFAR = 0.9  # correlation


def doubles(
    stored: Store, images: Sequence[ImageRecord], same: Sequence[int] = ()
) -> dict[int, int]:
    """Return, by rank, the rank of the best of the results that show the same picture.

    The best has the most pixels, then the most bytes, then the first rank; it is not a key itself.
    `same` are ranks of results that are known to show one picture.
    """
    alike: dict[int, list[int]] = defaultdict(list)
    known = combinations((rank - 1 for rank in same), 2)
    for one, other in (*_pairs(stored, images), *known):
        alike[one].append(other)
        alike[other].append(one)
    better: dict[int, int] = {}
    for place in sorted(alike, key=lambda place: (*_worth(images[place]), place)):
        if place not in better:  # the best of all that are like it and have no better one yet
            better |= {other: place for other in alike[place] if other not in better}
    return {place + 1: best + 1 for place, best in sorted(better.items())}


def _worth(image: ImageRecord) -> tuple[int, int]:
    return -image.width * image.height, -image.bytes


def _pairs(stored: Store, images: Sequence[ImageRecord]) -> Iterator[tuple[int, int]]:
    """Yield the places of pairs that show one picture; none where the vectors are not here."""
    if stored.approximate or len(images) < 2:
        return
    vectors = stored.vectors(np.array([image.id for image in images], np.int64))
    cosines = np.triu(vectors @ vectors.T, 1)
    yield from ((int(one), int(other)) for one, other in np.argwhere(cosines >= _NEARLY_EQUAL))
    near = np.argwhere((cosines >= _NEAR) & (cosines < _NEARLY_EQUAL))
    order = np.argsort(-cosines[near[:, 0], near[:, 1]], kind="stable")
    alike = [
        (one, other)
        for one, other in near[order].tolist()
        if _one_shape(images[one], images[other])
    ]
    yield from _compared(stored, images, alike[:_MOST_LOOKED_AT])


def _one_shape(one: ImageRecord, other: ImageRecord) -> bool:
    sizes = (one.width, one.height), (other.width, other.height)
    return all(map(all, sizes)) and of_one_shape(*sizes)


def _compared(
    stored: Store, images: Sequence[ImageRecord], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of places whose thumbnails show one picture, as it is or mirrored."""
    places = sorted({place for pair in pairs for place in pair})
    thumbnails = stored.thumbnails([images[place].id for place in places])
    shown = {place: _pixels(data) for place, data in zip(places, thumbnails, strict=True)}
    seen = {place: coarse(pixels) for place, pixels in shown.items() if pixels is not None}
    compared = 0
    for one, other in pairs:
        here, there = shown[one], shown[other]
        if here is None or there is None:
            continue
        as_it_is, mirrored = (
            float((seen[one] * each).sum()) for each in (seen[other], seen[other][:, ::-1])
        )
        if max(as_it_is, mirrored) < _LIKE_FROM_AFAR:
            continue
        if mirrored > as_it_is:
            here = np.ascontiguousarray(here[:, ::-1])
        if as_a_whole(here, images[other], there, mirrored=False):
            yield one, other
        compared += 1
        if compared == _MOST_COMPARED:
            return


def _pixels(thumbnail: bytes) -> NDArray[np.uint8] | None:
    try:
        return decode.read_here(thumbnail).pixels
    except AppError:  # an import may have none
        return None
