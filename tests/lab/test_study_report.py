"""A study's report: what to use, what was measured, and every doubt about it."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import AppError, UsageError
from app.settings import read_settings
from lab.__main__ import main
from lab.report.blocks import Advice, Command, Figure, Folded, Heading, Table, Text, as_html
from lab.report.results import read_study
from lab.study import extraction
from lab.study.folder import StudyFolder
from lab.study.request import StudyRequest
from lab.study.run import study
from tests.conftest import Home, fill
from tests.lab.studies import OWN, jobs_in_this_process, report_of, request, write_vectors


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    with jobs_in_this_process():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of labelled vectors with methods that work, one that fails and one that is absent."""
    place = tmp_path_factory.mktemp("study")
    vectors = write_vectors(place / "clusters.npz", rows=300)
    methods = ("application", "numpy-brute", "first-rows", "raising", "absent")
    study(request(vectors, place / "out", *methods), home=place)
    vectors.unlink()
    report_of(place / "out")
    return place / "out"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_the_report_is_made_again_from_the_files_alone(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("report.*", "*.svg"))
    assert main(["report", str(copy)]) == 0
    for name in ("report.md", "report.html", "clusters-cosine.svg"):
        assert (copy / name).read_bytes() == (folder / name).read_bytes()


def test_the_report_says_what_to_use_and_shows_all_its_plots(folder: Path) -> None:
    text = (folder / "report.md").read_text()
    assert "For these 300 vectors of 16 numbers: **`Flat`**" in text
    assert "--index Flat" in text
    for plot in re.findall(r"\]\((\S+\.svg)\)", text):
        assert (folder / plot).read_text().count("<svg") == 1
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 1
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    assert "precision@10" in page


def test_methods_that_failed_or_are_absent_are_named_with_the_reason(folder: Path) -> None:
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        assert "failed: ValueError: it cannot take these vectors" in text
        assert "absent is left out: no_such_library is not installed" in text


def test_vectors_that_cannot_be_compared_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    vectors[7], vectors[30] = np.nan, 0
    np.save(tmp_path / "some.npy", vectors)
    arguments = ["study", "--vectors", str(tmp_path / "some.npy"), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--own", OWN, "--methods", "first-rows"]) == 0
    for text in (report_of(tmp_path / "out"), capsys.readouterr().err):
        assert re.search(r"1 of 80 vectors, the first in row 7, .* no number", text)
        assert re.search(r"1 of 79 vectors, the first in row 29, .* zeros", text)
    assert "78 vectors of 8 numbers" in report_of(tmp_path / "out")


def test_vectors_of_zeros_are_compared_by_the_metrics_that_they_have(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    vectors[3] = 0
    np.save(tmp_path / "zeros.npy", vectors)
    options = request(tmp_path / "zeros.npy", tmp_path / "out", "numpy-brute", metrics=("l2",))
    study(options, home=tmp_path)
    (found,) = read_study(StudyFolder(tmp_path / "out")).sets
    assert set(found.overlaps(10)) == {("l2", "ip")}


def test_other_work_and_more_than_one_thread_are_warned_of(copy: Path) -> None:
    for file in (copy / "clusters" / "cosine").glob("*.json"):
        result = json.loads(file.read_text())
        disturbed = result["method"] == "numpy-brute"
        result["others"] = 0.4 if disturbed else 0.0
        for effort in result["efforts"]:
            effort["cores"] = 1.9 if disturbed else 1.0
        file.write_text(json.dumps(result))
    text = report_of(copy)
    assert re.search(r"up to 40% of the processors\*\* while 1 of the \d+ .*\(numpy-brute\)", text)
    assert "**More than one processor** was at work in searches of numpy-brute:" in text


def test_building_with_fewer_threads_than_processors_is_warned_of(copy: Path) -> None:
    for file in (copy / "clusters" / "cosine").glob("*.json"):
        result = json.loads(file.read_text())
        if "build_seconds" in result:
            assert result["build_threads"] >= 1
            result["processors"] = result["build_threads"] + (result["method"] == "numpy-brute")
            file.write_text(json.dumps(result))
    assert "**Not all processors** built the indexes of numpy-brute," in report_of(copy)


def test_the_report_keeps_every_command_that_made_it(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    for method in ("first-rows", "raising"):
        options = request(vectors, tmp_path / "out", method, command=f"lab study {method}")
        study(options, home=tmp_path)
    assert "lab study first-rows\nlab study raising\n" in report_of(tmp_path / "out")


def test_without_labels_the_report_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).normal(size=(80, 8)))
    options = request(tmp_path / "plain.npy", tmp_path / "out", "first-rows", metrics=("l2", "ip"))
    study(options, home=tmp_path)
    text = report_of(tmp_path / "out")
    assert "there are no labels" in text
    assert "precision@" not in text.replace("precision@5 are", "")
    assert "the lengths of the vectors matter" in text


def test_drawn_vectors_are_counted_wherever_they_matter(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    study(request(vectors, tmp_path / "out", "first-rows", rows=150), home=tmp_path)
    text = report_of(tmp_path / "out")
    assert "For these 150 vectors of 16 numbers (50 of them drawn to resemble the others)" in text
    assert "of which 50 were drawn to resemble the 100 real ones" in text
    assert "the drawn vectors have no labels" in text
    assert "50 of the 150 vectors are drawn" in text
    assert "150 × 16 (50 drawn)" in (tmp_path / "out" / "few-cosine.svg").read_text()


def test_nothing_measured_yet_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "begun")
    options = {"k": 10, "target": 0.97}
    folder.describe({"request": options, "jobs": [], "sets": {}, "command": "python -m lab study"})
    with pytest.raises(UsageError, match=rf"{folder.path}.*python -m lab study"):
        read_study(folder)


# Galleries


def test_galleries_of_the_same_pictures_are_compared(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings({"RIS_HOME": str(home.path)})
    monkeypatch.setattr(
        extraction, "measured", lambda name, home: extraction.measure(name, settings)
    )
    pictures = fill(home.path / "datasets" / "shapes", 60)
    for name in ("one", "other"):
        home.build(pictures, name)
    methods = ("numpy-brute", "faiss-flat", "faiss-ivf-flat")
    options = StudyRequest(
        galleries=("one", "other"), out=home.path / "out", methods=methods, queries=20, builds=1
    )
    study(options, home=home.path)
    text = report_of(home.path / "out")
    first = text.split("\n\n")[1]
    for name in ("one", "other"):
        assert f"> For the 60 vectors of `{name}`, 48 numbers each" in first, "each by its name"
    table = text.split("## The models")[1].split("\n\n")[1]
    assert table.splitlines()[0].count("|") == 11
    for row in table.splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:3] == ["48", "60"]
        assert re.fullmatch(r"\d\.\d{4} s", cells[3])
        assert all(re.fullmatch(r"[\d.]+ ms", cell) for cell in cells[4:7])
        assert all(re.fullmatch(r"[01]\.\d{3}", cell) for cell in cells[7:])
    assert "original pictures, decoded and embedded one after the other" in text
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:]] == ["one", "other"]
    assert "the galleries are of the same pictures" in text


def test_a_gallery_that_cannot_be_studied_is_named_and_the_others_are_studied(home: Home) -> None:
    pictures = fill(home.path / "datasets" / "shapes", 30)
    home.build(pictures, "good")
    options = StudyRequest(
        galleries=("good", "gone"), out=home.path / "out", methods=("numpy-brute",), queries=20
    )
    study(options, home=home.path)
    text = report_of(home.path / "out")
    assert "'gone'" in text.split("## gone")[1]
    assert "| numpy-brute |" in text
    assert "## The model" in text, "the table of one gallery's model"
    first = StudyRequest(galleries=("gone", "lost"), out=home.path / "none", methods=())
    with pytest.raises(AppError, match=r"'gone'.*'lost'"):
        study(first, home=home.path)


# HTML


def test_the_page_marks_what_markdown_marks_and_takes_no_text_for_markup() -> None:
    page = as_html("a & b", [Text("**`a<b`** & <i>c</i> of my_own_model"), Heading("in `x`", 3)])
    assert "<strong><code>a&lt;b</code></strong> &amp; &lt;i&gt;c&lt;/i&gt; of my_own_model" in page
    assert "<h3>in <code>x</code></h3>" in page
    assert "<title>a &amp; b</title>" in page


def test_numbers_of_a_table_stand_to_the_right_and_words_to_the_left() -> None:
    table = Table(["name", "recall"], [["a|b", "0.9"]], words=frozenset({"name"}))
    page = as_html("", [table])
    assert '<td>a|b</td>\n<td style="text-align:right">0.9</td>' in page


def test_the_page_holds_its_plots_commands_and_folded_parts() -> None:
    parts = [Advice(["use **it**", "or not"]), Command("lab --own 'a<b'")]
    page = as_html("", [*parts, Folded("more & more", [Figure("<svg></svg>", "a.svg", "`k`")])])
    assert "<blockquote>\n<p>use <strong>it</strong></p>\n<p>or not</p>\n</blockquote>" in page
    assert "lab --own 'a&lt;b'" in page
    assert "<summary>more &amp; more</summary>" in page
    assert "<svg></svg><figcaption><code>k</code></figcaption>" in page
    assert "a.svg" not in page
