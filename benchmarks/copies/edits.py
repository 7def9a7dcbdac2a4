"""A photograph → a file of it cropped, turned, framed or spoiled, and where its points went.

Every edit takes a `Canvas` and a random generator and returns a new canvas: edits can follow one
another, and the canvas carries the transform of each photograph that is on it. A transform is a
(3, 3) matrix from a photograph's pixels to the canvas's; a picture w pixels wide reaches from 0 to
w, so that the middle of its first pixel is at .5.
"""

import io
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Matrix = NDArray[np.float64]
Random = np.random.Generator

_JPEG_QUALITY = 90  # of every file but those whose edit says otherwise
_SCREEN_WIDTH, _SHEET_WIDTH = 1920, 1600  # pixels: pages, collages and backgrounds are no wider
_CROPS_TRIED, _LEAST_DEVIATION = 20, 20.0  # places; grey values of 255
_TEXT = (
    "The council met on Tuesday and agreed to repair the bridge before winter, although two "
    "members asked how the work would be paid for and who had drawn the plans that were shown"
)


@dataclass(frozen=True)
class Canvas:
    """A picture in the making.

    `transforms` are those of the photographs on it, the edited one's first; `quality` is what the
    JPEG will have, None for a PNG.
    """

    image: Image.Image
    transforms: tuple[Matrix, ...]
    quality: int | None = _JPEG_QUALITY

    @classmethod
    def of(cls, photograph: Image.Image) -> "Canvas":
        """Return the canvas that shows a photograph, upright and in colours, as it is."""
        return cls(ImageOps.exif_transpose(photograph).convert("RGB"), (np.eye(3),))

    def painted(self, image: Image.Image) -> "Canvas":
        """Return the canvas with other pixels at the same places."""
        return replace(self, image=image)

    def moved(self, image: Image.Image, matrix: Matrix) -> "Canvas":
        """Return the canvas whose points `matrix` took to those of `image`."""
        return replace(
            self, image=image, transforms=tuple(matrix @ each for each in self.transforms)
        )


@dataclass(frozen=True)
class Edited:
    """An edited photograph: the file's bytes, its (width, height), and the photographs' transforms.

    Only a collage has more than one transform: of the photograph, then of the others in their
    order.
    """

    data: bytes
    size: tuple[int, int]
    transforms: tuple[Matrix, ...]


Edit = Callable[[Canvas, Random, Sequence[Image.Image]], Canvas]


def edit(
    name: str, photograph: Image.Image, *, seed: int, others: Sequence[Image.Image] = ()
) -> Edited:
    """Return a photograph after one of `EDITS`; the same for the same seed.

    `others` are photographs that it is pasted on (the first) or stands beside (three).
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    canvas = EDITS[name](Canvas.of(photograph), rng, others)
    return Edited(_file(canvas), canvas.image.size, canvas.transforms)


def opened(path: Path) -> Image.Image:
    """Return the photograph in a file, whole in memory."""
    with Image.open(path) as image:
        image.load()
        return image


def _file(canvas: Canvas) -> bytes:
    file = io.BytesIO()
    if canvas.quality is None:
        canvas.image.save(file, "PNG")
    else:
        canvas.image.save(file, "JPEG", quality=canvas.quality)
    return file.getvalue()


def mapped(matrix: Matrix, points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return the (n, 2) points that a transform takes (n, 2) points to.

    >>> mapped(_scale(0.5, 2), [(10, 10)]).tolist()
    [[5.0, 20.0]]
    """
    return (np.c_[np.asarray(points, float), np.ones(len(points))] @ matrix.T)[:, :2]


# --- cut, turned, resized ------------------------------------------------------------------------


def _half_size(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    width, height = canvas.image.size
    return _resized(canvas, (max(width // 2, 1), max(height // 2, 1)))


def _crop(area: float) -> Edit:
    """Return a crop to a share of the area, of nearly the same shape, at a place that shows much.

    It is the first random place whose grey values deviate enough, or the best of 20: whose sky or
    paper a crop of nothing else is, nobody can say.
    """

    def crop(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
        width, height = canvas.image.size
        wide = min(math.sqrt(area) * math.exp(rng.uniform(-0.15, 0.15)), 1.0)
        w = max(round(width * max(wide, area)), 1)
        h = min(max(round(width * height * area / w), 1), height)
        grey = np.asarray(canvas.image.convert("L"))
        best, place = -1.0, (0, 0)
        for _ in range(_CROPS_TRIED):
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            deviation = float(grey[top : top + h, left : left + w].std())
            if deviation > best:
                best, place = deviation, (left, top)
            if best >= _LEAST_DEVIATION:
                break
        left, top = place
        cut = canvas.image.crop((left, top, left + w, top + h))
        return canvas.moved(cut, _shift(-left, -top))

    return crop


def _mirror(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    matrix = _shift(canvas.image.width, 0) @ _scale(-1, 1)
    return canvas.moved(ImageOps.mirror(canvas.image), matrix)


def _turn(degrees: float | None) -> Edit:
    """Return a turn clockwise, by any angle for None; the corners are filled with one colour."""

    def turn(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
        angle = math.radians(rng.uniform(0, 360) if degrees is None else degrees)
        fill = [(0, 0, 0), (255, 255, 255), (128, 128, 128)][rng.integers(3)]
        width, height = canvas.image.size
        cos, sin = math.cos(angle), math.sin(angle)
        size = (
            max(round(abs(width * cos) + abs(height * sin)), 1),
            max(round(abs(width * sin) + abs(height * cos)), 1),
        )
        turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        matrix = _shift(size[0] / 2, size[1] / 2) @ turned @ _shift(-width / 2, -height / 2)
        image = canvas.image.transform(
            size,
            Image.Transform.AFFINE,
            tuple(np.linalg.inv(matrix)[:2].ravel()),
            Image.Resampling.BICUBIC,
            fillcolor=fill,
        )
        return canvas.moved(image, matrix)

    return turn


# --- other colours, less detail ------------------------------------------------------------------


def _jpeg_30(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    return replace(canvas, quality=30)


def _grey(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    return canvas.painted(canvas.image.convert("L").convert("RGB"))


def _colours(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Change hue by up to 30°, and saturation, brightness and contrast by up to two fifths."""
    hue, saturation, value = canvas.image.convert("HSV").split()
    degrees = rng.uniform(-30, 30)
    turned = (np.asarray(hue).astype(int) + round(degrees * 256 / 360)) % 256
    hue = Image.fromarray(turned.astype(np.uint8))
    image = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    for change in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        image = change(image).enhance(math.exp(rng.uniform(math.log(0.7), math.log(1.4))))
    return canvas.painted(image)


def _blur(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    return canvas.painted(canvas.image.filter(ImageFilter.GaussianBlur(4)))


def _noise(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    pixels = np.asarray(canvas.image).astype(np.float32)
    noise = rng.normal(0, rng.uniform(15, 25), pixels.shape)
    return canvas.painted(Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)))


# --- something over it, beside it, around it -----------------------------------------------------


def _text_bar(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Cover 20 to 25 % of the picture with a bar from side to side, and words on it."""
    image = canvas.image.copy()
    height = max(round(image.height * rng.uniform(0.20, 0.25)), 1)
    free = image.height - height
    top = (0, free, free // 2, int(rng.integers(0, free + 1)))[rng.integers(4)]
    paper, ink = _paper_and_ink(rng)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, top, image.width - 1, top + height - 1), fill=paper)
    _write(draw, rng, (0, top, image.width, top + height), size=height / 3, ink=ink)
    return canvas.painted(image)


def _screenshot(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Show it in a window with a bar and lines of text, at 40 to 60 % of the window's width."""
    share = rng.uniform(0.4, 0.6)
    width = min(round(canvas.image.width / share), _SCREEN_WIDTH)
    scale = width * share / canvas.image.width
    canvas = _scaled(canvas, scale)
    bar = max(width // 24, 4)
    height = max(round(width * 0.65), round(canvas.image.height * 1.5)) + bar
    paper, ink = _paper_and_ink(rng)
    page = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(page)
    left = int(rng.integers(width // 20, width - canvas.image.width - width // 20 + 1))
    top = int(rng.integers(bar * 2, height - canvas.image.height - bar + 1))
    text = width / 50
    _write(draw, rng, (width // 20, bar, width - width // 20, top), size=text, ink=ink)
    below = top + canvas.image.height
    _write(draw, rng, (width // 20, below, width - width // 20, height), size=text, ink=ink)
    frame = tuple(int(each) for each in rng.integers(60, 200, 3))
    draw.rectangle((0, 0, width - 1, bar), fill=frame)
    for place, colour in enumerate(("#e05a4e", "#e5b53c", "#59b35b")):
        x = bar * (place + 0.7)
        draw.ellipse((x, bar * 0.3, x + bar * 0.4, bar * 0.7), fill=colour)
    draw.rectangle((0, 0, width - 1, height - 1), outline=frame, width=max(width // 300, 1))
    page.paste(canvas.image, (left, top))
    return replace(canvas.moved(page, _shift(left, top)), quality=None)


def _pasted(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Paste it on the first of the others, at 30 to 50 % of that one's area."""
    share = math.sqrt(rng.uniform(0.3, 0.5))
    canvas = _scaled(canvas, min(1.0, _SHEET_WIDTH * share / max(canvas.image.size)))
    width, height = canvas.image.size
    size = (round(width / share), round(height / share))
    sheet = ImageOps.fit(others[0].convert("RGB"), size, Image.Resampling.BICUBIC)
    left = int(rng.integers(0, size[0] - width + 1))
    top = int(rng.integers(0, size[1] - height + 1))
    sheet.paste(canvas.image, (left, top))
    return canvas.moved(sheet, _shift(left, top))


def _collage(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Put it and the first three others, whole, into two rows of two, in any order."""
    pictures = [canvas, *(Canvas.of(each) for each in others[:3])]
    order = rng.permutation(4)
    width = min(max(2 * canvas.image.width, 400), _SHEET_WIDTH)
    placed: dict[int, tuple[Canvas, int, int]] = {}
    top = 0
    for row in (order[:2], order[2:]):
        aspects = [pictures[each].image.width / pictures[each].image.height for each in row]
        height = max(round(width / sum(aspects)), 1)
        first = min(max(round(height * aspects[0]), 1), width - 1)
        for each, wide, left in zip(row, (first, width - first), (0, first), strict=True):
            placed[int(each)] = (_resized(pictures[each], (wide, height)), left, top)
        top += height
    sheet = Image.new("RGB", (width, top))
    for picture, left, upper in placed.values():
        sheet.paste(picture.image, (left, upper))
    transforms = [
        _shift(placed[each][1], placed[each][2]) @ matrix
        for each in range(4)
        for matrix in placed[each][0].transforms
    ]
    return replace(canvas, image=sheet, transforms=tuple(transforms))


def _paper_and_ink(rng: Random) -> tuple[str, str]:
    dark_first = (("#000000", "#ffffff"), ("#ffffff", "#202020"), ("#1c2b4a", "#f4e04d"))
    return dark_first[rng.integers(len(dark_first))]


def _write(
    draw: ImageDraw.ImageDraw,
    rng: Random,
    box: tuple[float, float, float, float],
    *,
    size: float,
    ink: str,
) -> None:
    """Fill a box with lines of words."""
    left, top, right, bottom = box
    words = _TEXT.split()
    font = ImageFont.load_default(max(size, 6))
    line = max(size, 6) * 1.4
    y = top + 0.2 * line
    while y + line <= bottom:
        x = left + 0.5 * line
        while True:
            word = f"{words[rng.integers(len(words))]} "
            if x + draw.textlength(word, font) > right:
                break
            draw.text((x, y), word, ink, font)
            x += draw.textlength(word, font)
        y += line


# --- several -------------------------------------------------------------------------------------


def _several(canvas: Canvas, rng: Random, others: Sequence[Image.Image]) -> Canvas:
    """Make two to four edits of different kinds, in any order but that a crop comes first.

    A crop of a page might leave nothing of the photograph on it.
    """
    kinds = rng.permutation(len(_FAMILIES))[: rng.integers(2, 5)]
    for kind in sorted(kinds, key=lambda each: each != _CROPS):
        family = _FAMILIES[kind]
        canvas = EDITS[family[rng.integers(len(family))]](canvas, rng, others)
    return canvas


def _scaled(canvas: Canvas, scale: float) -> Canvas:
    width, height = canvas.image.size
    return _resized(canvas, (max(round(width * scale), 1), max(round(height * scale), 1)))


def _resized(canvas: Canvas, size: tuple[int, int]) -> Canvas:
    if size == canvas.image.size:
        return canvas
    width, height = canvas.image.size
    matrix = _scale(size[0] / width, size[1] / height)
    return canvas.moved(canvas.image.resize(size, Image.Resampling.BICUBIC), matrix)


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)


def _scale(x: float, y: float) -> Matrix:
    return np.array([[x, 0, 0], [0, y, 0], [0, 0, 1]], float)


SEVERAL = "2–4 edits"
COLLAGE = "collage of four"

EDITS: dict[str, Edit] = {
    "JPEG quality 30": _jpeg_30,
    "half size": _half_size,
    "crop 80 %": _crop(0.80),
    "crop 50 %": _crop(0.50),
    "crop 25 %": _crop(0.25),
    "crop 10 %": _crop(0.10),
    "mirrored": _mirror,
    "grey": _grey,
    "colours": _colours,
    "turned 25°": _turn(25),
    "turned 90°": _turn(90),
    "turned 180°": _turn(180),
    "turned by any angle": _turn(None),
    "blur σ4": _blur,
    "noise": _noise,
    "text bar": _text_bar,
    "screenshot": _screenshot,
    COLLAGE: _collage,
    "pasted on another": _pasted,
    SEVERAL: _several,
}
"""Every edit by its name, in the order of the table."""

SAME_PICTURE = frozenset({"JPEG quality 30", "half size"})
"""Edits after which it is still the same picture, re-saved or resized, and no edited copy."""

EITHER = frozenset({"noise"})
"""Edits that some call edited, and others the same picture badly taken or saved."""

_CROPS = 0  # among the families
_FAMILIES = (
    ("crop 80 %", "crop 50 %", "crop 25 %"),
    ("mirrored",),
    ("turned 25°", "turned 90°", "turned 180°", "turned by any angle"),
    ("grey", "colours"),
    ("JPEG quality 30", "half size", "blur σ4", "noise"),
    ("text bar",),
    ("screenshot", "pasted on another"),
)
