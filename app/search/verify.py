"""The nearest images, and those whose features agree → which of them show the query's picture.

Candidates come from the vectors, from the local features, whose votes find a picture of which the
query is a small part, and from perceptual hashes, which find one that has too few features. Each is
fitted by a similarity transform, and then the pixels of the overlap are compared: an edited copy
agrees in nearly all of it, the next frame of a burst does not.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError
from app.features import Fit, Overlap, compare, fit, phash
from app.gallery import Store
from app.images import decode
from app.search.query import QueryPicture, QueryVector
from app.values import EDITED_COPY, SAME_FILE, SAME_PICTURE, SAME_SCENE, Corners, ImageRecord, Match
from app.values.features import comparable, unpack

_NEIGHBOURS = 8  # features of the gallery that each of the query's votes for
_MOST_VOTED = 12
_MOST_NEAR = 5  # of the nearest by vector, which are matched feature by feature
_MOST_COMPARED = 8
_MOST_BITS = 16  # of 64, in which the hashes of a picture and its copy may differ
_MOST_ALIKE = 3
_MOST_ORIGINALS = 2  # read and decoded; of the others the thumbnails are compared
_LEAST_PAIRS = 4
_LOOKED_AT_SIDE = 256
_ALIKE_DISTANCE = 0.8  # squared, between descriptors of length 1

# The evidence for an edited copy, in nats: a logistic regression on pairs of pictures of which one
# is the other's copy, and of frames of one scene, none of which is among the evaluation's
# (benchmarks/copies/fit.py).
_BY_SHARE, _BY_CLOSENESS, _BY_PAIRS, _NEEDED = 12.51, 2.41, 0.78, 23.34
_CLOSEST = 1e-3
LEAST_BLOCKS = 4
_RECOLOURED, _RECOLOURED_BLURRED = 9, 12  # levels of 255; saving again or blurring changes few
_BLURRED = 0.5  # of the image's fine detail
_NATS_A_STEP = 3  # of the confidence, which would be 0 or 1 otherwise
_SCENE_PAIRS = 10
_FEWEST_FEATURES = 12

Pixels = NDArray[np.uint8]
ReadOriginal = Callable[[Store, ImageRecord], bytes]


@dataclass(frozen=True)
class Candidate:
    """An image, and how it lies in the query, or in the mirrored query."""

    image: int
    mirrored: bool
    fit: Fit


@dataclass(frozen=True)
class Sought:
    """The images that show the query's picture or scene, the surest first.

    `sought` is whether any but its own file was looked for; `too_simple` says that the picture has
    too few features to know it again by.
    """

    matches: dict[int, Match]
    sought: bool = False
    too_simple: bool = False


def seek(
    stored: Store,
    query: QueryVector,
    nearest: Sequence[int],
    allowed: Collection[int] | None,
    read_original: ReadOriginal,
) -> Sought:
    """Return the images of a gallery that show the query's picture or scene.

    `nearest` are the ids that the vectors have found, best first; `allowed` those that filters
    leave, None for all.
    """
    found: dict[int, Match] = {}
    if query.is_plain:
        found |= {image: Match(SAME_FILE, 1.0) for image in query.own}
    if query.picture is None or not stored.has_local:
        return Sought(found)
    near = [image for image in nearest if image not in found][:_MOST_NEAR]
    fitting = _surest(_candidates(stored, query.picture, near), found, allowed)[:_MOST_COMPARED]
    settled = found.keys() | {each.image for each in fitting if each.fit.pairs >= _SCENE_PAIRS}
    whole = _surest(_alike_as_a_whole(stored, query.picture), settled, allowed)
    compared = [*fitting, *whole]  # of whole pictures the thumbnails tell enough
    verified = list(_verified(stored, query.picture, compared, read_original))
    verified.sort(key=lambda each: _place_of(each[1]))
    for image, match in verified:
        found.setdefault(image, match)
    too_simple = len(query.picture.features) < _FEWEST_FEATURES
    return Sought(found, sought=True, too_simple=too_simple)


def _surest(
    candidates: Iterator[Candidate], settled: Collection[int], allowed: Collection[int] | None
) -> list[Candidate]:
    """Return one candidate for each image that is allowed and not settled, the surest first."""
    chosen: dict[int, Candidate] = {}
    for each in sorted(candidates, key=lambda each: -each.fit.pairs):
        if each.image not in settled and (allowed is None or each.image in allowed):
            chosen.setdefault(each.image, each)
    return list(chosen.values())


def _candidates(stored: Store, picture: QueryPicture, near: Sequence[int]) -> Iterator[Candidate]:
    """Yield images whose features agree with the query's, found by votes or by vector."""
    features = picture.features
    if not len(features):
        return
    both = features, features.mirrored()
    descriptors = [comparable(each.descriptors) for each in both]
    ways = _voted(stored, descriptors) + [(image, way) for image in near for way in (False, True)]
    ids = list(dict.fromkeys(image for image, _ in ways))
    records = {record.id: record for record in stored.images(ids)}
    kept = dict(zip(ids, stored.local_features(np.array(ids, np.int64)), strict=True))
    size = picture.pixels.shape[1], picture.pixels.shape[0]
    for image, mirrored in dict.fromkeys(ways):
        points, theirs = kept[image]
        if len(points) < _LEAST_PAIRS:
            continue
        at, others = alike(descriptors[mirrored], theirs)
        fitted = fit(
            both[mirrored].places[at],
            size,
            unpack(points[others]),
            _size(records[image]),
            least=_LEAST_PAIRS,
        )
        if fitted is not None:
            yield Candidate(image, mirrored, fitted)


def _alike_as_a_whole(stored: Store, picture: QueryPicture) -> Iterator[Candidate]:
    """Yield images that look as the query does from afar, laid upon it from edge to edge."""
    height, width = picture.pixels.shape[:2]
    for mirrored, shown in ((False, picture.pixels), (True, picture.mirrored_pixels)):
        ids = stored.phash_matches(phash(shown), _MOST_BITS, _MOST_ALIKE).tolist()
        for record in stored.images(ids):
            scales = width / max(1, record.width), height / max(1, record.height)
            matrix = np.column_stack([np.diag(scales), [0.0, 0.0]])
            yield Candidate(record.id, mirrored, Fit(matrix, 0, np.zeros(0, np.int64)))


def _voted(stored: Store, descriptors: Sequence[NDArray[np.float32]]) -> list[tuple[int, bool]]:
    """Return the images in which most features of a query have their nearest, the most first.

    `descriptors` are those of the query and of its mirror image; each image comes with whether it
    was the mirror image's.
    """
    found = stored.local_matches(np.concatenate(descriptors), _NEIGHBOURS)
    there = found.images >= 0
    weights = found.votes(there)
    keys = np.where(there, 2 * found.images, -1)
    keys[len(descriptors[0]) :] += there[len(descriptors[0]) :]
    voted, places = np.unique(keys, return_inverse=True)
    totals = np.bincount(places.ravel(), weights.ravel(), minlength=len(voted))
    order = np.argsort(-totals, kind="stable")[: _MOST_VOTED + 1]
    best = [int(key) for key in voted[order] if key >= 0][:_MOST_VOTED]
    return [(key // 2, bool(key % 2)) for key in best]


def alike(
    own: NDArray[np.float32], theirs: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of features that are each other's nearest, the most alike first."""
    products = own @ theirs.T
    lengths = np.einsum("nd,nd->n", theirs, theirs)
    distances = 1 + lengths[None] - 2 * products
    nearest = distances.argmin(axis=1)
    mutual = distances.argmin(axis=0)[nearest] == np.arange(len(own))
    at = np.flatnonzero(mutual & (distances[np.arange(len(own)), nearest] < _ALIKE_DISTANCE))
    at = at[np.argsort(distances[at, nearest[at]], kind="stable")]
    return at, nearest[at]


def _verified(
    stored: Store,
    picture: QueryPicture,
    candidates: Sequence[Candidate],
    read_original: ReadOriginal,
) -> Iterator[tuple[int, Match]]:
    """Yield the candidates whose pixels say that they show the query's picture, or scene."""
    ids = [each.image for each in candidates]
    records = stored.images(ids)
    thumbnails = stored.thumbnails(ids)
    for place, (each, record, thumbnail) in enumerate(
        zip(candidates, records, thumbnails, strict=True)
    ):
        pixels, is_original = _pixels(
            stored, record, thumbnail, read_original if place < _MOST_ORIGINALS else None
        )
        if pixels is None:
            continue
        shown = picture.mirrored_pixels if each.mirrored else picture.pixels
        match = judged(each, shown, pixels, record)
        if match is not None:
            yield each.image, replace(match, probably=not is_original and place < _MOST_ORIGINALS)


def _pixels(
    stored: Store, record: ImageRecord, thumbnail: bytes, read_original: ReadOriginal | None
) -> tuple[Pixels | None, bool]:
    """Return the pixels of an image's original, or of its thumbnail; and which it is."""
    if read_original is not None:
        try:
            data = read_original(stored, record)
            return decode.decode(data, min_side=_LOOKED_AT_SIDE), True
        except AppError:  # it is not here, or another one is
            pass
    try:
        return decode.read_here(thumbnail).pixels, False
    except AppError:
        return None, False


def judged(
    candidate: Candidate, shown: Pixels, pixels: Pixels, record: ImageRecord
) -> Match | None:
    """Return what the pixels of a candidate say: how it shows the query; None if they don't.

    `shown` are the query's pixels, mirrored where the candidate lies in those; `pixels` are the
    image's, of its thumbnail or its original, while the candidate's fit is of the whole size.
    """
    height, width = pixels.shape[:2]
    full = np.diag([record.width / width, record.height / height])
    matrix = np.column_stack([candidate.fit.matrix[:, :2] @ full, candidate.fit.matrix[:, 2]])
    overlap = compare(shown, pixels, matrix)
    if overlap is None:
        return None
    refined = np.column_stack([overlap.matrix[:, :2] @ np.linalg.inv(full), overlap.matrix[:, 2]])
    return _judged(candidate, replace(overlap, matrix=refined), shown, record)


def _judged(
    candidate: Candidate, overlap: Overlap, shown: Pixels, record: ImageRecord
) -> Match | None:
    """Return what the comparison says; None where it says nothing."""
    pairs = candidate.fit.pairs
    evidence = _evidence(overlap, pairs)
    is_copy = evidence > 0
    if not is_copy and pairs < _SCENE_PAIRS:
        return None
    turn = _turn(overlap.matrix)
    reasons = _reasons(overlap, turn, mirrored=candidate.mirrored) if is_copy else []
    kind = (EDITED_COPY if reasons else SAME_PICTURE) if is_copy else SAME_SCENE
    height, width = shown.shape[:2]
    matrix = overlap.matrix
    if candidate.mirrored:
        matrix = np.array([[-1], [1]]) * matrix
        matrix[0, 2] += width
    size = record.width, record.height
    return Match(
        kind,
        score=round(1 / (1 + math.exp(-evidence / _NATS_A_STEP)), 4),
        reason=", ".join(reasons),
        pairs=pairs,
        agreeing=round(overlap.agreeing, 4),
        of_query=round(overlap.of_query, 4),
        of_image=round(overlap.of_other, 4),
        mirrored=candidate.mirrored,
        turn=round(turn, 1),
        matrix=tuple(round(float(each), 6) for each in matrix.ravel()),
        in_query=_region(size, (width, height), matrix),
        in_image=_region((width, height), size, _inverse(matrix)),
    )


def _place_of(match: Match) -> tuple[float, ...]:
    """Return the key to sort matches by.

    Of a picture and a part of it the one comes first that shows more of the query, and of two that
    are about as sure the one to which less was done.
    """
    shows = match.score * match.of_query
    kind = (SAME_PICTURE, EDITED_COPY, SAME_SCENE).index(match.kind)
    return kind, -round(shows, 1), len(match.reason.split(", ")), -shows


def _evidence(overlap: Overlap, pairs: int) -> float:
    """Return how much speaks for an edited copy, more than 0, or against it, less.

    The share of the blocks that agree beside a bar, how closely they do, how many places fit.
    """
    if overlap.blocks < LEAST_BLOCKS:
        return -_NEEDED
    return (
        _BY_SHARE * overlap.uncovered
        - _BY_CLOSENESS * math.log(max(1 - overlap.closeness, _CLOSEST))
        + _BY_PAIRS * math.log(max(pairs, 1))
        - _NEEDED
    )


def _reasons(overlap: Overlap, turn: float, *, mirrored: bool) -> list[str]:
    """Return what was done to the picture, in words; nothing where it is the whole as it is."""
    reasons = []
    if overlap.of_other < 0.96:
        reasons.append(f"cropped to {max(1, round(100 * overlap.of_other))} %")
    if mirrored:
        reasons.append("mirrored")
    if abs(turn) >= 2:
        reasons.append(f"turned by {abs(turn):.0f}° {'right' if turn > 0 else 'left'}")
    if overlap.of_query < 0.9 and not (abs(turn) >= 2 and overlap.of_query > 0.5):
        reasons.append("inside a larger picture")
    is_blurred = overlap.sharpness() < _BLURRED
    if overlap.greyed():
        reasons.append("in grey")
    elif overlap.colour() > (_RECOLOURED_BLURRED if is_blurred else _RECOLOURED):
        reasons.append("recoloured")
    if is_blurred:
        reasons.append("blurred")
    if overlap.agreeing < 0.9:
        reasons.append("partly covered")
    return reasons


def _turn(matrix: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])))


def _region(size: tuple[int, int], into: tuple[int, int], matrix: NDArray[np.float64]) -> Corners:
    """Return where a picture of one size lies in another, as fractions, clipped to it."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    moved = (corners @ matrix[:, :2].T + matrix[:, 2]) / into
    clipped = _clipped([(float(x), float(y)) for x, y in moved])
    return tuple((round(x, 4), round(y, 4)) for x, y in clipped)


def _clipped(polygon: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a convex polygon cut to the unit square (Sutherland and Hodgman, CACM 1974)."""
    for axis, bound, sign in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
        cut: list[tuple[float, float]] = []
        for start, end in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            inside = sign * (start[axis] - bound) >= 0, sign * (end[axis] - bound) >= 0
            if inside[0]:
                cut.append(start)
            if inside[0] != inside[1]:
                share = (bound - start[axis]) / (end[axis] - start[axis])
                x, y = (start[i] + share * (end[i] - start[i]) for i in range(2))
                cut.append((x, y))
        polygon = cut
    return polygon


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    turned = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turned, -turned @ matrix[:, 2]])


def _size(record: ImageRecord) -> tuple[int, int]:
    return max(1, record.width), max(1, record.height)
