"""The files of an index are written, with a note where they are less than was requested."""

import re

import faiss
import numpy as np
import pytest

from app.errors import StorageError
from app.index import train as train_module
from app.index import train_shortlist, write_vectors
from app.index.factory import inner_of, numbered_of
from tests.index.vectors import clustered, make, without_vectors


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path):
    write_vectors(clustered(120).astype(np.float16), tmp_path / "vectors.faiss")
    nowhere = tmp_path / "missing" / "file.faiss"
    with pytest.raises(StorageError, match=re.escape(str(nowhere))):
        write_vectors(clustered(3).astype(np.float16), nowhere)
    with pytest.raises(StorageError, match=re.escape(str(nowhere))):
        train_shortlist(tmp_path / "vectors.faiss", "IVF3,SQ8", nowhere)


@pytest.mark.parametrize(("rows", "dim"), [(0, 16), (1, 3), (5_000, 16), (9, 2048)])
def test_the_vectors_are_written_as_faiss_would_write_them(rows, dim, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(rows, dim)).astype(np.float32)
    if rows:
        vectors[0, :3] = 1e-8, -6e-8, 0.99997  # none, the least and one to be rounded up
    written = tmp_path / "vectors.faiss"
    write_vectors(iter(np.array_split(vectors, 3)), written, dim=dim)
    assert written.read_bytes() == faiss_file(vectors)
    halves = vectors.astype(np.float16)
    write_vectors(halves, written)
    assert written.read_bytes() == faiss_file(halves.astype(np.float32))


def faiss_file(vectors: np.ndarray) -> bytes:
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.add(vectors)
    return faiss.serialize_index(index).tobytes()


def test_vectors_are_written_a_part_at_a_time(tmp_path):
    written = tmp_path / "vectors.faiss"
    sizes = []

    def parts():
        for _ in range(4):
            sizes.append(written.stat().st_size)
            yield np.ones((4_096, 256), np.float32)

    write_vectors(parts(), written, dim=256)
    assert sizes == sorted(set(sizes)), "what was given is still in memory"


def test_no_shortlist_of_an_earlier_try_is_left_where_none_is_needed(tmp_path):
    make(tmp_path, clustered(120), "IVF3,SQ8")
    used, _ = train_shortlist(tmp_path / "vectors.faiss", "Flat", tmp_path / "shortlist.faiss")
    assert used == "Flat"
    assert not (tmp_path / "shortlist.faiss").exists()


def test_too_few_images_for_each_centroid_are_noted_without_a_warning_of_faiss(tmp_path, capfd):
    write_vectors(clustered(300).astype(np.float16), tmp_path / "vectors.faiss")
    used, note = train_shortlist(
        tmp_path / "vectors.faiss", "IVF5,PQ8x6", tmp_path / "shortlist.faiss"
    )
    assert used == "IVF5,PQ8x6"
    assert all(words in note for words in ("300 images", "64 centroids", "39 each"))
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", ""), "FAISS's own warning reached the terminal"


def test_an_index_that_cannot_be_trained_after_all_is_replaced_by_exact_search(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(train_module, "fit_factory", lambda factory, rows, dim: (factory, ""))
    write_vectors(clustered(100).astype(np.float16), tmp_path / "vectors.faiss")
    used, note = train_shortlist(
        tmp_path / "vectors.faiss", "IVF200,Flat", tmp_path / "shortlist.faiss"
    )
    assert (used, (tmp_path / "shortlist.faiss").exists()) == ("Flat", False)
    assert all(words in note for words in ("100 images", "IVF200,Flat", "searched exactly"))


@pytest.mark.parametrize("factory", ["IVF100,PQ8", "PQ8", "OPQ8_16,IVF100,PQ8", "IVF100,SQ8"])
def test_training_takes_a_bounded_number_of_rows_for_each_centroid(factory):
    index = inner_of(train_module.untrained(factory, 16))
    learners = [each for each in (index, getattr(index, "pq", None)) if hasattr(each, "cp")]
    assert learners
    for each in learners:
        assert each.cp.max_points_per_centroid == train_module.MOST_ROWS_A_CENTROID == 256


@pytest.mark.parametrize(
    ("factory", "expected"),
    [("IVF4,PQ4x4", 1), ("PQ4x4", 1), ("IVF9,Flat", 8)],
    ids=["cells and codes", "codes", "many cells"],
)
def test_a_few_centroids_are_trained_by_one_thread(factory, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "_FEW_CELLS", 8)
    monkeypatch.setattr(train_module.os, "cpu_count", lambda: 8)
    limits: list[int] = []
    at_most = train_module.threads.at_most
    monkeypatch.setattr(
        train_module.threads, "at_most", lambda count: limits.append(count) or at_most(count)
    )
    write_vectors(clustered(400).astype(np.float16), tmp_path / "vectors.faiss")
    limits.clear()
    train_shortlist(tmp_path / "vectors.faiss", factory, tmp_path / "shortlist.faiss")
    assert limits == [expected]


@pytest.mark.parametrize("factory", ["HNSW4", "HNSW8,SQ8", "PCAR16,HNSW8_SQfp16"])
def test_a_graph_keeps_like_vectors_side_by_side_and_their_rows_numbers(tmp_path, factory):
    vectors = clustered(400, clusters=4)
    make(tmp_path, vectors, factory)
    alone = without_vectors(tmp_path)
    stored = faiss.read_index(str(tmp_path / "shortlist.faiss"))
    order = faiss.vector_to_array(numbered_of(stored).id_map)
    assert sorted(order) == list(range(400))
    side_by_side = (vectors[order][1:] * vectors[order][:-1]).sum(axis=1)
    assert side_by_side.mean() > (vectors[1:] * vectors[:-1]).sum(axis=1).mean() + 0.2
    for row in (0, 7, 399):  # found, and read back, by the number that it has in the gallery
        assert row in alone.search(vectors[row][None], 1).rows[0]
        assert float(alone.vector(row) @ vectors[row]) > 0.9


def test_a_rotation_is_learnt_in_a_bounded_number_of_rounds():
    index = train_module.untrained("OPQ8_16,IVF100,PQ8", 16)
    assert faiss.downcast_VectorTransform(index.chain.at(0)).niter == 10
