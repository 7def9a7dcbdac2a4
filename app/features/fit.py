"""Pairs of features that look alike → the one transform that most of them agree with.

Each pair of SIFT features alone gives a whole similarity transform: its turn, its scale and its
shift. So every pair is tried as the hypothesis, without drawing at random, and the one with the
most agreeing pairs is refined by least squares. Pairs are counted by distinct places on both
sides, and the scale is bounded: without that, unrelated pictures reach dozens of pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float32]
_MOST_PAIRS = 200
_TOLERANCE = 0.02  # of the query's diagonal
_MOST_TURN = np.radians(25)  # that two features of one pair may differ from the transform
_MOST_SCALE = np.log(2.0)
_SCALES = (1 / 12, 12.0)
_SAME_PLACE = 0.012  # of the diagonal: nearer than that, two features are one


@dataclass(frozen=True)
class Fit:
    """How a gallery's picture lies in a query.

    `matrix` is (2, 3) float64 and maps pixels of the gallery's picture to pixels of the query;
    `pairs` counts the distinct places that agree. `agreeing` are their (n,) places among the pairs
    that were given.
    """

    matrix: NDArray[np.float64]
    pairs: int
    agreeing: NDArray[np.int64]

    @property
    def scale(self) -> float:
        """How much larger the query shows the picture."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    @property
    def turn(self) -> float:
        """How far the query shows the picture turned, in degrees, clockwise, -180 to 180."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


def fit(
    query: Places,
    query_size: tuple[int, int],
    other: Places,
    other_size: tuple[int, int],
    *,
    least: int = 4,
) -> Fit | None:
    """Return the similarity transform that most of n pairs of places agree with.

    `query` and `other` are (n, 4) places of features, pair by pair, the likeliest first; sizes are
    widths and heights in pixels. None where fewer than `least` distinct ones agree.
    """
    query, other = query[:_MOST_PAIRS], other[:_MOST_PAIRS]
    if len(query) < least:
        return None
    to, across = _in_pixels(query, query_size)
    source, source_diagonal = _in_pixels(other, other_size)
    turns = _angle(query[:, 3] - other[:, 3])
    scales = np.log(query[:, 2] * across / (other[:, 2] * source_diagonal))
    best = _best_hypothesis(to, source, turns, scales, _TOLERANCE * across)
    if best is None or len(best) < least:
        return None
    matrix = _least_squares(source[best], to[best])
    for _ in range(2):  # those that agree with the refined one, which may be more
        if matrix is None:
            return None
        off = np.linalg.norm(source @ matrix[:, :2].T + matrix[:, 2] - to, axis=1)
        turn = np.arctan2(matrix[1, 0], matrix[0, 0])
        scale = np.log(max(np.hypot(matrix[0, 0], matrix[1, 0]), 1e-6))
        agree = (
            (off < _TOLERANCE * across)
            & (np.abs(_angle(turns - turn)) < _MOST_TURN)
            & (np.abs(scales - scale) < _MOST_SCALE)
        )
        best = np.flatnonzero(agree)
        if len(best) < least:
            return None
        matrix = _least_squares(source[best], to[best])
    if matrix is None or not _SCALES[0] < np.hypot(matrix[0, 0], matrix[1, 0]) < _SCALES[1]:
        return None
    best = _distinct(best, to / across, source / source_diagonal)
    return Fit(matrix, len(best), best) if len(best) >= least else None


def _in_pixels(places: Places, size: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    width, height = size
    return places[:, :2].astype(np.float64) * (width, height), float(np.hypot(width, height))


def _angle(radians: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return angles between -π and π."""
    turned: NDArray[np.float64] = (radians.astype(np.float64) + np.pi) % (2 * np.pi) - np.pi
    return turned


def _best_hypothesis(
    to: NDArray[np.float64],
    source: NDArray[np.float64],
    turns: NDArray[np.float64],
    scales: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.int64] | None:
    """Return the pairs that agree with the transform of that one with which most do."""
    usable = (scales > np.log(_SCALES[0])) & (scales < np.log(_SCALES[1]))
    if not usable.any():
        return None
    size = np.exp(scales)
    cosine, sine = size * np.cos(turns), size * np.sin(turns)
    # (h, n): where hypothesis h puts the place of pair n.
    x = cosine[:, None] * source[None, :, 0] - sine[:, None] * source[None, :, 1]
    y = sine[:, None] * source[None, :, 0] + cosine[:, None] * source[None, :, 1]
    shift_x, shift_y = to[:, 0] - x.diagonal(), to[:, 1] - y.diagonal()
    off = np.hypot(x + shift_x[:, None] - to[None, :, 0], y + shift_y[:, None] - to[None, :, 1])
    # One feature's size and turn are rough: what it is far from, it predicts badly.
    allowed = tolerance + 0.08 * np.hypot(
        to[:, None, 0] - to[None, :, 0], to[:, None, 1] - to[None, :, 1]
    )
    agree = (
        (off < allowed)
        & (np.abs(_angle(turns[None] - turns[:, None])) < _MOST_TURN)
        & (np.abs(scales[None] - scales[:, None]) < _MOST_SCALE)
        & usable[:, None]
    )
    return np.flatnonzero(agree[agree.sum(axis=1).argmax()])


def _least_squares(
    source: NDArray[np.float64], to: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the (2, 3) similarity that maps `source` to `to` best; None if all are one place."""
    from_centre, to_centre = source.mean(axis=0), to.mean(axis=0)
    a, b = source - from_centre, to - to_centre
    spread = float((a * a).sum())
    if spread < 1e-6:
        return None
    cosine = float((a * b).sum()) / spread
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turned = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turned, to_centre - turned @ from_centre])


def _distinct(
    pairs: NDArray[np.int64], to: NDArray[np.float64], source: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the pairs whose places, on both sides, are not those of another one before."""
    kept: list[int] = []
    for pair in pairs.tolist():
        if kept:
            near = np.linalg.norm(to[kept] - to[pair], axis=1) < _SAME_PLACE
            near |= np.linalg.norm(source[kept] - source[pair], axis=1) < _SAME_PLACE
            if near.any():
                continue
        kept.append(pair)
    return np.array(kept, np.int64)
