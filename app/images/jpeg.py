"""A JPEG with its header read → its RGB pixels, by libjpeg-turbo without Pillow around it.

The pixels are those that Pillow gives, bit for bit: both are libjpeg-turbo, and the slower of its
transforms and enlargements are asked for. A photograph as web pages have it takes half the time,
one of 12 megapixels a sixth less.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile


def is_whole(data: bytes) -> bool:
    """Return whether nothing at all is wrong with a JPEG's pixels, even what decoders forgive."""
    try:
        simplejpeg.decode_jpeg(data, "RGB", min_height=1, min_width=1)
    except (ValueError, KeyError, RuntimeError):
        return False
    return True


def pixels_of(image: JpegImageFile, data: bytes) -> NDArray[np.uint8] | None:
    """Return the (height, width, 3) uint8 pixels of a JPEG that Pillow has opened, not loaded.

    They have the size that `image` says, which `draft` may have made an eighth, a quarter or a half
    of the file's. None for a picture that Pillow has to decode: in four colours, with an ICC
    profile, damaged even a little, or understood otherwise here than there.
    """
    if image.mode not in ("RGB", "L") or "icc_profile" in image.info:
        return None
    width, height = image.size
    try:
        # Before any pixel has room: the two might take different headers in one file for its own.
        size = simplejpeg.decode_jpeg_header(data, min_height=height, min_width=width)[:2]
        if size != (height, width):
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, "RGB", min_height=height, min_width=width
        )
    except (
        ValueError,
        KeyError,
        RuntimeError,
    ):  # also where libjpeg only warns, which Pillow judges
        return None
    return pixels
