"""The benchmark of searches: what is compared reaches the recall, and is kept as table and JSON."""

import json
import sys

import numpy as np
import pytest

from app.errors import UsageError
from app.index import write_vectors
from benchmarks import report, search_speed
from benchmarks.search_contenders import K, ours
from benchmarks.search_memory import measure_memory
from tests.index.vectors import clustered


@pytest.fixture
def vectors(tmp_path):
    """Return a file of 1,000 vectors that ask and 400 that are searched."""
    path = tmp_path / "vectors.npz"
    np.savez(path, vectors=clustered(1_400))
    return path


def test_the_figures_are_kept_as_a_table_and_as_json(vectors, tmp_path, monkeypatch, capsys):
    pytest.importorskip("hnswlib")
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    names = ("IVF100,PQ8", "HNSW32", "hnswlib-16")
    only = [word for name in names for word in ("--only", name)]
    given = ["--vectors", str(vectors), "--rows", "400", *only, "--keep", str(tmp_path / "keep")]
    monkeypatch.setattr(sys, "argv", ["search_speed", *given, "--save", "search"])
    for _ in range(2):  # the second run finds the indexes that the first has kept
        assert search_speed.main() in (0, 1)  # which is faster is not for a test to say
        kept = json.loads((tmp_path / "results" / "search.json").read_text())
        table = (tmp_path / "results" / "search.md").read_text()
        searches = kept["searches"]
        methods = {each["method"] for each in searches}
        assert methods == {"Flat", "IVF10,PQ8", "HNSW32", "hnswlib M=16"}
        assert {each["target"] for each in searches} == {0.97, 0.99}
        for each in searches:
            assert each["reaches"] == (each["recall"] >= each["target"])
            assert each["method"] in table
            assert each["median_ms"] > 0
            assert each["bytes"] > 0
        assert all(each["recall"] == 1 for each in searches if each["method"] == "Flat")
    capsys.readouterr()


def test_more_vectors_than_there_are_are_drawn(vectors, tmp_path):
    real = search_speed.real_vectors(vectors)
    printed = report.Report("title", "command")
    figures = search_speed.measure_size(real, 500, tmp_path, ["Flat"], printed)
    assert {(each["rows"], each["recall"]) for each in figures} == {(500, 1.0)}


def test_a_file_that_is_missing_is_said(tmp_path):
    with pytest.raises(UsageError, match="--vectors"):
        search_speed.real_vectors(tmp_path / "none.npz")


def test_ours_gives_ten_rows_at_every_effort(vectors, tmp_path):
    base = search_speed.real_vectors(vectors)[1_000:]
    write_vectors(base.astype(np.float16), tmp_path / "flat")
    contender = ours("IVF100,PQ8", tmp_path / "flat", tmp_path)
    for effort in contender.efforts:
        assert contender.search(base[:2], effort).shape == (2, K)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux parts memory by kind")
def test_memory_is_reported_by_kind(tmp_path, capsys):
    measured = report.Report("title", "command")
    measure_memory(tmp_path, measured, rows=1_000)
    lines = [line for line in measured.text().splitlines() if "1,000 × 2048" in line]
    assert len(lines) == 3  # the last is what its memory is expected to be
    assert "PASS" in lines[-1]
    capsys.readouterr()
