"""Models that training made: one file, checked before it is taken, and then a model like any."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file

from app.doors.cli import create_index
from app.embed import MODELS, Embedder, find_model
from app.embed.load import adopt_model_file, load_embedder
from app.embed.model_file import FORMAT, read_model_file
from app.embed.models import OFFERED
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.embed.weights import find_weights
from app.errors import AppError, ModelError, StorageError, UsageError
from app.settings import read_settings
from app.wiring import model_asked
from tests.conftest import PHOTOGRAPHS, ROOT, fill, is_one_sentence

BASE = "efficientnet_lite0"
RNG = np.random.default_rng(13)
WEIGHT = RNG.normal(0, 1, (16, 1280)).astype(np.float32)
BIAS = RNG.normal(0, 0.1, 16).astype(np.float32)
PICTURES = [np.asarray(Image.open(path).convert("RGB")) for path in PHOTOGRAPHS]


def base_sha256(tmp_path: Path) -> str:
    return find_weights(MODELS[BASE], weights_dir=None, cache_dir=tmp_path, download=False)[1]


def write(path: Path, sha256: str, **changes: Any) -> Path:
    """Write a model file; None leaves out what it would hold."""
    tensors = {"head.weight": WEIGHT, "head.bias": BIAS}
    metadata = {"format": FORMAT, "base": BASE, "base_sha256": sha256, "training": "{}"}
    for key, value in changes.items():
        into: dict[str, Any] = metadata if key in metadata else tensors
        into[key if key in metadata else f"head.{key}"] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value for key, value in tensors.items() if value is not None},
        path,
        {key: value for key, value in metadata.items() if value is not None},
    )
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write(tmp_path / "trained" / "mine.safetensors", base_sha256(tmp_path))


@pytest.fixture(scope="module")
def cache(networks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base's converted network, and what is converted here: the same file is so once."""
    return shutil.copytree(networks, tmp_path_factory.mktemp("models") / "cache")


def load(name: str, tmp_path: Path, cache: Path) -> Embedder:
    return load_embedder(
        name,
        purpose="query",
        weights_dir=None,
        cache_dir=cache,
        models_dir=tmp_path / "trained",
    )


def adopt(path: Path, tmp_path: Path, **options: Any) -> str:
    given = {"models_dir": tmp_path / "models", "weights_dir": None, "cache_dir": tmp_path}
    return adopt_model_file(path, download=False, **(given | options))


def headed(features: NDArray[np.float32]) -> NDArray[np.float32]:
    vectors = features @ WEIGHT.T + BIAS
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


# --- what it is -----------------------------------------------------------------------------------


def test_its_vectors_are_those_of_the_head_upon_the_bases(
    mine: Path, tmp_path: Path, cache: Path
) -> None:
    embedder = load("mine", tmp_path, cache)
    assert (embedder.name, embedder.dim) == ("mine", 16)
    expected = headed(load(BASE, tmp_path, cache).embed(PICTURES))
    assert embedder.embed(PICTURES) == pytest.approx(expected, abs=1e-4)
    assert embedder.weights_sha256 not in ("", base_sha256(tmp_path))


# Its own process: torch reads the published weights, and one tensor of them is changed.
WHOLE = """
import sys, torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
weights, head, output = sys.argv[1:]
state = torch.load(weights, weights_only=True)
state["_bn1.weight"] = state["_bn1.weight"] * torch.linspace(0.5, 1.5, 1280)
with safe_open(head, "pt") as file:
    metadata = file.metadata()
tensors = {f"network.{name}": tensor.contiguous() for name, tensor in state.items()}
save_file({**load_file(head), **tensors}, output, {**metadata, "base_sha256": "of no file here"})
"""


def test_a_file_with_all_of_its_network_needs_no_other_weights(
    mine: Path, tmp_path: Path, cache: Path
) -> None:
    weights, _ = find_weights(MODELS[BASE], weights_dir=None, cache_dir=tmp_path, download=False)
    whole = mine.with_name("whole.safetensors")
    subprocess.run(
        [sys.executable, "-c", WHOLE, str(weights), str(mine), str(whole)], cwd=ROOT, check=True
    )
    embedder = load("whole", tmp_path, cache)
    vectors = embedder.embed(PICTURES)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(PICTURES)), abs=1e-6)
    of_the_base = headed(load(BASE, tmp_path, cache).embed(PICTURES))
    assert (vectors * of_the_base).sum(axis=1).max() < 0.999  # the changed tensor is seen
    assert embedder.weights_sha256 == hashlib.sha256(whole.read_bytes()).hexdigest()


def test_other_content_or_another_base_is_another_model(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embed.running.converted_network", lambda *given: tmp_path)
    monkeypatch.setattr(
        "app.embed.running.OpenVinoRuntime", lambda *given, **how: MeanColourRuntime()
    )

    def digest(**options: Any) -> str:
        given = {"weights_dir": None, "models_dir": mine.parent, "cache_dir": tmp_path}
        return load_embedder("mine", purpose="query", **(given | options)).weights_sha256

    first = digest()
    assert digest() == first
    write(mine, base_sha256(tmp_path), bias=BIAS + 1)
    second = digest()
    own = tmp_path / "own"
    own.mkdir()
    (own / f"{BASE}.pth").write_bytes(b"other weights")
    write(mine, hashlib.sha256(b"other weights").hexdigest(), bias=BIAS + 1)
    assert len({first, second, digest(weights_dir=own)}) == 3


def test_a_file_may_stand_upon_a_pooled_model(tmp_path: Path) -> None:
    path = write(tmp_path / "sharp.safetensors", "", base=f"{BASE}.gem")
    model = read_model_file(path)
    assert (model.pool, model.entry, model.weights) == ("gem", BASE, MODELS[BASE].weights)
    assert model.file is not None
    assert model.file.base == f"{BASE}.gem"


# --- refused --------------------------------------------------------------------------------------

NOT_FINITE = np.full_like(BIAS, np.nan)
BAD = {
    "another format": ({"format": "pt"}, "its format is 'pt'"),
    "no format": ({"format": None}, "its format is None"),
    "an unknown base": ({"base": "resnet51"}, "There is no model 'resnet51'"),
    "no base": ({"base": None}, "There is no model ''"),
    "a base of texts": ({"base": "all_minilm_l6_v2"}, "all_minilm_l6_v2 embeds no pictures"),
    "a base without a network": ({"base": "mean_colour"}, "mean_colour has no network"),
    "a base of another width": (
        {"base": "resnet50"},
        "takes 1280 numbers, and resnet50 gives 2048",
    ),
    "no bias": ({"bias": None}, "head: train it again"),
    "no weight": ({"weight": None}, "head: train it again"),
    "a bias of another length": ({"bias": BIAS[:3]}, "head: train it again"),
    "a weight that is no matrix": ({"weight": WEIGHT[0]}, "head: train it again"),
    "not a number": ({"bias": NOT_FINITE}, "finite float32"),
    "half precision": ({"weight": WEIGHT.astype(np.float16)}, "finite float32"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_model_is_refused_and_not_copied(what: str, tmp_path: Path) -> None:
    changes, words = BAD[what]
    path = write(tmp_path / "trained" / "bad.safetensors", base_sha256(tmp_path), **changes)
    for attempt in (lambda: read_model_file(path), lambda: adopt(path, tmp_path)):
        with pytest.raises(ModelError) as refused:
            attempt()
        assert words in str(refused.value)
        assert str(path) in str(refused.value)
        assert is_one_sentence(str(refused.value))
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("content", [b"", b"not a model at all", "half"])
def test_a_file_that_cannot_be_read_is_refused(
    content: bytes | str, mine: Path, tmp_path: Path
) -> None:
    if content == "half":
        os.truncate(mine, mine.stat().st_size // 2)
    else:
        mine.write_bytes(content)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="copy it again") as refused:
        adopt(mine, tmp_path)
    assert is_one_sentence(str(refused.value))


def test_other_weights_of_the_base_are_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.safetensors", "12" * 32)
    with pytest.raises(ModelError, match="other weights of efficientnet_lite0") as refused:
        adopt(path, tmp_path)
    assert all(prefix in str(refused.value) for prefix in ("57934424", "12121212"))
    assert is_one_sentence(str(refused.value))
    assert not (tmp_path / "models").exists()


def test_missing_weights_of_the_base_are_named_and_nothing_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = write(
        tmp_path / "mine.safetensors", "", base="resnet18", weight=np.ones((16, 512), np.float32)
    )
    with pytest.raises(ModelError, match=r"resnet18-f37072fd\.pth are not on this machine"):
        adopt(path, tmp_path)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50", "a model of the program has that name"),
        ("resnet50.gem", "a model of the program has that name"),
        ("two words", "a name has letters, digits"),
        (".hidden", "a name has letters, digits"),
        ("", "a name has letters, digits"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(name: str, words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "trained" / f"{name}.safetensors", base_sha256(tmp_path))
    with pytest.raises(UsageError, match=words) as refused:
        adopt(path, tmp_path)
    assert is_one_sentence(str(refused.value))
    assert not (tmp_path / "models").exists()


# --- taken ----------------------------------------------------------------------------------------


def test_a_file_is_taken_once_and_another_of_its_name_is_not(mine: Path, tmp_path: Path) -> None:
    assert adopt(mine, tmp_path) == "mine"
    place = tmp_path / "models" / "mine.safetensors"
    assert place.read_bytes() == mine.read_bytes()
    before = place.stat().st_mtime_ns
    assert adopt(mine, tmp_path) == adopt(place, tmp_path) == "mine"
    other = write(tmp_path / "other" / "mine.safetensors", base_sha256(tmp_path), bias=BIAS + 1)
    with pytest.raises(UsageError, match=r"named mine .*: rename mine\.safetensors") as refused:
        adopt(other, tmp_path)
    assert is_one_sentence(str(refused.value))
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    assert place.stat().st_mtime_ns == before


def test_a_missing_file_and_a_folder_that_takes_none_are_refused(
    mine: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"nothing\.safetensors"):
        adopt(tmp_path / "nothing.safetensors", tmp_path)
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="RIS_HOME") as refused:
        adopt(mine, tmp_path)
    assert is_one_sentence(str(refused.value))


def test_a_pooling_of_a_model_file_is_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    file = write(tmp_path / "trained" / "my.v2.safetensors", base_sha256(tmp_path))
    settings = read_settings(
        {"RIS_HOME": str(tmp_path / "home"), "RIS_CACHE_DIR": str(tmp_path / "cache")}
    )
    with pytest.raises(UsageError, match=r"my\.v2.* --pool gem") as refused:
        model_asked(settings, str(file), "gem")
    assert is_one_sentence(str(refused.value))
    assert not (tmp_path / "home").exists()
    with pytest.raises(UsageError, match=r"'my\.v2': choose one of"):
        model_asked(settings, "my.v2", "gem")
    assert model_asked(settings, str(file), None) == "my.v2"
    with pytest.raises(UsageError, match=r"my\.v2.* --pool gem"):
        model_asked(settings, "my.v2", "gem")
    assert model_asked(settings, BASE, "gem") == f"{BASE}.gem"


def test_an_unknown_model_is_refused_with_the_users_own(mine: Path) -> None:
    (mine.parent / "no name.safetensors").write_text("")
    with pytest.raises(UsageError) as refused:
        find_model("yours", mine.parent)
    assert is_one_sentence(str(refused.value))
    assert "'yours'" in str(refused.value)
    assert all(name in str(refused.value) for name in OFFERED)
    assert str(refused.value).removesuffix(".").endswith(" mine")
    assert find_model("resnet50", mine.parent) is MODELS["resnet50"]


def test_create_index_takes_a_file_and_then_its_name_and_queries_find_it(
    mine: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    images = fill(tmp_path / "images", 12)
    monkeypatch.setenv("RIS_HOME", str(home))
    monkeypatch.setenv("RIS_CACHE_DIR", str(cache))
    monkeypatch.delenv("RIS_WEIGHTS_DIR", raising=False)

    def build(name: str, model: object, *more: str) -> str:
        code = create_index(["--images", str(images), "--name", name, "--model", str(model), *more])
        said = capsys.readouterr()
        return f"{code} {said.err.splitlines()[-1] if code else ''}".strip()

    assert build("first", mine) == "0"
    assert (home / "models" / "mine.safetensors").is_file()
    mine.unlink()
    assert build("second", "mine") == "0"
    assert build("third", "mine", "--pool", "gem").startswith("2 ")
    assert build("third", mine).startswith("2 ")

    from app import load_embedder as load_by_name
    from app import open_gallery

    query = next(images.rglob("*.jpg"))
    for name in ("first", "second"):
        with_file = open_gallery(name)
        assert with_file.info.model == "mine"
        hit = with_file.search(query, k=1).hits[0]
        assert (hit.image.path, hit.same_file) == (str(query.relative_to(images)), True)
        assert hit.score == pytest.approx(1, abs=1e-3)
    assert load_by_name("mine").dim == 16
    (home / "models" / "mine.safetensors").unlink()
    gone = open_gallery("first")
    with pytest.raises(AppError, match=r"no model 'mine' here: .* its file models/mine\.safetens"):
        gone.search(query.read_bytes() + b" ", k=1)
    assert json.dumps(gone.info.model) == '"mine"'
