"""FAISS's HNSW → its layers, read out of the index and drawn over a map of the vectors."""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lab.figures.canvas import BLUE, GREY, ORANGE, RED, as_map, panels, scatter
from lab.figures.maps import Plane
from lab.ivfpq import Rows

_MOST_EDGES = 4_000


@dataclass(frozen=True)
class Layer:
    """One layer of the graph: its (n,) rows, and its (e, 2) edges from a row to a row."""

    rows: Rows
    edges: NDArray[np.int64]


def hnsw_of(vectors: NDArray[np.float32], *, links: int = 16) -> Any:
    """Return FAISS's HNSW of (n, D) vectors, with so many links a row in each layer."""
    index = faiss.IndexHNSWFlat(vectors.shape[1], links)
    index.add(vectors)
    return index


def layers_of(index: Any) -> list[Layer]:
    """Return the layers of a `faiss.IndexHNSW`, the lowest, which has all rows, first.

    A row that is in a layer is in all below it (Malkov and Yashunin 2018). FAISS keeps a row's
    neighbours of all layers behind each other, -1 where there are fewer than there is room for.
    """
    graph = index.hnsw
    heights = faiss.vector_to_array(graph.levels)
    neighbours = faiss.vector_to_array(graph.neighbors)
    starts = faiss.vector_to_array(graph.offsets).astype(np.int64)
    layers = []
    for level in range(int(heights.max(initial=0))):
        rows = np.flatnonzero(heights > level)
        first = graph.cum_nb_neighbors(level)
        places = starts[rows][:, None] + np.arange(first, graph.cum_nb_neighbors(level + 1))
        ends = neighbours[places]
        begins = np.broadcast_to(rows[:, None], ends.shape)
        edges = np.stack([begins[ends >= 0], ends[ends >= 0]], axis=1).astype(np.int64)
        layers.append(Layer(rows, edges))
    return layers


def descent(
    index: Any, layers: list[Layer], vectors: NDArray[np.float32], query: NDArray[np.float32]
) -> list[list[int]]:
    """Return for each layer, the lowest first, the rows that a walk towards a (D,) query stands at.

    It begins at the top. In each layer it goes to whichever neighbour is nearest to the query,
    until none is nearer, and begins the next layer there. FAISS follows `efSearch` such walks at
    once in the lowest layer.
    """
    here = int(index.hnsw.entry_point)
    walks: list[list[int]] = []
    for layer in reversed(layers):
        walk = [here]
        while True:
            near = layer.edges[layer.edges[:, 0] == here, 1]
            options = np.append(here, near)
            best = int(options[((vectors[options] - query) ** 2).sum(axis=1).argmin()])
            if best == here:
                break
            here = best
            walk.append(here)
        walks.insert(0, walk)
    return walks


def layers_drawn(index: Any, vectors: NDArray[np.float32], plane: Plane, query: int) -> Figure:
    """Draw each layer of an HNSW over a (n, 2) map, the highest first, with the walk to a row.

    The star is the row `query`; a layer's walk is orange, and ends where the next one begins. Of a
    layer's edges at most some thousand are drawn, taken evenly.
    """
    layers = layers_of(index)
    walks = descent(index, layers, vectors, vectors[query])
    figure, axes = panels(len(layers), width=4.2, height=4.2)
    margin = 0.05 * np.ptp(plane, axis=0)
    low, high = plane.min(axis=0) - margin, plane.max(axis=0) + margin
    for each, layer, walk, level in zip(
        axes, layers[::-1], walks[::-1], range(len(layers))[::-1], strict=True
    ):
        some = layer.edges[:: -(-len(layer.edges) // _MOST_EDGES) or 1]
        each.add_collection(LineCollection(list(plane[some]), colors=GREY, lw=0.4, zorder=1))
        size = float(np.clip(4_000 / len(layer.rows), 3, 20))
        scatter(each, plane[layer.rows], s=size, color=BLUE, lw=0, zorder=2)
        each.plot(*plane[walk].T, "o-", color=ORANGE, ms=5, lw=1.8, zorder=3)
        each.plot(*plane[query], "*", color=RED, ms=14, mec="white", zorder=4)
        as_map(
            each,
            f"layer {level}: {len(layer.rows):,} rows, {len(layer.edges):,} edges\n"
            f"steps: {len(walk) - 1}",
        )
        each.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))  # the same for all layers
    return figure
