"""Two pictures and how one lies in the other → how alike their pixels are where they overlap.

Features that agree show that both pictures show the same things from the same side; only the
aligned pixels tell an edited copy from the next frame of a burst.
"""

# OpenCV's stubs promise any array where it returns that of its argument's kind.
# mypy: disable-error-code="assignment, arg-type, return-value, call-overload"

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 192  # the overlap is compared at this size
_BLOCK = 16
_FLAT = 3.0  # grey levels of 255: a block that varies less shows nothing to compare
_AGREES = 0.8
_BLURS = ((1.5, 1.5), (1.5, 2.5), (1.5, 4.0), (2.5, 1.5))
# of both, before they are compared: a copy may be less sharp, or more
_NEARLY_ALL = 0.97
_HOPELESS = 0.15  # of 586 copies none was below 0.3 before it was brought into step
_FEWEST_TO_ALIGN = 6
_COARSE_SIDE = 16
_BAR, _HARDLY, _EDGE_TO_EDGE = 0.4, 0.3, 0.9  # of the rows; of the blocks in it; of the columns
_GREY, _COLOURED = 1.5, 4.0  # levels of 255; a grey picture that is saved as JPEG has less than one
_REFINEMENTS = 20

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Overlap:
    """How two pictures agree where one, moved by a matrix, covers the other.

    `agreeing` is the share of the blocks that show something in which both agree, `uncovered` the
    same beside a bar from edge to edge, where one lies over the query, `closeness` the
    median correlation in those that do, `blocks` how many there are that show something.
    `of_query` and `of_other` are the shares of both areas that overlap. `matrix` is the refined
    (2, 3) transform from the other's pixels to the query's. `seen` and `warped` are both pictures
    as they were compared, where `mask` says: what was done to the query is looked for there, once
    it is known to be a copy.
    """

    agreeing: float
    uncovered: float
    closeness: float
    blocks: int
    of_query: float
    of_other: float
    matrix: Matrix
    seen: Pixels = field(repr=False)
    warped: Pixels = field(repr=False)
    mask: NDArray[np.bool_] = field(repr=False)

    def colour(self) -> float:
        """Return how far the colours of both are apart, 0 to 255."""
        return _colour_difference(self.seen, self.warped, self.mask)

    def greyed(self) -> bool:
        """Return whether only the other has any colours."""
        is_grey = _colourfulness(self.seen, self.mask) < _GREY
        return is_grey and _colourfulness(self.warped, self.mask) > _COLOURED

    def sharpness(self) -> float:
        """Return how much fine detail the query has for its contrast, to the other's."""
        of_other = _fineness(self.warped, self.mask)
        return _fineness(self.seen, self.mask) / max(of_other, 1e-3)


def coarse(pixels: Pixels) -> NDArray[np.float32]:
    """Return how (h, w, 3) pixels look from afar: 16 × 16 grey values, with mean 0 and length 1.

    The product of two is the correlation of the pictures' shades.
    """
    small = cv2.resize(_grey(pixels), (_COARSE_SIDE, _COARSE_SIDE), interpolation=cv2.INTER_AREA)
    shades = small.astype(np.float32) - small.mean(dtype=np.float32)
    length = np.linalg.norm(shades)
    unit: NDArray[np.float32] = shades / length if length else shades
    return unit


def compare(query: Pixels, other: Pixels, matrix: Matrix) -> Overlap | None:
    """Compare (h, w, 3) RGB pixels; None where the two hardly overlap.

    `matrix` maps the other's pixels to the query's.
    """
    region = _region(query.shape, other.shape, matrix)
    if region is None:
        return None
    left, top, right, bottom = region
    factor = min(1.0, _SIDE / max(right - left, bottom - top))
    size = max(_BLOCK, round((right - left) * factor)), max(_BLOCK, round((bottom - top) * factor))
    seen = cv2.resize(query[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    into = np.array([[size[0] / (right - left), 0, 0], [0, size[1] / (bottom - top), 0]])
    into[:, 2] = -into[0, 0] * left, -into[1, 1] * top
    small, shrunk = _shrunk(other, _scale(matrix) * factor)
    moved = _then(_then(shrunk, matrix), into)  # the small picture's pixels to those of the region
    agreement, warped, mask = _compared(seen, small, moved)
    if _HOPELESS < agreement.sureness < _NEARLY_ALL:
        refined = _refined(seen, small, moved, agreement.where)
        again, warped_again, mask_again = _compared(seen, small, refined)
        if again.sureness > agreement.sureness:
            moved, agreement, warped, mask = refined, again, warped_again, mask_again
    if not mask.any():
        return None
    back = _then(_then(_inverse(shrunk), moved), _inverse(into))
    of_query, of_other = _shares(query.shape, other.shape, back)
    return Overlap(
        agreeing=agreement.share,
        uncovered=agreement.uncovered,
        closeness=agreement.closeness,
        blocks=agreement.blocks,
        of_query=of_query,
        of_other=of_other,
        matrix=back,
        seen=seen,
        warped=warped,
        mask=mask,
    )


def _region(
    query: tuple[int, ...], other: tuple[int, ...], matrix: Matrix
) -> tuple[int, int, int, int] | None:
    """Return the rectangle of the query that the other covers; None if it is a few pixels."""
    corners = _moved(_corners(other), matrix)
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)), [query[1], query[0]]).astype(int)
    if right - left < 8 or bottom - top < 8:
        return None
    return int(left), int(top), int(right), int(bottom)


@dataclass(frozen=True)
class _Agreement:
    """In which share of the blocks two aligned pictures agree, how closely, and where.

    `shown` are the blocks that show something, (rows, columns) as `where`.
    """

    share: float
    closeness: float
    shown: NDArray[np.bool_]
    where: NDArray[np.bool_]

    @property
    def blocks(self) -> int:
        return int(self.shown.sum())

    @property
    def uncovered(self) -> float:
        """The share beside the bar of blocks from edge to edge that agrees least."""
        return max(
            self.share,
            *(
                _beside_a_bar(*each)
                for each in ((self.where, self.shown), (self.where.T, self.shown.T))
            ),
        )

    @property
    def sureness(self) -> float:
        return self.share * self.closeness


def _compared(
    seen: Pixels, other: Pixels, matrix: Matrix
) -> tuple[_Agreement, Pixels, NDArray[np.bool_]]:
    """Return how the other, moved, agrees; it as it is moved; and where it is."""
    size = seen.shape[1], seen.shape[0]
    warped = cv2.warpAffine(other, matrix, size, flags=cv2.INTER_LINEAR)
    full = np.full(other.shape[:2], 255, np.uint8)
    mask = cv2.warpAffine(full, matrix, size, flags=cv2.INTER_NEAREST) > 0
    return _agreement(_grey(seen), _grey(warped), mask), warped, mask


def _refined(seen: Pixels, other: Pixels, matrix: Matrix, where: NDArray[np.bool_]) -> Matrix:
    """Return the transform brought into step with the pixels, of those blocks that agree already.

    Others may show what only one of the pictures has, and would pull it aside.
    """
    inverse = _inverse(matrix).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _REFINEMENTS, 1e-3)
    mask = None
    if where.sum() >= _FEWEST_TO_ALIGN:
        whole = np.kron(where.astype(np.uint8), np.full((_BLOCK, _BLOCK), 255, np.uint8))
        in_seen = np.zeros(seen.shape[:2], np.uint8)
        in_seen[: whole.shape[0], : whole.shape[1]] = whole
        mask = cv2.warpAffine(in_seen, inverse, (other.shape[1], other.shape[0]))
    try:
        _, found = cv2.findTransformECC(
            _grey(seen), _grey(other), inverse.copy(), cv2.MOTION_AFFINE, criteria, mask, 5
        )
    except cv2.error:  # it does not converge where there is little to align
        return matrix
    if np.abs(found - inverse).max() > 0.1 * max(seen.shape):
        return matrix
    refined: Matrix = _inverse(found.astype(np.float64))
    return refined


def _agreement(seen: Pixels, warped: Pixels, mask: NDArray[np.bool_]) -> _Agreement:
    """Compare two grey pictures block by block.

    Both are made equally sharp first: of several blurs of the one or the other that counts with
    which they agree best.
    """
    height, width = seen.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    shape = rows, _BLOCK, columns, _BLOCK

    def in_blocks(values: NDArray[np.floating]) -> NDArray[np.float32]:
        cut = values[: rows * _BLOCK, : columns * _BLOCK].astype(np.float32)
        return cut.reshape(shape).transpose(0, 2, 1, 3).reshape(rows * columns, -1)

    def blurred(values: Pixels, sigma: float) -> NDArray[np.float32]:
        blocks = in_blocks(cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma))
        centred: NDArray[np.float32] = blocks - blocks.mean(axis=1, keepdims=True)
        return centred

    whole = in_blocks(mask).mean(axis=1) > 0.95
    nothing = np.zeros((rows, columns), bool)
    best = _Agreement(0.0, 0.0, nothing, nothing)
    for of_seen, of_warped in _BLURS:
        a, b = blurred(seen, of_seen), blurred(warped, of_warped)
        strong_a, strong_b = a.std(axis=1), b.std(axis=1)
        shown = whole & (np.maximum(strong_a, strong_b) > _FLAT)
        if not shown.any():
            continue
        products = np.einsum("nd,nd->n", a, b) / a.shape[1]
        products /= np.maximum(strong_a * strong_b, 1e-3)
        agree = shown & (products > _AGREES)
        close = float(np.median(products[agree])) if agree.any() else 0.0
        share = float(agree.sum() / shown.sum())
        found = _Agreement(share, close, *(each.reshape(rows, columns) for each in (shown, agree)))
        best = max(best, found, key=lambda each: each.sureness)
        if not _HOPELESS < best.sureness < _NEARLY_ALL:
            break
    return best


def _beside_a_bar(agree: NDArray[np.bool_], shown: NDArray[np.bool_]) -> float:
    """Return the share of shown blocks that agree above and below the rows that hardly do.

    0 unless there are few such rows and most of what is shown is beside them: the bar that words
    are written on, not a subject that moved.
    """
    agreeing, all_shown = (
        np.concatenate([[0], np.cumsum(each.sum(axis=1))]) for each in (agree, shown)
    )
    rows, best = len(agree), 0.0
    for first in range(rows):
        for end in range(first + 1, min(rows, first + max(1, int(_BAR * rows))) + 1):
            inside = agreeing[end] - agreeing[first], all_shown[end] - all_shown[first]
            beside = agreeing[-1] - inside[0], all_shown[-1] - inside[1]
            wide = shown[first:end].any(axis=0).mean() > _EDGE_TO_EDGE
            if wide and inside[0] < _HARDLY * inside[1] and beside[1] > inside[1]:
                best = max(best, float(beside[0] / beside[1]))
    return best


def _colour_difference(seen: Pixels, warped: Pixels, mask: NDArray[np.bool_]) -> float:
    a = cv2.GaussianBlur(seen, (0, 0), 2).astype(np.float32)[mask]
    b = cv2.GaussianBlur(warped, (0, 0), 2).astype(np.float32)[mask]
    return float(np.abs(a - b).mean())


def _colourfulness(pixels: Pixels, mask: NDArray[np.bool_]) -> float:
    """Return how far the largest and the least of red, green and blue are apart, on average."""
    inside = pixels[mask].astype(np.int16)
    return float(np.ptp(inside, axis=1).mean())


def _fineness(pixels: Pixels, mask: NDArray[np.bool_]) -> float:
    """Return how strong the details below three pixels are, to what is larger."""
    grey = _grey(pixels).astype(np.float32)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if not inside.any():
        inside = mask
    fine = (grey - cv2.GaussianBlur(grey, (0, 0), 1.5))[inside].std()
    large = cv2.GaussianBlur(grey, (0, 0), 2.5)[inside].std()
    return float(fine / max(large, 1e-3))


def _shares(query: tuple[int, ...], other: tuple[int, ...], matrix: Matrix) -> tuple[float, float]:
    """Return the shares of the query's and of the other's area that overlap."""
    frame = _corners(query).astype(np.float32)
    moved = _moved(_corners(other), matrix).astype(np.float32)
    common, _ = cv2.intersectConvexConvex(frame, moved)
    of_query = common / (query[0] * query[1])
    of_other = common / max(cv2.contourArea(moved), 1e-6)
    return min(1.0, float(of_query)), min(1.0, float(of_other))


def _shrunk(pixels: Pixels, scale: float) -> tuple[Pixels, Matrix]:
    """Return a picture about as large as it will be shown, and what brings it to full size."""
    height, width = pixels.shape[:2]
    if scale >= 0.8:
        return pixels, np.eye(2, 3)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return small, np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])


def _grey(pixels: Pixels) -> Pixels:
    grey: Pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return grey


def _corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    height, width = shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def _moved(points: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _then(first: Matrix, second: Matrix) -> Matrix:
    """Return the transform that does the first, then the second."""
    return np.column_stack(
        [second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]]
    )


def _inverse(matrix: Matrix) -> Matrix:
    turned = np.linalg.inv(matrix[:, :2])
    return np.column_stack([turned, -turned @ matrix[:, 2]])


def _scale(matrix: Matrix) -> float:
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
