"""Every model of the registry, through the real loader and the real conversion: one contract."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import MODELS, Embedder, model_named
from app.embed.load import load_embedder
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import ModelError, UsageError
from tests.conftest import PHOTOGRAPHS, ROOT

# A model of texts alone has other inputs: test_text_model.py.
OF_PICTURES = {name: model for name, model in MODELS.items() if model.kind == "picture"}
WITH_NETWORK = [name for name, model in OF_PICTURES.items() if model.weights]
POOLED = ["resnet18.max", "mobilenet_v3_large.gem"]
TWIN = "resnet50_v2"  # resnet50 with other weights: a test below holds that it is no more than that
AS_PUBLISHED = "sscd_distilled"  # a network that is run as it is: test_published_network.py
NAMES = [name for name in WITH_NETWORK if name not in (TWIN, AS_PUBLISHED)] + POOLED
# The quickest of each family; `make test-all` takes the others too.
ONE_OF_A_FAMILY = {
    *("resnet18.max", "mobilenet_v3_large.gem", "mobilenet_v2_bottleneck", "efficientnet_lite1"),
    *("alexnet", "clip_vit_b_32", "dinov2_vits14", "sscd_disc_mixup"),
}
WITH_TEXTS = [name for name, model in OF_PICTURES.items() if model.has_texts]
TEXTS = ["a dog", "a cat that sleeps on a red sofa", "dog"]

# One process for all models of a run: importing torch takes longer than most of them.
# For each it writes a file with seeded random weights under the published names and shapes, which
# it takes from the library that publishes them, keeps what that library's own network gives, and
# then lets the application load the file; where an installed package holds the real weights, these
# are taken. The conversion runs here instead of in a process of its own; that process is tested
# with the real EfficientNet-Lite0. It also writes down what the libraries state about the input and
# the file of each model.
SCRIPT = """
import json, sys
from functools import partial
from pathlib import Path
import numpy as np, torch
from app.embed import model_named
from app.embed import convert, load
from app.embed.runtimes import openvino as openvino_runtime
from app.embed.networks import declare_torchvision_operators
from app.embed.weights import find_weights
from app.errors import ModelError
declare_torchvision_operators()
import torchvision
from safetensors.torch import save_file

def converted_here(module, arguments, *, failed):
    assert module == "app.embed.convert" and convert.main(arguments) == 0, failed

openvino_runtime.run_in_own_process = converted_here
load.BUILD_BATCH = 2
torch.set_num_threads(1)
# Each trace would be made twice to compare the two: what it gives is compared below.
torch.jit.trace = partial(torch.jit.trace, check_trace=False)
VARIANTS = {"resnet50_v2": "resnet50", "mobilenet_v2_bottleneck": "mobilenet_v2"}
for drawn in ("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "kaiming_uniform_",
        "kaiming_normal_"):
    # Networks draw all their weights when they are made, and none of these is kept.
    setattr(torch.nn.init, drawn, lambda tensor, *given, **options: tensor)

def randomised(network, seed):
    torch.manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif not tensor.is_floating_point():
            continue
        elif tensor.dim() > 1:
            bound = (6 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-bound, bound)
        elif name.endswith("weight"):
            tensor.uniform_(0.3, 0.9)
        else:
            tensor.normal_(0, 0.1)
    return network.eval()

def layer(network, path, x, *, given=False):
    seen = {}
    network.get_submodule(path).register_forward_hook(
        lambda module, inputs, output: seen.update(found=inputs[0] if given else output))
    network(x)
    return seen["found"]

def of_the_publisher(name):
    "Return how the library that publishes a model prepares its input, and its file's address."
    if name.startswith("sscd"):
        raise ImportError("it is published without a library")
    if name == "clip_vit_b_32":
        import open_clip
        from open_clip.pretrained import get_pretrained_cfg
        how = get_pretrained_cfg("ViT-B-32-quickgelu", "openai")
        side = open_clip.get_model_config("ViT-B-32-quickgelu")["vision_cfg"]["image_size"]
        return {"url": "https://huggingface.co/" + how["hf_hub"], "resize": side, "crop": side} | {
            key: how[key] for key in ("mean", "std", "interpolation")}
    if name.startswith(("dinov2", "efficientnet")):
        from timm.models import get_pretrained_cfg
        lite = name.startswith("efficientnet")  # published for TensorFlow, and taken over by timm
        how = get_pretrained_cfg(f"tf_{name}.in1k" if lite else "vit_small_patch14_dinov2.lvd142m")
        side = how.input_size[-1]
        sizes = {"crop": side, "resize": round(side / how.crop_pct)}
        return {"mean": how.mean, "std": how.std, "interpolation": how.interpolation} | (
            sizes if lite else {"url": how.url})
    weights = torchvision.models.get_model_weights(VARIANTS.get(name, name))
    weights = weights["IMAGENET1K_V2" if name == "resnet50_v2" else "IMAGENET1K_V1"]
    how = weights.transforms()
    facts = {"resize": how.resize_size[0], "crop": how.crop_size[0], "mean": how.mean,
        "std": how.std, "interpolation": how.interpolation.value, "url": weights.url}
    if name == "mobilenet_v2_bottleneck":
        del facts["url"]  # another file, of a network that was trained for the same input
    return facts

def published(name, seed):
    "Return (the library's network, x -> its features, the state as published)."
    of_torchvision = {
        "resnet50": lambda n, x: layer(n, "avgpool", x).flatten(1),
        "resnet18": lambda n, x: layer(n, "avgpool", x).flatten(1),
        "resnet18.max": lambda n, x: layer(n, "layer4", x).amax((2, 3)),
        "mobilenet_v2": lambda n, x: layer(n, "classifier", x, given=True),
        "mobilenet_v2_bottleneck": lambda n, x: layer(n, "classifier", x, given=True),
        "mobilenet_v3_large": lambda n, x: layer(n, "avgpool", x).flatten(1),
        "mobilenet_v3_large.gem": lambda n, x: (
            layer(n, "avgpool", x, given=True).clamp(min=1e-6) ** 3).mean((2, 3)) ** (1 / 3),
        "vgg16": lambda n, x: layer(n, "classifier.4", x),  # inputs of the last but one dropout
        "alexnet": lambda n, x: layer(n, "classifier.5", x),
        "vit_b_16": lambda n, x: layer(n, "encoder", x)[:, 0],
    }
    if name in of_torchvision:
        variant = VARIANTS.get(name, name.partition(".")[0])
        network = randomised(torchvision.models.get_model(variant, weights=None), seed)
        state = network.state_dict()
        if name == "mobilenet_v2_bottleneck":
            state = {f"layer{i}.{key.rpartition('.')[2]}": state[key]
                for i, key in enumerate(state) if key.startswith("features")}
        return network, lambda x: of_torchvision[name](network, x), state
    if name.startswith("efficientnet"):
        from efficientnet_lite_pytorch import EfficientNet
        network = randomised(EfficientNet.from_name(name.replace("_", "-")), seed)
        return network, lambda x: layer(network, "_avg_pooling", x).flatten(1), network.state_dict()
    if name == "sscd_disc_mixup":
        network = randomised(torchvision.models.resnet50(num_classes=512), seed)
        network.avgpool.forward = lambda x: (
            x.clamp(min=1e-6) ** 3).mean((2, 3), keepdim=True) ** (1 / 3)
        return network, network, {f"backbone.{k}": v for k, v in network.state_dict().items()}
    if name == "clip_vit_b_32":
        import open_clip
        network = randomised(open_clip.create_model("ViT-B-32-quickgelu"), seed)
        return network, network.encode_image, network.state_dict()
    import timm
    network = randomised(timm.create_model("vit_small_patch14_dinov2", dynamic_img_size=True), seed)
    state = {**network.state_dict(), "mask_token": torch.zeros(1, 384)}
    return network, lambda x: network.forward_features(x)[:, 0], state

def real_weights(model, cache):
    "Return the tensors of the model's installed package; None if there is none."
    try:
        path, _ = find_weights(model, weights_dir=None, cache_dir=cache, download=False)
    except ModelError:
        return None
    return torch.load(path, weights_only=True) if model.weights.package else None

@torch.inference_mode()
def tried(name, folder, pictures, pairs, texts):
    model = model_named(name)
    how = model.preprocessing
    inputs = [how.apply(picture) for picture in pictures]
    x = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float()
    x = (x - torch.tensor(how.mean)[:, None, None]) / torch.tensor(how.std)[:, None, None]
    network, features, state = published(name, seed=7)
    if real := real_weights(model, folder):
        places = [place for place in network.state_dict() if not place.startswith("classifier")]
        network.load_state_dict(dict(zip(places, real.values(), strict=True)), strict=False)
    found = {"expected": features(x).numpy()}
    # Either form may hold a network: the large ones are written faster as safetensors.
    large = ("resnet50", "vgg16", "alexnet", "vit_b_16")
    safe = model.weights.name.endswith(".safetensors") or name in large
    own = folder / (model.entry + (".safetensors" if safe else ".pth"))
    if not real:
        save_file(state, own) if safe else torch.save(state, own)
    if model.has_texts:
        import open_clip
        tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")(texts)
        found["expected_texts"] = network.encode_text(tokens).numpy()
    del network, features, state
    embedder = load.load_embedder(
        name, weights_dir=folder, cache_dir=folder / "cache", purpose="build")
    first, second = inputs
    vectors = embedder.embed_prepared([first, first, second, first])  # two batches
    found |= {"vectors": vectors[[0, 2]], "again": vectors[[1, 3]]}
    if model.has_texts:
        found["texts"] = embedder.embed_texts(texts)
    if real:
        found["pairs"] = embedder.embed(pairs)
    own.unlink(missing_ok=True)
    del embedder
    for left in (folder / "cache" / "networks").iterdir():
        left.unlink()
    np.savez(folder / f"{name}.npz", **found)

folder = Path(sys.argv[1])
photographs, texts, names, registered = map(str.splitlines, sys.argv[2:])
facts = {}
for name in registered:
    try:
        facts[name] = of_the_publisher(name)
    except ImportError:
        continue
(folder / "published.json").write_text(json.dumps(facts))
from PIL import Image
pictures = [np.asarray(Image.open(path).convert("RGB")) for path in photographs]
# Each photograph, and its left two thirds, mirrored and darkened: another picture of the same.
pairs = [each for whole in pictures for each in (
    whole, (whole[:, : whole.shape[1] * 2 // 3][:, ::-1] * 0.8).astype(np.uint8))]
for name in names:
    try:
        tried(name, folder, pictures[:2], pairs, texts)
    except ImportError as exc:
        print("skipped", name, exc)
try:
    wrong = {"features.0.0.weight": torch.zeros(16, 3, 3, 3)}
    convert.feature_network(model_named("mobilenet_v2_bottleneck"), wrong)
except ModelError as exc:
    print("refused", exc)
"""


@dataclass(frozen=True)
class Tried:
    """What the one process found of a model: vectors and features of two pictures."""

    name: str
    arrays: dict[str, NDArray[np.float32]]


def each_of(names: Sequence[str]) -> list[pytest.ParameterSet]:
    """Return parameters of a test, those marked as slow that are not quickest of their family."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=() if name in ONE_OF_A_FAMILY else slow) for name in names]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """What the one process found of the models that the selected tests are about."""
    folder = tmp_path_factory.mktemp("models")
    selected = {
        item.callspec.params.get("tried")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    }
    names = [name for name in NAMES if name in selected]
    lists = ["\n".join(map(str, each)) for each in (PHOTOGRAPHS, TEXTS, names, WITH_NETWORK)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), *lists],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (folder / "output").write_text(done.stdout + done.stderr)
    return folder


def found_of(folder: Path, name: str) -> Tried:
    """Return the findings; a model whose library is missing is left out by name."""
    if not (path := folder / f"{name}.npz").exists():
        output = (folder / "output").read_text()
        if f"skipped {name}" in output:
            pytest.skip(f"the package {model_named(name).library} is not installed")
        pytest.fail(output)
    with np.load(path) as arrays:
        return Tried(name, dict(arrays))


@pytest.fixture(params=each_of(NAMES))
def tried(folder: Path, request: pytest.FixtureRequest) -> Tried:
    return found_of(folder, request.param)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def apart(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how each differs from their mean: to a random network all pictures are alike."""
    return unit(vectors - vectors.mean(axis=0))


# --- the contract, for each model ----------------------------------------------------------------


def test_vectors_have_the_dimension_that_the_registry_says_and_length_1(tried: Tried) -> None:
    vectors = tried.arrays["vectors"]
    assert vectors.shape == (2, model_named(tried.name).dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-6)


def test_they_are_what_the_publishers_own_network_gives(tried: Tried) -> None:
    vectors, expected = tried.arrays["vectors"], unit(tried.arrays["expected"])
    assert vectors == pytest.approx(expected, abs=1e-3)
    assert ((apart(vectors) * apart(expected)).sum(axis=1) > 0.999).all()


def test_the_same_picture_has_the_same_vector_whatever_else_is_in_its_batch(tried: Tried) -> None:
    first, _ = tried.arrays["vectors"]
    beside_itself, beside_the_other = tried.arrays["again"]
    assert beside_itself == pytest.approx(first, abs=1e-6)
    assert beside_the_other == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize("tried", each_of(WITH_TEXTS), indirect=True)
def test_texts_have_vectors_in_the_pictures_space(tried: Tried) -> None:
    arrays = tried.arrays
    texts = arrays["texts"]
    assert texts.shape == (len(TEXTS), arrays["vectors"].shape[1])
    assert np.linalg.norm(texts, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert texts == pytest.approx(unit(arrays["expected_texts"]), abs=1e-3)
    assert ((apart(texts) * apart(arrays["expected_texts"])).sum(axis=1) > 0.999).all()


# --- the registry and what publishers say ---------------------------------------------------------


@pytest.mark.parametrize("name", WITH_NETWORK)
def test_preprocessing_and_file_are_what_in_the_publishers_library(name: str, folder: Path) -> None:
    assert (folder / "published.json").exists(), (folder / "output").read_text()
    published = json.loads((folder / "published.json").read_text()).get(name)
    if published is None:
        pytest.skip("the package that publishes it is not installed")
    model = model_named(name)
    how = model.preprocessing_facts()
    for key in {"resize", "crop", "interpolation"} & published.keys():
        assert how[key] == published[key], key
    # TensorFlow's (x - 127) / 128 is (x - 127.5) / 127.5 to timm.
    within = 0.6 if name.startswith("efficientnet") else 1e-3
    for key in ("mean", "std"):
        assert how[key] == pytest.approx([255 * each for each in published[key]], abs=within), key
    if "url" in published:
        assert model.weights is not None
        assert model.weights.url is not None
        assert model.weights.url.startswith(published["url"])
        assert model.weights.url.rpartition("/")[2] == model.weights.name


def test_resnet50_v2_is_resnet50_with_other_weights_for_pictures_of_another_size() -> None:
    plain, twin = model_named("resnet50"), model_named(TWIN)
    assert plain.weights != twin.weights
    how = replace(plain.preprocessing, resize=twin.preprocessing.resize)
    assert twin == replace(plain, name=TWIN, weights=twin.weights, preprocessing=how)


# --- what is missing ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.library])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("app.embed.load.version", gone)
    with pytest.raises(ModelError) as refused:
        load_embedder(name, weights_dir=None, cache_dir=tmp_path, purpose="query")
    for word in (name, model_named(name).library, "pip install -r requirements-lab.txt"):
        assert word in str(refused.value)


def test_a_model_without_texts_says_which_has_them(tmp_path: Path) -> None:
    embedder = load_embedder("mean_colour", weights_dir=None, cache_dir=tmp_path, purpose="query")
    with pytest.raises(UsageError, match=r"mean_colour .* clip_vit_b_32, all_minilm"):
        embedder.embed_texts(["a dog"])


class Letters:
    """Texts without a network: how many letters, and one."""

    precision = "f32"

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[len(text), 1.0] + [0.0] * 46 for text in texts], np.float32)


def test_texts_are_loaded_when_the_first_comes_and_once() -> None:
    loaded: list[Letters] = []

    def load() -> Letters:
        loaded.append(Letters())
        return loaded[-1]

    embedder = Embedder(model_named("mean_colour"), MeanColourRuntime(), "", load)
    assert embedder.embed_texts([]).shape == (0, 48)
    assert not loaded
    assert embedder.embed_texts(["abc", ""])[:, :2] == pytest.approx(
        np.array([[3, 1], [0, 10**0.5]]) / 10**0.5
    )
    embedder.embed_texts(("another",))
    assert len(loaded) == 1
    for given in ("a dog", [b"a dog"], [1]):
        with pytest.raises(UsageError, match=r"\['a dog'\], not .*(a dog|1)"):
            embedder.embed_texts(given)  # type: ignore[arg-type]


# --- the real weights of packages -----------------------------------------------------------------

REAL = [name for name in NAMES if (weights := model_named(name).weights) and weights.package]


@pytest.mark.parametrize("tried", each_of(REAL), indirect=True)
def test_real_weights_see_what_pictures_have_in_common(tried: Tried) -> None:
    arrays = tried.arrays
    if "pairs" not in arrays:
        weights = model_named(tried.name).weights
        pytest.skip(f"the package {weights.package if weights else ''} is not installed")
    vectors = arrays["pairs"]
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert (cosines.argmax(axis=1) == np.arange(len(vectors)) ^ 1).all()
    chelsea, rocket = (
        2 * [path.stem for path in PHOTOGRAPHS].index(stem) for stem in ("chelsea", "rocket")
    )
    assert cosines[chelsea, chelsea + 1] > cosines[chelsea, rocket] + 0.1


def test_tensors_in_another_order_are_not_taken_for_the_network(folder: Path) -> None:
    output = (folder / "output").read_text()
    refused = next(line for line in output.splitlines() if line.startswith("refused "))
    assert "mobilenet_v2_bottleneck" in refused
    assert "its tensors are not those of mobilenet_v2, in their order" in refused
