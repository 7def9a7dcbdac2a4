"""An RGB array → the same picture cropped, mirrored or rotated."""

import math

import numpy as np
from numpy.typing import NDArray

from app.values import Box, Edit


def apply_edit(image: NDArray[np.uint8], edit: Edit) -> NDArray[np.uint8]:
    """Return an (H, W, 3) image rotated, then mirrored, then cropped: the box is of what is seen.

    The image itself, not a copy, where there is nothing to do.
    """
    if edit.quarter_turns % 4:
        image = rotate(image, edit.quarter_turns)
    if edit.mirrored:
        image = mirror(image)
    return crop(image, edit.box) if edit.box else image


def crop(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Return the part of an (H, W, 3) image inside ``box``, C-contiguous, at least 1 × 1 pixel.

    Each edge goes to the nearest border between two pixels, halves to the right and down. Where
    two edges meet, the one pixel is kept that holds the middle between them.
    """
    height, width = image.shape[:2]
    top, bottom = _pixels(box.top, box.bottom, height)
    left, right = _pixels(box.left, box.right, width)
    return np.ascontiguousarray(image[top:bottom, left:right])


def mirror(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a copy of an (H, W, 3) image with left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def rotate(image: NDArray[np.uint8], quarter_turns: int) -> NDArray[np.uint8]:
    """Return an (H, W, 3) image rotated clockwise by ``quarter_turns`` × 90°, C-contiguous."""
    return np.ascontiguousarray(np.rot90(image, -quarter_turns))


def _pixels(start: float, end: float, length: int) -> tuple[int, int]:
    """Return the first pixel and the one after the last, of ``length``, for two fractions."""
    first, last = math.floor(start * length + 0.5), math.floor(end * length + 0.5)
    if first == last:
        first = min(math.floor((start + end) / 2 * length), length - 1)
        last = first + 1
    return first, last
