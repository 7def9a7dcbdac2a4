"""`--index auto`: what is tried, which of it is kept, and what is said about it."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.index import (
    AUTO,
    TARGET_RECALL,
    Calibration,
    SearchEffort,
    VectorIndex,
    check_factory,
    choose_shortlist,
)
from app.index import choose as choose_module
from app.index.choose import Trained, best_of, tried_for
from tests.index.vectors import clustered, make


def trained(
    folder: Path, factory: str, milliseconds: float, size: int, recall: float = 0.98
) -> Trained:
    path = folder / factory
    path.write_bytes(bytes(size))
    measured = Calibration(SearchEffort(1, 20), recall, recall, 100)
    return Trained(factory, path, measured, milliseconds)


@pytest.mark.parametrize(
    ("rows", "dim", "expected"),
    [
        (1_999, 1280, ()),
        (2_000, 48, ("HNSW32", "IVF44,RaBitQ")),
        (9_144, 1280, ("HNSW32", "OPQ16_64,IVF95,PQ16", "IVF95,RaBitQ")),
        (100_000, 256, ("HNSW32", "OPQ16_64,IVF316,PQ16", "IVF316,RaBitQ")),
        (1_000_000, 256, ("HNSW32", "IVF1000,RaBitQ")),
        (1_000_000, 2048, ("IVF1000,RaBitQ",)),
    ],
)
def test_what_is_tried_follows_from_the_number_of_images_and_of_numbers(rows, dim, expected):
    assert tried_for(rows, dim) == expected
    for factory in expected:
        check_factory(factory, dim)


def test_auto_is_accepted_as_an_index():
    check_factory(AUTO, 48)


def test_the_fastest_is_kept(tmp_path):
    slow, fast = trained(tmp_path, "slow", 0.4, 10), trained(tmp_path, "fast", 0.2, 1_000)
    assert best_of([slow, fast]) is fast


def test_of_those_nearly_as_fast_the_smallest_is_kept(tmp_path):
    fast, near = trained(tmp_path, "fast", 0.20, 1_000), trained(tmp_path, "near", 0.21, 10)
    slow = trained(tmp_path, "slow", 0.23, 1)
    assert best_of([fast, near, slow]) is near


def test_one_that_misses_the_recall_is_not_kept_beside_one_that_reaches_it(tmp_path):
    fast = trained(tmp_path, "fast", 0.1, 10, recall=0.96)
    slow = trained(tmp_path, "slow", 0.5, 10, recall=0.971)
    assert best_of([fast, slow]) is slow


def test_where_none_reaches_the_recall_the_best_of_them_is_kept(tmp_path):
    worse = trained(tmp_path, "worse", 0.1, 10, recall=0.90)
    better = trained(tmp_path, "better", 0.5, 10, recall=0.95)
    assert best_of([worse, better]) is better


@pytest.mark.parametrize("fastest", ["HNSW32", "IVF12,RaBitQ"])
def test_the_chosen_file_alone_stays_and_a_sentence_says_why(fastest, tmp_path, monkeypatch):
    def measured(_, trained):
        return [replace(each, milliseconds=1 + (each.factory != fastest)) for each in trained]

    monkeypatch.setattr(choose_module, "FEW_ROWS", 500)
    monkeypatch.setattr(choose_module, "measured_milliseconds", measured)
    make(tmp_path, clustered(500), "IVF3,SQ8")
    vectors, shortlist = tmp_path / "vectors.faiss", tmp_path / "shortlist.faiss"
    choice = choose_shortlist(vectors, shortlist)
    assert choice.factory == fastest
    assert {path.name for path in tmp_path.iterdir()} == {vectors.name, shortlist.name}
    index = VectorIndex(vectors=vectors, shortlist=shortlist, effort=choice.calibration.effort)
    assert index.is_graph == (fastest == "HNSW32")
    assert choice.calibration.recall_reranked >= TARGET_RECALL
    start, other = choice.note.split("beside")
    assert start.startswith(f"auto chose {fastest} (1 ms a query")
    assert all(words in start for words in ("500 images", "16 numbers", "0.97"))
    assert "(2 ms a query" in other


def test_few_are_compared_exactly(tmp_path):
    make(tmp_path, clustered(200), "IVF3,SQ8")
    choice = choose_shortlist(tmp_path / "vectors.faiss", tmp_path / "shortlist.faiss")
    assert (choice.factory, choice.calibration.recall_reranked) == ("Flat", 1)
    assert choice.note.startswith("auto chose Flat: 200 images")
    assert [path.name for path in tmp_path.iterdir()] == ["vectors.faiss"]


def test_what_cannot_be_trained_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(choose_module, "tried_for", lambda *_: ("PQ8", "HNSW8"))
    make(tmp_path, clustered(200), "Flat")  # PQ8 takes 256
    choice = choose_shortlist(tmp_path / "vectors.faiss", tmp_path / "shortlist.faiss")
    assert choice.factory == "HNSW8"
    assert "HNSW8" in choice.note


def test_every_shortlist_is_timed_with_the_effort_that_it_needs(tmp_path):
    make(tmp_path, clustered(300), "HNSW8")
    measured = Calibration(SearchEffort(1, 20), 1.0, 1.0, 100)
    one = Trained("HNSW8", tmp_path / "shortlist.faiss", measured)
    timed = choose_module.measured_milliseconds(tmp_path / "vectors.faiss", [one, one])
    assert [each.factory for each in timed] == ["HNSW8", "HNSW8"]
    assert all(0 < each.milliseconds < 1_000 for each in timed)
