"""What a gallery's first shortlist was trained to is what later segments are filled into."""

from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest

from app.build import commit as training
from app.build import compact as folding
from app.build.compact import compact
from app.errors import GalleryError
from app.gallery import Folders, Gallery, committing
from app.index import Quantiser, SearchEffort, VectorIndex, recall
from tests.build.grown import centroids, grow, manifest_of, shortlists
from tests.conftest import Home, fill


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.of("made", tmp_path / "features", tmp_path / "indexes")


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_FEW_ROWS", 50)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The strings of the indexes that were trained."""
    asked: list[str] = []
    train = training.train_quantiser

    def remember(vectors: Path, index: str, path: Path) -> object:
        asked.append(index)
        return train(vectors, index, path)

    monkeypatch.setattr(training, "train_quantiser", remember)
    return asked


def kept(folders: Folders) -> Quantiser:
    """Return what a gallery keeps of its training."""
    manifest = manifest_of(folders)
    assert manifest
    return Quantiser.read(folders.path_of("quantiser", manifest.files["quantiser"]))


def test_a_second_fold_trains_nothing(folders, trained):
    grow(folders, 400)
    assert compact(folders, everything=True)
    assert trained == ["IVF8,SQ8"]
    [first] = shortlists(folders)
    grow(folders, 100)
    with committing(folders) as commit:
        alone = commit.manifest.segments[1]
    assert compact(folders, everything=True, most_rows=400)  # the first is full
    assert trained == ["IVF8,SQ8"]
    before, after = shortlists(folders)
    assert centroids(before) == centroids(first) == centroids(after)
    ranges = [faiss.vector_to_array(index.sq.trained) for index in (before, after)]
    assert np.array_equal(*ranges)
    assert (before.ntotal, after.ntotal) == (400, 100)
    segment = Gallery(folders).manifest.segments[1]
    assert segment.name != alone.name
    assert segment.index == "IVF8,SQ8"


def test_recall_stays_what_is_measured_of_the_segment(folders):
    grow(folders, 400, asked="IVF8,PQ4x4")
    compact(folders, everything=True)
    grow(folders, 300, asked="IVF8,PQ4x4")
    compact(folders, everything=True, most_rows=400)
    gallery = Gallery(folders)
    manifest, segment = gallery.manifest, gallery.manifest.segments[1]
    index = gallery.segments[1].index
    queries = index.vectors(np.arange(300))
    exact = index.search(queries, 10, exact=True).rows
    effort = SearchEffort(segment.probes, segment.candidates)
    assert recall(exact, index.shortlist(queries, effort)) == pytest.approx(
        segment.recall_reranked, abs=0.03
    )
    each = [(each.recall_reranked, each.rows) for each in manifest.segments]
    assert manifest.recall_reranked == pytest.approx(sum(r * n for r, n in each) / 700)


def test_a_build_keeps_what_it_trained_and_a_build_anew_replaces_it(tmp_path):
    home = Home(tmp_path / "home")
    pictures = fill(tmp_path / "pictures", 90)
    home.build(pictures, index="IVF2,SQ8")
    folders = home.folders("mine")
    assert (kept(folders).factory, kept(folders).rows) == ("IVF2,SQ8", 90)
    home.build(pictures, index="IVF1,SQ8")
    assert kept(folders).factory == "IVF1,SQ8"
    assert len(list(folders.indexes.glob("quantiser.*"))) == 1


def test_a_gallery_without_the_file_gets_it_at_its_next_training(folders, trained):
    grow(folders, 400)
    compact(folders, everything=True)
    with committing(folders) as commit:
        files = {kind: file for kind, file in commit.manifest.files.items() if kind != "quantiser"}
        commit.write(replace(commit.manifest, files=files))
    assert not list(folders.indexes.glob("quantiser.*"))
    grow(folders, 100)
    compact(folders, everything=True)
    assert len(trained) == 2
    assert kept(folders).rows == 500


def test_four_times_the_rows_are_trained_anew_where_they_fill_more_cells(folders, trained):
    grow(folders, 200, asked="IVF8,SQ8")
    compact(folders, everything=True)
    assert kept(folders).factory == "IVF5,SQ8"
    grow(folders, 600, asked="IVF8,SQ8")
    compact(folders, everything=True)
    assert (len(trained), kept(folders).factory) == (1, "IVF5,SQ8")
    grow(folders, 1, asked="IVF8,SQ8")
    compact(folders, everything=True)
    assert (len(trained), kept(folders).factory, kept(folders).rows) == (2, "IVF8,SQ8", 801)
    grow(folders, 3_000, asked="IVF8,SQ8")  # they would train the same
    compact(folders, everything=True)
    assert (len(trained), kept(folders).rows) == (2, 801)


def test_too_low_a_recall_is_trained_anew(folders, trained, monkeypatch):
    grow(folders, 400)
    compact(folders, everything=True)
    measure, answers = training.calibrate, iter([0.9, 0.99])

    def poor(index: VectorIndex, **options: object) -> object:
        return replace(measure(index, **options), recall_reranked=next(answers))

    monkeypatch.setattr(training, "calibrate", poor)
    grow(folders, 100)
    compact(folders, everything=True)
    assert len(trained) == 2
    assert (kept(folders).rows, kept(folders).recall) == (500, 0.99)
    assert Gallery(folders).manifest.recall_reranked == 0.99


def test_a_recall_that_training_did_not_reach_either_is_not_trained_for(
    folders, trained, monkeypatch
):
    measure = training.calibrate
    monkeypatch.setattr(
        training,
        "calibrate",
        lambda index, **options: replace(measure(index, **options), recall_reranked=0.9),
    )
    grow(folders, 400)
    compact(folders, everything=True)
    grow(folders, 100)
    compact(folders, everything=True)
    assert (len(trained), kept(folders).recall) == (1, 0.9)


def test_another_string_is_trained(folders, trained):
    grow(folders, 400)
    compact(folders, everything=True)
    grow(folders, 100, asked="IVF4,SQ8")
    compact(folders, everything=True)
    assert trained == ["IVF8,SQ8", "IVF4,SQ8"]
    assert kept(folders).asked == "IVF4,SQ8"


@pytest.mark.parametrize("asked", ["HNSW16", "auto", "numpy:IVF8,PQ4"])
def test_what_has_nothing_to_share_keeps_nothing(folders, asked):
    grow(folders, 400, asked=asked)
    for _ in range(2):
        compact(folders, everything=True)
        assert "quantiser" not in Gallery(folders).manifest.files
        grow(folders, 20, asked=asked)


def test_a_file_that_holds_none_is_named(tmp_path):
    path = tmp_path / "quantiser.safetensors"
    for wrong in (b"", b"nothing"):
        path.write_bytes(wrong)
        with pytest.raises(GalleryError, match="holds no trained index"):
            Quantiser.read(path)
