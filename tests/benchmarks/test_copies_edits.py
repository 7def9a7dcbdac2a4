"""Edits are the same for the same seed, and points go where their transforms say."""

import doctest
import io

import numpy as np
import pytest
from PIL import Image

import benchmarks.copies.edits
import benchmarks.copies.photographs
from benchmarks.copies.edits import COLLAGE, EDITS, SEVERAL, Edited, edit, mapped, opened
from tests.conftest import PHOTOGRAPHS

RED = (255, 0, 0)
SIZE = (180, 120)
DOT = (50, 40)  # the middle of a red square of 16 pixels


def photograph() -> Image.Image:
    """Return a soft grey picture with a red square."""
    image = Image.linear_gradient("L").resize(SIZE).convert("RGB")
    image.paste(RED, (DOT[0] - 8, DOT[1] - 8, DOT[0] + 8, DOT[1] + 8))
    return image


def others() -> list[Image.Image]:
    return [opened(path) for path in PHOTOGRAPHS[:3]]


def made(name: str, seed: int = 1) -> Edited:
    return edit(name, photograph(), seed=seed, others=others())


def pixels(edited: Edited) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(edited.data)).convert("RGB")).astype(int)


def is_red(colour: np.ndarray) -> bool:
    red, green, blue = colour
    return bool(red > green + 80 and red > blue + 80)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_the_same_for_the_same_seed(name: str) -> None:
    assert made(name).data == made(name).data


@pytest.mark.parametrize("name", ["crop 25 %", "colours", "noise", "screenshot", SEVERAL])
def test_another_seed_gives_another_picture(name: str) -> None:
    assert made(name, 1).data != made(name, 2).data


@pytest.mark.parametrize("name", EDITS)
def test_the_file_is_of_the_size_that_is_stated(name: str) -> None:
    edited = made(name)
    assert Image.open(io.BytesIO(edited.data)).size == edited.size


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", [name for name in EDITS if name not in ("grey", SEVERAL)])
def test_the_red_square_is_where_the_transform_takes_it(name: str, seed: int) -> None:
    edited = made(name, seed)
    ((x, y),) = mapped(edited.transforms[0], [DOT])
    width, height = edited.size
    if name.startswith("crop") and not (4 < x < width - 4 and 4 < y < height - 4):
        return  # the crop left it out
    if name == "text bar" and not is_red(pixels(edited)[int(y), int(x)]):
        assert 0.2 <= covered(edited) <= 0.26
        return
    assert is_red(pixels(edited)[int(y), int(x)])


def covered(edited: Edited) -> float:
    """Return the share of rows at whose ends the picture is no longer itself."""
    ends = np.abs(pixels(edited)[:, -1] - np.asarray(photograph()).astype(int)[:, -1])
    return float((ends.max(axis=1) > 12).mean())


def test_a_mirrored_point_is_as_far_from_the_other_side() -> None:
    assert mapped(made("mirrored").transforms[0], [(10, 30)]).tolist() == [[170, 30]]


def test_a_turn_of_90_degrees_is_clockwise() -> None:
    edited = made("turned 90°")
    assert edited.size == SIZE[::-1]
    assert mapped(edited.transforms[0], [(0, 0), (180, 0)]) == pytest.approx(
        np.array([[120, 0], [120, 180]])
    )


def test_a_turned_picture_is_all_inside() -> None:
    edited = made("turned by any angle")
    corners = mapped(edited.transforms[0], [(0, 0), (180, 0), (180, 120), (0, 120)])
    assert (corners >= -1).all()
    assert (corners <= np.array(edited.size) + 1).all()


@pytest.mark.parametrize("percent", [80, 50, 25, 10])
def test_a_crop_keeps_its_share_of_the_area(percent: int) -> None:
    for seed in range(20):
        width, height = made(f"crop {percent} %", seed).size
        assert width * height / (SIZE[0] * SIZE[1]) == pytest.approx(percent / 100, rel=0.05)


def test_a_crop_shows_more_than_paper() -> None:
    white = Image.new("RGB", SIZE, "white")
    white.paste(others()[0].resize((60, 40)), (100, 20))
    for seed in range(20):
        edited = edit("crop 10 %", white, seed=seed)
        assert pixels(edited).std() > 20


def test_a_screenshot_shows_the_picture_at_40_to_60_percent_of_its_width() -> None:
    for seed in range(10):
        edited = made("screenshot", seed)
        assert 0.39 <= SIZE[0] * edited.transforms[0][0, 0] / edited.size[0] <= 0.61
        assert edited.data.startswith(b"\x89PNG")


def test_a_pasted_picture_takes_30_to_50_percent_of_the_area() -> None:
    for seed in range(10):
        width, height = made("pasted on another", seed).size
        assert 0.29 <= SIZE[0] * SIZE[1] / (width * height) <= 0.51


def test_a_collage_shows_four_pictures_beside_each_other() -> None:
    edited = made(COLLAGE)
    sizes = [SIZE, *(each.size for each in others())]
    seen = np.zeros(edited.size, int)
    for (width, height), matrix in zip(sizes, edited.transforms, strict=True):
        corners = np.rint(mapped(matrix, [(0, 0), (width, height)])).astype(int)
        (left, top), (right, bottom) = corners
        seen[left:right, top:bottom] += 1
    assert (seen == 1).all()


def test_two_to_four_edits_keep_some_of_the_picture() -> None:
    for seed in range(40):
        edited = made(SEVERAL, seed)
        grid = [(x, y) for x in range(2, 180, 4) for y in range(2, 120, 4)]
        x, y = mapped(edited.transforms[0], grid).T
        inside = (x > 0) & (x < edited.size[0]) & (y > 0) & (y < edited.size[1])
        assert inside.mean() >= 0.2


@pytest.mark.parametrize("module", [benchmarks.copies.edits, benchmarks.copies.photographs])
def test_the_examples_run(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried
    assert not failed
