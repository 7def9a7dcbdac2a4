"""The arithmetic of docs/scale.md: by numbers made by hand, and by files that are there."""

import json
import re
import shlex
import sqlite3
import sys
from contextlib import closing
from dataclasses import fields, replace

import pytest

from app.gallery import items, writer
from benchmarks import scale_arithmetic as arithmetic
from benchmarks import scale_figures as figures
from benchmarks.report import RESULTS
from benchmarks.scale_figures import Assumptions
from tests.conftest import ROOT

INCLUDED = "caltech101-efficientnet_lite0"
IMAGES = 9_144
BY_HAND = Assumptions(
    dim=8,
    picture_bytes=1_000,
    thumbnail_bytes=100,
    local_bytes=50,
    item_bytes=10,
    metadata_bytes=5,
    images_per_second=10,
    milliseconds_beside_gpu=20,
    gpu_images_per_second=100,
    gigabytes_compared=1,
    draft_local_bytes=924,
    command_gigabytes=2,
    sqlite_pages=7,
    vcpus_per_machine=4,
    memory_per_machine=1,
    hours=5,
    price_per_vcpu_hour=2,
    price_per_gpu_hour=30,
    price_per_gb_month=3,
    price_per_memory_gb_hour=1,
)


def row(table, name):
    """Return the figures of the row that begins with a name."""
    (line,) = [each for each in table.splitlines() if each.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_the_document_has_the_tables_that_the_command_prints(capsys):
    text = arithmetic.DOCUMENT.read_text(encoding="utf-8")
    assert arithmetic.filled(text) == text, "run: python -m benchmarks.scale_arithmetic --write"
    arithmetic.main([])
    assert f"<!-- table scale -->\n{capsys.readouterr().out}<!-- end -->" in text


def test_the_example_of_the_document_runs(capsys):
    section = arithmetic.DOCUMENT.read_text(encoding="utf-8").split("<!-- table scale -->")[0]
    (example,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    command = shlex.split(example.replace("\\\n", " "), comments=True)
    assert command[:3] == ["python", "-m", "benchmarks.scale_arithmetic"]
    arithmetic.main(command[3:])
    printed = capsys.readouterr().out
    assert "30,000,000" in printed
    assert row(printed, "pictures, where they are") == ["90.0 TB"]


def test_bytes_hours_and_prices_are_products_of_what_is_given():
    table = arithmetic.tables(BY_HAND, [3_600_000])
    # 16 + 100 + 50 + 15 bytes an image, and a shortlist of 16 with 356 centroids of 32 bytes.
    assert row(table, "pictures, where they are") == ["3.60 GB"]
    assert row(table, "vectors, 16 bits a number") == ["57.6 MB"]
    assert row(table, "thumbnails") == ["360 MB"]
    assert row(table, "items and metadata") == ["54.0 MB"]
    assert row(table, "**the gallery**") == ["**709 MB**"]
    assert row(table, "… its disk for a month") == ["2.13"]
    assert row(table, "vCPU-hours") == ["100"]
    assert row(table, "GPU-hours") == ["10.0"]
    assert row(table, "… vCPU-hours beside them") == ["20.0"]
    assert row(table, "through one command, 1.07 kB an image [5]") == ["1.93 s"]
    lines = table.splitlines()
    assert "| … in `--hours` | 5 machines |" in lines  # of 4 vCPUs, 5 hours each
    assert "| … in `--hours` | 2 GPU, 4 vCPU |" in lines
    assert [line for line in lines if line.startswith("| … cost")] == [
        "| … cost | 200 |",
        "| … cost | 340 |",
    ]
    assert row(table, "every vector compared, on a thread, all in memory") == ["57.6 ms"]


def test_a_build_and_a_segment_end_where_their_file_does():
    assert figures.most_of_a_build(BY_HAND) == 7  # a page of 1,024 bytes each
    assert figures.most_of_a_segment(BY_HAND) == 71
    without = replace(BY_HAND, draft_local_bytes=0)
    assert figures.most_of_a_build(without) == 71
    table = arithmetic.tables(BY_HAND, [7, 8, 143])
    assert row(table, "builds, one after another [4]") == ["1", "2", "21"]
    assert row(table, "… its segments, at least [4]") == ["1", "1", "3"]


def test_the_page_is_that_of_both_files():
    for script in (writer._THUMBNAIL_TABLE, items._THUMBNAIL_TABLE):
        with closing(sqlite3.connect(":memory:")) as database:
            database.executescript(script.replace("PRAGMA journal_mode = OFF;", ""))
            (size,) = database.execute("PRAGMA page_size").fetchone()
        assert size == figures.PAGE


def test_memory_is_codes_ids_and_centroids():
    given = replace(BY_HAND, dim=16)
    of = {name.split(",")[0]: count for name, count in figures.memory(given).items()}
    assert of["`IVF100"](1_000) == 1_000 * 16 + 356 * 64
    assert of["`HNSW32`"](1_000) == 1_000 * (64 + 256 + 24)
    assert of["`IVF√n"](10_000) == 10_000 * (2 + 8 + 8) + 100 * 64


def test_each_segment_of_milvus_has_cells_of_its_own():
    given = replace(BY_HAND, dim=256)  # 1,048,576 rows of 1 KiB are a segment
    assert figures.milvus_segments(given, 1_048_576) == (1, 1_024)
    assert figures.milvus_segments(given, 10 * 1_048_576) == (10, 3_238)
    assert figures.milvus_segments(given, 1_000 * 1_048_576) == (1_000, 1_048_576 // 39)
    memory = figures.memory(given)["Milvus `IVF_PQ`, as chosen [3]"]
    assert memory(1_048_576) == 1_048_576 * (32 + 8) + (1_024 + 256) * 1_024
    visited = figures.codes_visited(given)["… by Milvus `IVF_PQ`, as chosen, in every segment [3]"]
    assert visited(1_048_576) == 1_048_576 / 16


def test_the_formulas_give_the_files_that_are_there():
    given = Assumptions()
    of = figures.stored(given)
    vectors = (ROOT / "features" / INCLUDED / "vectors.faiss").stat().st_size
    shortlist = (ROOT / "indexes" / INCLUDED / "shortlist.faiss").stat().st_size
    thumbnails = (ROOT / "indexes" / INCLUDED / "thumbnails.db").stat().st_size
    assert of["vectors, 16 bits a number"](IMAGES) == pytest.approx(vectors, rel=1e-3)
    assert of["shortlist `IVF100,PQ8`"](IMAGES) == pytest.approx(shortlist, rel=1e-3)
    assert round(thumbnails / IMAGES) == given.thumbnail_bytes
    database = ROOT / "indexes" / INCLUDED / "gallery.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as facts:
        ((count, mean),) = facts.execute("SELECT count(*), avg(bytes) FROM image")
    assert (count, round(mean)) == (IMAGES, given.picture_bytes)


def test_the_formulas_give_the_indexes_that_were_measured():
    of = figures.memory(replace(Assumptions(), dim=256))
    searches = json.loads((RESULTS / "search.json").read_text())["searches"]
    for name in ("`IVF100,PQ8`, the default", "`HNSW32`"):
        sizes = {
            each["bytes"]
            for each in searches
            if (each["rows"], f"`{each['method']}`") == (1_000_000, name.split(", the")[0])
        }
        assert sizes
        for size in sizes:
            assert of[name](1_000_000) == pytest.approx(size, rel=5e-3)
    study = (ROOT / "docs" / "studies" / "tiny-imagenet-1m" / "report.md").read_text()
    assert "| application | factory=IVF1000,RaBitQ | 2.1 min | 49 MB |" in study
    assert of["`IVF√n,RaBitQ`"](1_000_000) == pytest.approx(49e6, abs=0.5e6)


def test_the_pace_of_local_features_is_the_one_that_was_measured():
    images, seconds = figures.LOCAL_SEARCH
    measured = (RESULTS / "caltech101-copies-100000.md").read_text()
    assert f"| pictures in the gallery | {images} |" in measured
    words = "a query beyond one that does not look for copies, median"
    assert f"| {words} | {seconds * 1000:.0f} ms |" in measured


def test_every_assumption_is_an_option_and_stands_in_the_first_table(capsys):
    arguments = []
    for each in fields(Assumptions):
        arguments += [f"--{each.name.replace('_', '-')}", str(getattr(BY_HAND, each.name))]
    arithmetic.main([*arguments, "--images", "7"])
    printed = capsys.readouterr().out
    assert (
        printed
        == arithmetic.tables(
            Assumptions(
                **{
                    each.name: type_of(each)(getattr(BY_HAND, each.name))
                    for each in fields(BY_HAND)
                }
            ),
            [7],
        )
        + "\n"
    )
    for each in fields(Assumptions):
        says = row(printed, f"`--{each.name.replace('_', '-')}`")
        assert says[1:] == [each.metadata["words"], each.metadata["source"]]
        assert says[2].startswith(
            ("measured: ", "published: ", "assumed: ", "set yours", "Efficient")
        )


def type_of(field):
    return int if field.type is int else float


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hours", "0"],
        ["--dim", "-1"],
        ["--dim", "1.5"],
        ["--images-per-second", "nan"],
        ["--price-per-vcpu-hour", "-0.1"],
        ["--images", "0"],
        ["--write", "--dim", "64"],
        ["--write", "--images", "7"],
    ],
)
def test_a_number_that_cannot_be_is_refused(arguments, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["scale_arithmetic", *arguments])
    with pytest.raises(SystemExit):
        arithmetic.main()
    assert "error:" in capsys.readouterr().err


def test_what_costs_nothing_is_a_price_too(capsys):
    arithmetic.main(["--price-per-gb-month", "0", "--local-bytes", "0", "--images", "1000"])
    assert row(capsys.readouterr().out, "… its disk for a month") == ["0.00"]
