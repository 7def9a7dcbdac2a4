"""An RGB array → a picture file: a small WebP to keep, or a PNG to look at."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, WebPImagePlugin  # noqa: F401 (else `save` imports every plugin)

THUMBNAIL_QUALITY = 70
THUMBNAIL_METHOD = 2
"""WebP's effort, 0 to 6: at 2 the files are a sixth smaller than at 0, at equal fidelity."""


def thumbnail(image: NDArray[np.uint8], *, longer_side: int = 160) -> bytes:
    """Return an (H, W, 3) image as a small WebP, its longer side at most ``longer_side`` pixels.

    About 2.7 kB for a photograph of 160 px. Nothing is enlarged.
    """
    file = io.BytesIO()
    _fitted(image, longer_side).save(
        file, "WEBP", quality=THUMBNAIL_QUALITY, method=THUMBNAIL_METHOD
    )
    return file.getvalue()


@lru_cache(maxsize=1)
def no_picture() -> bytes:
    """Return the small grey WebP that is shown instead of a picture that is not here."""
    from PIL import ImageDraw  # seldom needed

    card = Image.new("RGB", (160, 120), (222, 222, 222))
    ImageDraw.Draw(card).text((80, 60), "no picture", (96, 96, 96), anchor="mm", font_size=20)
    return thumbnail(np.asarray(card))


def encode_png(image: NDArray[np.uint8], *, longer_side: int | None = None) -> bytes:
    """Return an (H, W, 3) image as a PNG, its longer side at most ``longer_side`` pixels.

    Compressed for speed, not for size. Nothing is enlarged.
    """
    file = io.BytesIO()
    _fitted(image, longer_side or max(image.shape)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _fitted(image: NDArray[np.uint8], longer_side: int) -> Image.Image:
    height, width, _ = image.shape
    # Without the copy that `fromarray` makes.
    pixels = np.ascontiguousarray(image)
    picture = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    scale = longer_side / max(picture.size)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return picture
