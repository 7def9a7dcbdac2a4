"""A gallery and codes of several lengths → the loss of quantising, in numbers and in pictures."""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from app.doors.python import OpenGallery
from app.values import ImageRecord
from lab.figures.canvas import BLUE, GREEN, GREY, RED, panels
from lab.ivfpq import IVFPQ, Rows, Vectors
from lab.truth import exact_neighbours


def of_lengths(lengths: Sequence[int], vectors: Vectors, *, cells: int) -> dict[str, IVFPQ]:
    """Return an IVFPQ that holds (n, D) vectors by codes of each length, in bytes."""
    indexes = {f"PQ{m}": IVFPQ.train(vectors, cells=cells, m=m, metric="ip") for m in lengths}
    for index in indexes.values():
        index.add(vectors)
    return indexes


def thumbnails_of(gallery: OpenGallery, images: Sequence[ImageRecord]) -> Callable[[int], bytes]:
    """Return a function from a place in `images` to that image's thumbnail (WebP)."""
    return lambda row: gallery.thumbnail(images[row])


def error_by_code(indexes: Mapping[str, IVFPQ], vectors: Vectors) -> Figure:
    """Draw for each index ‖y - ŷ‖² / ‖y‖²: the middle of all vectors, and the middle half."""
    figure, (axes,) = panels(1, width=7, height=3.6)
    shares = [
        ((vectors - index.reconstruct(np.arange(len(vectors)))) ** 2).sum(axis=1)
        / (vectors**2).sum(axis=1)
        for index in indexes.values()
    ]
    quarters = np.array([np.percentile(share, (25, 50, 75)) for share in shares])
    places = np.arange(len(indexes))
    axes.bar(places, quarters[:, 1], color=BLUE, width=0.6)
    axes.errorbar(
        places,
        quarters[:, 1],
        yerr=[quarters[:, 1] - quarters[:, 0], quarters[:, 2] - quarters[:, 1]],
        fmt="none",
        color="black",
        capsize=5,
    )
    for place, middle, index in zip(places, quarters[:, 1], indexes.values(), strict=True):
        axes.annotate(
            f"{middle:.0%}\n{index.m} bytes",
            (place, 0),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color="white",
            fontsize=9,
        )
    axes.set_xticks(places, list(indexes))
    axes.set(ylabel="lost: ‖y − ŷ‖² / ‖y‖²", ylim=(0, None))
    axes.set_title(f"of {4 * vectors.shape[1]:,} bytes a vector, what a code keeps", fontsize=11)
    return figure


def pictures_found(
    indexes: Mapping[str, IVFPQ],
    vectors: Vectors,
    query: int,
    thumbnail: Callable[[int], bytes],
    *,
    k: int = 7,
) -> Figure:
    """Draw the k pictures nearest to that of row `query`: by the vectors, then by each index.

    All cells are visited, so what differs is the codes' doing: pictures that are among the true
    nearest have a green frame, others a red one.
    """
    own = np.array([query])
    metric = next(iter(indexes.values())).metric
    truth, _ = exact_neighbours(vectors, vectors[own], k, metric=metric, leave_out=own)
    found: dict[str, Rows] = {"exact": truth[0]}
    for name, index in indexes.items():
        _, rows = index.search(vectors[own], k + 1, w=index.cells)
        found[name] = rows[0][rows[0] != query][:k]
    figure = Figure(figsize=(1.35 * (k + 1), 1.5 * len(found)), layout="constrained")
    grid = figure.subplots(len(found), k + 1, squeeze=False)
    for line, (name, rows) in zip(grid, found.items(), strict=True):
        for axes, row in zip(line, (query, *rows), strict=True):
            axes.imshow(np.asarray(Image.open(io.BytesIO(thumbnail(int(row)))).convert("RGB")))
            axes.set(xticks=[], yticks=[])
            colour = GREY if row == query else GREEN if row in truth[0] else RED
            axes.spines[:].set(color=colour, lw=3)
        line[0].set_ylabel(name, fontsize=9)
    grid[0][0].set_title("query", fontsize=10)
    grid[0][1].set_title("nearest", fontsize=10)
    return figure
