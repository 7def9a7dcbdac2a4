"""Where a picture is from: its source is found and named, however it was edited."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from app.values import EDITED_COPY, SAME_FILE, SAME_PICTURE, SearchResult
from tests.conftest import PHOTOGRAPHS, Home, encoded, fill

NAME = "photographs"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A gallery of the example photographs and of soft random pictures."""
    home = Home(tmp_path_factory.mktemp("copies"))
    folder = fill(home.path / "mine", 30)
    for path in PHOTOGRAPHS:
        shutil.copy(path, folder / path.name)
    home.build(folder, NAME, copies=True)
    return home


@pytest.fixture(scope="module")
def service(home: Home):
    return home.service()


def photograph(name: str) -> Image.Image:
    return Image.open(next(path for path in PHOTOGRAPHS if path.stem == name)).convert("RGB")


def cut(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (int(left * width), int(top * height), int(right * width), int(bottom * height))
    )


def on_a_page(image: Image.Image) -> Image.Image:
    page = Image.new("RGB", (2 * image.width, 2 * image.height), "white")
    page.paste(image, (image.width // 2, image.height // 3))
    ImageDraw.Draw(page).text((20, 20), "A page with a picture in it", fill="black")
    return page


EDITS = {
    "half": (lambda image: image.resize((image.width // 2, image.height // 2)), SAME_PICTURE, ""),
    "re-saved": (lambda image: image, SAME_PICTURE, ""),
    "cropped": (lambda image: cut(image, 0.2, 0.1, 0.8, 0.7), EDITED_COPY, "cropped to 36 %"),
    "mirrored": (ImageOps.mirror, EDITED_COPY, "mirrored"),
    "turned": (lambda image: image.rotate(-90, expand=True), EDITED_COPY, "turned by 90° right"),
    "upside down": (lambda image: image.rotate(180), EDITED_COPY, "turned by 180°"),
    "blurred": (lambda image: image.filter(ImageFilter.GaussianBlur(3)), None, None),
    "grey": (lambda image: image.convert("L").convert("RGB"), EDITED_COPY, "in grey"),
    "soft": (lambda image: image.filter(ImageFilter.GaussianBlur(8)), EDITED_COPY, "blurred"),
    "on a page": (on_a_page, EDITED_COPY, "inside a larger picture"),
}


def ask(service, image: Image.Image, **parameters: object) -> SearchResult:
    data = encoded(image, quality=80)
    result: SearchResult = service.search(NAME, data, **({"k": 5} | parameters))
    return result


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_an_edited_picture_is_found_and_named(service, name, edit):
    change, kind, reason = EDITS[edit]
    result = ask(service, change(photograph(name)))
    hit = result.hits[0]
    assert Path(hit.image.path).stem == name
    assert hit.match.is_source
    assert kind in (None, hit.match.kind)
    if reason:
        words = hit.match.reason.split(", ")
        numbers = [word for word in words if word.split(" to ")[0] == reason.split(" to ")[0]]
        assert numbers or reason in hit.match.reason
    assert [each.image.path for each in result.sources] == [hit.image.path]
    assert result.verdict.startswith(f"Found: this is {hit.image.path}")
    assert result.similar_enough
    assert not hit.match.probably


def test_a_gallery_says_that_it_finds_copies(service, tmp_path):
    without = Home(tmp_path)
    without.build(fill(tmp_path / "mine", 3), NAME, copies=False)
    words = [dict(each.gallery(NAME).facts.in_words()) for each in (service, without.service())]
    assert [facts.get("copies") for facts in words] == [
        "found, also cropped, turned and edited",
        None,
    ]


def test_the_file_itself_is_the_same_file(service, home):
    path = next(path for path in PHOTOGRAPHS if path.stem == "chelsea")
    result = service.search(NAME, path.read_bytes(), k=3)
    assert result.hits[0].match.kind == SAME_FILE
    assert result.verdict == "Found: this is chelsea.jpg."


def test_the_transform_and_the_regions_say_where(service):
    image = photograph("coffee")
    part = ImageOps.mirror(cut(image, 0.25, 0.2, 0.75, 0.9))
    match = ask(service, part).hits[0].match
    assert match.mirrored
    a, b, c, d, e, f = match.matrix
    x, y = 0.5 * image.width, 0.5 * image.height  # which lies in the middle of the part's width
    assert a * x + b * y + c == pytest.approx(0.5 * part.width, abs=0.03 * part.width)
    assert d * x + e * y + f == pytest.approx((0.3 / 0.7) * part.height, abs=0.03 * part.height)
    left, right = (pick(x for x, _ in match.in_image) for pick in (min, max))
    assert (left, right) == pytest.approx((0.25, 0.75), abs=0.03)
    assert match.of_image == pytest.approx(0.35, abs=0.03)


def test_several_sources_in_a_collage_are_each_found(service):
    sheet = Image.new("RGB", (800, 800))
    names = ["astronaut", "coffee", "chelsea", "rocket"]
    for place, name in enumerate(names):
        part = ImageOps.contain(photograph(name), (400, 400))
        sheet.paste(part, (400 * (place % 2), 400 * (place // 2)))
    result = ask(service, sheet, k=6)
    found = {Path(hit.image.path).stem for hit in result.sources}
    assert len(found & set(names)) >= 3, found
    assert f" {len(result.sources) - 1} more are below." in result.verdict


def test_smaller_copies_nearly_equal_the_first_result(tmp_path):
    home = Home(tmp_path)
    folder = fill(home.path / "mine", 12)
    image = photograph("coffee")
    for share in (1, 2, 3):
        size = image.width // share, image.height // share
        (folder / f"{share}.jpg").write_bytes(encoded(image.resize(size), quality=70 + share))
    home.build(folder, NAME, copies=True)
    result = ask(home.service(), cut(image, 0.1, 0.1, 0.9, 0.9))
    assert [hit.duplicate_of for hit in result.sources] == [None, 1, 1]


def soft_shapes(seed: int) -> Image.Image:
    """Return a few large shapes without an edge, on which no feature is found."""
    rng = np.random.default_rng(seed)
    few = Image.fromarray(rng.integers(40, 216, (3, 4, 3), np.uint8))
    return few.resize((640, 480), Image.Resampling.BICUBIC)


def test_a_picture_without_features_is_known_by_how_it_looks_as_a_whole(tmp_path):
    home = Home(tmp_path)
    folder = fill(home.path / "mine", 12)
    image = soft_shapes(1)
    (folder / "soft.png").write_bytes(encoded(image, "PNG"))
    home.build(folder, NAME, copies=True)
    service = home.service()
    for edited, kind, reason in (
        (image.resize((320, 240)), SAME_PICTURE, ""),
        (ImageOps.mirror(image), EDITED_COPY, "mirrored"),
        (image.convert("L"), EDITED_COPY, "in grey"),
    ):
        result = ask(service, edited)
        assert [(hit.image.path, hit.match.kind) for hit in result.sources] == [("soft.png", kind)]
        assert reason in result.sources[0].match.reason
    for seed in range(2, 8):
        assert not ask(service, soft_shapes(seed)).sources, seed


def test_what_is_not_there_is_not_found(service):
    rng = np.random.default_rng(0)
    other = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize((640, 480))
    result = ask(service, other)
    assert not result.sources
    assert result.verdict in (
        "Nothing like it here.",
        "The picture itself is not here; these look like it.",
    )


def test_a_flat_picture_is_too_simple_to_tell(service):
    result = ask(service, Image.new("RGB", (300, 200), "white"))
    assert result.verdict.startswith("Too simple to tell")


def test_copies_are_not_looked_for_where_they_are_not_asked_for(service):
    result = ask(service, ImageOps.mirror(photograph("coffee")), copies=False)
    assert not result.sources
    assert result.verdict == ""


def test_an_image_of_the_gallery_finds_its_copies_too(home, service):
    image = next(hit.image.id for hit in ask(service, photograph("coffee")).hits if hit.match)
    result = service.search(NAME, image, k=3)
    assert result.hits[0].match.kind == SAME_FILE


def test_without_the_originals_the_thumbnails_say_probably(home, tmp_path):
    copied = Home(tmp_path / "home")
    shutil.copytree(home.path, copied.path)
    gone = copied.path / "mine"
    service = copied.service()
    shutil.move(home.path / "mine", tmp_path / "away")
    try:
        result = ask(service, cut(photograph("astronaut"), 0.1, 0.1, 0.9, 0.9))
    finally:
        shutil.move(tmp_path / "away", home.path / "mine")
    assert gone.is_dir()
    assert result.hits[0].match.probably
    assert result.verdict.startswith("Probably this is astronaut.jpg")
