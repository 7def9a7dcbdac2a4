"""A gallery's images → pairs that may show one picture, and what is found when they are compared.

Candidates are the nearest by vector, which finds what is edited as a whole, and the images whose
local features an image's own vote for, which finds what it was cut out of. A pair is compared as
app/search/verify.py does it, with what the gallery keeps alone: no original is read.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError
from app.features import Fit, fit
from app.gallery import Store
from app.images import decode
from app.search.verify import Candidate, Pixels, alike, judged
from app.values import ImageRecord, Match
from app.values.features import Points, mirrored_descriptors, mirrored_places, unpack
from app.values.vectors import unit

_NEAR = 10
_MOST_COPIES_BESIDE = 100  # that may take the places of other neighbours
_NEAR_ENOUGH = 0.5  # cosine: below it, hardly any edit of a whole picture is found
_NEARLY_EQUAL = 0.85  # from here on, whole pictures are compared that no feature fits
_SAME_SHAPE = 0.03  # how much wider or higher one of two whole pictures may be
_VOTING = 64  # of an image's features, which are kept strongest first
_VOTED_FOR = 8  # features of the gallery that each votes for
_FEWEST_VOTES = 4
_MOST_VOTED = 8
_AT_ONCE = 64  # images
_KEPT = 1_000  # looks: about 150 kB each

Pair = tuple[int, int]
OnProgress = Callable[[str, int, int], None]


def near_pairs(
    stored: Store, same: Mapping[int, Sequence[int]], on_progress: OnProgress
) -> dict[Pair, float]:
    """Return pairs of images that are near by vector, lower id first, with their cosines.

    `same` maps an image that stands for a content to all that have it.
    """
    standing = {image: first for first, images in same.items() for image in images}
    firsts = np.array(list(same), np.int64)
    most = min(_MOST_COPIES_BESIDE, max(map(len, same.values()), default=1) - 1)
    pairs: dict[Pair, float] = {}
    for start in range(0, len(firsts), _AT_ONCE):
        batch = firsts[start : start + _AT_ONCE]
        found = stored.search(unit(stored.vectors(batch)), _NEAR + 1 + most)
        for first, ids, scores in zip(
            batch.tolist(), found.rows.tolist(), found.scores.tolist(), strict=True
        ):
            near = {standing[each]: score for each, score in zip(ids, scores, strict=True)}
            near.pop(first, None)
            for other, score in list(near.items())[:_NEAR]:
                if score >= _NEAR_ENOUGH:
                    pairs[min(first, other), max(first, other)] = score
        on_progress("near", min(start + _AT_ONCE, len(firsts)), len(firsts))
    return pairs


def voted_pairs(
    stored: Store, same: Mapping[int, Sequence[int]], on_progress: OnProgress
) -> set[Pair]:
    """Return pairs of images of which one's local features have their nearest in the other's."""
    standing = {image: first for first, images in same.items() for image in images}
    firsts = np.array(list(same), np.int64)
    pairs: set[Pair] = set()
    for start in range(0, len(firsts), _AT_ONCE):
        batch = firsts[start : start + _AT_ONCE]
        for first, image in _votes(stored, batch):
            other = standing[image]
            if first != other:
                pairs.add((min(first, other), max(first, other)))
        on_progress("vote", min(start + _AT_ONCE, len(firsts)), len(firsts))
    return pairs


def _votes(stored: Store, images: NDArray[np.int64]) -> Iterator[Pair]:
    """Yield each of some images with those that most of its features vote for."""
    descriptors = [found[:_VOTING] for _, found in stored.local_features(images)]
    if not sum(map(len, descriptors)):
        return
    found = stored.local_matches(unit(np.concatenate(descriptors)), _VOTED_FOR + 1)
    voting = np.repeat(np.arange(len(images)), [len(each) for each in descriptors])
    there = (found.images >= 0) & (found.images != images[voting][:, None])
    weights = found.votes(there)[there]
    places = np.broadcast_to(voting[:, None], there.shape)[there]
    keys, at = np.unique(np.stack([places, found.images[there]]), axis=1, return_inverse=True)
    at = at.ravel()
    totals, counts = np.bincount(at, weights), np.bincount(at)
    order = np.lexsort([-totals, keys[0]])
    rank = np.arange(len(order)) - np.searchsorted(keys[0][order], keys[0][order])
    chosen = order[(rank < _MOST_VOTED) & (counts[order] >= _FEWEST_VOTES)]
    yield from zip(images[keys[0][chosen]].tolist(), keys[1][chosen].tolist(), strict=True)


@dataclass(frozen=True)
class _Look:
    """An image as the gallery keeps it: its facts, its thumbnail's pixels and its features."""

    record: ImageRecord
    pixels: Pixels
    points: Points
    descriptors: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        return self.record.width, self.record.height

    @property
    def pixels_size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    @cached_property
    def places(self) -> NDArray[np.float32]:
        return unpack(self.points)

    def features(self, *, mirrored: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (n, 4) places and (n, 128) descriptors of length 1."""
        places, descriptors = self.places, unit(self.descriptors)
        if mirrored:
            return mirrored_places(places), mirrored_descriptors(descriptors)
        return places, descriptors

    def shown(self, *, mirrored: bool) -> Pixels:
        return np.ascontiguousarray(self.pixels[:, ::-1]) if mirrored else self.pixels


class Comparison:
    """Compares images of a gallery, pair by pair; for one thread.

    It keeps the looks of those that it has compared last, so pairs of one image should follow each
    other.
    """

    def __init__(self, stored: Store) -> None:
        self._stored = stored
        self._looks: OrderedDict[int, _Look | None] = OrderedDict()

    def match(self, query: int, image: int, cosine: float = 0.0) -> Match | None:
        """Return how an image shows the very picture that another one, the query, shows.

        None if it does not. `cosine` is that of their vectors, 0 where it is not near.
        """
        shown, other = self._look(query), self._look(image)
        if shown is None or other is None:
            return None
        for mirrored in (False, True) if cosine else (False,):
            match = _by_features(shown, other, mirrored=mirrored)
            if match is not None and match.is_source:
                return match
        if cosine < _NEARLY_EQUAL:
            return None
        return as_a_whole(shown.pixels, other.record, other.pixels)

    def _look(self, image: int) -> _Look | None:
        if image in self._looks:
            self._looks.move_to_end(image)
            return self._looks[image]
        look = self._looks[image] = self._new_look(image)
        if len(self._looks) > _KEPT:
            self._looks.popitem(last=False)
        return look

    def _new_look(self, image: int) -> _Look | None:
        (record,), (thumbnail,) = self._stored.images([image]), self._stored.thumbnails([image])
        ((points, descriptors),) = self._stored.local_features(np.array([image]))
        try:
            pixels = decode.read_here(thumbnail).pixels
        except AppError:  # an import may have none
            return None
        if not (record.width and record.height):  # nor know its size
            record = replace(record, width=pixels.shape[1], height=pixels.shape[0])
        return _Look(record, pixels, points, descriptors)


def _by_features(query: _Look, other: _Look, *, mirrored: bool) -> Match | None:
    """Return what the pixels say where features of both fit each other."""
    if not (len(query.points) and len(other.points)):
        return None
    places, descriptors = query.features(mirrored=mirrored)
    at, theirs = alike(descriptors, other.descriptors)
    fitted = fit(places[at], query.pixels_size, other.places[theirs], other.size)
    if fitted is None:
        return None
    candidate = Candidate(other.record.id, mirrored, fitted)
    return judged(candidate, query.shown(mirrored=mirrored), other.pixels, other.record)


def as_a_whole(
    query: Pixels, image: ImageRecord, pixels: Pixels, *, mirrored: bool | None = None
) -> Match | None:
    """Return how an image shows the query's picture, where both are whole and of one shape.

    As it is or `mirrored`, or where that is None as either.

    So those are known again that have too few features, and all where a gallery keeps none. The
    pixels are those of thumbnails.
    """
    height, width = query.shape[:2]
    size = image.width or pixels.shape[1], image.height or pixels.shape[0]
    if not of_one_shape((width, height), size):
        return None
    matrix = np.column_stack([np.diag([width / size[0], height / size[1]]), [0.0, 0.0]])
    for turned_over in (False, True) if mirrored is None else (mirrored,):
        candidate = Candidate(image.id, turned_over, Fit(matrix, 0, np.zeros(0, np.int64)))
        shown = np.ascontiguousarray(query[:, ::-1]) if turned_over else query
        match = judged(candidate, shown, pixels, image)
        if match is not None and match.is_source:
            return replace(match, score=match.agreeing)  # which no pair of features makes surer
    return None


def of_one_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two widths and heights are in nearly the same relation."""
    scales = one[0] / other[0], one[1] / other[1]
    return max(scales) <= (1 + _SAME_SHAPE) * min(scales)
