"""Fine-tuning refuses what it cannot do, in a sentence, before any work is done."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from app.build.transfer import ImportRequest, import_embeddings
from app.errors import AppError, DatasetError, GalleryError, NotFoundError, UsageError
from app.settings import Settings
from lab.finetune import command
from lab.finetune.run import finetune
from tests.conftest import Home, encoded, fill, mean_colour
from tests.lab.test_finetune import (
    build,
    folder_of_pictures,
    labelled_picture,
    options_of,
    request_of,
    settings_of,
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a home with the gallery `kinds`."""
    home = Home(tmp_path_factory.mktemp("home"))
    build(home, folder_of_pictures(home.path / "pictures", images=12), "kinds")
    return settings_of(home)


def without_labels(home: Home, folder: Path) -> None:
    pictures = folder / "flat"
    pictures.mkdir()
    for seed in range(4):
        (pictures / f"{seed}.png").write_bytes(encoded(labelled_picture(0, seed), "PNG"))
    build(home, pictures)


def with_one_label(home: Home, folder: Path) -> None:
    build(home, fill(folder / "one", 6, labels=1))


def with_single_images(home: Home, folder: Path) -> None:
    build(home, fill(folder / "single", 4, labels=4))


def without_vectors(home: Home, folder: Path) -> None:
    build(home, fill(folder / "many", 60, labels=3), index="IVF1,SQ8")
    shutil.rmtree(home.path / "features" / "mine")


def without_a_network(home: Home, folder: Path) -> None:
    home.build(fill(folder / "colours", 12, labels=2))


def with_vectors_from_elsewhere(home: Home, folder: Path) -> None:
    for part in ("img_emb", "metadata"):
        (folder / part).mkdir()
    np.save(folder / "img_emb" / "img_emb_0.npy", np.eye(8, 16, dtype=np.float32))
    paths = pyarrow.table({"image_path": [f"/there/{row}.jpg" for row in range(8)]})
    pyarrow.parquet.write_table(paths, folder / "metadata" / "metadata_0.parquet")
    import_embeddings(
        ImportRequest(folder, "mine"),
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model, **_: mean_colour(),
        on_progress=lambda stage, done, total: None,
    )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (without_labels, UsageError, "of mine .*label"),
        (with_one_label, UsageError, "mine .*'kind_0'"),
        (with_single_images, UsageError, "three images"),
        (without_vectors, GalleryError, "mine .*create_index.py .*--force"),
        (without_a_network, UsageError, "mean_colour of mine"),
        (with_vectors_from_elsewhere, UsageError, "mine .*built here"),
    ],
)
def test_a_gallery_that_nothing_can_be_learnt_from_is_refused_in_a_sentence(
    tmp_path: Path, make: Callable[[Home, Path], None], error: type[AppError], words: str
) -> None:
    home = Home(tmp_path / "home")
    make(home, tmp_path)
    out = tmp_path / "out" / "a.safetensors"
    with pytest.raises(error, match=words) as raised:
        finetune(request_of(out, gallery="mine"), settings_of(home))
    assert "\n" not in str(raised.value)
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"gallery": "none"}, NotFoundError, "'none'"),
        ({"without": "kind_x"}, NotFoundError, "kind_x"),
        ({"per_label": 0}, UsageError, "--per-label .*not 0"),
        ({"dim": 0}, UsageError, "--dim .*not 0"),
        ({"held_out_classes": 1.0}, UsageError, "not 1.0"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_its_value(
    settings: Settings, tmp_path: Path, options: Any, error: type[AppError], words: str
) -> None:
    with pytest.raises(error, match=words):
        finetune(request_of(tmp_path / "a.safetensors", **options), settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50.safetensors", "a model of the program has that name"),
        ("my model.safetensors", "a name has letters, digits"),
        ("model.pth", "must name a .safetensors file"),
    ],
)
def test_a_file_that_no_gallery_could_be_built_with_is_refused_before_training(
    settings: Settings, tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(UsageError, match=f"--out .*{name}.*{words}|--out {words}.*{name}"):
        finetune(request_of(tmp_path / name), settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--epochs", "0"),
        ("--patience", "0"),
        ("--batch", "1"),
        ("--rate", "nan"),
        ("--anchor", "-1"),
        ("--seed", "-1"),
    ],
)
def test_numbers_that_cannot_be_are_named_with_their_option(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=rf"{option}.*{value}"):
        command.run(options_of("--gallery", "kinds", option, value))


def test_pictures_that_are_gone_leave_the_head_to_be_trained(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    build(home, folder_of_pictures(tmp_path / "pictures", labels=3), "kinds")
    shutil.rmtree(tmp_path / "pictures")
    with pytest.raises(DatasetError, match="kinds, --train head"):
        finetune(request_of(tmp_path / "a.safetensors", train="network"), settings_of(home))
    report = finetune(request_of(tmp_path / "a.safetensors", epochs=1), settings_of(home))
    assert report.training["figures"]["unseen"]["after"]["mean_average_precision"] is None
