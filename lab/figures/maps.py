"""Vectors of a gallery → 2-D maps: by label, and with the way of a query through the cells."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lab.figures.canvas import BLUE, GREEN, GREY, INK, ORANGE, RED, as_map, panels, scatter
from lab.ivfpq import IVFPQ, Rows, Vectors
from lab.truth import exact_neighbours

Plane = NDArray[np.float32]
_COLOURS = "tab10"


def plane_of(vectors: Vectors, *, way: Literal["pca", "tsne"] = "pca", seed: int = 0) -> Plane:
    """Return (n, 2) places on a map of (n, D) vectors.

    PCA is a projection: what is near stays near, and most other things are drawn together too.
    t-SNE (van der Maaten and Hinton 2008) keeps neighbours beside each other and says nothing of
    distances; it takes seconds for a thousand vectors, and the same seed gives the same map.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if way == "pca":
        return np.asarray(PCA(2, random_state=seed).fit_transform(vectors), np.float32)
    few = PCA(min(50, *vectors.shape), random_state=seed).fit_transform(vectors)
    near = min(30, (len(vectors) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=near, random_state=seed).fit_transform(few), np.float32)


def map_of_labels(planes: Sequence[tuple[str, Plane]], labels: Sequence[str]) -> Figure:
    """Draw the same vectors on maps beside each other, coloured by label: the ten largest have one.

    `labels` has a name for each vector, '' for none.
    """
    from matplotlib import colormaps

    figure, axes = panels(len(planes))
    names = np.array(labels)
    counted = sorted({name for name in labels if name}, key=lambda name: -int(sum(names == name)))
    shown = counted[:10]
    for each, (title, plane) in zip(axes, planes, strict=True):
        others = ~np.isin(names, shown)
        scatter(each, plane[others], s=5, color=GREY, lw=0)
        for place, name in enumerate(shown):
            colour = colormaps[_COLOURS](place)
            scatter(each, plane[names == name], s=9, color=[colour], lw=0, label=name)
        as_map(each, title)
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=5, frameon=False, markerscale=2)
    return figure


def way_of_a_query(
    index: IVFPQ, vectors: Vectors, plane: Plane, query: int, *, w: int, k: int = 10
) -> Figure:
    """Draw which cells a search with row `query` visits, in which order, and what it misses.

    Left, all vectors: those of the w visited cells are blue, and a line goes from the query through
    the middles of the cells in the order of the visits. Right, the same without what is far: the k
    true neighbours are green where their cell is visited, red where it is not. A map of two numbers
    cannot show all of them: cells that look far apart may not be.
    """
    figure, axes = panels(2)
    visited = index.nearest_cells(vectors[query], w)
    cells, _ = index.encode(vectors)
    inside = np.isin(cells, visited)
    own = np.array([query])
    truth, _ = exact_neighbours(vectors, vectors[own], k, metric=index.metric, leave_out=own)
    true: Rows = truth[0]
    middles = np.array(
        [plane[cells == cell].mean(axis=0) for cell in visited if (cells == cell).any()]
    )
    for each in axes:
        scatter(each, plane[~inside], s=4, color=GREY, lw=0)
        scatter(each, plane[inside], s=6, color=BLUE, lw=0, alpha=0.6)
        way = np.concatenate([plane[own], middles])
        each.plot(*way.T, "-", color=ORANGE, lw=1)
        for order, middle in enumerate(middles, 1):
            each.annotate(
                str(order),
                tuple(middle),
                ha="center",
                va="center",
                fontsize=8,
                bbox={"boxstyle": "circle,pad=0.2", "fc": "white", "ec": ORANGE},
                annotation_clip=True,
            )
        for rows, colour in ((true[inside[true]], GREEN), (true[~inside[true]], RED)):
            each.plot(*plane[rows].T, "o", mfc="none", mec=colour, mew=1.6, ms=8)
        each.plot(*plane[query], "*", color=INK, ms=15, mec="white")
    found = int(inside[true].sum())
    share = inside.mean()
    as_map(axes[0], f"{len(visited)} of {index.cells} cells visited: {share:.0%} of the vectors")
    as_map(axes[1], f"near by: {found} of the {k} nearest are in them (green)")
    near = np.concatenate([plane[true], plane[own], middles[:3]])
    margin = 0.15 * max(float(np.ptp(near, axis=0).max()), 1e-3)
    axes[1].set_xlim(near[:, 0].min() - margin, near[:, 0].max() + margin)
    axes[1].set_ylim(near[:, 1].min() - margin, near[:, 1].max() + margin)
    return figure
