"""A gallery's own pictures → its INT8 network, refused where that finds other images."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.build.embedding import OnProgress
from app.embed import Embedder
from app.errors import DecodeError, ModelError, UsageError
from app.images import decode
from app.sources.picture import Layout, Picture, file_of
from app.values.measures import average_precision

LEAST_OVERLAP = 0.80
"""Of the ten nearest images in 32 bits, the share that an INT8 network has to find."""
MOST_LOSS = 0.01
"""The mean average precision by labels that it may lose."""

_FITTED_TO = 300
_COMPARED_WITH = 1_000
_FEWEST = 100
_NEAREST = 10
_AT_ONCE = 64

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


class LoadInt8(Protocol):
    """Loads a model's INT8 network: `app.embed.load.load_embedder` with the name filled in."""

    def __call__(self, *, calibration: Pixels) -> Embedder:
        """Return the model with a network fitted to (n, H, W, 3) prepared pictures."""


def fitted_to(
    pictures: Sequence[Picture],
    layout: Layout,
    embedder: Embedder,
    load_int8: LoadInt8,
    *,
    workers: int,
    on_progress: OnProgress,
) -> Embedder:
    """Return the model of `embedder` with an INT8 network fitted to some of the pictures.

    Others of them, held out, are embedded by both networks. ModelError if the INT8 one finds too
    few of the ten nearest that the other finds, or ranks by labels too much worse; UsageError for
    too few pictures, or a model without a network.
    """
    readable = list(
        islice(_prepared(pictures, layout, embedder, workers), _FITTED_TO + _COMPARED_WITH)
    )
    if len(readable) < _FEWEST:
        raise UsageError(
            f"An INT8 network is fitted to at least {_FEWEST} pictures, and {len(readable)} can be "
            "read here: choose another precision."
        )
    few = min(_FITTED_TO, len(readable) // 2)
    on_progress("calibrate", 0, 0)
    int8 = load_int8(calibration=np.stack([pixels for _, pixels in readable[:few]]))
    if int8.precision != "int8":
        raise UsageError(f"{embedder.name} has no network that could be INT8: leave that out.")
    held_out = readable[few:]
    inputs = [pixels for _, pixels in held_out]
    labels = [picture.labels for picture, _ in held_out]
    overlap, loss = compared(embedder.embed_prepared(inputs), int8.embed_prepared(inputs), labels)
    measured = (
        f"of {len(held_out)} pictures that it was not fitted to, {overlap:.1%} of the ten nearest "
        f"are those of 32 bits{_in_words(loss)}"
    )
    if overlap < LEAST_OVERLAP or loss > MOST_LOSS:
        raise ModelError(
            f"The INT8 network of {embedder.name} is refused: {measured}; at least "
            f"{LEAST_OVERLAP:.0%} have to be and the precision may lose {MOST_LOSS}, so choose "
            "another precision."
        )
    int8.note = f"calculated in INT8: {measured}"
    return int8


def compared(
    full: Vectors, int8: Vectors, labels: Sequence[tuple[str, ...]]
) -> tuple[float, float]:
    """Return which share of the ten nearest rows two sets of (n, dim) unit vectors have in common,
    and how much mean average precision by labels the second loses; 0 where no two share one.
    """
    rankings = [_ranked(vectors) for vectors in (full, int8)]
    k = min(_NEAREST, len(full) - 1)
    pairs = zip(*(each[:, :k] for each in rankings), strict=True)
    overlap = float(np.mean([len(np.intersect1d(one, other)) / k for one, other in pairs]))
    names = {name: at for at, name in enumerate(sorted({each for row in labels for each in row}))}
    of_label = np.zeros((len(labels), len(names)), np.float32)
    for row, each in enumerate(labels):
        of_label[row, [names[name] for name in each]] = 1
    alike = of_label @ of_label.T > 0
    np.fill_diagonal(alike, val=False)
    judged = np.flatnonzero(alike.any(axis=1))
    if not len(judged):
        return overlap, 0.0
    means = [
        average_precision(np.take_along_axis(alike, ranking, axis=1)[judged]).mean()
        for ranking in rankings
    ]
    return overlap, float(means[0] - means[1])


def _ranked(vectors: Vectors) -> NDArray[np.int64]:
    """Return the (n, n - 1) other rows of each row of (n, dim) vectors, the nearest first."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :-1]


def _in_words(loss: float) -> str:
    return f" and the mean average precision by labels changes by {-loss:+.4f}" if loss else ""


def _prepared(
    pictures: Sequence[Picture], layout: Layout, embedder: Embedder, workers: int
) -> Iterator[tuple[Picture, Pixels]]:
    """Yield readable pictures and what the network takes of them.

    In an order that depends on their paths alone: a build that goes on has the same network.
    """

    def read(picture: Picture) -> tuple[Picture, Pixels] | None:
        try:
            data = file_of(layout.folders, picture).read_bytes()
            pixels = decode.decode(data, min_side=embedder.decoded_side)
        except (OSError, ValueError, DecodeError):  # the build says why
            return None
        return picture, embedder.prepare(pixels)

    there = [each for each in pictures if not each.missing]
    there.sort(key=lambda each: hashlib.sha256(repr((each.source, each.path)).encode()).digest())
    with ThreadPoolExecutor(workers, thread_name_prefix="calibrate") as pool:
        for start in range(0, len(there), _AT_ONCE):
            yield from filter(None, pool.map(read, there[start : start + _AT_ONCE]))
