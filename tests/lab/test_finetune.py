"""Fine-tuning a head: a labelled gallery → a model file that keeps its labels apart."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from app.embed import Embedder, model_named
from app.embed.model_file import read_model_file
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import UsageError
from app.settings import Settings, read_settings
from lab.finetune import command
from lab.finetune.checkpoint import Checkpoint
from lab.finetune.labelled import read_labelled
from lab.finetune.learner import starting_head
from lab.finetune.measure import measure
from lab.finetune.request import Plan, Request
from lab.finetune.run import Report, finetune
from lab.finetune.split import split_images
from lab.finetune.training import DIVERGED
from tests.conftest import ROOT, Home, encoded

LABELS, IMAGES = 10, 20
PARTS = ("train", "validation", "seen", "unseen")
BASE = model_named("dinov2_vits14")
SHA256 = "5" * 64


class ColoursRuntime:
    """As many numbers as a network gives, but no network: 4 × 4 mean colours, then zeros."""

    batch = 8
    precision = "f32"

    def run(self, batch: np.ndarray) -> np.ndarray:
        count, side = len(batch), batch.shape[1] // 4
        cells = batch.reshape(count, 4, side, 4, side, 3).mean((2, 4))
        colours = MeanColourRuntime().run(cells)
        return np.pad(colours, ((0, 0), (0, BASE.dim - colours.shape[1])))


def build(home: Home, images: Path, name: str = "mine", **options: Any) -> None:
    """Build a gallery whose manifest names `BASE` as its model: a head needs its vectors alone."""
    home.build(images, name, embedder=Embedder(BASE, ColoursRuntime(), SHA256), **options)


def labelled_picture(label: int, seed: int) -> Image.Image:
    """Return 4 × 4 colours: the last row depends on the label, all others do not."""
    rng = np.random.default_rng([label, seed])
    colours = rng.integers(0, 256, (4, 4, 3))
    of_label = np.random.default_rng(label).integers(0, 256, (4, 3))
    colours[3] = 0.8 * of_label + 0.2 * colours[3]
    return Image.fromarray(colours.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST)


def folder_of_pictures(folder: Path, *, labels: int = LABELS, images: int = IMAGES) -> Path:
    for label in range(labels):
        place = folder / f"kind_{label}"
        place.mkdir(parents=True)
        for seed in range(images):
            (place / f"{seed:02}.png").write_bytes(encoded(labelled_picture(label, seed), "PNG"))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the gallery `kinds`: 10 labels that the raw vectors hardly separate."""
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, folder_of_pictures(home.path / "pictures"), "kinds")
    return home


@pytest.fixture
def settings(home: Home) -> Settings:
    return settings_of(home)


def settings_of(home: Home) -> Settings:
    return read_settings({"RIS_HOME": str(home.path), "RIS_CACHE_DIR": str(home.path / "cache")})


def request_of(out: Path, *, gallery: str = "kinds", **options: Any) -> Request:
    plan = Plan("metric", epochs=12, patience=4, batch=32, rate=1e-2, anchor=0.001, seed=0)
    own = {key: options.pop(key) for key in list(options) if key not in Plan.__annotations__}
    own.setdefault("dim", 48)  # the others of the base's numbers are zeros
    return Request(gallery, Plan(**(plan.__dict__ | options)), out=out, **own)


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def map_of(report: Report, part: str, when: str = "after") -> float:
    """Return mAP by the stored vectors ("before"), the untrained head ("start") or the trained."""
    value = report.training["figures"][part][when]["mean_average_precision"]
    assert isinstance(value, float)
    return value


def contents(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    with safe_open(path, framework="numpy") as file:
        metadata = dict(file.metadata())
    return {name: tensor.tobytes() for name, tensor in load_file(path).items()}, metadata


@pytest.mark.parametrize("loss", ["metric", "classification"])
def test_a_head_raises_map_on_images_and_on_classes_that_it_never_saw(
    settings: Settings, tmp_path: Path, loss: Any
) -> None:
    report = finetune(request_of(tmp_path / "a.safetensors", loss=loss), settings)
    assert map_of(report, "seen") > map_of(report, "seen", "start") + 0.1
    assert map_of(report, "unseen") > map_of(report, "unseen", "start")


def test_what_centring_and_projecting_do_is_not_counted_as_trained(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"

    def interrupt(stage: str, done: int, total: int, note: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(request_of(path, epochs=2, dim=12), settings, on_progress=interrupt)
    report = finetune(request_of(path, epochs=2, dim=12), settings)
    labelled = read_labelled(settings, "kinds")
    split = split_images(labelled.labels, seed=0, classes=0.2)
    head = starting_head(labelled.vectors[split.train], 12).state_dict()
    projected = labelled.vectors @ head["weight"].numpy().T + head["bias"].numpy()
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    for part, rows in (("seen", split.seen), ("unseen", split.unseen)):
        for when, vectors in (("before", labelled.vectors), ("start", projected)):
            expected = measure(vectors[rows], labelled.labels[rows]).mean_average_precision
            assert map_of(report, part, when) == pytest.approx(expected, abs=1e-6)
        figures = " → ".join(
            f"{map_of(report, part, when):.4f}" for when in ("before", "start", "after")
        )
        assert [line for line in report.lines() if figures in line]
        assert len({map_of(report, part, when) for when in ("before", "start", "after")}) == 3


def test_the_model_file_says_what_it_is_and_means_what_was_measured(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    report = finetune(request_of(path, dim=20), settings)
    tensors, (_, metadata) = load_file(path), contents(path)
    assert {name: (each.shape, each.dtype) for name, each in tensors.items()} == {
        "head.weight": ((20, BASE.dim), np.float32),
        "head.bias": ((20,), np.float32),
    }
    assert metadata["format"] == "reverse-image-search-model/1"
    assert (metadata["base"], metadata["base_sha256"]) == (BASE.name, SHA256)
    assert (read_model_file(path).name, read_model_file(path).dim) == ("a", 20)
    training = json.loads(metadata["training"])
    assert training == json.loads(json.dumps(report.training))
    assert training["seed"] == 0
    assert training["versions"]["torch"]
    labelled = read_labelled(settings, "kinds")
    vectors = labelled.vectors @ tensors["head.weight"].T + tensors["head.bias"]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    held_out = np.isin(
        labelled.labels, [labelled.names.index(n) for n in training["split"]["held_out"]]
    )
    unseen, labels = vectors[held_out], labelled.labels[held_out]
    assert len(unseen) == training["split"]["unseen"] == 2 * IMAGES
    precisions = []
    for own in range(len(unseen)):
        others = np.delete(np.arange(len(unseen)), own)
        ranked = others[np.argsort(-(unseen[others] @ unseen[own]), kind="stable")]
        places = np.flatnonzero(labels[ranked] == labels[own]) + 1
        precisions.append(np.mean(np.arange(1, len(places) + 1) / places))
    assert map_of(report, "unseen") == pytest.approx(np.mean(precisions), abs=1e-6)


def test_the_same_seed_gives_the_same_model_and_another_one_another(
    settings: Settings, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        finetune(request_of(path, epochs=2, seed=seed), settings)
    first, again, other = (contents(path) for path in paths)
    assert first == again
    assert first[0] != other[0]


_KILLED_AFTER_THREE = """
import os, signal, sys
from pathlib import Path
from app.settings import read_settings
from lab.finetune.run import finetune
from tests.lab.test_finetune import request_of

def on_progress(stage, done, total, note):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

finetune(request_of(Path(sys.argv[1]), epochs=5), read_settings(), on_progress=on_progress)
"""


def test_a_training_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    home: Home, settings: Settings, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole.safetensors", tmp_path / "killed.safetensors"
    finetune(request_of(whole, epochs=5), settings)
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_AFTER_THREE, str(killed)],
        cwd=ROOT,
        env=os.environ | {"RIS_HOME": str(home.path)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not killed.exists()
    epochs = []
    finetune(
        request_of(killed, epochs=5),
        settings,
        on_progress=lambda stage, done, total, note: epochs.append(done),
    )
    assert epochs == [3, 4, 5]
    assert contents(killed) == contents(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [killed.name, whole.name]


def test_a_training_that_was_interrupted_leaves_its_checkpoint_to_its_own_settings(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"

    def interrupt(stage: str, done: int, total: int, note: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(request_of(path), settings, on_progress=interrupt)
    with pytest.raises(UsageError, match=r"seed 0, not 1.*--restart"):
        finetune(request_of(path, seed=1), settings)
    assert finetune(request_of(path, seed=1, epochs=1, restart=True), settings).path == path
    assert "goes on" in command.stopped(options_of("--gallery", "kinds"))


def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match=r"a\.checkpoint.*--restart"):
        Checkpoint(path, {}).load()


def test_early_stopping_keeps_the_best_epoch_by_the_validation_images_alone(
    settings: Settings, tmp_path: Path
) -> None:
    report = finetune(
        request_of(tmp_path / "a.safetensors", epochs=60, patience=3, rate=0.05), settings
    )
    scores = [epoch["validation"] for epoch in report.training["history"]]
    assert report.training["best_epoch"] == int(np.argmax(scores))
    assert len(scores) - 1 == report.training["best_epoch"] + 3 < 60
    assert report.training["ended"] == "no better for a while"


def test_a_loss_that_is_no_number_ends_the_training_at_the_best_so_far(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    report = finetune(request_of(path, rate=1e30), settings)
    assert report.training["ended"] == DIVERGED
    assert map_of(report, "seen") > 0
    assert all(np.isfinite(tensor).all() for tensor in load_file(path).values())


def test_the_anchor_holds_the_head_to_where_it_began(settings: Settings, tmp_path: Path) -> None:
    free, held = tmp_path / "free.safetensors", tmp_path / "held.safetensors"
    start = finetune(request_of(tmp_path / "s.safetensors", epochs=1, rate=1e-9), settings).path
    finetune(request_of(free, anchor=0.0, epochs=5), settings)
    finetune(request_of(held, anchor=1.0, epochs=5), settings)
    moved = [
        np.linalg.norm(load_file(path)["head.weight"] - load_file(start)["head.weight"])
        for path in (free, held)
    ]
    assert moved[1] < moved[0] / 2


def test_the_command_prints_figures_before_and_after_and_keeps_the_model_in_the_home(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIS_HOME", str(home.path))
    arguments = ["--gallery", "kinds", "--epochs", "2", "--batch", "32", "--without", "kind_3"]
    assert command.run(options_of(*arguments)) == 0
    printed = capsys.readouterr().out
    assert "held-out images (" in printed
    assert "held-out classes (40 images)" in printed
    assert "→" in printed
    path = home.path / "models" / "kinds-finetuned.safetensors"
    assert str(path) in printed
    with pytest.raises(UsageError, match=f"{path.name}.*--force"):
        command.run(options_of(*arguments))
    assert command.run(options_of(*arguments, "--force", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["without"] == "kind_3"
    assert document["split"]["classes"] == 7


def test_an_equal_file_counts_once_so_that_no_copy_is_held_out(tmp_path: Path) -> None:
    home, pictures = Home(tmp_path / "home"), folder_of_pictures(tmp_path / "pictures", images=6)
    for label in range(3):
        own = pictures / f"kind_{label}"
        shutil.copy(own / "02.png", own / "copy.png")
        shutil.copy(own / "01.png", pictures / "kind_8" / f"copy of {label}.png")
    build(home, pictures)
    labelled = read_labelled(settings_of(home), "mine")
    assert (labelled.copies, len(labelled.paths)) == (6, 60)
    assert len(set(labelled.sha256s)) == 60
    assert not [path for path in labelled.paths if "copy" in path]  # the first by path is taken
    report = finetune(
        request_of(tmp_path / "a.safetensors", gallery="mine", epochs=1), settings_of(home)
    )
    assert report.training["copies"] == 6
    assert "6 copies left out" in "".join(report.lines())
    assert sum(report.training["split"][part] for part in PARTS) == 60


def test_a_quick_try_takes_so_many_images_of_each_label(settings: Settings, tmp_path: Path) -> None:
    report = finetune(request_of(tmp_path / "a.safetensors", per_label=6, epochs=1), settings)
    counts = report.training["split"]
    assert [counts[part] for part in ("seen", "train", "unseen")] == [24, 24, 12]


def test_the_command_can_be_listed_without_loading_torch() -> None:
    listed = "import sys, lab.finetune.command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", listed], cwd=ROOT, check=False).returncode == 0
