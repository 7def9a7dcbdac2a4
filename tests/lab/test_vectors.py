"""Galleries and files become sets of vectors; what cannot be compared is refused in a sentence."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from app.doors.python import OpenGallery, open_gallery
from app.errors import AppError, DatasetError, GalleryError, NotFoundError, StorageError, UsageError
from app.values import VectorOptions
from lab.hdf5 import Benchmark, read_hdf5, write_hdf5
from lab.truth import exact_neighbours
from lab.vectors import VectorSet, of_file, of_gallery
from tests.conftest import Home, fill

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(50, 6)).astype(np.float32)
LABELS = RNG.integers(0, 3, 50)


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "some.npz", **arrays)
    return folder / "some.npz"


def hdf5(folder: Path, *, distance: str = "euclidean", **arrays: Any) -> Path:
    path = folder / "some.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = distance
        for name, array in arrays.items():
            file[name] = array
    return path


def test_a_gallery_asks_with_its_own_images_and_knows_their_first_labels(
    home: Home, tmp_path: Path
) -> None:
    home.build(fill(tmp_path / "pictures", 25))
    found = of_gallery("mine", queries=10, home=home.path)
    assert found.vectors.shape == (25, 48)
    assert found.own_rows is not None
    assert found.labels is not None
    assert len(set(found.own_rows.tolist())) == 10
    np.testing.assert_array_equal(found.queries, found.vectors[found.own_rows])
    np.testing.assert_array_equal(found.query_labels, found.labels[found.own_rows])
    assert found.label_names == ("kind_0", "kind_1", "kind_2", "kind_3", "kind_4")
    np.testing.assert_array_equal(np.bincount(found.labels), [5] * 5)
    again = of_gallery("mine", queries=10, home=home.path)
    np.testing.assert_array_equal(again.own_rows, found.own_rows)
    other = of_gallery("mine", queries=10, seed=1, home=home.path)
    assert other.own_rows is not None
    assert other.own_rows.tolist() != found.own_rows.tolist()


def test_of_several_labels_the_first_counts_which_a_note_says(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(tmp_path / "pictures", 25))
    assert of_gallery("mine", queries=5, home=home.path).notes == ()
    one, *others = open_gallery("mine", home=home.path).images()
    images = [replace(one, labels=("kind_4", "kind_1")), *others]
    monkeypatch.setattr(OpenGallery, "images", lambda gallery: images)
    found = of_gallery("mine", queries=5, home=home.path)
    assert found.labels is not None
    assert found.labels[0] == 4
    assert found.notes == ("several labels, of which the first counts: 1 of 25 images",)


def test_a_gallery_of_codes_alone_is_not_studied(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "pictures", 300), index="IVF4,PQ8")
    shutil.rmtree(home.path / "features")
    with pytest.raises(GalleryError, match=r"mine .*features"):
        of_gallery("mine", queries=10, home=home.path)


def test_vectors_with_what_is_no_number_are_left_out_and_counted(tmp_path: Path) -> None:
    path = npz(tmp_path, vectors=BROKEN, labels=LABELS, paths=np.array(["a", None], object))
    found = of_file(path, queries=50)
    kept = np.delete(np.arange(50), [7, 8, 30])
    np.testing.assert_array_equal(found.vectors, VECTORS[kept])
    np.testing.assert_array_equal(found.queries, found.vectors[found.own_rows])
    (note,) = found.notes
    assert note.startswith("3 of 50 vectors, the first in row 7, ")


def test_a_gallery_that_expands_queries_asks_as_its_searches_do(home: Home, tmp_path: Path) -> None:
    pictures = fill(tmp_path / "pictures", 25)
    home.build(pictures, "plain")
    home.build(pictures, "mine", options=VectorOptions(expand=3))
    found, plain = (of_gallery(name, queries=10, home=home.path) for name in ("mine", "plain"))
    assert found.own_rows is not None
    gallery = open_gallery("mine", home=home.path)
    expected = [gallery.embed(int(row)) for row in found.own_rows]
    np.testing.assert_allclose(found.queries, expected, atol=1e-6)
    np.testing.assert_array_equal(found.own_rows, plain.own_rows)
    np.testing.assert_array_equal(found.vectors, plain.vectors)
    assert not np.isclose(found.queries, plain.queries, atol=1e-3).all(axis=1).any()


def test_a_gallery_that_is_not_there_is_named(home: Home) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        of_gallery("nowhere", queries=10, home=home.path)


def test_codes_times_scale_are_brought_to_length_1(tmp_path: Path) -> None:
    codes = RNG.integers(-127, 128, (30, 4)).astype(np.int8)
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    label = (np.arange(30) % 2).astype(np.int16)
    path = npz(tmp_path, codes=codes, scale=scale, label=label, wnids=np.array(["a", "b"]))
    found = of_file(path, queries=5)
    values = codes * scale
    expected = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    np.testing.assert_array_equal(found.labels, label)
    assert found.label_names == ("a", "b")
    assert found.name == "some"


@pytest.mark.parametrize("name", ["vectors", "train"])
def test_plain_arrays_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    found = of_file(npz(tmp_path, **{name: VECTORS.astype(np.float64)}), queries=99)
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.vectors.dtype == np.float32
    assert len(found.queries) == 50  # no more than there are
    assert found.labels is None


def test_a_file_that_brings_queries_is_asked_with_those(tmp_path: Path) -> None:
    path = npz(tmp_path, train=VECTORS[10:], test=VECTORS[:10], test_labels=LABELS[:10])
    found = of_file(path, queries=4)
    np.testing.assert_array_equal(found.queries, VECTORS[:4])
    np.testing.assert_array_equal(found.query_labels, LABELS[:4])
    assert found.own_rows is None


def test_a_npy_file_is_taken(tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", VECTORS)
    np.testing.assert_array_equal(of_file(tmp_path / "some.npy", queries=3).vectors, VECTORS)


def test_a_benchmark_survives_being_written_and_read(tmp_path: Path) -> None:
    rows, distances = exact_neighbours(VECTORS[10:], VECTORS[:10], 5, metric="l2")
    path = tmp_path / "written.hdf5"
    write_hdf5(path, Benchmark(VECTORS[10:], VECTORS[:10], rows, distances, "l2"))
    with h5py.File(path) as file:  # what ann-benchmarks asks for
        assert file.attrs["distance"] == "euclidean"
        assert set(file) == {"train", "test", "neighbors", "distances"}
    again = read_hdf5(path)
    np.testing.assert_array_equal(again.train, VECTORS[10:])
    np.testing.assert_array_equal(again.neighbors, rows)
    np.testing.assert_array_equal(again.distances, distances)
    assert again.metric == "l2"
    found = of_file(path, queries=10)
    np.testing.assert_array_equal(found.queries, VECTORS[:10])
    assert found.metric == "l2"


@pytest.mark.parametrize(("distance", "metric"), [("angular", "cosine"), ("dot", "ip")])
def test_a_benchmark_says_which_metric_it_is_for(
    tmp_path: Path, distance: str, metric: str
) -> None:
    path = hdf5(tmp_path, distance=distance, train=VECTORS, test=VECTORS[:2])
    assert of_file(path, queries=2).metric == metric


def test_the_cosine_takes_vectors_of_length_1(tmp_path: Path) -> None:
    found = of_file(npz(tmp_path, vectors=VECTORS), queries=5)
    unit = found.unit()
    np.testing.assert_allclose(np.linalg.norm(unit.vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(unit.queries, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found.vectors, VECTORS)


def test_vectors_of_zeros_have_no_cosine(tmp_path: Path) -> None:
    zeros = VECTORS.copy()
    zeros[[4, 9]] = 0
    found = of_file(npz(tmp_path, vectors=zeros), queries=5)
    with pytest.raises(UsageError, match=r"2 vectors .*row 4: .* metric l2"):
        found.unit()


def test_vectors_and_queries_of_zeros_are_left_out_where_the_cosine_is_asked(
    tmp_path: Path,
) -> None:
    zeros = VECTORS.copy()
    zeros[[4, 9]] = 0
    found = of_file(npz(tmp_path, vectors=zeros, labels=LABELS), queries=50).with_direction()
    kept = np.delete(np.arange(50), [4, 9])
    np.testing.assert_array_equal(found.vectors, VECTORS[kept])
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, LABELS[kept])
    assert found.own_rows is not None
    assert sorted(found.own_rows) == list(range(48)), "a query of zeros does not ask"
    np.testing.assert_array_equal(found.queries, found.vectors[found.own_rows])
    (note,) = found.notes
    assert note.startswith("2 of 50 vectors, the first in row 4, are zeros and have no direction")
    asking = of_file(npz(tmp_path, train=VECTORS, test=zeros[:10]), queries=10).with_direction()
    assert len(asking.vectors) == 50
    np.testing.assert_array_equal(asking.queries, np.delete(VECTORS[:10], [4, 9], axis=0))
    assert asking.notes[0].startswith("2 of 10 queries are zeros")


def test_a_query_whose_own_vector_is_left_out_does_not_ask() -> None:
    zeros = VECTORS.copy()
    zeros[4] = 0
    own = np.array([3, 4, 5], np.int64)
    found = VectorSet("some", zeros, VECTORS[own], own).with_direction()
    assert found.own_rows is not None
    assert found.own_rows.tolist() == [3, 4], "the fifth has moved up"
    np.testing.assert_array_equal(found.queries, VECTORS[[3, 5]])


BROKEN = VECTORS.copy()
BROKEN[[7, 8, 30], [0, 5, 2]] = np.nan, np.inf, np.nan


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"vectors": VECTORS[0]}, r"shape \(6,\) float32: .*\(n, dim\)"),
        ({"vectors": VECTORS.astype(str)}, r"<U32: .*\(n, dim\)"),
        ({"vectors": VECTORS[:0]}, r"\(0, 6\)"),
        ({"vectors": VECTORS.astype(float) * 1e300}, r"50 of 50 vectors"),
        ({"train": VECTORS, "test": BROKEN[7:9]}, r"2 of 2 queries"),
        ({"train": VECTORS, "test": VECTORS[:, :4]}, r"6 numbers in train and of 4 in"),
        ({"vectors": VECTORS, "labels": LABELS[:9]}, r"50 vectors and labels of shape \(9,\)"),
        ({"vectors": VECTORS, "labels": VECTORS[:, 0]}, r"float32: .*integer"),
        (
            {"train": VECTORS, "test": VECTORS, "labels": LABELS, "test_labels": LABELS[:9]},
            r"50 vectors and test_labels of shape \(9,\)",
        ),
        ({"vectors": VECTORS, "labels": LABELS, "wnids": np.array(["a"])}, r"1 names .* label 2"),
        ({"codes": VECTORS.astype(np.int8)}, r"array scale"),
        ({"codes": VECTORS.astype(np.int8), "scale": np.ones(5)}, r"array scale"),
        ({"pictures": VECTORS}, r"pictures and none of vectors, train and codes"),
        (
            {"vectors": np.array([[1.0], [1.0, 2.0]], object)},
            r"vectors as objects .*same dimension",
        ),
    ],
)
def test_an_archive_that_cannot_be_compared_is_refused_in_one_sentence(
    tmp_path: Path, arrays: dict[str, Any], named: str
) -> None:
    with pytest.raises(DatasetError) as raised:
        of_file(npz(tmp_path, **arrays), queries=50)
    assert re.search(named, str(raised.value))
    assert "some" in str(raised.value)
    assert_one_sentence(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.npz", b"PK no archive", r"a\.npz"),
        ("a.npz", b"", r"a\.npz"),
        ("a.npy", b"\x93NUMPY\x01\x00", r"a\.npy"),
        ("a.npy", None, r"no file .*a\.npy"),
        ("a.hdf5", b"no HDF5", r"a\.hdf5"),
        ("a.hdf5", None, r"no file .*a\.hdf5"),
        ("a.csv", b"1,2", r"a\.csv .*\.npz, \.npy or \.hdf5"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, named: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError, match=named) as raised:
        of_file(tmp_path / name, queries=5)
    assert raised.value.exit_code in (2, 4)
    assert_one_sentence(raised.value)


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, vectors=VECTORS)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DatasetError, match=r"some.npz"):
        of_file(path, queries=5)


def test_an_hdf5_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"train .*test .*images: .*ann-benchmarks"):
        of_file(hdf5(tmp_path, images=VECTORS), queries=5)
    with pytest.raises(DatasetError, match=r"'jaccard'.*euclidean, angular"):
        of_file(hdf5(tmp_path, distance="jaccard", train=VECTORS, test=VECTORS), queries=5)


def test_a_folder_in_the_place_of_a_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=re.escape(str(tmp_path))):
        write_hdf5(tmp_path, Benchmark(VECTORS, VECTORS, None, None, ""))


@pytest.mark.parametrize("queries", [0, -3])
def test_no_queries_measure_nothing(tmp_path: Path, queries: int) -> None:
    with pytest.raises(UsageError, match=rf"1 or more, not {queries}\."):
        of_file(npz(tmp_path, vectors=VECTORS), queries=queries)
    with pytest.raises(UsageError, match=rf"1 or more, not {queries}\."):
        of_file(npz(tmp_path, train=VECTORS, test=VECTORS), queries=queries)


def assert_one_sentence(error: AppError) -> None:
    assert str(error).endswith(".")
    assert "\n" not in str(error)
