"""Vectors in clusters, indexes of them, and what holds of every answer."""

from pathlib import Path

import numpy as np

from app.index import Neighbours, SearchEffort, VectorIndex, train_shortlist, write_vectors

EVERYTHING = SearchEffort(probes=1024, candidates=1_000_000)
STARVED = SearchEffort(probes=1, candidates=1)
FACTORIES = ["IVF100,PQ8", "IVF100,SQ8", "HNSW32", "Flat"]
SHORTLISTS = ["IVF12,Flat", "IVF12,PQ4x4", "PQ4x4", "SQ8", "HNSW4", "HNSW8,SQ8", "PCA8,IVF12,SQ8"]
SHORTLISTS += ["numpy:IVF12,PQ4x4"]


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(
    rows: int, dim: int = 16, *, clusters: int = 20, spread: float = 0.3, seed: int = 0
) -> np.ndarray:
    """Return unit vectors around centres of which the first have many more than the last."""
    rng = np.random.default_rng(seed)
    centres = unit(np.random.default_rng(7).normal(size=(clusters, dim)))
    which = (clusters * rng.random(rows) ** 3).astype(int)
    return unit(centres[which] + spread / np.sqrt(dim) * 3 * rng.normal(size=(rows, dim)))


def stored(vectors: np.ndarray) -> np.ndarray:
    """Return unit vectors as the files keep them."""
    return vectors.astype(np.float16).astype(np.float32)


def make(
    folder: Path, vectors: np.ndarray, factory: str, effort: SearchEffort = EVERYTHING
) -> VectorIndex:
    flat, short = folder / "vectors.faiss", folder / "shortlist.faiss"
    write_vectors(vectors.astype(np.float16), flat)
    used, _ = train_shortlist(flat, factory, short)
    return VectorIndex(vectors=flat, shortlist=None if used == "Flat" else short, effort=effort)


def without_vectors(folder: Path, effort: SearchEffort = EVERYTHING) -> VectorIndex:
    return VectorIndex(vectors=None, shortlist=folder / "shortlist.faiss", effort=effort)


def assert_sound(found: Neighbours, rows: int, k: int) -> None:
    """Assert real rows, none twice, exactly min(k, rows) of them, best first, ties by row."""
    assert found.rows.shape == found.scores.shape == (len(found.rows), min(k, rows))
    assert found.rows.min() >= 0
    assert found.rows.max() < rows
    assert (np.diff(np.sort(found.rows, axis=1), axis=1) > 0).all(), "a row is there twice"
    falls = np.diff(found.scores, axis=1)
    assert (falls <= 0).all(), "scores rise"
    assert (np.diff(found.rows, axis=1)[falls == 0] > 0).all(), "equal scores out of order"
    assert np.abs(found.scores).max() <= 1


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the (q, n) cosines of queries and what the files keep of vectors, with 64 bits."""
    one, two = queries.astype(np.float64), stored(vectors).astype(np.float64)
    lengths = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
    return one @ two.T / lengths
