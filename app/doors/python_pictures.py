"""A picture as scripts have it (path, bytes, PIL image, array) → the bytes of its file."""

import io
import os
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.doors.inputs import bytes_of_file
from app.errors import UsageError
from app.images.colours import to_8_bits
from app.images.encode import encode_png

Picture: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]

_KEPT_BY_PNG = {"1", "L", "LA", "P", "RGB", "RGBA"}


def bytes_of_picture(picture: object) -> bytes:
    """Return a picture as the bytes of a file that loses nothing of it."""
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture)
    if isinstance(picture, str | os.PathLike):
        return bytes_of_file(picture)
    if isinstance(picture, Image.Image):
        return _png(_upright(picture))
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


def _upright(image: Image.Image) -> Image.Image:
    """Return a PIL image as EXIF has it turned, deep grey (16 and 32 bits) with 8 bits."""
    image.load()
    with_8_bits = to_8_bits(image)  # before the copy, which has lost a TIFF's tags
    if with_8_bits is not image:
        with_8_bits.info["exif"] = image.getexif().tobytes()
        if profile := image.info.get("icc_profile"):
            with_8_bits.info["icc_profile"] = profile
    return ImageOps.exif_transpose(with_8_bits)


def _png(image: Image.Image) -> bytes:
    """Return a PNG of an upright PIL image, with the colour profile that it came with."""
    if image.mode not in _KEPT_BY_PNG:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
