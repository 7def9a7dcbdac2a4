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


def descent(index: Any, layers: list[Layer], vectors: NDArray[np.float32], query: Any) -> list[int]:
    """Return the rows that a walk from the top towards a (D,) query stands at, above layer 0.

    In each layer it goes to whichever neighbour is nearest to the query, until none is nearer.
    """
    here = int(index.hnsw.entry_point)
    walk = [here]
    for layer in reversed(layers[1:]):
        while True:
            near = layer.edges[layer.edges[:, 0] == here, 1]
            options = np.append(near, here)
            best = int(options[((vectors[options] - query) ** 2).sum(axis=1).argmin()])
            if best == here:
                break
            here = best
            walk.append(here)
    return walk


def layers_drawn(
    index: Any, vectors: NDArray[np.float32], plane: Plane, query: NDArray[np.float32], target: Any
) -> Figure:
    """Draw each layer of an HNSW over a (n, 2) map, with the walk down to a (D,) query.

    `target` is the query's own place on the map. Of a layer's edges at most some thousand are
    drawn, taken evenly.
    """
    layers = layers_of(index)
    walk = descent(index, layers, vectors, query)
    figure, axes = panels(len(layers), width=4.4)
    for each, (level, layer) in zip(axes, reversed(list(enumerate(layers))), strict=True):
        some = layer.edges[:: -(-len(layer.edges) // _MOST_EDGES) or 1]
        each.add_collection(LineCollection(list(plane[some]), colors=GREY, lw=0.4, alpha=0.6))
        scatter(each, plane[layer.rows], s=max(3, 40 / (level * 2 or 12)), color=BLUE, lw=0)
        steps = [row for row in walk if row in layer.rows] if level else walk[-1:]
        each.plot(*plane[steps].T, "o-", color=ORANGE, ms=5, lw=1.5)
        each.plot(*target, "*", color=RED, ms=14, mec="white")
        as_map(each, f"layer {level}: {len(layer.rows):,} rows, {len(layer.edges):,} edges")
        each.autoscale_view()
    return figure
