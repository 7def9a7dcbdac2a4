"""Vectors → the centroids of a k-means, by FAISS or by scikit-learn.

A quantiser q maps a vector x to one of k centroids. It is optimal under Lloyd's two conditions
(Jégou, Douze, Schmid 2011, section II-A): x goes to its nearest centroid, and a centroid is the
mean of the vectors that go to it. k-means applies the two in turn. Both libraries do just that;
they differ in how they begin, and in when they stop:

`faiss`
    `faiss.Kmeans`: begins with k vectors drawn at random, always makes `iterations` turns, and
    learns from at most 256 vectors a centroid; the rest is left out at random.
`sklearn`
    `sklearn.cluster.KMeans`: begins with k-means++ (centroids far from each other, Arthur and
    Vassilvitskii 2007), which takes most of its time; stops as soon as the centroids hardly move;
    learns from all vectors. Not `MiniBatchKMeans`: that takes half the time, and its mean squared
    error is 3 % larger, more than that of centroids drawn at random.
"""

import warnings
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.values.vectors import unit

Clustering = Literal["faiss", "sklearn"]
CLUSTERINGS: tuple[Clustering, ...] = get_args(Clustering)

Vectors = NDArray[np.float32]

_SEED = 1234


def k_means(
    vectors: Vectors,
    k: int,
    *,
    clustering: Clustering,
    iterations: int,
    spherical: bool = False,
    seed: int = _SEED,
) -> Vectors:
    """Return the (k, dim) float32 centroids of (n, dim) float32 vectors; the same for a seed.

    With `spherical`, they have length 1, as the inner product asks for. UsageError if there are
    fewer vectors than centroids, or the clustering is unknown.
    """
    if len(vectors) < k:
        raise UsageError(f"{k} centroids need at least {k} vectors, and there are {len(vectors)}.")
    vectors = np.ascontiguousarray(vectors, np.float32)
    if clustering == "faiss":
        centroids = _by_faiss(vectors, k, iterations=iterations, spherical=spherical, seed=seed)
    elif clustering == "sklearn":
        centroids = _by_sklearn(vectors, k, iterations=iterations, seed=seed)
    else:
        raise UsageError(
            f"There is no clustering {clustering!r}: use one of {', '.join(CLUSTERINGS)}."
        )
    return unit(centroids) if spherical else centroids


def _by_faiss(vectors: Vectors, k: int, *, iterations: int, spherical: bool, seed: int) -> Vectors:
    import faiss

    means = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=iterations,
        seed=seed,
        spherical=spherical,
        min_points_per_centroid=1,  # it would warn below 39, on the terminal
    )
    means.train(vectors)
    return np.asarray(means.centroids, np.float32)


def _by_sklearn(vectors: Vectors, k: int, *, iterations: int, seed: int) -> Vectors:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    means = KMeans(k, n_init=1, max_iter=iterations, random_state=seed)
    with warnings.catch_warnings():
        # Of many equal vectors there are fewer clusters than asked for: centroids are then equal.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(vectors)
    centroids: Vectors = means.cluster_centers_.astype(np.float32)
    return centroids
