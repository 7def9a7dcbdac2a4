"""A loaded picture of any kind of pixels → opaque 8-bit RGB in sRGB, on white where that shows it.

A drawing that is too light for white lies on black.
"""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from app.errors import DecodeError

_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_TAG_BITS, _TAG_PHOTOMETRIC, _TAG_SAMPLES = 258, 262, 339
_RANGES = (255.0, 65535.0)
_WHITE_IS_ZERO = 0
_COLOUR_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_READABLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"})
_SAME_COLOUR = 2  # of 255
# Luminance and contrast are those of WCAG 2.2: (lighter + 0.05) / (darker + 0.05), from 1 to 21.
_LEAST_CONTRAST = 1.4  # with white: a grey of 218 has less; gold, and the yellow of emoji, more
_LINE_CONTRAST = 2.05  # with black: a grey of 64, whose lines white shows well and black does not
_MOST_LOST = 3 / 4  # of what is visible
_FEWEST_LINES = 1 / 20  # of what is visible: dark lines are a drawing of their own
_LUMINANCE = (0.2126, 0.7152, 0.0722, 0.0)
_LINEAR = [
    round(255 * (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4))
    for each in (value / 255 for value in range(256))
]
_IS_LIGHT = [255 * (1.05 / (value / 255 + 0.05) < _LEAST_CONTRAST) for value in range(256)]
_IS_DARK = [255 * ((value / 255 + 0.05) / 0.05 < _LINE_CONTRAST) for value in range(256)]
_BAND_PIXELS = 1 << 20  # are looked at together: some MB


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a loaded picture of any mode as opaque 8-bit RGB in sRGB.

    Transparent parts lie on white, or on black where `ground_of` says so. The picture itself is
    returned where it is that already. An ICC profile that is broken, or meant for other colours
    than the picture's, is ignored. DecodeError for pixels whose range of values is not
    known.
    """
    if image.mode == "RGB" and not image.info.keys() & {"icc_profile", "transparency"}:
        return image
    pixels = to_8_bits(image)
    if pixels.mode not in _READABLE_MODES:
        raise DecodeError(
            f"This picture's kind of pixels ({pixels.mode}) has no certain colours: "
            "save it with 8 bits a colour, as PNG or JPEG."
        )
    colours, alpha = _without_alpha(pixels)
    colours = _apply_profile(colours, image.info.get("icc_profile")).convert("RGB")
    if alpha is None:
        return colours
    opaque = Image.new("RGB", colours.size, ground_of(colours, alpha))
    opaque.paste(colours, mask=alpha)
    return opaque


def ground_of(colours: Image.Image, alpha: Image.Image) -> str:
    """Return the ground that a partly transparent RGB picture is seen on: "white" or "black".

    It is white unless more than three quarters of what is visible, each pixel counted by its
    opacity, have a contrast of less than 1.4 to white, and less than a twentieth is all but black:
    a light drawing would be lost on white, but one that has dark lines would not. It depends on the
    pixels alone, so that a query lies on the same ground as the same picture in a gallery.

    >>> ground_of(Image.new("RGB", (8, 8), (250, 250, 250)), Image.new("L", (8, 8), 90))
    'black'
    """
    if alpha.getextrema()[0] == 255:
        return "white"
    width, height = colours.size
    rows = max(1, _BAND_PIXELS // width)
    visible = light = dark = 0
    for top in range(0, height, rows):
        band = (0, top, width, min(top + rows, height))
        opacity = alpha.crop(band)
        luminance = colours.crop(band).point(_LINEAR * 3).convert("L", _LUMINANCE)
        visible += _sum(opacity.histogram())
        light += _sum(opacity.histogram(luminance.point(_IS_LIGHT)))
        dark += _sum(opacity.histogram(luminance.point(_IS_DARK)))
    lost = light > _MOST_LOST * visible and dark < _FEWEST_LINES * visible
    return "black" if lost else "white"


def _sum(histogram: list[int]) -> int:
    return sum(value * number for value, number in enumerate(histogram))


def to_8_bits(image: Image.Image) -> Image.Image:
    """Return a picture in deep grey (I;16 in any order of bytes, I, F) with 8 bits, others as is.

    The full range goes to the full range, rounded. 16 bits say what theirs is. Whole numbers of 32
    bits and real ones do not: it is the least of 0 to 1 (real ones), 255, 65,535 and, of a TIFF's
    32 bits, all that they can hold, in which every number lies. DecodeError where none is, and for
    those that are no numbers.
    """
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    is_inverted = tags.get(_TAG_PHOTOMETRIC) == _WHITE_IS_ZERO
    if image.mode in ("I", "F"):
        return _deep_to_8_bits(np.asarray(image), tags, is_inverted=is_inverted)
    if not image.mode.startswith("I;16"):
        return image
    full = 4095 if tags.get(_TAG_BITS) == (12,) else 65535
    values = np.minimum(np.arange(65536), full)
    if is_inverted:
        values = full - values
    table = ((values * 255 + full // 2) // full).astype(np.uint8)
    numbers = np.asarray(image)
    grey = Image.fromarray(table[numbers])
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(numbers == transparent, 0, 255).astype(np.uint8)))
    return grey


def _deep_to_8_bits(
    numbers: NDArray[np.int32] | NDArray[np.float32],
    tags: Mapping[int, object],
    *,
    is_inverted: bool,
) -> Image.Image:
    """Return (height, width) numbers of 32 bits as grey of 8, by the least range that holds all."""
    ranges = [1.0, *_RANGES]
    values: NDArray[Any] = numbers
    if numbers.dtype == np.int32:
        ranges = ranges[1:]
        if tags.get(_TAG_BITS) == (32,) and tags.get(_TAG_SAMPLES, (1,)) == (1,):
            values, ranges = numbers.view(np.uint32), [*ranges, 2.0**32 - 1]
    least, most = float(values.min()), float(values.max())  # NaN where there is one
    full = next((end for end in ranges if least >= 0 and most <= end), None)
    if full is None:
        raise DecodeError(
            f"This picture's grey goes from {least:g} to {most:g}, and nothing says which of it is "
            "white: save it with 8 or 16 bits, as PNG or TIFF."
        )
    grey = np.empty(values.shape, np.uint8)
    for row, line in enumerate(values):  # else several times the memory of the picture
        grey[row] = np.floor(line * (255 / full) + 0.5)
    return Image.fromarray(255 - grey if is_inverted else grey)


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture's colours in a mode that profiles exist for, and its alpha, if any."""
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA") else "RGBA")
        return image.convert(image.mode[:-1]), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return image if image.mode in _COLOUR_SPACES.values() else image.convert("RGB"), None


def _apply_profile(image: Image.Image, profile: object) -> Image.Image:
    """Return an L, RGB or CMYK picture in sRGB, its colours as an ICC ``profile`` defines them."""
    if not isinstance(profile, bytes) or len(profile) > _MAX_PROFILE_BYTES:
        return image
    mode, transform = transform_to_srgb(profile)
    if transform is None:
        return image
    if (image.mode, mode) == ("L", "RGB"):
        image = image.convert("RGB")
    return transform.apply(image) if image.mode == mode else image


@lru_cache(maxsize=16)
def transform_to_srgb(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Return a profile's mode and its transform to sRGB; None if broken or sRGB by itself.

    Whether a profile is sRGB is measured, not read from its name: it is if no colour of a grid
    moves by more than 2 of 255.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _COLOUR_SPACES[source.profile.xcolor_space]
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform = ImageCms.ImageCmsTransform(source, srgb, mode, "RGB")
    except (KeyError, OSError, TypeError, ValueError, ImageCms.PyCMSError):
        return "", None
    if mode == "CMYK":
        return mode, transform
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 27, 3)
    probe = Image.fromarray(grid if mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(probe), dtype=np.int16)
    return mode, None if np.abs(after - before).max() <= _SAME_COLOUR else transform
