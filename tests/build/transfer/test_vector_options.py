"""A gallery's projection and expansion come back from an export, or are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.build.transfer import ImportRequest, export_gallery, import_embeddings
from app.embed import model_named
from app.errors import DatasetError, UsageError
from app.index import Projection
from tests.build.options import embedded_by, manifest_of
from tests.build.transfer.conftest import quiet, take
from tests.commands import Run
from tests.conftest import Home, encoded, mean_colour, picture
from tests.gallery.sealing import sealed


def exported(home: Home, name: str, folder: Path) -> Path:
    places = {key: home.path / key.removesuffix("_dir") for key in ("features_dir", "indexes_dir")}
    export_gallery(name, folder, on_progress=quiet, **places)
    return folder


def test_an_exported_gallery_comes_back_with_its_projection_and_its_queries(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "both", tmp_path / "out")
    assert "projection.safetensors" in json.loads((folder / "gallery.json").read_text())["files"]
    take(home, folder)
    ours, theirs = built.service(), home.service()
    assert theirs.vectors("back").tobytes() == ours.vectors("both").tobytes()
    one, two = ours.gallery("both"), theirs.gallery("back")
    for key in ("dim", "pca", "expand", "alpha", "floor", "recall_reranked"):
        assert getattr(one, key) == getattr(two, key), key
    query = encoded(picture(999))
    assert embedded_by(theirs, "back", query) == pytest.approx(
        embedded_by(ours, "both", query), abs=1e-6
    )


def test_what_is_imported_can_be_projected_and_expanded(
    built: Home, home: Home, tmp_path: Path, run: Run
) -> None:
    folder = exported(built, "plain", tmp_path / "out")
    command = ("--embeddings", folder, "--name", "back")
    assert run(*command, "--pca", "10", "--expand", "3", "--alpha", "2")[0] == 0
    assert home.service().vectors("back").tobytes() == built.service().vectors("pca").tobytes()
    facts = home.service().gallery("back")
    assert (facts.dim, facts.expand, facts.alpha) == (10, 3, 2.0)
    assert "--pca 10 --expand 3 --alpha 2.0" in manifest_of(home, "back").command
    again = exported(home, "back", tmp_path / "again")
    with pytest.raises(UsageError, match=r"10 principal components already.*leave --pca out"):
        take(home, again, "third", pca=5)
    take(home, again, "third", expand=0)
    assert home.service().gallery("third").expand == 0
    with pytest.raises(UsageError, match="41 images have at most 41"):
        take(home, folder, "fourth", pca=45)


def test_a_projection_that_was_lost_or_changed_on_the_way_is_refused(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "pca", tmp_path / "out")
    path = folder / "projection.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DatasetError, match="not the file that was exported"):
        take(home, folder)
    values = json.loads((folder / "gallery.json").read_text())
    del values["files"]["projection.safetensors"]
    (folder / "gallery.json").write_text(json.dumps(values))
    Projection(np.zeros(47, np.float32), np.eye(10, 47, dtype=np.float32)).write(path)
    with pytest.raises(DatasetError, match=r"makes 10 numbers of 47.* are 10 of 48"):
        take(home, folder)
    path.unlink()
    with pytest.raises(DatasetError, match="is missing or damaged"):
        take(home, folder)


def test_a_model_of_the_same_name_here_does_not_keep_an_exported_gallery_out(
    built: Home, home: Home, tmp_path: Path
) -> None:
    folder = exported(built, "pca", tmp_path / "out")
    values = json.loads((folder / "gallery.json").read_text())
    values["gallery"]["model"] = "shoes"  # which the other machine has, of 48 numbers
    values["gallery"] = json.loads(sealed(values["gallery"]))
    (folder / "gallery.json").write_text(json.dumps(values))
    import_embeddings(
        ImportRequest(folder, "back"),
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda model, **_: mean_colour(),
        find_model=lambda name, **_: replace(model_named("mean_colour"), name=name, dim=512),
        on_progress=quiet,
    )
    facts = home.service().gallery("back")
    assert (facts.model, facts.dim, facts.pca) == ("shoes", 10, 10)
