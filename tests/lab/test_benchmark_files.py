"""A study's folder as files of ann-benchmarks."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from app.errors import UsageError
from lab.__main__ import main
from lab.hdf5 import read_hdf5
from lab.measures import recall_at_k
from lab.report.results import read_study
from lab.study.benchmark_files import write_benchmark_files
from lab.study.folder import StudyFolder
from lab.study.run import study
from lab.vectors import of_file
from tests.lab.studies import jobs_in_this_process, request, write_vectors

METRICS = ("cosine", "l2", "ip")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study by every metric, of vectors of which some are drawn."""
    place = tmp_path_factory.mktemp("benchmark")
    vectors = write_vectors(place / "few.npz", rows=200)
    with jobs_in_this_process():
        study(request(vectors, place / "out", "first-rows", metrics=METRICS, rows=250), home=place)
    return place


@pytest.fixture(scope="module")
def files(place: Path) -> list[Path]:
    folder = StudyFolder(place / "out")
    return list(write_benchmark_files(folder, place / "hdf5", home=place))


def test_vectors_and_truth_of_each_metric_are_written(place: Path, files: list[Path]) -> None:
    truth = StudyFolder(place / "out").read_arrays("few/truth.npz")
    for metric in METRICS:
        written = read_hdf5(place / "hdf5" / f"few-{metric}.hdf5")
        assert written.metric == metric
        assert written.train.shape == (250, 16)
        np.testing.assert_array_equal(written.test, truth["queries"])
        assert written.neighbors is not None
        assert written.distances is not None
        np.testing.assert_array_equal(written.neighbors, truth[f"rows_{metric}"])
        assert (np.diff(written.distances, axis=1) >= 0).all(), "the nearest first"
        near = written.train[written.neighbors[:, 0]]
        one, other = near.astype(float), written.test.astype(float)
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        expected = {
            "l2": np.linalg.norm(one - other, axis=1),
            "ip": -(one * other).sum(axis=1),
            "cosine": 1 - (one * other).sum(axis=1) / lengths,
        }
        np.testing.assert_allclose(written.distances[:, 0], expected[metric], atol=1e-5)


def test_what_is_written_can_be_studied_again_with_the_same_answers(
    place: Path, files: list[Path]
) -> None:
    before = of_file(place / "few.npz", queries=60)
    after = of_file(place / "hdf5" / "few-l2.hdf5", queries=60)
    assert after.metric == "l2"
    np.testing.assert_array_equal(after.queries, before.queries)
    assert before.own_rows is not None
    assert after.own_rows is not None
    np.testing.assert_array_equal(after.own_rows, before.own_rows)


def test_every_search_is_written_where_ann_benchmarks_looks(place: Path, files: list[Path]) -> None:
    read = read_study(StudyFolder(place / "out"))
    for metric in METRICS:
        (point,) = read.sets[0].points(metric)
        found = place / "hdf5" / "results" / f"few-{metric}" / "10" / "first-rows"
        (path,) = found.iterdir()
        assert path in files
        truth = read_hdf5(place / "hdf5" / f"few-{metric}.hdf5")
        with h5py.File(path) as file:
            assert set(file) == {"times", "neighbors", "distances"}
            assert file["neighbors"].shape == file["distances"].shape == (60, 10)
            attributes = dict(file.attrs)
            assert truth.distances is not None
            recall = recall_at_k(truth.distances, file["distances"][()], 10, "l2")
        assert recall == pytest.approx(point.recall)
        assert attributes["algo"] == "first-rows"
        assert attributes["dataset"] == f"few-{metric}"
        assert not attributes["batch_mode"]
        assert 1 / attributes["best_search_time"] == pytest.approx(point.per_second, rel=1e-3)


def test_the_command_names_what_it_wrote(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hdf5", str(place / "out"), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"true neighbours: {tmp_path / 'few-cosine.hdf5'}" in printed
    assert f"3 searches: {tmp_path / 'results'}" in printed


def test_vectors_that_changed_since_are_refused(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    with jobs_in_this_process():
        study(request(vectors, tmp_path / "out", "first-rows"), home=tmp_path)
    write_vectors(vectors, rows=100, seed=1)
    with pytest.raises(UsageError, match=r"few.*changed.*--out"):
        list(write_benchmark_files(StudyFolder(tmp_path / "out"), tmp_path / "x", home=tmp_path))
    assert not (tmp_path / "x").exists()
