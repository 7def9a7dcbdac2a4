"""What the machines of a cluster embed is what one machine would have; its failures, in words."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.build import ray_cluster
from app.build.commit import made_by_model
from app.build.ray_cluster import Order, RayCluster, embed_batch
from app.build.work import Content, Kept, Work
from app.doors.cli.main import main
from app.errors import ModelError, UsageError
from app.gallery import Gallery
from app.sources.own import open_folder
from tests.build.conftest import CountingRuntime, build_with
from tests.conftest import Home, fill, mean_colour


def load(name: str, /, **_: object) -> object:
    return mean_colour()


def order_for(folder: Path, **changed: object) -> Order:
    made = made_by_model(mean_colour())
    layout = open_folder(folder, "mine")
    given = Order(load, "mean_colour", "f32", None, made, layout.folders, True)  # type: ignore[arg-type]
    return replace(given, **changed)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_loaded", {})
    monkeypatch.setattr(ray_cluster, "_galleries", {})


def test_a_batch_is_embedded_there_as_it_is_here(images: Path) -> None:
    layout = open_folder(images, "mine")
    pictures = layout.pictures()
    here = Work(layout.folders, mean_colour(), Content(None), copies=True).embed(pictures)
    there, refused = embed_batch(order_for(images), pictures)
    assert [each.sha256 for each in there.images] == [each.sha256 for each in here.images]
    assert np.array_equal(there.vectors, here.vectors)
    assert (there.thumbnails, there.local, there.skipped) == (
        here.thumbnails,
        here.local,
        here.skipped,
    )
    assert len(refused) == 3


def test_a_machine_with_other_weights_embeds_nothing(images: Path) -> None:
    made = made_by_model(mean_colour()) | {"weights_sha256": "0" * 64}
    with pytest.raises(
        ModelError, match=r"with another weights than elsewhere: give both the same"
    ):
        embed_batch(order_for(images, made=made, host="elsewhere"), [])


def test_what_a_gallery_has_is_not_embedded_again_where_it_can_be_seen(
    home: Home, images: Path
) -> None:
    build_with(CountingRuntime(), home, images)
    folders = home.folders("mine")
    gallery = Gallery(folders)
    pictures = open_folder(images, "mine").pictures()
    known, _ = embed_batch(order_for(images, known=(folders, gallery.manifest.created)), pictures)
    assert (len(known.images), len(known.copies)) == (0, gallery.rows)
    other, _ = embed_batch(order_for(images, known=(folders, "another day")), pictures)
    assert (len(other.images), len(other.copies)) == (gallery.rows, 0)
    gone = home.folders("gone"), gallery.manifest.created
    unseen, _ = embed_batch(order_for(images, known=gone), pictures)
    assert len(unseen.images) == gallery.rows
    gallery.close()


def test_of_what_two_machines_have_embedded_one_is_taken(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", 6)
    pictures = open_folder(folder, "mine").pictures()
    batch, _ = embed_batch(order_for(folder), pictures)
    content = Content(None)
    assert batch.once(content) is batch
    first = batch.images[2]
    content.rows[first.sha256] = Kept(first, row=77)
    rest = batch.once(content)
    assert [each.path for each in rest.images] == [
        each.path for place, each in enumerate(batch.images) if place != 2
    ]
    assert np.array_equal(rest.vectors, np.delete(batch.vectors, 2, axis=0))
    assert len(rest.thumbnails) == len(rest.local) == 5
    assert [(copy.record.path, copy.row) for copy in rest.copies] == [(first.path, 77)]


def test_without_the_package_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"run pip install -r requirements-scale\.txt"):
        RayCluster("auto", load)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["--texts", "--embeddings"])
def test_what_is_no_picture_is_not_embedded_in_a_cluster(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    code = main(["create-index", source, "x", "--name", "mine", "--ray", "auto"])
    assert code == 2
    assert "--ray embeds pictures: leave it out." in capsys.readouterr().err
