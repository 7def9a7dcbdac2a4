"""Real vectors → more of them, drawn so that each gets as many near neighbours as growth gives.

Round every real vector further ones are drawn. How far away: where points lie in d dimensions with
even density, their number within a distance grows with its d-th power, so that a vector's
distances to its new neighbours follow from the distance to its tenth real one and from d, the
intrinsic dimension (Levina, Bickel, Maximum likelihood estimation of intrinsic dimension, NIPS
2004; Amsaleg et al., Estimating local intrinsic dimensionality, KDD 2015). In which direction: as
its near neighbours vary, with weights drawn from the normal distribution, so that the local
covariance is kept. docs/lab.md says how near that comes to real vectors.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.values.vectors import without_own
from lab.methods.faiss_index import built, cells
from lab.methods.method import Rows, Vectors
from lab.methods.threads import building, searching
from lab.vectors import VectorSet

_NEIGHBOURS = 32
_DENSITY_NEIGHBOURS = 10
_PROBES = 16
_SAMPLE = 1_000
NUMBERS_A_BLOCK = 16_000_000
_UNIT_TOLERANCE = 1e-3
_LEAST_ROWS = 50


def extend_set(held: VectorSet, rows: int, *, seed: int = 0) -> VectorSet:
    """Return the set with so many vectors; queries stay the real ones, and labels go.

    A drawn vector shows nothing, so nobody can say what its label is. With as many vectors as there
    are, the set itself is returned.
    """
    if rows == len(held.vectors):
        return held
    return replace(
        held,
        vectors=extend(held.vectors, rows, seed=seed),
        labels=None,
        query_labels=None,
        drawn=held.drawn + rows - len(held.vectors),
    )


def extend(vectors: Vectors, rows: int, *, seed: int = 0) -> Vectors:
    """Return (rows, dim) float32 vectors: the (n, dim) real ones first, then drawn ones.

    Where the real ones have length 1, the drawn ones have it too. Besides the result, memory is
    bounded by `n` neighbour lists and blocks of 64 MB. UsageError if there are more vectors than
    that already, or too few to know how they lie.
    """
    n, dim = vectors.shape
    if rows < n:
        raise UsageError(f"{n} vectors cannot be extended to {rows}: ask for {n} or more.")
    if rows > n and n < _LEAST_ROWS:
        raise UsageError(
            f"{n} vectors are too few to draw more like them: it takes {_LEAST_ROWS} or more."
        )
    extended = np.empty((rows, dim), np.float32)
    extended[:n] = vectors
    if rows == n:
        return extended
    rng = np.random.default_rng(seed)
    anchors = np.concatenate([rng.permutation(n) for _ in range(-(-rows // n) - 1)])[: rows - n]
    neighbours = _neighbours(vectors, min(_NEIGHBOURS, n - 1))
    sample = rng.permutation(n)[:_SAMPLE]
    dimension = intrinsic_dimension(_distances(vectors, sample, neighbours[sample]))
    lengths = np.linalg.norm(vectors[sample], axis=1)
    unit = bool((np.abs(lengths - 1) < _UNIT_TOLERANCE).all())
    step = max(1, NUMBERS_A_BLOCK // (neighbours.shape[1] * dim))
    for start in range(0, len(anchors), step):
        some = anchors[start : start + step]
        drawn = _drawn(vectors, some, neighbours[some], dimension, rng, unit=unit)
        extended[n + start : n + start + len(some)] = drawn
    return extended


def intrinsic_dimension(distances: NDArray[np.float32]) -> float:
    """Return the intrinsic dimension where (q, k) float32 distances to neighbours ascend like this.

    The maximum likelihood estimate for each query, and the median of those; queries whose
    neighbours are copies of them do not count.

    >>> d = (np.arange(1, 101) / 100) ** (1 / 5)  # as many within a distance as in 5 dimensions
    >>> round(intrinsic_dimension(d[None]))
    5
    """
    apart = distances[distances[:, 0] > 0].astype(np.float64)
    means = np.log(apart[:, -1:] / apart[:, :-1]).mean(axis=1)
    estimates = 1 / means[means > 0]
    return float(np.median(estimates)) if len(estimates) else float(distances.shape[1])


def _neighbours(vectors: Vectors, k: int) -> Rows:
    """Return (n, k) rows of near neighbours, nearest first; nearly all are the true ones."""
    nlist = cells(len(vectors))
    index = built(vectors, "l2", f"IVF{nlist},Flat")
    effort = {"nprobe": min(nlist, _PROBES)}
    found = np.empty((len(vectors), k), np.int64)
    with searching(building()):
        for block in _blocks(len(vectors)):
            near = index.search(vectors[block], k + 1, effort)
            own = np.arange(block.start, block.start + len(near))
            near[near < 0] = own.repeat((near < 0).sum(axis=1))  # cells ran dry: itself
            found[block] = without_own(near, own, k)
    return found


def _blocks(rows: int, step: int = 8_192) -> Iterator[slice]:
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _distances(vectors: Vectors, rows: Rows, neighbours: Rows) -> NDArray[np.float32]:
    """Return the (q, k) Euclidean distances of (q,) rows to (q, k) neighbours."""
    apart = vectors[neighbours] - vectors[rows][:, None]
    distances: NDArray[np.float32] = np.sqrt(np.einsum("qkd,qkd->qk", apart, apart))
    return distances


def _drawn(
    vectors: Vectors,
    anchors: Rows,
    neighbours: Rows,
    dimension: float,
    rng: np.random.Generator,
    *,
    unit: bool,
) -> Vectors:
    """Return (b, dim) vectors, one near each of (b,) anchors with (b, k) neighbours."""
    centre = vectors[anchors]
    near = vectors[neighbours]
    tenth = min(_DENSITY_NEIGHBOURS, near.shape[1])
    reach = np.linalg.norm(near[:, tenth - 1] - centre, axis=1)
    # Within this distance one real neighbour is expected, and as many drawn ones as a real vector
    # gets by growth.
    radius = reach * (rng.random(len(anchors)) / tenth) ** (1 / dimension)
    weights = rng.standard_normal((len(anchors), near.shape[1]), np.float32)
    weights -= weights.mean(axis=1, keepdims=True)  # how neighbours differ from their mean
    direction = np.matmul(weights[:, None], near)[:, 0]
    if not unit:
        moved: Vectors = (centre + direction * (radius / _length(direction))[:, None]).astype(
            np.float32
        )
        return moved
    # Along the sphere, to the point that is `radius` away in a straight line.
    direction -= np.einsum("bd,bd->b", direction, centre)[:, None] * centre
    direction /= _length(direction)[:, None]
    cosine = 1 - np.minimum(radius, 2) ** 2 / 2
    sine = np.sqrt(1 - cosine**2)
    drawn = cosine[:, None] * centre + sine[:, None] * direction
    unit_length: Vectors = (drawn / _length(drawn)[:, None]).astype(np.float32)
    return unit_length


def _length(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return lengths, of vectors of zeros too as something to divide by."""
    lengths: NDArray[np.floating] = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return lengths
