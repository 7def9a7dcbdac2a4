"""Calibration finds the least effort that reaches the target, and a floor that holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from app.index import (
    CALIBRATION_K,
    TARGET_RECALL,
    Calibration,
    Expansion,
    SearchEffort,
    VectorIndex,
    calibrate,
    recall,
)
from app.index.calibrate import distinct_rows
from tests.index.vectors import STARVED, assert_sound, clustered, make, stored, unit


def true_neighbours(index: VectorIndex, queries: np.ndarray) -> np.ndarray:
    return index.search(queries, CALIBRATION_K, exact=True).rows


@dataclass(frozen=True)
class Calibrated:
    """A gallery of 2,000 rows and its calibration."""

    folder: Path
    report: Calibration

    def index(self, effort: SearchEffort | None = None) -> VectorIndex:
        return VectorIndex(
            vectors=self.folder / "vectors.faiss",
            shortlist=self.folder / "shortlist.faiss",
            effort=effort or self.report.effort,
        )


@pytest.fixture(scope="module", params=["IVF40,PQ8x6", "IVF100,SQ4", "PQ8x6", "HNSW4"])
def calibrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Calibrated:
    folder = tmp_path_factory.mktemp("calibrated")
    index = make(folder, clustered(2_000, 32, clusters=40, spread=0.4), request.param)
    return Calibrated(folder, calibrate(index))


@pytest.mark.parametrize(
    "factory", ["IVF40,PQ8x6", "IVF100,SQ4", "PQ8x6", "HNSW32", "numpy:IVF40,PQ8x6"]
)
def test_the_chosen_effort_reaches_the_target_for_queries_never_seen(tmp_path, factory):
    index = make(tmp_path, clustered(2_000, 32, clusters=40, spread=0.4), factory)
    index.effort = calibrate(index).effort
    queries = clustered(2_000, 32, clusters=40, spread=0.4, seed=99)
    truth, found = true_neighbours(index, queries), index.search(queries, CALIBRATION_K).rows
    hits = (truth[:, :, None] == found[:, None, :]).any(axis=2).mean(axis=1)
    # The target was chosen on one sample; on another it is reached but for chance.
    assert hits.mean() + 2 * hits.std() / np.sqrt(len(hits)) >= TARGET_RECALL


def test_less_than_the_chosen_effort_would_miss_the_target(calibrated):
    index, effort = calibrated.index(), calibrated.report.effort
    queries = index.vectors(np.arange(0, 2_000, 2))
    truth = index.search(queries, CALIBRATION_K + 1, exact=True).rows
    assert effort.candidates < 2_000
    fewer = [SearchEffort(effort.probes, int(0.75 * effort.candidates))]
    if effort.probes > 1:
        fewer.append(SearchEffort(effort.probes // 2, effort.candidates))
    for less in fewer:
        # The row itself is found first, and is not one of the ten.
        listed = index.shortlist(queries, less)
        assert recall(truth[:, 1:], listed) < TARGET_RECALL + 0.005, less


def test_calibration_gives_the_same_twice(calibrated):
    assert calibrate(calibrated.index(STARVED)) == calibrated.report


def test_what_calibration_reports_is_what_a_search_finds(calibrated):
    index, report = calibrated.index(), calibrated.report
    queries = index.vectors(np.arange(2_000))
    truth, found = (
        index.search(queries, CALIBRATION_K + 1, exact=exact).rows for exact in (True, False)
    )
    assert report.queries == 1_000
    assert report.recall_reranked == pytest.approx(recall(truth, found), abs=0.01)
    assert report.recall_raw <= report.recall_reranked


def test_the_floor_is_what_nearly_all_of_the_gallerys_own_rows_reach(tmp_path):
    vectors = clustered(3_000, 64)
    index = make(tmp_path, vectors, "Flat")
    floor = calibrate(index).floor
    assert floor is not None
    scores = stored(vectors) @ stored(vectors).T
    np.fill_diagonal(scores, -1)
    assert (scores.max(axis=1) >= floor).mean() == pytest.approx(0.95, abs=0.02)
    strangers = unit(np.random.default_rng(1).normal(size=(100, 64)))
    assert (index.search(strangers, 1).scores < floor).mean() > 0.95
    assert calibrate(make(tmp_path, vectors[:19], "Flat")).floor is None, "too few rows"


def test_copies_of_one_picture_do_not_make_a_search_harder(tmp_path):
    vectors = clustered(1_500)
    copies = vectors.copy()
    for number, rows in enumerate(
        np.random.default_rng(0).permutation(1_500)[:600].reshape(20, 30)
    ):
        copies[rows] = vectors[number]
    efforts = []
    for each in (vectors, copies):
        index = make(tmp_path, each, "IVF20,PQ8")
        efforts.append(calibrate(index).effort.candidates)
    assert efforts[1] <= 1.3 * efforts[0]


def with_copies(
    others: np.ndarray, copied: np.ndarray, copies: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors, some of them copies of one, in a random order; and the rows of the others."""
    everything = np.concatenate([others, np.repeat(copied[None], copies, axis=0)])
    order = np.random.default_rng(1).permutation(len(everything))
    return everything[order], np.flatnonzero(order < len(others))


def recall_of(index: VectorIndex, rows: np.ndarray) -> float:
    """Return the share of answers as near as the true ten, each row left out of its own."""
    scores = []
    for exact in (True, False):
        found = index.search(index.vectors(rows), CALIBRATION_K + 1, exact=exact)
        without = [
            each[at != row] for each, at, row in zip(found.scores, found.rows, rows, strict=True)
        ]
        scores.append(np.array([each[:CALIBRATION_K] for each in without]))
    truth, found_scores = scores
    return float((found_scores >= truth[:, -1:] - 1e-6).mean())


@pytest.mark.parametrize(
    ("factory", "among_others"),
    [("IVF100,PQ8", False), ("IVF100,PQ8", True), ("PQ8", True), ("HNSW8", True), ("Flat", False)],
)
def test_five_thousand_copies_of_one_picture_do_not_hide_what_the_others_have(
    tmp_path, factory, among_others
):
    others = clustered(200, 64, spread=0.6)
    stranger = unit(np.random.default_rng(3).normal(size=(1, 64)))[0]
    vectors, rows = with_copies(others, others[0] if among_others else stranger, 5_000)
    index = make(tmp_path, vectors, factory)
    report = calibrate(index)
    index.effort = report.effort
    assert report.recall_reranked == pytest.approx(recall_of(index, rows), abs=0.03)
    assert report.queries == 100
    alone = stored(others) @ stored(others).T
    np.fill_diagonal(alone, -1)
    assert report.floor is not None
    assert (alone.max(axis=1) >= report.floor).mean() == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("expansion", [None, Expansion(3, 3.0)])
def test_the_floor_is_a_score_with_another_picture_where_each_is_there_many_times(
    tmp_path, expansion
):
    vectors = np.repeat(clustered(60, 32), 31, axis=0)
    once = calibrate(make(tmp_path, vectors[::31], "Flat"), expansion=None).floor
    many = calibrate(make(tmp_path, vectors, "Flat"), expansion=expansion).floor
    assert once is not None
    assert many is not None
    assert many < 0.99
    if expansion is None:
        assert many == pytest.approx(once, abs=0.05)
    nothing_else = np.repeat(vectors[:1], 500, axis=0)
    assert calibrate(make(tmp_path, nothing_else, "Flat"), expansion=expansion).floor is None


def test_only_as_many_vectors_are_read_as_different_ones_are_needed(tmp_path, monkeypatch):
    vectors, rows = with_copies(clustered(30), clustered(1, seed=5)[0], 20_000)
    index = make(tmp_path, vectors, "Flat")
    everything = distinct_rows(index, np.arange(index.rows), 2_000)
    assert set(rows) < set(everything)
    assert len(everything) == 31
    read, vectors_of = list[int](), index.vectors
    monkeypatch.setattr(index, "vectors", lambda some: read.append(len(some)) or vectors_of(some))
    few = distinct_rows(index, np.arange(index.rows), 2)
    np.testing.assert_array_equal(few, everything[:2])
    assert sum(read) <= 4_096


@pytest.mark.parametrize("rows", [1, 2, 5, 30])
@pytest.mark.parametrize("factory", ["IVF100,PQ8", "HNSW32", "SQ8"])
def test_a_gallery_of_few_rows_is_calibrated_too(tmp_path, rows, factory):
    index = make(tmp_path, clustered(rows), factory)
    report = calibrate(index)
    assert report.recall_reranked >= (TARGET_RECALL if rows > 5 else 1)
    assert report.queries <= rows
    chosen = VectorIndex(
        vectors=tmp_path / "vectors.faiss",
        shortlist=None if index.exact_only else tmp_path / "shortlist.faiss",
        effort=report.effort,
    )
    assert_sound(chosen.search(clustered(4, seed=1), 10), rows, 10)


def test_an_index_that_cannot_reach_the_target_takes_all_it_may_and_says_what_it_reaches(tmp_path):
    index = make(tmp_path, unit(np.random.default_rng(0).normal(size=(500, 32))), "HNSW2")
    report = calibrate(index)
    assert report.effort.candidates == 500
    assert 0.5 < report.recall_reranked < TARGET_RECALL
