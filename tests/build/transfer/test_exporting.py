"""What is exported comes back with the same ids and scores, and other programs read it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.build.build import build_gallery
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.sources.ids import fault_of
from app.sources.own import Listed, open_folder
from app.sources.picture import Picture, labels_of
from tests.build.transfer.conftest import export, quiet, records, take
from tests.commands import Run
from tests.conftest import Home, encoded, fill, mean_colour, picture


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_exported_gallery_comes_back_with_the_same_ids_scores_and_thumbnails(
    home: Home, tmp_path: Path, ris: Run, run: Run, dtype: str
) -> None:
    images = fill(tmp_path / "pictures", 90)
    (images / "broken.jpg").write_bytes(b"no picture")
    home.build(images, index="IVF100,SQ8")
    out = tmp_path / "out"
    code, said, err = ris("export", "mine", out, "--dtype", dtype)
    assert code == 0, err
    assert f"90 images, 48 × {dtype}" in said
    code, said, err = run("--embeddings", out, "--name", "back")
    assert code == 0, err
    service = home.service()
    before, after = records(home, "mine"), records(home, "back")
    assert before == after
    for row in range(90):
        assert service.thumbnail("mine", row) == service.thumbnail("back", row)
        ours, theirs = (service.search(name, row, k=90).hits for name in ("mine", "back"))
        assert [hit.image.id for hit in ours] == [hit.image.id for hit in theirs]
        assert np.allclose([h.score for h in ours], [h.score for h in theirs], rtol=0, atol=1e-6)
    one, two = service.gallery("mine"), service.gallery("back")
    for name in ("model", "dim", "index", "probes", "candidates", "recall_reranked", "floor"):
        assert getattr(one, name) == getattr(two, name), name
    assert two.skipped == 1
    data = encoded(picture(3), quality=90)
    assert (
        service.search("back", data, k=1).hits[0].image.id
        == service.search("mine", data, k=1).hits[0].image.id
    )


def test_the_precision_comes_back_and_the_request_does_not(home: Home, tmp_path: Path) -> None:
    runtime = MeanColourRuntime()
    runtime.precision = "bf16"
    embedder = Embedder(model_named("mean_colour"), runtime, "")
    home.build(fill(tmp_path / "secret place", 12), embedder=embedder)
    out = tmp_path / "out"
    export(home, "mine", out)
    assert "secret place" not in (out / "gallery.json").read_text()
    take(home, out)
    manifest = home.service().gallery("back").manifest
    assert manifest is not None
    assert manifest.precision == "bf16"
    assert manifest.request == {"embeddings": str(out), "name": "back"}


KEYS = st.lists(
    st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12).filter(
        lambda key: not fault_of(key)
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


LABELS = st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(keys=KEYS, data=st.data())
def test_any_ids_and_labels_come_back_as_they_were(
    tmp_path: Path, keys: list[str], data: st.DataObject
) -> None:
    shutil.rmtree(tmp_path / "turn", ignore_errors=True)
    home = Home(tmp_path / "turn" / "home")
    images = tmp_path / "turn" / "images"
    images.mkdir(parents=True)
    pictures = []
    for row, key in enumerate(keys):
        (images / f"{row}.png").write_bytes(encoded(picture(row), "PNG"))
        pictures.append(Picture(f"{row}.png", labels_of(data.draw(LABELS)), key=key))
    build_gallery(
        Listed("mine", images, pictures),
        mean_colour(),
        folders=home.folders("mine"),
        index="Flat",
        limit=None,
        request={},
        workers=1,
        on_progress=quiet,
    )
    out = tmp_path / "turn" / "out"
    export(home, "mine", out)
    take(home, out)
    assert records(home, "mine") == records(home, "back")
    service = home.service()
    for row, key in enumerate(keys):
        assert service.id_of("back", key) == row


def test_an_export_fills_an_empty_folder_and_names_no_path_of_this_machine(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(tmp_path / "pictures", 5))
    out = tmp_path / "out"
    out.mkdir()
    before = out.stat().st_ino
    rename, rmdir = Path.rename, Path.rmdir

    def refuse(of: Any) -> Any:
        def instead(self: Path, *arguments: Any) -> Any:
            if self == out or out in arguments:  # as for a mount point
                raise OSError(16, "Device or resource busy", str(self))
            return of(self, *arguments)

        return instead

    monkeypatch.setattr(Path, "rename", refuse(rename))
    monkeypatch.setattr(Path, "rmdir", refuse(rmdir))
    export(home, "mine", out)
    assert out.stat().st_ino == before
    names = ["gallery.json", "img_emb", "metadata", "thumbnails"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert str(tmp_path) not in (out / "gallery.json").read_text()
    take(home, out)
    assert home.service().gallery("back").images == 5


def test_what_is_exported_is_what_clip_retrieval_and_autofaiss_read(
    home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 5))
    export(home, "mine", tmp_path / "out", dtype="float32")
    vectors = np.load(tmp_path / "out" / "img_emb" / "img_emb_0.npy")
    assert (vectors.shape, vectors.dtype) == ((5, 48), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    table = pyarrow.parquet.read_table(tmp_path / "out" / "metadata" / "metadata_0.parquet")
    assert table["image_path"].to_pylist() == [
        each.path for each in open_folder(tmp_path / "pictures", "x").pictures()
    ]
    assert table["caption"].to_pylist() == [f"kind_{n}" for n in range(5)]
    assert set(table.column_names) >= {"image_path", "key", "caption", "width", "height", "sha256"}
    assert json.loads((tmp_path / "out" / "gallery.json").read_text())["format"] == 1
