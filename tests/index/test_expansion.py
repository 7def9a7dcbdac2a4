"""An expanded query is the weighted sum with its nearest images, checked by brute force."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.index import Expansion, SearchEffort, VectorIndex, expanded, write_vectors
from tests.index.vectors import unit


def flat_index(folder: Path, vectors: NDArray[np.float32]) -> VectorIndex:
    write_vectors(vectors.astype(np.float16), folder / "vectors.faiss")
    return VectorIndex(vectors=folder / "vectors.faiss", shortlist=None, effort=SearchEffort(0, 0))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("neighbours", [1, 4, 400])
def test_an_expanded_query_is_the_weighted_sum(tmp_path, neighbours, alpha) -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(50, 6)))
    vectors = vectors.astype(np.float16).astype(np.float32)  # so that equal scores are equal here
    index = flat_index(tmp_path, vectors)
    queries = vectors[:8] + np.float32(0)
    without = [[row, 20] for row in range(8)]
    found = expanded(index, queries, Expansion(neighbours, alpha), without=without)
    for row, query in enumerate(queries):
        scores = vectors @ query
        order = [other for other in np.argsort(-scores) if other not in (row, 20)]
        nearest = [other for other in order[:neighbours] if scores[other] > 0]
        expected = query + (scores[nearest] ** alpha) @ vectors[nearest]
        assert found[row] == pytest.approx(expected / np.linalg.norm(expected), abs=2e-3)
    assert (queries == vectors[:8]).all(), "the queries themselves are not changed"


def test_images_that_are_not_like_the_query_at_all_add_nothing(tmp_path) -> None:
    vectors = np.array([[-1, 0, 0], [-0.6, 0.8, 0], [0, 1, 0]], np.float32)
    query = np.array([[1, 0, 0]], np.float32)
    for alpha in (0.0, 2.0):
        found = expanded(flat_index(tmp_path, vectors), query, Expansion(3, alpha), without=[[]])
        assert found == pytest.approx(query)
