"""Principal components, and queries with their nearest images added, checked by other means."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from app.errors import GalleryError, UsageError
from app.index import (
    Expansion,
    Projection,
    SearchEffort,
    VectorIndex,
    expanded,
    train_projection,
    write_vectors,
)
from app.index import projection as projection_module
from app.values import MOST_EXPAND, VectorOptions


def units(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """300 unit vectors of 12 numbers, far from the origin and much longer one way than another."""
    rng = np.random.default_rng(0)
    return units(rng.normal(size=(300, 12)) * np.linspace(3, 0.3, 12) + 2)


@pytest.mark.parametrize("block_rows", [7, 300, 4_096])
@pytest.mark.parametrize("components", [1, 5, 12])
def test_the_projection_is_scikit_learns_but_for_the_signs(
    vectors, components, block_rows, monkeypatch
) -> None:
    monkeypatch.setattr(projection_module, "_BLOCK_ROWS", block_rows)
    ours = train_projection(vectors, components)
    theirs = PCA(components, svd_solver="full").fit(vectors.astype(np.float64))
    assert ours.mean == pytest.approx(theirs.mean_, abs=1e-6)
    signs = np.sign((ours.components * theirs.components_).sum(axis=1))
    assert signs[:, None] * ours.components == pytest.approx(theirs.components_, abs=1e-5)
    assert ours.apply(vectors) == pytest.approx(
        signs * units(theirs.transform(vectors)), abs=1e-4 if components > 1 else 1e-3
    )


def test_all_components_change_no_cosine_but_by_the_centring(vectors) -> None:
    projected = train_projection(vectors, 12).apply(vectors)
    centred = units(vectors - vectors.mean(axis=0))
    assert projected @ projected.T == pytest.approx(centred @ centred.T, abs=1e-4)


def test_what_is_not_there_after_centring_is_like_nothing() -> None:
    alike = np.full((5, 4), 0.5, np.float16)
    projected = train_projection(alike, 2).apply(alike)
    assert not projected.any()


def test_neither_the_vectors_nor_their_type_are_changed_by_the_training(vectors) -> None:
    kept = vectors.copy()
    stored = train_projection(vectors, 3)
    assert (vectors == kept).all()
    assert {stored.mean.dtype, stored.components.dtype, stored.apply(vectors).dtype} == {
        np.dtype(np.float32)
    }


def test_a_projection_is_read_as_it_was_written(vectors, tmp_path) -> None:
    written = train_projection(vectors, 3)
    written.write(tmp_path / "a")
    written.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    read = Projection.read(tmp_path / "a")
    assert (read.mean == written.mean).all()
    assert (read.components == written.components).all()


@pytest.mark.parametrize(
    ("mean", "components"),
    [
        (np.zeros(3), np.eye(2, 4)),
        (np.zeros(4), np.ones(4)),
        (np.zeros(2), np.ones((3, 2))),
        (np.zeros(4), np.empty((0, 4))),
        (np.full(4, np.nan), np.eye(2, 4)),
        (np.zeros(4), np.full((2, 4), np.inf)),
    ],
)
def test_what_cannot_project_is_refused(tmp_path, mean, components) -> None:
    file = tmp_path / "projection.safetensors"
    Projection(mean.astype(np.float32), components.astype(np.float32)).write(file)
    with pytest.raises(GalleryError, match="holds no projection"):
        Projection.read(file)


def test_what_is_no_projection_is_refused(tmp_path) -> None:
    file = tmp_path / "projection.safetensors"
    for text in (b"", b"no numbers"):
        file.write_bytes(text)
        with pytest.raises(GalleryError, match="holds no projection"):
            Projection.read(file)
    with pytest.raises(GalleryError, match="holds no projection"):
        Projection.read(tmp_path / "none")


# --- expansion -----------------------------------------------------------------------------------


def opened(folder: Path, vectors: NDArray[np.float32]) -> VectorIndex:
    write_vectors(vectors.astype(np.float16), folder / "vectors.faiss")
    return VectorIndex(vectors=folder / "vectors.faiss", shortlist=None, effort=SearchEffort(0, 0))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("neighbours", [1, 4, 400])
def test_an_expanded_query_is_the_weighted_sum(tmp_path, neighbours, alpha) -> None:
    vectors = units(np.random.default_rng(1).normal(size=(50, 6)))
    vectors = vectors.astype(np.float16).astype(np.float32)  # so that equal scores are equal here
    index = opened(tmp_path, vectors)
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
        found = expanded(opened(tmp_path, vectors), query, Expansion(3, alpha), without=[[]])
        assert found == pytest.approx(query)


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"pca": 0}, "Principal components are 1 or more, not 0"),
        ({"pca": -3}, "Principal components are 1 or more, not -3"),
        ({"expand": -1}, f"1 to {MOST_EXPAND} of its nearest images, not -1"),
        ({"expand": 1000}, f"1 to {MOST_EXPAND} of its nearest images, not 1000"),
        ({"expand": 5, "alpha": -0.5}, "from 0 to 100, not -0.5"),
        ({"expand": 5, "alpha": float("nan")}, "from 0 to 100, not nan"),
        ({"expand": 5, "alpha": float("inf")}, "from 0 to 100, not inf"),
        ({"alpha": 2.0}, "leave --alpha out, or add --expand"),
        ({"expand": 0, "alpha": 2.0}, "leave --alpha out, or add --expand"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_sentence(asked, message) -> None:
    with pytest.raises(UsageError, match=message):
        VectorOptions.of(**asked)
