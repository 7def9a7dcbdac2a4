"""A picture → its local features: small places that look the same in a copy, wherever they are.

SIFT (Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004) finds and
describes them; the square roots of the descriptors are compared, as Arandjelović and Zisserman
(Three things everyone should know to improve object retrieval, CVPR 2012) recommend.
"""

# OpenCV's stubs lack SIFT.
# mypy: disable-error-code="attr-defined"

import cv2
import numpy as np
from numpy.typing import NDArray

from app.values.features import DESCRIPTOR, LocalFeatures

# A gallery's picture is made so small that its features cost little time and few bytes; a query's
# may be a part of one, and is looked at more closely.
_GALLERY = (256 * 192, 200)
_QUERY = (480 * 360, 500)


def of_gallery_picture(pixels: NDArray[np.uint8]) -> LocalFeatures:
    """Return up to 200 features of (height, width, 3) RGB pixels, as a gallery keeps them."""
    return _extract(pixels, *_GALLERY)


def of_query(pixels: NDArray[np.uint8]) -> LocalFeatures:
    """Return up to 500 features of (height, width, 3) RGB pixels that are searched with."""
    return _extract(pixels, *_QUERY)


def _extract(pixels: NDArray[np.uint8], area: int, most: int) -> LocalFeatures:
    height, width = pixels.shape[:2]
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    factor = (area / (width * height)) ** 0.5
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    height, width = grey.shape
    sift = cv2.SIFT_create(most, 3, 0.04, 10, 1.6, cv2.CV_8U)
    found, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, DESCRIPTOR), np.uint8))
    order = np.argsort([-each.response for each in found], kind="stable")[:most]
    diagonal = float(np.hypot(width, height))
    places = np.array(
        [
            (
                (found[at].pt[0] + 0.5) / width,
                (found[at].pt[1] + 0.5) / height,
                found[at].size / diagonal,
                np.radians(found[at].angle),
            )
            for at in order
        ],
        np.float32,
    )
    return LocalFeatures(places, np.ascontiguousarray(descriptors[order].astype(np.uint8)))
