"""An IVFPQ and queries → figures of its cells, residuals, codes, tables and estimates."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.index import recall
from lab.clustering import Clustering
from lab.figures.canvas import BLUE, GREEN, GREY, INK, ORANGE, RED, as_map, panels, scatter
from lab.ivfpq import IVFPQ, Rows, Vectors
from lab.truth import exact_neighbours
from lab.vectors import VectorSet

_FINE = 300  # places at each side of a map where it is asked which cell they are in


def drawn_plane(rows: int, *, seed: int = 0) -> Vectors:
    """Return (rows, 2) vectors around seven centres, to show on a page what has many dimensions."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(-3, 3, size=(7, 2))[rng.integers(0, 7, rows)]
    return (near + 0.5 * rng.normal(size=near.shape)).astype(np.float32)


def without_queries(given: VectorSet, *, most: int | None = None) -> tuple[Vectors, Vectors]:
    """Return the vectors that are no queries, at most so many, evenly taken, and the queries."""
    others = np.delete(given.vectors, [] if given.own_rows is None else given.own_rows, axis=0)
    step = 1 if most is None else -(-len(others) // most)
    return np.ascontiguousarray(others[::step]), given.queries


def trained_by(
    clusterings: Sequence[Clustering], vectors: Vectors, *, cells: int
) -> dict[str, IVFPQ]:
    """Return an IVFPQ of 8 bytes a vector that holds (n, D) vectors, by each way of clustering."""
    indexes: dict[str, IVFPQ] = {
        name: IVFPQ.train(vectors, cells=cells, m=8, clustering=name) for name in clusterings
    }
    for index in indexes.values():
        index.add(vectors)
    return indexes


def cells_and_residuals(index: IVFPQ, vectors: Vectors) -> Figure:
    """Draw 2-D vectors in their cells, and their residuals with the centroids of q_p.

    Left: the cells of q_c, and for some vectors y the residual as an arrow from q_c(y). Right: all
    residuals moved to one origin, with the m = 2 codebooks as the lines of a grid; q_p takes a
    residual to the nearest crossing.
    """
    figure, (left, right) = panels(2)
    cells, _ = index.encode(vectors)
    _draw_cells(left, index, vectors)
    scatter(left, vectors, s=6, color=BLUE, lw=0, alpha=0.6)
    for row in range(0, len(vectors), max(1, len(vectors) // 40)):
        left.annotate(
            "",
            xy=tuple(vectors[row]),
            xytext=tuple(index.coarse[cells[row]]),
            arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 1.2},
        )
    left.plot(*index.coarse.T, "o", color=INK, ms=6)
    as_map(left, f"q_c: {index.cells} cells; arrows are residuals r(y)")
    residuals = vectors - index.coarse[cells]
    scatter(right, residuals, s=6, color=BLUE, lw=0, alpha=0.6)
    across, up = index.codebooks[0, :, 0], index.codebooks[1, :, 0]
    for lines, draw in ((across, right.axvline), (up, right.axhline)):
        for place in lines:
            draw(place, color=GREY, lw=0.7, zorder=0)
    right.plot(*(a.ravel() for a in np.meshgrid(across, up)), ".", color=INK, ms=3)
    as_map(right, f"q_p: {len(across)} + {len(up)} numbers kept, {len(across) * len(up)} centroids")
    return figure


def look_up_table(index: IVFPQ, query: Vectors, row: int) -> Figure:
    """Draw the (m, k*) table of a (D,) query for the cell of a row, and the m numbers it adds."""
    figure, (axes,) = panels(1, width=10, height=3.2)
    cell, code = index.place_of(row)
    ((base, table),) = index.look_up_tables(query, np.array([cell]))
    order = np.argsort(table, axis=1)  # the numbers of centroids mean nothing: small ones first
    image = axes.imshow(np.sort(table, axis=1), aspect="auto", cmap="viridis")
    taken = [int(np.flatnonzero(order[j] == code[j])[0]) for j in range(index.m)]
    axes.plot(taken, range(index.m), "o", mfc="none", mec=RED, mew=2, ms=9)
    total = base + table[np.arange(index.m), code].sum()
    axes.set_title(
        f"row {row}: the {index.m} circled numbers"
        + (f" and <x, q_c(y)> = {base:.3f}" if base else "")
        + f" add up to {total:.3f}",
        fontsize=11,
    )
    axes.set(xlabel="centroids of q_j, sorted by their number in the table", ylabel="sub-vector j")
    axes.set_yticks(range(index.m), [str(j + 1) for j in range(index.m)])
    figure.colorbar(image, ax=axes, label="product" if index.metric == "ip" else "squared distance")
    return figure


def true_against_estimated(index: IVFPQ, vectors: Vectors, queries: Vectors) -> Figure:
    """Draw true squared distances against estimates, asymmetric and symmetric, side by side.

    Asymmetric: from the query itself to ŷ. Symmetric: from the query's own code to ŷ; it is
    farther off (section III-B), and saves nothing that counts.
    """
    figure, axes = panels(2)
    restored = index.reconstruct(np.arange(index.rows))
    coded = IVFPQ(index.coarse, index.codebooks, metric=index.metric)
    coded.add(queries)
    of_code = coded.reconstruct(np.arange(len(queries)))
    true = _squared(queries, vectors)
    for each, asking, name in ((axes[0], queries, "asymmetric"), (axes[1], of_code, "symmetric")):
        estimate = _squared(asking, restored)
        off = float(np.sqrt(np.mean((estimate - true) ** 2)))
        each.scatter(true.ravel(), estimate.ravel(), s=3, color=BLUE, lw=0, alpha=0.3)
        ends = [float(true.min()), float(true.max())]
        each.plot(ends, ends, color=INK, lw=1)
        each.set_title(f"{name}: off by {off:.3f} (root mean square)", fontsize=11)
        each.set(xlabel="true squared distance", ylabel="estimate")
    low = min(each.get_ylim()[0] for each in axes)
    high = max(each.get_ylim()[1] for each in axes)
    for each in axes:
        each.set_ylim(low, high)
    return figure


def recall_by_cells(
    indexes: Mapping[str, IVFPQ], vectors: Vectors, queries: Vectors, *, candidates: Sequence[int]
) -> Figure:
    """Draw recall@10 against w, for each index: of its own order, and re-ranked exactly.

    Re-ranked means that the first so many of `candidates` are compared with the vectors: what is
    among them is found. The queries must not be among the vectors.
    """
    figure, axes = panels(len(indexes))
    metrics = {index.metric for index in indexes.values()}
    for each, (name, index) in zip(axes, indexes.items(), strict=True):
        truth, _ = exact_neighbours(vectors, queries, 10, metric=index.metric)
        visited = [w for w in (1, 2, 4, 8, 16, 32, 64) if w < index.cells] + [index.cells]
        listed = [index.search(queries, max(candidates), w=w)[1] for w in visited]
        for count, colour in zip((10, *candidates), (RED, ORANGE, GREEN, BLUE), strict=False):
            recalls = [recall(truth, rows[:, :count]) for rows in listed]
            label = "codes alone" if count == 10 else f"{count} candidates, re-ranked"
            each.plot(visited, recalls, "o-", color=colour, ms=4, label=label)
        each.set_xscale("log", base=2)
        each.set_xticks(visited, [str(w) for w in visited])
        each.set(ylim=(0, 1.02), xlabel=f"w, of {index.cells} cells", ylabel="recall@10")
        each.grid(color=GREY, lw=0.4)
        each.set_title(f"{name} ({', '.join(sorted(metrics))})", fontsize=11)
    axes[0].legend(frameon=False, fontsize=9)
    return figure


def _draw_cells(axes: Axes, index: IVFPQ, vectors: Vectors) -> None:
    low, high = vectors.min(axis=0) - 0.1, vectors.max(axis=0) + 0.1
    across, up = (np.linspace(low[i], high[i], _FINE, dtype=np.float32) for i in (0, 1))
    places = np.stack([grid.ravel() for grid in np.meshgrid(across, up)], axis=1)
    cells: Rows = index.encode(places)[0].reshape(_FINE, _FINE)
    edges = (np.diff(cells, axis=0, append=cells[-1:]) != 0) | (
        np.diff(cells, axis=1, append=cells[:, -1:]) != 0
    )
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    axes.imshow(edges, extent=extent, origin="lower", cmap="Greys", vmax=2.5, aspect="auto")


def _squared(queries: Vectors, vectors: Vectors) -> Vectors:
    gaps: Vectors = (
        (queries**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * queries @ vectors.T
    )
    return gaps
