"""The pictures that the browser tests search for, and the album that they search in."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from app.images.decode import decode
from app.images.edit import crop
from app.images.encode import encode_png
from app.values import Box
from tests.conftest import PHOTOGRAPHS, encoded

NAMES = tuple(path.stem for path in PHOTOGRAPHS)
_VARIANTS = 12


def photograph(name: str) -> Image.Image:
    """Return one of the committed photographs, which are in no gallery."""
    (path,) = (path for path in PHOTOGRAPHS if path.stem == name)
    with Image.open(path) as image:
        return image.convert("RGB")


def write_album(folder: Path) -> None:
    """Write twelve parts of each photograph, half of them mirrored and in other colours.

    Each lies in a folder of the photograph's name, which becomes its label.
    """
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        whole = photograph(name)
        for number in range(_VARIANTS):
            width, height = whole.size
            step = number // 2
            part = whole.crop(
                (step * width // 30, step * height // 40, width - step * width // 60, height)
            )
            if number % 2:
                part = ImageOps.mirror(ImageEnhance.Color(part).enhance(0.4 + 0.2 * step))
            part.thumbnail((320, 320))
            (folder / name / f"{number:02}.jpg").write_bytes(encoded(part, quality=88))


def seen_again(name: str) -> Image.Image:
    """Return a photograph as somebody else might have taken it: it is in no gallery either."""
    image = ImageEnhance.Brightness(photograph(name)).enhance(1.1)
    width, height = image.size
    return image.crop((width // 12, height // 12, width - width // 10, height - height // 20))


def side_by_side(left: str, right: str) -> Image.Image:
    """Return two photographs as one picture of 600 × 300."""
    both = Image.new("RGB", (600, 300))
    both.paste(ImageOps.fit(photograph(left), (300, 300)), (0, 0))
    both.paste(ImageOps.fit(photograph(right), (300, 300)), (300, 0))
    return both


def turned_by_exif(image: Image.Image) -> bytes:
    """Return a JPEG that lies on its side, and says so, as phones write them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    return encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif, quality=95)


def part_of(data: bytes, box: tuple[float, float, float, float]) -> bytes:
    """Return the PNG of the part of a picture that a person would cut out by hand."""
    return encode_png(crop(np.asarray(decode(data)), Box(*box)))
