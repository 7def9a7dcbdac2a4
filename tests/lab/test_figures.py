"""The notebooks' figures draw what they say."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from app.doors.python import open_gallery
from lab.figures import codes, graph, maps, measures, pictures
from lab.figures.canvas import BLUE, GREEN, GREY, ORANGE, RED, png
from lab.ivfpq import IVFPQ
from lab.vectors import VectorSet, first_labels
from tests.conftest import encoded, fill, picture
from tests.lab.test_ivfpq import clustered


@pytest.fixture(scope="module", autouse=True)
def _one_thread_of_faiss() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered(400, 16)


@pytest.fixture(scope="module")
def index(vectors) -> IVFPQ:
    index = IVFPQ.train(vectors, cells=10, m=4, nbits=5, metric="ip")
    index.add(vectors)
    return index


def dots(axes, colour: str) -> int:
    """How many circled or plain dots of a colour lines draw."""
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_markeredgecolor() == colour)


def shown(figure: Figure) -> Image.Image:
    return Image.open(io.BytesIO(png(figure, dpi=30)))


def test_a_figure_becomes_a_picture_that_is_not_blank():
    plane = codes.drawn_plane(60)
    drawn = shown(codes.cells_and_residuals(_filled(plane), plane))
    assert drawn.format == "PNG"
    assert len(np.unique(np.asarray(drawn.convert("L")))) > 10


def _filled(vectors: np.ndarray) -> IVFPQ:
    index = IVFPQ.train(vectors, cells=4, m=2, nbits=2)
    index.add(vectors)
    return index


def test_residuals_are_arrows_from_the_centroids_and_their_codebooks_a_grid():
    plane = codes.drawn_plane(80)
    index = _filled(plane)
    left, right = codes.cells_and_residuals(index, plane).axes
    cells = index.encode(plane)[0]
    arrows = {(note.xyann, note.xy) for note in left.texts}
    assert len(arrows) == 40
    assert arrows == {
        (tuple(index.coarse[cells[row]]), tuple(plane[row])) for row in range(0, 80, 2)
    }
    crossings = right.lines[-1].get_xydata()
    assert len(crossings) == 16
    np.testing.assert_allclose(np.unique(crossings[:, 0]), np.sort(index.codebooks[0, :, 0]))
    np.testing.assert_allclose(np.unique(crossings[:, 1]), np.sort(index.codebooks[1, :, 0]))


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_the_circled_numbers_of_the_table_add_up_to_what_a_search_says(vectors, index, metric):
    other = IVFPQ(index.coarse, index.codebooks, metric=metric)
    other.add(vectors)
    (estimates,), (rows,) = other.search(vectors[7:8], 5, w=10)
    axes = codes.look_up_table(other, vectors[7], int(rows[2])).axes[0]
    table = axes.images[0].get_array()
    assert (np.diff(table, axis=1) >= 0).all()
    (circles,) = axes.lines
    taken = table[circles.get_ydata().astype(int), circles.get_xdata().astype(int)]
    base = vectors[7] @ index.coarse[other.place_of(int(rows[2]))[0]] if metric == "ip" else 0
    assert taken.sum() + base == pytest.approx(estimates[2], abs=1e-5)
    assert axes.get_title().endswith(f"add up to {estimates[2]:.3f}")


def test_estimates_are_drawn_against_true_distances_and_asymmetric_ones_are_nearer(vectors, index):
    left, right = codes.true_against_estimated(index, vectors, clustered(5, 16, seed=1)).axes
    off = [
        float(np.sqrt(np.mean(np.diff(axes.collections[0].get_offsets(), axis=1) ** 2)))
        for axes in (left, right)
    ]
    assert off[0] < off[1]
    for axes, error in zip((left, right), off, strict=True):
        assert f"off by {error:.3f}" in axes.get_title()
        assert len(axes.collections[0].get_offsets()) == 5 * 400


def test_recall_rises_with_cells_and_with_candidates(vectors, index):
    queries = clustered(40, 16, seed=1)
    axes = codes.recall_by_cells({"one": index}, vectors, queries, candidates=(40, 400)).axes[0]
    lines = np.array([line.get_ydata() for line in axes.lines])
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 4, 8, 10]
    assert (np.diff(lines, axis=0) >= 0).all()
    assert lines[-1, -1] == 1, "every row compared"
    assert lines[-1, 0] < 1


def test_the_queries_are_not_among_the_vectors_that_they_ask(vectors):
    own = np.array([3, 5])
    given = VectorSet("x", vectors, vectors[own], own_rows=own)
    others, queries = codes.without_queries(given)
    np.testing.assert_array_equal(queries, vectors[own])
    assert (np.abs(others[:, None] - queries).sum(axis=2) > 0).all()
    assert len(codes.without_queries(given, most=100)[0]) == 100
    assert len(codes.without_queries(VectorSet("x", vectors, queries))[0]) == 400


# Maps


@pytest.mark.parametrize("way", ["pca", "tsne"])
def test_a_map_keeps_groups_apart_and_is_the_same_twice(way):
    rng = np.random.default_rng(0)
    groups = (np.repeat(np.eye(3, 12), 30, axis=0) + 0.02 * rng.normal(size=(90, 12))).astype("f4")
    plane = maps.plane_of(groups, way=way)
    assert plane.shape == (90, 2)
    middles = plane.reshape(3, 30, 2).mean(axis=1)
    nearest = ((plane[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.repeat([0, 1, 2], 30))
    np.testing.assert_allclose(maps.plane_of(groups, way=way), plane, rtol=1e-4, atol=1e-4)


def test_the_ten_largest_labels_have_a_colour_and_the_rest_is_grey():
    labels = [name for n in range(12) for name in [f"label {n}"] * (20 - n)] + [""] * 5
    plane = np.random.default_rng(0).normal(size=(len(labels), 2)).astype("f4")
    figure = maps.map_of_labels([("a", plane), ("b", plane)], labels)
    for axes in figure.axes:
        grey, *coloured = [len(dots.get_offsets()) for dots in axes.collections]
        assert coloured == list(range(20, 10, -1))
        assert grey == 10 + 9 + 5
    assert [text.get_text() for text in figure.legends[0].texts] == [
        f"label {n}" for n in range(10)
    ]


def test_the_way_of_a_query_shows_the_visited_cells_and_what_is_missed(vectors, index):
    plane = maps.plane_of(vectors)
    query, seen = 11, set()
    for w in (1, 3, 10):
        figure = maps.way_of_a_query(index, vectors, plane, query, w=w)
        left, right = figure.axes
        visited = index.nearest_cells(vectors[query], w)
        inside = np.isin(index.encode(vectors)[0], visited)
        far, near = [len(dots.get_offsets()) for dots in left.collections]
        assert (far, near) == ((~inside).sum(), inside.sum())
        assert [text.get_text() for text in left.texts] == [str(n + 1) for n in range(w)]
        np.testing.assert_allclose(left.lines[0].get_xydata()[0], plane[query])
        found, missed = dots(right, GREEN), dots(right, RED)
        assert found + missed == 10
        assert f"{found} of the 10 nearest" in right.get_title()
        seen.add(found)
    assert max(seen) == 10, "every cell visited"


# Codes and pictures


def test_longer_codes_lose_less(vectors):
    indexes = {f"PQ{m}": IVFPQ.train(vectors, cells=5, m=m, nbits=5) for m in (2, 4, 8)}
    for each in indexes.values():
        each.add(vectors)
    axes = pictures.error_by_code(indexes, vectors).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == sorted(heights, reverse=True)
    restored = indexes["PQ4"].reconstruct(np.arange(400))
    assert heights[1] == pytest.approx(np.median(((vectors - restored) ** 2).sum(axis=1)), abs=1e-5)


def test_pictures_among_the_nearest_have_a_green_frame_and_others_a_red_one(vectors, index):
    asked = []

    def thumbnail(row: int) -> bytes:
        asked.append(row)
        return encoded(picture(row), "WEBP")

    figure = pictures.pictures_found({"PQ4": index}, vectors, 3, thumbnail, k=5)
    truth = np.argsort(-(vectors @ vectors[3]), kind="stable")
    truth = truth[truth != 3][:5]
    _, ours = index.search(vectors[3:4], 6, w=10)
    ours = ours[0][ours[0] != 3][:5]
    assert asked == [3, *truth, 3, *ours]
    frames = [matplotlib_hex(axes.spines["top"].get_edgecolor()) for axes in figure.axes]
    assert frames[:6] == [GREY] + [GREEN] * 5
    assert frames[6:] == [GREY] + [GREEN if row in truth else RED for row in ours]


def matplotlib_hex(colour: object) -> str:
    from matplotlib.colors import to_hex

    return to_hex(colour)  # type: ignore[arg-type]


def test_codes_of_each_length_hold_every_row_by_either_clustering(vectors):
    indexes = pictures.of_lengths((2, 4), vectors, cells=5)
    assert {name: (index.m, index.cells) for name, index in indexes.items()} == {
        "PQ2": (2, 5),
        "PQ4": (4, 5),
    }
    trained = codes.trained_by(("faiss", "sklearn"), vectors, cells=5)
    for index in (*indexes.values(), *trained.values()):
        assert index.search(vectors[:1], 400, w=5)[1].max() == 399
    assert not np.array_equal(trained["faiss"].coarse, trained["sklearn"].coarse)


def test_a_gallery_gives_labels_and_thumbnails_of_some_of_its_images(home, tmp_path):
    home.build(fill(tmp_path / "pictures", 4, labels=2))
    gallery = open_gallery("mine", home=home.path)
    images = gallery.images()[::-1]
    assert first_labels(images) == [image.labels[0] for image in images]
    assert first_labels([replace(images[0], labels=())]) == [""]
    assert pictures.thumbnails_of(gallery, images)(1) == gallery.thumbnail(images[1])


# What was measured

NO_FIGURES = {"mean_average_precision": None}
FIGURES = {
    part: {
        when: {"mean_average_precision": value}
        for when, value in zip(("before", "start", "after"), values, strict=True)
    }
    for part, values in {"seen": (0.7, 0.75, 0.8), "unseen": (0.9, 0.91, 0.89)}.items()
}


def test_the_cosines_of_pictures_are_shown_with_their_names(vectors):
    figure = measures.cosines(vectors[:3], [Path(f"there/{name}.jpg") for name in "abc"])
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), vectors[:3] @ vectors[:3].T)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b", "c"]


def test_bars_show_the_stored_the_starting_and_the_learnt_vectors():
    figure = measures.before_and_after(FIGURES)
    heights = [[bar.get_height() for bar in bars] for bars in figure.axes[0].containers]
    assert heights == [[0.7, 0.9], [0.75, 0.91], [0.8, 0.89]]
    assert len(figure.legends[0].texts) == 3
    shown(figure)
    alone = FIGURES | {"unseen": dict.fromkeys(("before", "start", "after"), NO_FIGURES)}
    assert [len(bars) for bars in measures.before_and_after(alone).axes[0].containers] == [1, 1, 1]


def test_curves_begin_at_the_start_of_a_training_and_at_the_first_rank():
    (line,) = measures.by_epoch([{"validation": 0.5}, {"validation": 0.6}]).axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.5], [1, 0.6]])
    (line,) = measures.cmc_curve([0.2, 0.9]).axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [[1, 0.2], [2, 0.9]])


# HNSW


@pytest.fixture(scope="module")
def hnsw(vectors):
    faiss.omp_set_num_threads(1)
    return graph.hnsw_of(vectors, links=4)


def test_the_lowest_layer_has_every_row_and_each_higher_one_some_of_the_next(hnsw):
    layers = graph.layers_of(hnsw)
    assert len(layers) >= 3
    assert layers[0].rows.tolist() == list(range(400))
    for lower, upper in pairwise(layers):
        assert set(upper.rows) < set(lower.rows)
    for level, layer in enumerate(layers):
        assert np.isin(layer.edges, layer.rows).all(), "an edge leaves its layer"
        assert (layer.edges[:, 0] != layer.edges[:, 1]).all()
        each = np.bincount(layer.edges[:, 0], minlength=400)
        assert each.max() <= (8 if level == 0 else 4)


def test_a_walk_comes_nearer_with_each_step_along_an_edge_and_goes_down_where_it_ends(
    hnsw, vectors
):
    layers = graph.layers_of(hnsw)
    query = clustered(1, 16, seed=5)[0]
    walks = graph.descent(hnsw, layers, vectors, query)
    assert walks[-1][0] == hnsw.hnsw.entry_point
    for upper, lower in zip(walks[1:], walks, strict=False):
        assert lower[0] == upper[-1]
    for layer, walk in zip(layers, walks, strict=True):
        gaps = ((vectors[walk] - query) ** 2).sum(axis=1)
        assert (np.diff(gaps) < 0).all()
        edges = set(map(tuple, layer.edges.tolist()))
        assert set(pairwise(walk)) <= edges
    assert sum(map(len, walks)) > len(walks), "the test needs a walk of some steps"


def test_each_layer_is_drawn_with_its_rows_and_its_walk(hnsw, vectors):
    plane = maps.plane_of(vectors)
    layers = graph.layers_of(hnsw)
    walks = graph.descent(hnsw, layers, vectors, vectors[50])
    figure = graph.layers_drawn(hnsw, vectors, plane, 50)
    for axes, layer, walk in zip(figure.axes, layers[::-1], walks[::-1], strict=True):
        edges, rows = axes.collections
        assert len(edges.get_segments()) == len(layer.edges)
        assert matplotlib_hex(rows.get_facecolor()[0]) == BLUE
        np.testing.assert_allclose(rows.get_offsets(), plane[layer.rows])
        assert matplotlib_hex(axes.lines[0].get_color()) == ORANGE
        np.testing.assert_allclose(axes.lines[0].get_xydata(), plane[walk])
