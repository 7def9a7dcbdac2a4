"""Nothing → a folder laid out as Market-1501, of drawn figures: to try its protocol without it.

Persons differ in the colours of hair, skin, clothes and bag; cameras in background, light and
distance. The figures say nothing of a model's worth on real persons.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from app.build.build import BuildRequest
from app.doors.python import OpenGallery, open_gallery
from app.errors import NotFoundError
from app.settings import read_settings
from app.sources.datasets.market1501 import QUERIES, SEARCHED
from app.wiring import make_builder

WIDTH, HEIGHT = 64, 128  # as in the published set
CAMERAS = 3
_SIGHTINGS = 2  # images that a camera took of a person, besides the query
_SKINS = ((255, 219, 172), (224, 172, 105), (141, 85, 36), (92, 58, 33))

Colour = tuple[int, ...]


@dataclass(frozen=True)
class _Person:
    """The colours of one figure."""

    hair: Colour
    skin: Colour
    shirt: Colour
    trousers: Colour
    bag: Colour | None


def draw_people(folder: Path, *, persons: int, seed: int = 0) -> Path:
    """Write ``folder/market1501/Market-1501-v15.09.15`` with so many persons; return `folder`.

    Each person is seen by `CAMERAS` cameras: once by each in `query`, twice in `bounding_box_test`,
    which also holds as many distractors as persons and junk; `bounding_box_train` shows others.
    The same for the same seed. `gt_bbox` and `gt_query`, which repeat what the names say, are
    left out.
    """
    rng = np.random.default_rng(seed)
    root = folder / "market1501" / "Market-1501-v15.09.15"
    for number in range(1, persons + 1):
        person = _a_person(rng)
        for camera in range(1, CAMERAS + 1):
            _save(rng, person, root / QUERIES, f"{number:04}", camera, 0)
            for shot in range(1, _SIGHTINGS + 1):
                _save(rng, person, root / SEARCHED, f"{number:04}", camera, shot)
        camera = 1 + number % CAMERAS
        _save(rng, _a_person(rng), root / SEARCHED, "0000", camera, number)
        _save(rng, person, root / SEARCHED, "-1", camera, number, cut=True)
        _save(rng, _a_person(rng), root / "bounding_box_train", f"{persons + number:04}", camera, 1)
    (root / "readme.txt").write_text("Drawn figures in the layout of Market-1501.\n")
    return folder


def market_gallery(model: str, *, drawn_in: Path, persons: int) -> OpenGallery:
    """Return the gallery of Market-1501 and `model`, else one of drawn people built in `drawn_in`.

    The latter is called ``drawn-people-MODEL``, so that nobody takes one for the other.
    """
    try:
        return open_gallery(f"market1501-{model}")
    except NotFoundError:
        pass
    draw_people(drawn_in / "datasets", persons=persons)
    name = f"drawn-people-{model}"
    settings = replace(
        read_settings(),
        datasets_dir=drawn_in / "datasets",
        features_dir=drawn_in / "features",
        indexes_dir=drawn_in / "indexes",
    )
    request = BuildRequest(
        data="market1501",
        images=None,
        name=name,
        model=model,
        index="Flat",
        limit=None,
        force=False,
    )
    make_builder(settings)(request, on_progress=lambda stage, done, total: None)
    return open_gallery(name, home=drawn_in)


def _a_person(rng: np.random.Generator) -> _Person:
    colours = [tuple(rng.integers(0, 256, 3).tolist()) for _ in range(4)]
    hair, shirt, trousers, bag = colours
    skin = _SKINS[rng.integers(len(_SKINS))]
    return _Person(hair, skin, shirt, trousers, bag if rng.random() < 0.5 else None)


def _save(
    rng: np.random.Generator,
    person: _Person,
    folder: Path,
    name: str,
    camera: int,
    shot: int,
    *,
    cut: bool = False,
) -> None:
    """Write a figure as the picture that a camera took; `cut` leaves the most of it out."""
    image = _seen_by(camera, _figure(rng, person, _background(camera)))
    if cut:
        image = image.crop((WIDTH // 2, HEIGHT // 2, WIDTH, HEIGHT)).resize((WIDTH, HEIGHT))
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{name}_c{camera}s1_{shot:06}_{shot:02}.jpg", quality=90)


def _figure(rng: np.random.Generator, person: _Person, background: Colour) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), background)
    draw = ImageDraw.Draw(image)
    middle, top = WIDTH / 2 + rng.uniform(-6, 6), rng.uniform(6, 16)
    stride = rng.uniform(2, 10)
    for side in (-1, 1):
        foot = (middle + side * stride, HEIGHT - rng.uniform(4, 10))
        draw.line((middle, top + 60, *foot), fill=person.trousers, width=9)
    draw.rounded_rectangle((middle - 14, top + 22, middle + 14, top + 64), 6, fill=person.shirt)
    if person.bag is not None:
        draw.rectangle((middle + 10, top + 36, middle + 20, top + 54), fill=person.bag)
    draw.ellipse((middle - 8, top + 2, middle + 8, top + 22), fill=person.skin)
    draw.chord((middle - 9, top, middle + 9, top + 20), 180, 360, fill=person.hair)
    return image


def _background(camera: int) -> Colour:
    shade = 60 + 50 * camera
    return (shade, shade, 255 - shade)


def _seen_by(camera: int, image: Image.Image) -> Image.Image:
    """Return a figure in a camera's light, and farther away the higher its number."""
    lit = ImageEnhance.Brightness(image).enhance(0.6 + 0.2 * camera)
    margin = 3 * (camera - 1)
    far = Image.new("RGB", (WIDTH, HEIGHT), lit.getpixel((0, 0)))
    far.paste(lit.resize((WIDTH - 2 * margin, HEIGHT - 4 * margin)), (margin, 2 * margin))
    return far
