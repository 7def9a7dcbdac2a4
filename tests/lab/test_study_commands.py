"""The commands of a study: bad input is refused in one sentence, and progress is shown."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lab.__main__ import main
from lab.study.folder import Job
from lab.study.progress import TerminalProgress
from lab.study.run import study
from tests.conftest import ROOT
from tests.lab.studies import OWN, jobs_in_this_process, request, write_vectors


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    with jobs_in_this_process():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("study")
    vectors = write_vectors(place / "clusters.npz")
    return study(request(vectors, place / "out", "first-rows"), home=place).path


def test_a_plot_is_drawn_for_fewer_neighbours_than_were_stored(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "five.svg"
    assert main(["plot", str(folder), "--k", "5", "--out", str(file)]) == 0
    assert "recall@5" in file.read_text()
    assert str(file) in capsys.readouterr().out


def test_the_latest_study_is_drawn_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RIS_HOME", str(tmp_path))
    assert main(["plot", "--k", "5"]) == 2
    assert "python -m lab study" in capsys.readouterr().err
    vectors = write_vectors(tmp_path / "few.npz")
    for number, name in enumerate(("a-later", "b-earlier")):
        folder = study(request(vectors, tmp_path / "studies" / name, "first-rows"), home=tmp_path)
        os.utime(folder.path / "study.json", (0, 1_000 - number))
    assert main(["plot", "--k", "5"]) == 0
    assert [path.parent.name for path in tmp_path.rglob("*.svg")] == ["a-later"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["plot", "FOLDER", "--k", "11"], ("-k", "1 to 10", "11")),
        (["plot", "FOLDER", "--metric", "l2"], ("by l2", "cosine", "--metric l2")),
        (["plot", "FOLDER", "--metric", "hamming"], ("'hamming'", "cosine, l2, ip")),
        (["plot", "FOLDER", "--set", "x"], ("'x'", "clusters")),
        (["report", "EMPTY"], ("empty", "python -m lab study")),
        (["study", "--vectors", "FILE", "--methods", "magic"], ("'magic'", "application, ")),
        (["study", "--vectors", "FILE", "--metric", "magic"], ("'magic'", "cosine, l2, ip")),
        (["study", "--vectors", "FILE", "-k", "100"], ("-k 100", "99")),
        (["study", "--vectors", "FILE", "-k", "0"], ("-k", "1 to 1,000", "not 0")),
        (["study", "--vectors", "FILE", "--n", "9"], ("100 vectors", "--n 9")),
        (["study", "--vectors", "FILE", "--recall", "97"], ("--recall", "0.01 to 1", "97")),
        (["study", "--vectors", "FILE", "--out", "FOREIGN"], ("foreign", "another folder")),
        (["study", "--vectors", "FILE", "--own", "no.module"], ("'no.module'",)),
        (["study", "--vectors", "FILE", "--own", "json"], ("'json'", "METHOD or METHODS")),
        (["study", "--vectors", "ZEROS"], ("3 of 3 vectors", "row 0")),
        (["study", "--vectors", "FILE", "--n", "1000000000"], ("1,000,000,000", "smaller --n")),
        (["study", "--vectors", "FILE", "--own", OWN, "--methods", "absent"], ("absent",)),
        (["study", "--vectors", "nothing.npz"], ("nothing.npz",)),
        (["study", "--gallery", "none", "--gallery", "none"], ("none is named twice",)),
    ],
)
def test_bad_input_is_refused_in_one_sentence_that_names_it(
    options: list[str],
    named: tuple[str, ...],
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {name: tmp_path / name.lower() for name in ("EMPTY", "FOREIGN")}
    for place in places.values():
        place.mkdir()
    (places["FOREIGN"] / "holiday.jpg").touch()
    places |= {"FOLDER": folder, "FILE": write_vectors(tmp_path / "few.npz")}
    np.save(tmp_path / "zeros.npy", np.zeros((3, 4), np.float32))
    places |= {"ZEROS": tmp_path / "zeros.npy"}
    arguments = [str(places.get(word, word)) for word in options]
    if options[0] == "study" and "--out" not in options:
        arguments += ["--out", str(tmp_path / "out")]
    if options[0] == "study" and "--methods" not in options:
        arguments += ["--methods", "numpy-brute"]  # the libraries of all take seconds to load
    assert main(arguments) in (2, 4)
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    for part in named:
        assert part in sentence
    assert len(re.findall(r"[.!?](\s|$)", sentence)) == 1
    assert list(places["FOREIGN"].iterdir()) == [places["FOREIGN"] / "holiday.jpg"]


def test_the_bar_shows_which_search_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalProgress().bar(2, 1) as bar:
        bar.start(Job("some", "cosine", "faiss-flat", {}))
        for event in ({"built": 0.1, "efforts": 2}, {"searched": 1}, {"searched": 2}):
            bar.update(event)
        bar.finish()
    shown = capsys.readouterr().err
    assert "Going on after 1 of 2 indexes." in shown
    assert "faiss-flat cosine, building" in shown
    assert set(re.findall(r"search \d of \d", shown)) == {"search 1 of 2", "search 2 of 2"}


def test_the_help_loads_no_large_library() -> None:
    code = (
        "import sys; from lab.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "sys.exit(bool({'faiss', 'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
