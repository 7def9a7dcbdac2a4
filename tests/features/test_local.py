"""Local features: as many as a gallery has room for, and from all over the picture."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from app.features import fit, of_gallery_picture, of_query, phash
from app.search.verify import alike
from app.values.features import comparable
from tests.conftest import PHOTOGRAPHS, encoded


def half_dim() -> np.ndarray:
    """Return grains, those at the left of full contrast, those at the right of an eighth of it."""
    rng = np.random.default_rng(0)
    grains = Image.fromarray(rng.integers(0, 256, (48, 64), dtype=np.uint8))
    pixels = np.asarray(grains.resize((256, 192), Image.Resampling.BICUBIC), np.float32) - 128
    pixels[:, 128:] /= 8
    return np.repeat((pixels + 128).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_dim_part_has_features_too():
    features = of_gallery_picture(half_dim())
    assert len(features) == 200
    right = features.places[:, 0] > 0.5
    assert (
        0.15 < right.mean() < 0.5
    )  # half of the places are shared out, the strongest get the rest
    for column in range(4):
        for row in range(4):
            x, y = (features.places[:, :2] * 4).astype(int).T
            assert ((x == column) & (y == row)).sum() >= 3


def test_a_query_has_more_of_them_and_none_twice():
    photograph = np.asarray(Image.open(PHOTOGRAPHS[0]).convert("RGB"))
    kept, asked = of_gallery_picture(photograph), of_query(photograph)
    assert len(kept) == 200 < len(asked) <= 500
    assert len(np.unique(kept.places, axis=0)) == len(kept)


def test_a_gallery_s_features_are_found_in_a_part_of_its_picture():
    for path in PHOTOGRAPHS:
        photograph = Image.open(path).convert("RGB")
        photograph.thumbnail((512, 512))
        width, height = photograph.size
        part = photograph.crop((width // 4, height // 4, width * 3 // 4, height * 3 // 4))
        kept, asked = (
            of(np.asarray(each))
            for of, each in ((of_gallery_picture, photograph), (of_query, part))
        )
        at, other = alike(comparable(asked.descriptors), comparable(kept.descriptors))
        found = fit(asked.places[at], part.size, kept.places[other], photograph.size)
        assert found is not None
        assert found.pairs >= 8
        assert found.scale == pytest.approx(1, abs=0.03)
        np.testing.assert_allclose(found.matrix[:, 2], (-width // 4, -height // 4), atol=4)


def test_a_flat_picture_has_none():
    assert len(of_query(np.full((200, 300, 3), 90, np.uint8))) == 0


def bits_apart(one: Image.Image, other: Image.Image) -> int:
    hashes = [phash(np.asarray(image.convert("RGB"))) for image in (one, other)]
    return int(np.bitwise_count(hashes[0] ^ hashes[1]).sum())


def test_a_hash_stays_when_a_picture_is_saved_again_made_smaller_blurred_or_grey():
    for path in PHOTOGRAPHS:
        image = Image.open(path).convert("RGB")
        for copy in (
            Image.open(io.BytesIO(encoded(image, quality=30))),
            image.resize((image.width // 3, image.height // 3)),
            image.filter(ImageFilter.GaussianBlur(4)),
            image.convert("L"),
        ):
            assert bits_apart(image, copy) <= 6, path


def test_other_pictures_and_mirror_images_have_other_hashes():
    images = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS]
    for place, image in enumerate(images):
        assert bits_apart(image, ImageOps.mirror(image)) > 12
        assert all(bits_apart(image, other) > 12 for other in images[:place])


def test_a_gallery_keeps_the_hash_beside_the_features():
    pixels = np.asarray(Image.open(PHOTOGRAPHS[0]).convert("RGB"))
    np.testing.assert_array_equal(of_gallery_picture(pixels).phash, phash(pixels))
    assert phash(pixels)[0] & 128  # so that no hash is that of a picture without one
