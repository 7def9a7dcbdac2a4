"""A picture as scripts have it (path, bytes, PIL image, array) → the bytes of its file."""

import io
import os
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.doors.inputs import bytes_of_file
from app.errors import UsageError
from app.images.encode import encode_png

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]

_KEPT_BY_PNG = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}


def bytes_of_picture(picture: object) -> bytes:
    """Return a picture as the bytes of a file that loses nothing of it."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        return bytes_of_file(picture)
    if isinstance(picture, Image.Image):
        return _png(ImageOps.exif_transpose(picture))
    if isinstance(picture, np.ndarray):
        if (
            picture.dtype != np.uint8
            or picture.ndim != 3
            or picture.shape[2] != 3
            or not picture.size
        ):
            raise UsageError(
                "An array must be (height, width, 3), uint8 and RGB, not "
                f"{picture.shape} {picture.dtype}."
            )
        return encode_png(picture)
    raise UsageError(
        f"A {type(picture).__name__} is no query: use a path, a URL, bytes, a PIL image, an RGB "
        "array, an image's record, or id= with its public_id."
    )


def _png(image: Image.Image) -> bytes:
    """Return a PNG of a PIL image, with the colour profile that it came with."""
    if image.mode not in _KEPT_BY_PNG:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
