"""What a network calculates in: chosen by measurement, asked for, fitted to pictures, refused."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import quantise
from app.embed.load import load_embedder
from app.embed.quantise import quantised_network
from app.embed.runtimes.fastest import fastest
from app.embed.runtimes.openvino import OpenVinoRuntime, calculates_in_bf16
from app.errors import ModelError, UsageError
from tests.conftest import is_one_sentence
from tests.embed.pictures import PICTURES

BATCH = np.zeros((8, 16, 16, 3), np.uint8)
HERE = {"weights_dir": None, "purpose": "query"}


@dataclass
class Sleeping:
    """A runtime that takes so long for a batch, and whose precision was asked for."""

    seconds: float
    precision: str = "f32"
    batch: int = 8

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert batch.shape == (8, 16, 16, 3)
        time.sleep(self.seconds)
        return np.zeros((8, 4), np.float32)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure for less time than one would trust."""
    monkeypatch.setattr("app.embed.runtimes.fastest._SECONDS", 0.02)


def loading(seconds: dict[str, float], loaded: list[str]) -> Callable[[str], Sleeping]:
    def load(precision: str) -> Sleeping:
        loaded.append(precision)
        return Sleeping(seconds[precision])

    return load


@pytest.mark.parametrize(
    ("bf16_seconds", "chosen", "word"), [(0.001, "bf16", "bfloat16"), (0.02, "f32", "32 bits")]
)
def test_the_faster_precision_is_chosen_and_said(
    tmp_path: Path, bf16_seconds: float, chosen: str, word: str
) -> None:
    loaded: list[str] = []
    load = loading({"f32": 0.01, "bf16": bf16_seconds}, loaded)
    network = tmp_path / "network.xml"
    first = fastest(network, BATCH, load, threads=2, has_bf16=True)
    assert first[0] == chosen
    assert first[1].startswith(f"calculated in {word}: on this processor the network alone is ")
    assert sorted(loaded) == ["bf16", "f32"]
    assert fastest(network, BATCH, load, threads=2, has_bf16=True) == first, "it is measured once"
    assert len(loaded) == 2
    fastest(network, BATCH, load, threads=3, has_bf16=True)
    assert len(loaded) == 4, "for another number of threads it is measured again"


@pytest.mark.parametrize("kept", ["no JSON", "{}", '{"here": 1, "images_per_second": {}}'])
def test_what_was_kept_of_another_machine_is_measured_again(tmp_path: Path, kept: str) -> None:
    (tmp_path / "network.speeds.json").write_text(kept)
    loaded: list[str] = []
    load = loading({"f32": 0.002, "bf16": 0.001}, loaded)
    fastest(tmp_path / "network.xml", BATCH, load, threads=1, has_bf16=True)
    assert len(loaded) == 2
    assert json.loads((tmp_path / "network.speeds.json").read_text())["images_per_second"]


def test_without_bfloat16_nothing_is_measured(tmp_path: Path) -> None:
    def never(precision: str) -> Sleeping:
        raise AssertionError(precision)

    assert fastest(tmp_path / "network.xml", BATCH, never, threads=2, has_bf16=False) == ("f32", "")


@pytest.mark.skipif(not calculates_in_bf16(), reason="this processor has no bfloat16")
def test_vectors_in_bfloat16_are_near_those_in_32_bits(networks: Path, tmp_path: Path) -> None:
    networks = copytree(networks, tmp_path / "cache")  # what is measured is kept there
    full = load_embedder("efficientnet_lite0", cache_dir=networks, **HERE)
    half = load_embedder("efficientnet_lite0", precision="bf16", cache_dir=networks, **HERE)
    assert (full.precision, half.precision) == ("f32", "bf16")
    cosines = (full.embed(PICTURES) * half.embed(PICTURES)).sum(axis=1)
    assert (cosines > 0.98).all()
    assert (cosines < 0.999999).any(), "it is calculated in 32 bits all the same"
    auto = load_embedder("efficientnet_lite0", precision="auto", cache_dir=networks, **HERE)
    assert auto.precision in ("f32", "bf16")
    assert "times as fast in bfloat16" in auto.note


def test_where_there_is_no_bfloat16_its_galleries_are_asked_in_32_bits(
    networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embed.running.calculates_in_bf16", lambda: False)
    for asked in ("bf16", "auto"):
        embedder = load_embedder("efficientnet_lite0", precision=asked, cache_dir=networks, **HERE)
        assert (embedder.precision, embedder.note) == ("f32", "")


def test_an_unknown_precision_is_refused_with_those_that_there_are(networks: Path) -> None:
    with pytest.raises(UsageError, match="'f16': choose one of auto, f32, bf16, int8") as caught:
        load_embedder("efficientnet_lite0", precision="f16", cache_dir=networks, **HERE)
    assert is_one_sentence(str(caught.value))


def test_an_int8_network_without_pictures_is_refused(networks: Path) -> None:
    with pytest.raises(ModelError, match="fitted to a gallery's pictures") as caught:
        load_embedder("efficientnet_lite0", precision="int8", cache_dir=networks, **HERE)
    assert is_one_sentence(str(caught.value))


def test_without_nncf_the_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise quantise.PackageNotFoundError(name)

    monkeypatch.setattr(quantise, "version", missing)
    with pytest.raises(ModelError, match=r"pip install -r requirements-int8\.txt") as caught:
        quantised_network(tmp_path / "network.xml", np.zeros((1, 8, 8, 3), np.uint8))
    assert is_one_sentence(str(caught.value))


def test_a_network_that_cannot_be_fitted_is_named(tmp_path: Path) -> None:
    network = tmp_path / "network.xml"
    network.write_text("<net/>")
    with pytest.raises(ModelError, match="The INT8 network of network could not be made"):
        quantised_network(network, np.zeros((1, 8, 8, 3), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["network.xml"], "nothing is left"


def test_an_int8_network_is_fitted_once_and_runs_from_its_one_file(
    networks: Path, tmp_path: Path
) -> None:
    networks = copytree(networks, tmp_path / "cache")
    full = load_embedder("efficientnet_lite0", cache_dir=networks, **HERE)
    pictures = np.stack([full.prepare(each) for each in PICTURES])
    fitted = load_embedder(
        "efficientnet_lite0", precision="int8", calibration=pictures, cache_dir=networks, **HERE
    )
    assert fitted.precision == "int8"
    assert fitted.network is not None
    assert len(fitted.network_sha256) == 64
    assert fitted.network.stat().st_size < 5_000_000, "a quarter of the network in 32 bits"
    vectors = fitted.embed(PICTURES)
    cosines = (full.embed(PICTURES) * vectors).sum(axis=1)
    assert (cosines > 0.9).all()
    assert (cosines < 0.99999).any()
    made = fitted.network.stat().st_mtime_ns
    again = load_embedder(
        "efficientnet_lite0", precision="int8", calibration=pictures, cache_dir=networks, **HERE
    )
    assert again.network == fitted.network
    assert fitted.network.stat().st_mtime_ns == made
    elsewhere = load_embedder(
        "efficientnet_lite0",
        precision="int8",
        network=fitted.network,
        cache_dir=networks,
        **HERE,
    )
    assert elsewhere.embed(PICTURES) == pytest.approx(vectors, abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_int8_network_says_what_mends_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "network.1.zip").write_bytes(content)
    with pytest.raises(ModelError, match="build the gallery that it belongs to anew") as caught:
        OpenVinoRuntime(tmp_path / "network.1.zip", batch=1, streams=1, threads=1)
    assert is_one_sentence(str(caught.value).replace(".1.zip", "").replace("..", "."))
