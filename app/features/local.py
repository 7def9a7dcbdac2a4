"""A picture → its local features: small places that look the same in a copy, wherever they are.

SIFT (Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004) finds and
describes them; the square roots of the descriptors are compared, as Arandjelović and Zisserman
(Three things everyone should know to improve object retrieval, CVPR 2012) recommend.
"""

# OpenCV's stubs lack SIFT.
# mypy: disable-error-code="attr-defined"

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from app.values.features import DESCRIPTOR, LocalFeatures


@dataclass(frozen=True)
class _Detail:
    """How closely a picture is looked at.

    It is made as small as `area` pixels. In `layers` steps an octave features are looked for from
    the blur `sigma` on, in pixels of twice the size; `contrast`, which OpenCV divides by the
    layers, is the least of them, and `most` how many are kept.
    """

    area: int
    layers: int
    sigma: float
    contrast: float
    most: int


# A gallery's picture is made so small that its features cost little time and few bytes; a query's
# may be a part of one, and is looked at more closely. Lowe's blur is 1.6, his layers are 3: a
# gallery's features are of nearly the sizes that those would find in 224 × 168 pixels, are found
# in parts and copies as often, and take five ninths of the time. The contrast is about half of
# Lowe's: what is dim is all there is in some parts.
_GALLERY = _Detail(196 * 144, 2, 1.2, 0.02, 200)
_QUERY = _Detail(480 * 360, 3, 1.6, 0.02, 500)
_CELLS = 4  # a side
_PHASH_SIDE = 32


def of_gallery_picture(pixels: NDArray[np.uint8]) -> LocalFeatures:
    """Return up to 200 features of (height, width, 3) RGB pixels, as a gallery keeps them."""
    grey = _grey(pixels)
    return replace(_extract(grey, _GALLERY), phash=_phash(grey))


def of_query(pixels: NDArray[np.uint8]) -> LocalFeatures:
    """Return up to 500 features of (height, width, 3) RGB pixels that are searched with."""
    return _extract(_grey(pixels), _QUERY)


def phash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the (8,) uint8 perceptual hash of (height, width, 3) RGB pixels.

    64 bits: which of the lowest frequencies of the picture's shades are stronger than their median
    (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). Pictures
    that look alike as a whole differ in few of them.
    """
    return _phash(_grey(pixels))


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _phash(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(grey, (_PHASH_SIDE,) * 2, interpolation=cv2.INTER_AREA)
    lowest = cv2.dct(small.astype(np.float32))[:8, :8].ravel()
    return np.packbits(lowest > np.median(lowest[1:]))


def _extract(grey: NDArray[np.uint8], detail: _Detail) -> LocalFeatures:
    height, width = grey.shape
    factor = (detail.area / (width * height)) ** 0.5
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    height, width = grey.shape
    sift = cv2.SIFT_create(0, detail.layers, detail.contrast, 10, detail.sigma, cv2.CV_8U)
    found, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, DESCRIPTOR), np.uint8))
    points = np.array([each.pt for each in found], np.float32)
    size, angle, response = np.array(
        [(each.size, each.angle, each.response) for each in found], np.float32
    ).T
    places = np.column_stack(
        [
            (points + 0.5) / (width, height),
            size / np.hypot(width, height),
            np.radians(angle),
        ]
    ).astype(np.float32)
    chosen = _spread(places, response * size, detail.most)
    return LocalFeatures(places[chosen], np.ascontiguousarray(descriptors[chosen].astype(np.uint8)))


def _spread(
    places: NDArray[np.float32], strengths: NDArray[np.float32], most: int
) -> NDArray[np.int64]:
    """Return which of n features to keep: half of them from all over the picture, strongest first.

    The strongest alone would all lie in its most detailed part, and a part without any cannot be
    found. A larger feature survives more than a smaller one of equal contrast.
    """
    order = np.argsort(-strengths, kind="stable")
    column, row = np.clip((places[order, :2] * _CELLS).astype(np.int64), 0, _CELLS - 1).T
    cells = row * _CELLS + column
    by_cell = np.argsort(cells, kind="stable")
    within = np.empty(len(order), np.int64)  # how many stronger ones its cell has
    within[by_cell] = np.arange(len(order)) - np.searchsorted(cells[by_cell], cells[by_cell])
    is_late = within >= most // (2 * _CELLS**2)
    return order[np.argsort(is_late, kind="stable")[:most]]
