"""The study asks the paper's IVFPQ as it asks any method."""

import numpy as np
import pytest

from app.index import check_factory
from lab.methods import paper_ivfpq
from lab.methods.paper_ivfpq import METHOD
from tests.lab.test_ivfpq import clustered


def test_both_clusterings_are_tried_with_what_the_vectors_allow():
    builds = METHOD.builds(9_144, 1280)
    assert [(build["m"], build["clustering"]) for build in builds] == [
        (8, "faiss"),
        (8, "sklearn"),
        (16, "faiss"),
    ]
    assert {build["cells"] for build in builds} == {96}
    assert [build["m"] for build in METHOD.builds(100, 24)] == [8, 8, 12]
    assert {build["m"] for build in METHOD.builds(9_144, 7)} == {7}


@pytest.mark.parametrize("metric", sorted(METHOD.metrics))
def test_more_effort_finds_more(metric):
    vectors, queries = clustered(700, 32), clustered(40, 32, seed=1)
    before = vectors.copy()
    truth = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    for build in METHOD.builds(700, 32)[:2]:
        searcher = METHOD.build(vectors, metric, build)
        recalls = []
        for effort in METHOD.efforts(700, build):
            rows = searcher.search(queries, 50, effort)
            assert rows.shape == (40, 50)
            recalls.append((truth[:, :, None] == rows[:, None, :]).any(axis=2).mean())
        assert recalls[0] < recalls[-1]
        assert recalls[-1] > 0.9
        assert searcher.memory_bytes() < 2 * vectors.nbytes
    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize("rows", [2, 38, 300])
def test_every_number_of_rows_has_builds_that_can_be_built(rows):
    vectors = clustered(rows, 16)
    for build in METHOD.builds(rows, 16):
        found = METHOD.build(vectors, "l2", build).search(vectors, 3, {"w": build["cells"]})
        assert found.shape == (rows, 3)


def test_vectors_are_trained_with_evenly_and_all_of_them_added(monkeypatch):
    monkeypatch.setattr(paper_ivfpq, "MOST_TRAINING_ROWS", 100)
    monkeypatch.setattr(paper_ivfpq, "CHUNK_ROWS", 64)
    learnt = []
    train = paper_ivfpq.IVFPQ.train

    def remember(vectors, **options):
        learnt.append(len(vectors))
        return train(vectors, **options)

    monkeypatch.setattr(paper_ivfpq.IVFPQ, "train", remember)
    vectors = clustered(350, 16)
    build = {"cells": 2, "m": 8, "nbits": 4, "clustering": "faiss"}
    searcher = METHOD.build(vectors, "l2", build)
    assert learnt == [88]
    assert (np.sort(searcher.search(vectors[:1], 350, {"w": 2})) == np.arange(350)).all()


def test_the_string_for_a_gallery_is_one_that_is_taken():
    taken = [METHOD.factory(build) for build in METHOD.builds(9_144, 1280)]
    assert taken == ["numpy:IVF96,PQ8", "", "numpy:IVF96,PQ16"]
    few = METHOD.factory(METHOD.builds(100, 48)[0])
    assert few == "numpy:IVF2,PQ8x6"
    for factory in (taken[0], taken[2]):
        check_factory(factory, 1280)
    check_factory(few, 48)
