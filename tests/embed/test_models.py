"""Every model states all that belongs to it, and prepares pictures as its paper does."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.embed import MODELS, OFFERED, Model, model_named
from app.errors import UsageError
from tests.embed.pictures import PICTURES, pixels

ENTRIES = [pytest.param(model, id=name) for name, model in MODELS.items()]
OF_PICTURES = [entry for entry in ENTRIES if MODELS[entry.id or ""].kind == "picture"]


FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("model", ENTRIES)
def test_every_model_says_all_that_belongs_to_it(model: Model) -> None:
    assert MODELS[model.name] is model
    assert model.dim > 0
    assert model.licence
    assert model.paper
    assert "." not in model.name  # what follows a dot is the pooling
    if model.weights is not None:
        known = model.weights.sha256_prefix
        assert set(known) <= set("0123456789abcdef")
        unknown = model.name == "sscd_disc_mixup"  # whose publisher gives no hash
        full, part = len(known) == 64, len(known) == 8 and known in model.weights.name
        assert full or part or (unknown and not known)
        assert model.weights.url or (model.weights.package and model.weights.package_path)


@pytest.mark.parametrize("model", OF_PICTURES)
def test_every_model_of_pictures_says_how_it_prepares_them(model: Model) -> None:
    how = model.picture_preprocessing
    assert 0 < how.crop <= how.resize
    assert how.interpolation in FILTERS
    assert all(0 <= mean <= 255 for mean in how.mean)
    assert all(std > 0 for std in how.std)


def test_the_models_of_the_first_version_are_there_with_their_dimensions() -> None:
    dimensions = {name: model.dim for name, model in MODELS.items()}
    assert dimensions["resnet50"] == dimensions["resnet50_v2"] == 2048
    assert dimensions["efficientnet_lite0"] == 1280


def test_both_resnet50_are_the_published_files_of_torchvision() -> None:
    for name, file, resize in (
        ("resnet50", "resnet50-0676ba61.pth", 256),
        ("resnet50_v2", "resnet50-11ad3fa6.pth", 232),
    ):
        model = model_named(name)
        assert model.weights is not None
        assert model.weights.url == f"https://download.pytorch.org/models/{file}"
        assert model.network == "torchvision:resnet50"
        how = model.picture_preprocessing
        assert (how.resize, how.crop) == (resize, 224)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        model_named("resnet51")
    assert "resnet51" in str(refused.value)
    assert all(name in str(refused.value) for name in MODELS if name != "mean_colour")


def test_the_model_for_tests_works_and_is_in_no_list_to_choose_from() -> None:
    assert model_named("mean_colour").dim == 48
    assert set(MODELS) - set(OFFERED) == {"mean_colour"}
    with pytest.raises(UsageError) as unknown:
        model_named("resnet51")
    with pytest.raises(UsageError) as of_texts:
        model_named("all_minilm_l6_v2").check_embeds("picture")
    for refused in (unknown, of_texts):
        assert "mean_colour" not in str(refused.value)


@pytest.mark.parametrize("model", ENTRIES)
def test_preprocessing_facts_survive_json_unchanged(model: Model) -> None:
    facts = model.preprocessing_facts()
    assert json.loads(json.dumps(facts)) == facts


def resized_then_cropped(image: NDArray[np.uint8], model: Model) -> NDArray[np.uint8]:
    """Resize and crop as the papers' own code does: in two steps, with a size in whole pixels."""
    how = model.picture_preprocessing
    if how.squeezed:
        return pixels(Image.fromarray(image).resize((how.crop,) * 2, FILTERS[how.interpolation]))
    height, width = image.shape[:2]
    scale = how.resize / min(height, width)
    size = max(how.resize, int(width * scale)), max(how.resize, int(height * scale))
    resized = Image.fromarray(image).resize(size, FILTERS[how.interpolation])
    left, top = (round((side - how.crop) / 2) for side in size)
    return np.asarray(resized.crop((left, top, left + how.crop, top + how.crop)))


@pytest.mark.parametrize("shape", [(480, 480), (320, 480), (480, 320)], ids=str)
@pytest.mark.parametrize("model", OF_PICTURES)
def test_preprocessing_is_resizing_and_then_cropping_the_centre(
    model: Model, shape: tuple[int, int]
) -> None:
    for image in PICTURES:
        if image.shape[0] < shape[0] or image.shape[1] < shape[1]:
            image = pixels(Image.fromarray(image).resize(shape[::-1]))
        image = image[: shape[0], : shape[1]]
        one_step = model.picture_preprocessing.apply(image).astype(int)
        assert np.abs(one_step - resized_then_cropped(image, model)).max() <= 2


@pytest.mark.parametrize("model", [entry for entry in OF_PICTURES if entry.id != "mean_colour"])
def test_preprocessing_differs_by_less_than_a_pixel_where_the_sizes_are_no_whole_numbers(
    model: Model,
) -> None:
    for image in PICTURES:
        one_step = model.picture_preprocessing.apply(image).astype(float)
        two_steps = resized_then_cropped(image, model).astype(float)
        next_pixel = np.abs(np.diff(two_steps, axis=1)).mean()
        assert np.abs(one_step - two_steps).mean() < next_pixel
        assert np.corrcoef(one_step.ravel(), two_steps.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (10, 3000), (2, 3), (225, 224)], ids=str)
@pytest.mark.parametrize("model", OF_PICTURES)
def test_every_size_becomes_the_networks_input(model: Model, size: tuple[int, int]) -> None:
    crop = model.picture_preprocessing.crop
    plain = np.full((size[1], size[0], 3), (200, 100, 50), np.uint8)
    before = plain.copy()
    result = model.picture_preprocessing.apply(plain)
    assert result.shape == (crop, crop, 3)
    assert result.dtype == np.uint8
    assert (result == (200, 100, 50)).all()
    assert (plain == before).all()


def test_preprocessing_takes_the_middle_of_a_long_picture() -> None:
    striped = np.zeros((10, 3000, 3), np.uint8)
    striped[:, 1490:1510] = 255
    assert model_named("efficientnet_lite0").picture_preprocessing.apply(striped).min() == 255
