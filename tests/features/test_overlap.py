"""The aligned pixels of two pictures: an edited copy agrees, another picture does not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from app.features import compare
from tests.conftest import PHOTOGRAPHS

AS_IT_IS = np.eye(2, 3)


def opened(place: int = 0) -> Image.Image:
    image = Image.open(PHOTOGRAPHS[place]).convert("RGB")
    image.thumbnail((400, 400))
    return image


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


def resaved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=20)
    return Image.open(file)


def barred(image: Image.Image) -> Image.Image:
    image = image.copy()
    width, height = image.size
    drawing = ImageDraw.Draw(image)
    drawing.rectangle([0, int(0.75 * height), width, height], fill=(10, 10, 10))
    drawing.text((10, int(0.8 * height)), "Breaking news", fill=(255, 255, 255))
    return image


EDITS = {
    "re-saved": resaved,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L"),
    "text bar": barred,
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("place", [0, 1])
def test_an_edited_copy_agrees_closely(edit, place):
    image = opened(place)
    overlap = compare(pixels(EDITS[edit](image)), pixels(image), AS_IT_IS)
    assert overlap.agreeing > 0.5
    assert overlap.closeness > 0.95
    assert overlap.of_query == pytest.approx(1, abs=0.03)
    assert overlap.of_other == pytest.approx(1, abs=0.03)


def test_another_picture_does_not_agree():
    one, other = opened(0), opened(1).resize(opened(0).size)
    overlap = compare(pixels(one), pixels(other), AS_IT_IS)
    assert overlap.agreeing < 0.3


def test_a_rough_transform_is_brought_into_step():
    image = opened()
    width, height = image.size
    part = image.crop((50, 40, width - 30, height - 20))
    rough = np.array([[1.01, 0.004, -55], [-0.003, 0.99, -35]])
    overlap = compare(pixels(part), pixels(image), rough)
    assert overlap.agreeing > 0.95
    assert np.allclose(overlap.matrix[:, 2], (-50, -40), atol=4)
    share = part.width * part.height / (width * height)
    assert overlap.of_other == pytest.approx(share, abs=0.03)
    assert overlap.of_query == pytest.approx(1, abs=0.02)


def test_colours_tell_a_grey_copy():
    image = opened()
    grey = compare(pixels(image.convert("L")), pixels(image), AS_IT_IS)
    same = compare(pixels(resaved(image)), pixels(image), AS_IT_IS)
    assert grey.colour() > same.colour() + 3


def test_a_picture_that_lies_outside_is_not_compared():
    image = opened()
    outside = np.array([[1.0, 0, 5000], [0, 1, 0]])
    assert compare(pixels(image), pixels(image), outside) is None


def test_a_flat_picture_shows_nothing_to_compare():
    flat = np.full((200, 300, 3), 128, np.uint8)
    overlap = compare(flat, flat, AS_IT_IS)
    assert overlap is None or overlap.blocks == 0


def test_sharpness_and_colour_say_what_was_done():
    image = opened()
    seen = {
        name: compare(pixels(EDITS[name](image)), pixels(image), AS_IT_IS)
        for name in ("re-saved", "blurred", "brighter", "grey")
    }
    assert seen["blurred"].sharpness() < 0.4
    assert all(0.7 < each.sharpness() < 1.4 for name, each in seen.items() if name != "blurred")
    assert [name for name, each in seen.items() if each.greyed()] == ["grey"]
    grey = pixels(image.convert("L"))
    assert not compare(grey, grey, AS_IT_IS).greyed()  # nothing was taken from it


def test_a_bar_from_edge_to_edge_does_not_count_against_what_is_beside_it():
    image = opened()
    for turns in (0, 90):
        upright = barred(image).rotate(turns, expand=True)
        overlap = compare(pixels(upright), pixels(image.rotate(turns, expand=True)), AS_IT_IS)
        assert overlap.agreeing < 0.85
        assert overlap.uncovered > 0.97


def test_a_subject_that_moved_is_no_bar():
    image, other = opened(0), opened(1)
    width, height = image.size
    moved = image.copy()
    moved.paste(other.resize((width // 2, height // 3)), (width // 4, height // 3))
    overlap = compare(pixels(moved), pixels(image), AS_IT_IS)
    assert overlap.uncovered == overlap.agreeing < 0.9
    hidden = image.copy()  # all but a third
    hidden.paste(other.resize((width, height * 2 // 3)), (0, 0))
    overlap = compare(pixels(hidden), pixels(image), AS_IT_IS)
    assert overlap.uncovered < 0.6
