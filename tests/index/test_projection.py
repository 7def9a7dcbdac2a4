"""Principal components are those of scikit-learn, kept in a file that is checked when read."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from app.errors import GalleryError
from app.index import Projection, train_projection
from app.index import projection as projection_module
from tests.index.vectors import unit


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    """300 unit vectors of 12 numbers, far from the origin and much longer one way than another."""
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(300, 12)) * np.linspace(3, 0.3, 12) + 2)


@pytest.mark.parametrize("block_rows", [7, 300, 4_096])
@pytest.mark.parametrize("components", [1, 5, 12])
def test_the_projection_is_scikit_learns_but_for_the_signs(
    vectors, components, block_rows, monkeypatch
) -> None:
    monkeypatch.setattr(projection_module, "BLOCK_ROWS", block_rows)
    ours = train_projection(vectors, components)
    theirs = PCA(components, svd_solver="full").fit(vectors.astype(np.float64))
    assert ours.mean == pytest.approx(theirs.mean_, abs=1e-6)
    signs = np.sign((ours.components * theirs.components_).sum(axis=1))
    assert signs[:, None] * ours.components == pytest.approx(theirs.components_, abs=1e-5)
    assert ours.apply(vectors) == pytest.approx(
        signs * unit(theirs.transform(vectors)), abs=1e-4 if components > 1 else 1e-3
    )


def test_all_components_change_no_cosine_but_by_the_centring(vectors) -> None:
    projected = train_projection(vectors, 12).apply(vectors)
    centred = unit(vectors - vectors.mean(axis=0))
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
