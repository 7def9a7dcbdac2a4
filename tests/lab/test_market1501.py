"""Market-1501's protocol: who counts as right, who as wrong, and who as not there at all."""

import json
import math
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.build.build import build_gallery
from app.doors.python import OpenGallery, open_gallery
from app.errors import DatasetError, UsageError
from app.sources.datasets.register import open_data_set
from app.values import VectorOptions
from lab.commands import market1501 as command
from lab.drawn_people import CAMERAS, draw_people, market_gallery
from lab.market1501 import RANKS, Seen, Standing, first_query, measure, seen, standing
from tests.conftest import Home, fill, mean_colour


def seen_as(*sightings: tuple[int, int], at: list[float] | None = None) -> Seen:
    """Return images of (person, camera), at these angles (default: all the same)."""
    angles = np.array(at if at is not None else [0.0] * len(sightings))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    persons, cameras = np.array(sightings, np.int64).T
    return Seen(vectors, persons, cameras)


QUERY = seen_as((7, 1))


def figures(found: Standing) -> tuple[float, float, float, float]:
    return found.rank(1), found.rank(2), found.mean_average_precision, found.by_trapezoids


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        # Another camera's image of the person comes first: all is right.
        ([(7, 2), (8, 2)], (1, 1, 1, 1)),
        # A wrong one comes first.
        ([(8, 2), (7, 2)], (0, 1, 1 / 2, 1 / 4)),
        # The same camera's image of the same person is as if it were not there; so is junk.
        ([(7, 1), (-1, 2), (-1, 1), (7, 2)], (1, 1, 1, 1)),
        # Another person seen by the same camera is wrong; so is a distractor, by any camera.
        ([(8, 1), (7, 2)], (0, 1, 1 / 2, 1 / 4)),
        ([(0, 1), (7, 2)], (0, 1, 1 / 2, 1 / 4)),
        ([(0, 2), (7, 2)], (0, 1, 1 / 2, 1 / 4)),
        # By hand: right at the places 1 and 3 of those that count.
        ([(7, 3), (7, 1), (9, 4), (-1, 3), (7, 2)], (1, 1, (1 + 2 / 3) / 2, (1 + 7 / 12) / 2)),
    ],
)
def test_what_counts_is_as_the_benchmark_defines_it(
    ranking: list[tuple[int, int]], expected: tuple[float, ...]
) -> None:
    searched = seen_as(*ranking, at=[0.1 * place for place in range(len(ranking))])
    assert figures(standing(QUERY, searched)) == pytest.approx(expected)


def test_queries_that_nothing_can_answer_are_counted_apart_and_in_no_figure() -> None:
    queries = seen_as((7, 1), (8, 1), (0, 1), (-1, 1))  # 8 was seen by its own camera alone
    searched = seen_as((7, 2), (8, 1), (0, 2), (-1, 2), at=[0, 0.1, 0.2, 0.3])
    found = standing(queries, searched)
    assert (found.queries, found.unanswerable) == (4, 3)
    assert (found.searched, found.junk, found.distractors) == (4, 1, 1)
    assert figures(found) == (1, 1, 1, 1)
    with pytest.raises(UsageError, match="whole data set"):
        standing(queries, seen_as((8, 1), (0, 2), (-1, 2)))


def by_the_definition(queries: Seen, searched: Seen) -> tuple[list[float], float, float]:
    """Return CMC, mAP and the trapezoids' mAP, query by query and image by image.

    The second follows `compute_AP` of the benchmark's evaluation code, step by step.
    """
    curves, averages, trapezoids = [], [], []
    for vector, person, camera in zip(*vars(queries).values(), strict=True):
        scores = [float(vector @ other) for other in searched.vectors]
        good, hits = [], []
        for row in sorted(range(len(scores)), key=lambda row: (-scores[row], row)):
            who, where = int(searched.persons[row]), int(searched.cameras[row])
            if who == -1 or (who == person and where == camera):
                continue
            good.append(who == person and who > 0)
        hits = [place for place, is_good in enumerate(good) if is_good]
        if not hits:
            continue
        curves.append([float(hits[0] < rank) for rank in range(1, RANKS + 1)])
        averages.append(math.fsum((n + 1) / (place + 1) for n, place in enumerate(hits)))
        averages[-1] /= len(hits)
        area, old_recall, old_precision, found = 0.0, 0.0, 1.0, 0
        for place, is_good in enumerate(good):
            found += is_good
            recall, precision = found / len(hits), found / (place + 1)
            area += (recall - old_recall) * (old_precision + precision) / 2
            old_recall, old_precision = recall, precision
        trapezoids.append(area)
    return (
        np.mean(curves, axis=0).tolist(),
        float(np.mean(averages)),
        float(np.mean(trapezoids)),
    )


SIGHTINGS = st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 3)), min_size=1, max_size=12)


@given(SIGHTINGS, SIGHTINGS, st.integers(0, 2**32 - 1))
def test_the_figures_equal_the_definition_written_out(
    asking: list[tuple[int, int]], there: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    queries, searched = (
        # Few whole numbers: many scores are equal, and exactly so.
        Seen(rng.integers(-2, 3, (len(all_of), 3)).astype(np.float32), *np.array(all_of, int).T)
        for all_of in ([*asking, (1, 1)], [*there, (1, 2)])
    )
    found = standing(queries, searched)
    curve, average, trapezoids = by_the_definition(queries, searched)
    assert found.cmc == pytest.approx(curve)
    assert found.mean_average_precision == pytest.approx(average)
    assert found.by_trapezoids == pytest.approx(trapezoids)
    assert found.by_trapezoids <= found.mean_average_precision + 1e-12


def test_many_queries_are_asked_in_blocks_with_the_same_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    queries, searched = (
        Seen(
            rng.standard_normal((count, 8)).astype(np.float32),
            rng.integers(-1, 9, count),
            rng.integers(1, 4, count),
        )
        for count in (50, 200)
    )
    at_once = standing(queries, searched)
    monkeypatch.setattr("lab.market1501.SCORES_A_BLOCK", 7 * 200)
    assert astuple(standing(queries, searched), tuple_factory=flat) == pytest.approx(
        astuple(at_once, tuple_factory=flat)
    )


def flat(values: list[object]) -> tuple[object, ...]:
    return tuple(
        each for value in values for each in (value if isinstance(value, tuple) else (value,))
    )


def test_a_name_gives_person_and_camera() -> None:
    found = seen(
        np.zeros((3, 2), np.float32),
        [
            "query/1501_c6s3_000001_00.jpg",
            "bounding_box_test/-1_c2s1_000401_03.jpg",
            "bounding_box_test/0000_c1s1_000151_01.jpg",
        ],
    )
    assert found.persons.tolist() == [1501, -1, 0]
    assert found.cameras.tolist() == [6, 2, 1]
    with pytest.raises(DatasetError, match=r"cat\.jpg.*Market-1501"):
        seen(np.zeros((1, 2), np.float32), ["query/cat.jpg"])


# A gallery


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, OpenGallery]]:
    home = Home(tmp_path_factory.mktemp("home"))
    draw_people(home.path / "datasets", persons=4)
    build_drawn(home, "market1501-mean_colour")
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("RIS_DATASETS_DIR", raising=False)
        yield home, open_gallery("market1501-mean_colour", home=home.path)


def build_drawn(home: Home, name: str, **options: Any) -> None:
    build_gallery(
        open_data_set("market", home.path / "datasets"),
        mean_colour(),
        folders=home.folders(name),
        index="Flat",
        limit=None,
        request={"data": "market1501", "name": name, "model": "mean_colour"},
        own=False,
        workers=2,
        on_progress=lambda stage, done, total: None,
        **options,
    )


def test_a_gallery_is_measured_by_its_paths_and_vectors(drawn: tuple[Home, OpenGallery]) -> None:
    _, gallery = drawn
    found = measure(gallery)
    assert (found.queries, found.searched) == (4 * CAMERAS, 4 * CAMERAS * 2 + 4 + 4)
    assert (found.junk, found.distractors, found.unanswerable) == (4, 4, 0)
    images, vectors = gallery.images(), gallery.vectors()
    assert not [image for image in images if "train" in image.path]
    parts = (
        [image for image in images if image.path.startswith(part)]
        for part in ("query/", "bounding_box_test/")
    )
    asking, searched = (
        seen(vectors[[image.id for image in part]], [image.path for image in part])
        for part in parts
    )
    curve, average, trapezoids = by_the_definition(asking, searched)
    assert found.cmc == pytest.approx(curve)
    assert (found.mean_average_precision, found.by_trapezoids) == pytest.approx(
        (average, trapezoids)
    )


def test_a_gallery_that_expands_queries_is_measured_with_expanded_ones(
    drawn: tuple[Home, OpenGallery],
) -> None:
    home, plain = drawn
    build_drawn(home, "market1501-expanded", options=VectorOptions(expand=4))
    gallery = open_gallery("market1501-expanded", home=home.path)
    images, vectors = gallery.images(), gallery.vectors()
    asking = [image for image in images if image.path.startswith("query/")]
    searched = [image for image in images if image.path.startswith("bounding_box_test/")]
    found = measure(gallery)
    assert found == standing(
        seen(np.stack([gallery.embed(image) for image in asking]), [i.path for i in asking]),
        seen(vectors[[image.id for image in searched]], [i.path for i in searched]),
    )
    assert found.mean_average_precision != measure(plain).mean_average_precision
    assert first_query(gallery) == asking[0]


def test_a_gallery_of_something_else_is_refused(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(tmp_path / "pictures", 3), "mine")
    with pytest.raises(UsageError, match=r"mine.* query .*bounding_box_test.*create_index.py"):
        measure(open_gallery("mine", home=home.path))
    with pytest.raises(UsageError, match=r"mine.* query: .*create_index.py"):
        first_query(open_gallery("mine", home=home.path))


def test_the_command_prints_what_was_measured(
    drawn: tuple[Home, OpenGallery],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import argparse

    home, gallery = drawn
    monkeypatch.setenv("RIS_HOME", str(home.path))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    found = measure(gallery)
    assert command.run(parser.parse_args(["--gallery", gallery.name])) == 0
    printed = capsys.readouterr().out
    assert "12 queries, 32 images searched, of them 4 distractors and 4 junk" in printed
    for name, value in (
        ("rank-1 ", found.rank(1)),
        ("rank-5 ", found.rank(5)),
        ("rank-10", found.rank(10)),
        ("mAP    ", found.mean_average_precision),
    ):
        assert f"{name} {value:.4f}" in printed
    assert f"{found.by_trapezoids:.4f}  (by trapezoids" in printed
    assert command.run(parser.parse_args(["--gallery", gallery.name, "--json"])) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"gallery": gallery.name, **vars(found), "cmc": list(found.cmc)}


# Drawn people


def test_drawn_people_are_the_same_again_and_differ_with_the_seed(tmp_path: Path) -> None:
    def drawn(folder: str, seed: int) -> dict[str, bytes]:
        root = draw_people(tmp_path / folder, persons=2, seed=seed)
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*.jpg")}

    first = drawn("a", 0)
    assert len(set(first.values())) == len(first) == 2 * (CAMERAS * 3 + 3)
    assert drawn("b", 0) == first
    assert drawn("c", 1) != first


def test_the_real_gallery_is_preferred_and_a_drawn_one_has_another_name(
    drawn: tuple[Home, OpenGallery], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, gallery = drawn
    monkeypatch.setenv("RIS_HOME", str(home.path))
    assert market_gallery("mean_colour", drawn_in=tmp_path, persons=2).name == gallery.name
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RIS_HOME", str(tmp_path / "empty"))
    other = market_gallery("mean_colour", drawn_in=tmp_path, persons=2)
    assert other.name == "drawn-people-mean_colour"
    assert measure(other).queries == 2 * CAMERAS
    assert not (tmp_path / "empty").exists()
