"""A study, start to end: every method in a process of its own, stopped, gone on, told."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.errors import AppError, StorageError, UsageError
from lab.__main__ import main
from lab.report.results import Built, Point, Study, read_study
from lab.report.story import write_report
from lab.study.folder import Job, StudyFolder
from lab.study.request import StudyRequest
from lab.study.run import study
from lab.study.supervise import OtherWork
from lab.study.telling import Telling, TerminalTelling
from tests.conftest import ROOT, Home, fill

OWN = "tests.lab.own_methods"
GOOD = ("application", "numpy-brute", "faiss-ivf-flat", "first-rows")


def write_vectors(path: Path, rows: int = 1_500, dim: int = 16, *, seed: int = 0) -> Path:
    """Write clustered vectors with the number of their cluster as label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 30, rows)
    vectors = rng.normal(size=(30, dim))[labels] + 0.4 * rng.normal(size=(rows, dim))
    np.savez(path, vectors=vectors.astype(np.float32), labels=labels)
    return path


def request(vectors: Path, out: Path, *methods: str, **options: object) -> StudyRequest:
    values: dict[str, object] = {"queries": 60, "builds": 1, "own": (OWN,), "seconds": 60.0}
    return StudyRequest(files=(vectors,), out=out, methods=methods, **(values | options))  # type: ignore[arg-type]


def result_files(folder: Path) -> dict[str, int]:
    """Return the results of a study and when each was written."""
    found = {}
    for path in folder.rglob("*.json"):
        if path.parent.name in ("cosine", "l2", "ip"):
            found[path.name.rpartition("-")[0]] = path.stat().st_mtime_ns
    return found


def built_of(study_read: Study, method: str) -> Built:
    (built,) = [b for b in study_read.sets[0].built if b.job.method == method]
    return built


def points_of(study_read: Study, method: str) -> list[Point]:
    return [p for p in study_read.sets[0].points("cosine") if p.method == method]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of labelled vectors with methods that work, that die, and one that is absent."""
    place = tmp_path_factory.mktemp("study")
    vectors = write_vectors(place / "clusters.npz")
    bad = ("killed", "raising", "forgetful", "leaving", "crashing", "absent")
    study(request(vectors, place / "out", *GOOD, *bad), home=place)
    vectors.unlink()
    write_report(StudyFolder(place / "out"))
    return place / "out"


@pytest.fixture(scope="module")
def read(folder: Path) -> Study:
    return read_study(StudyFolder(folder))


def test_exact_methods_find_everything_and_a_method_that_guesses_nearly_nothing(
    read: Study,
) -> None:
    assert [p.recall for p in points_of(read, "numpy-brute")] == [1.0]
    (guess,) = points_of(read, "first-rows")
    assert guess.recall < 0.1
    recalls = [p.recall for p in points_of(read, "faiss-ivf-flat")]
    assert recalls[-1] > 0.99
    assert recalls[0] < recalls[-1]


def test_the_application_is_measured_with_every_string_that_it_takes(read: Study) -> None:
    served = {p.factory: p.recall for p in points_of(read, "application") if p.chosen}
    fitted = {"IVF38,PQ8", "Flat", "IVF38,Flat"}  # 1,500 rows fill 38 cells
    assert set(served) == fitted
    assert min(served.values()) > 0.95


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("killed", "killed from outside, as the system does where memory runs out"),
        ("raising", "failed: ValueError: it cannot take these vectors"),
        ("forgetful", "failed: out of memory"),
        ("leaving", "ended with exit code 3: no licence found"),
        ("crashing", "crashed: Segmentation fault"),
    ],
)
def test_a_method_that_dies_is_told_in_words(
    folder: Path, read: Study, method: str, words: str
) -> None:
    assert built_of(read, method).words == words
    for name in ("report.md", "report.html"):
        assert words in (folder / name).read_text()


def test_what_a_method_found_before_it_died_is_kept(read: Study) -> None:
    assert len(built_of(read, "crashing").points) == 1


def test_a_method_that_is_killed_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    study(request(vectors, tmp_path / "out", "killed"), home=tmp_path)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_missing_library_is_named_and_its_method_does_not_run(folder: Path) -> None:
    assert (
        "absent is left out: no_such_library is not installed" in (folder / "report.md").read_text()
    )
    assert "absent" not in result_files(folder)


def test_the_report_is_made_again_from_the_files_alone(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "moved"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("report.*", "*.svg"))
    assert main(["report", str(copy)]) == 0
    for name in ("report.md", "report.html", "clusters-cosine.svg"):
        assert (copy / name).read_bytes() == (folder / name).read_bytes()


def test_the_report_says_what_to_use_and_shows_all_its_plots(folder: Path, read: Study) -> None:
    text = (folder / "report.md").read_text()
    assert "For these 1,500 vectors of 16 numbers: **`Flat`**" in text
    assert "--index Flat" in text
    for plot in re.findall(r"\]\((\S+\.svg)\)", text):
        assert (folder / plot).read_text().count("<svg") == 1
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 1
    assert "prefers-color-scheme: dark" in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    assert "precision@10" in page


def test_the_vectors_are_taken_away_when_the_study_is_done(folder: Path) -> None:
    assert not (folder / ".work").exists()


def test_a_study_that_is_done_measures_nothing_again(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = result_files(copy)
    vectors = write_vectors(tmp_path / "clusters.npz")
    study(request(vectors, copy, *GOOD, "killed"), home=tmp_path)
    assert result_files(copy) == before


def test_a_result_whose_neighbours_are_lost_is_measured_again(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (lost,) = copy.glob("clusters/cosine/first-rows-*.npz")
    lost.unlink()
    study(request(write_vectors(tmp_path / "clusters.npz"), copy, "first-rows"), home=tmp_path)
    assert lost.is_file()


def test_what_failed_is_tried_again_on_request_and_within_other_limits(
    folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    before = result_files(copy)
    vectors = write_vectors(tmp_path / "clusters.npz")
    study(request(vectors, copy, "raising", "first-rows", retry_failed=True), home=tmp_path)
    after = result_files(copy)
    assert {name for name in before if before[name] != after[name]} == {"raising"}
    study(request(vectors, copy, "forgetful", seconds=61.0), home=tmp_path)
    again = result_files(copy)
    assert {name for name in after if after[name] != again[name]} == {"forgetful"}


def test_other_vectors_or_another_question_are_noticed(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    vectors = write_vectors(tmp_path / "clusters.npz")
    with pytest.raises(UsageError, match=r"a study with k = 10, not 5: name another folder"):
        study(request(vectors, copy, "first-rows", k=5), home=tmp_path)
    write_vectors(vectors, seed=1)
    with pytest.raises(UsageError, match="other vectors called clusters, which have changed"):
        study(request(vectors, copy, "first-rows"), home=tmp_path)


def test_limits_of_time_and_memory_stop_a_method_and_the_study_goes_on(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    out = tmp_path / "out"
    study(request(vectors, out, "endless", "first-rows", seconds=0.2), home=tmp_path)
    asked = request(vectors, out, "greedy", "first-rows", memory_bytes=200_000_000)
    study(asked, home=tmp_path)
    found = read_study(StudyFolder(out))
    assert built_of(found, "endless").words == (
        "stopped: building took longer than 0.2 s (--seconds)"
    )
    assert built_of(found, "greedy").words == (
        "stopped: it took more than 0.2 GB of memory (--memory)"
    )
    assert built_of(found, "first-rows").status == "done"


def test_a_killed_study_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    out, waits = tmp_path / "out", tmp_path / "waits"
    typed = ["study", "--vectors", str(vectors), "--out", str(out), "--own", OWN]
    typed += ["--methods", "first-rows,waiting", "--queries", "20"]
    begun = subprocess.Popen(
        [sys.executable, "-m", "lab", *typed],
        cwd=ROOT,
        env=os.environ | {"LAB_TEST_WAITS": str(waits)},
        stderr=subprocess.DEVNULL,
    )
    with begun:
        wait_for(waits, begun)
        worker = psutil.Process(int(waits.read_text()))
        begun.send_signal(signal.SIGKILL)
    worker.wait(timeout=60)  # it does not go on by itself
    before = result_files(out)
    assert set(before) == {"first-rows"}
    assert "is not finished" in report_of(out)
    assert main(typed) == 0
    assert set(result_files(out)) == {"first-rows", "waiting"}
    assert result_files(out)["first-rows"] == before["first-rows"]
    assert "is not finished" not in report_of(out)


def test_a_study_stopped_while_it_prepares_begins_again(tmp_path: Path) -> None:
    class Stopping(Telling):
        def line(self, text: str) -> None:
            if "exact neighbours by l2" in text:
                raise KeyboardInterrupt

    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    asked = request(vectors, tmp_path / "out", "first-rows")
    with pytest.raises(KeyboardInterrupt):
        study(asked, home=tmp_path, telling=Stopping())
    assert set(result_files(tmp_path / "out")) == set()
    study(asked, home=tmp_path)
    assert set(result_files(tmp_path / "out")) == {"first-rows"}


def test_what_was_prepared_for_another_question_is_prepared_anew(tmp_path: Path) -> None:
    class Stopping(Telling):
        def line(self, text: str) -> None:
            if text == "second: reading …":
                raise KeyboardInterrupt

    files = tuple(write_vectors(tmp_path / f"{name}.npz", rows=100) for name in ("first", "second"))
    asked = replace(request(files[0], tmp_path / "out", "first-rows"), files=files)
    with pytest.raises(KeyboardInterrupt):
        study(asked, home=tmp_path, telling=Stopping())
    study(replace(asked, k=5), home=tmp_path)
    found = read_study(StudyFolder(tmp_path / "out"))
    assert [each.truth["rows_cosine"].shape for each in found.sets] == [(60, 5), (60, 5)]


def wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    while not file.exists():
        assert process.poll() is None
        os.sched_yield()


def report_of(out: Path) -> str:
    write_report(StudyFolder(out))
    return (out / "report.md").read_text()


def test_vectors_that_cannot_be_compared_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    vectors[7], vectors[30] = np.nan, 0
    np.save(tmp_path / "some.npy", vectors)
    typed = ["study", "--vectors", str(tmp_path / "some.npy"), "--out", str(tmp_path / "out")]
    typed += ["--own", OWN, "--methods", "first-rows"]
    assert main(typed) == 0
    for said in (report_of(tmp_path / "out"), capsys.readouterr().err):
        assert "1 of 80 vectors, the first in row 7, hold what is no number" in said
        assert "1 of 79 vectors, the first in row 29, are zeros and have no direction" in said
    assert "78 vectors of 8 numbers" in report_of(tmp_path / "out")


def test_a_disk_without_room_for_the_vectors_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    full = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: full)
    with pytest.raises(StorageError, match=r"has room for 0\.0 GB, and the vectors take 0\.0 GB"):
        study(request(vectors, tmp_path / "out", "first-rows"), home=tmp_path)


def test_a_file_that_cannot_take_its_place_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    folder = StudyFolder(tmp_path)
    folder.write_json("some.json", {"told": "before"})
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(StorageError, match=r"some\.json cannot be written \(No space left"):
        folder.write_json("some.json", {"told": "after"})
    assert folder.read_json("some.json") == {"told": "before"}


def test_vectors_of_zeros_are_compared_by_the_metrics_that_they_have(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32)
    vectors[3] = 0
    np.save(tmp_path / "zeros.npy", vectors)
    asked = request(tmp_path / "zeros.npy", tmp_path / "out", "numpy-brute", metrics=("l2",))
    study(asked, home=tmp_path)
    (found,) = read_study(StudyFolder(tmp_path / "out")).sets
    assert set(found.overlaps(10)) == {("l2", "ip")}


def test_other_work_and_more_than_one_thread_are_told(folder: Path, tmp_path: Path) -> None:
    copy = StudyFolder(shutil.copytree(folder, tmp_path / "copy"))
    for built in (copy.path / "clusters" / "cosine").glob("*.json"):
        told = json.loads(built.read_text())
        disturbed = told["method"] == "numpy-brute"
        told["others"] = 0.4 if disturbed else 0.0
        for effort in told["efforts"]:
            effort["cores"] = 1.9 if disturbed else 1.0
        built.write_text(json.dumps(told))
    said = report_of(copy.path)
    assert re.search(r"up to 40% of the processors\*\* while 1 of the \d+ .*\(numpy-brute\)", said)
    assert "**More than one processor** was at work in searches of numpy-brute:" in said


def test_what_others_take_of_the_processors_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            work, before = OtherWork(), psutil.Process(other.pid).cpu_times().user
            while psutil.Process(other.pid).cpu_times().user - before < 0.5:
                time.sleep(0.05)
            assert work.share() > 0
        finally:
            other.kill()
    monkeypatch.setattr(OtherWork, "share", lambda work: 0.25)
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    found = study(request(vectors, tmp_path / "out", "first-rows"), home=tmp_path)
    assert built_of(read_study(found), "first-rows").others == 0.25


def test_building_with_fewer_threads_than_processors_is_told(folder: Path, tmp_path: Path) -> None:
    copy = StudyFolder(shutil.copytree(folder, tmp_path / "copy"))
    for built in (copy.path / "clusters" / "cosine").glob("*.json"):
        told = json.loads(built.read_text())
        if "build_seconds" in told:
            assert told["build_threads"] >= 1
            told["processors"] = told["build_threads"] + (told["method"] == "numpy-brute")
            built.write_text(json.dumps(told))
    assert "**Not all processors** built the indexes of numpy-brute," in report_of(copy.path)


def test_a_question_that_was_refused_can_be_mended(tmp_path: Path) -> None:
    np.save(tmp_path / "eight.npy", np.random.default_rng(0).normal(size=(8, 4)))
    with pytest.raises(UsageError, match="-k 10 is too many"):
        study(request(tmp_path / "eight.npy", tmp_path / "out", "first-rows"), home=tmp_path)
    asked = request(tmp_path / "eight.npy", tmp_path / "out", "first-rows", k=5)
    study(asked, home=tmp_path)
    assert set(result_files(tmp_path / "out")) == {"first-rows"}


def test_the_report_keeps_every_command_that_made_it(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    for method in ("first-rows", "raising"):
        asked = request(vectors, tmp_path / "out", method, command=f"lab study {method}")
        study(asked, home=tmp_path)
    assert "lab study first-rows\nlab study raising\n" in report_of(tmp_path / "out")


def test_without_labels_the_report_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).normal(size=(80, 8)))
    asked = request(tmp_path / "plain.npy", tmp_path / "out", "first-rows", metrics=("l2", "ip"))
    study(asked, home=tmp_path)
    told = report_of(tmp_path / "out")
    assert "there are no labels" in told
    assert "precision@" not in told.replace("precision@5 are", "")
    assert "the lengths of the vectors matter" in told


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
    assert "There is no study in" in capsys.readouterr().err
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    for number, name in enumerate(("a-later", "b-earlier")):
        folder = study(request(vectors, tmp_path / "studies" / name, "first-rows"), home=tmp_path)
        os.utime(folder.path / "study.json", (0, 1_000 - number))
    assert main(["plot", "--k", "5"]) == 0
    assert [path.parent.name for path in tmp_path.rglob("*.svg")] == ["a-later"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["plot", "FOLDER", "--k", "11"], "-k must be from 1 to 10, not 11"),
        (["plot", "FOLDER", "--metric", "l2"], "no searches by l2: use cosine"),
        (["plot", "FOLDER", "--metric", "hamming"], "no metric 'hamming': use cosine, l2, ip"),
        (["plot", "FOLDER", "--set", "x"], "no vectors called 'x': use clusters"),
        (["report", "EMPTY"], "holds no study"),
        (["study", "--vectors", "FILE", "--methods", "magic"], "no method 'magic': use applic"),
        (["study", "--vectors", "FILE", "--metric", "magic"], "no metric 'magic': use cosine"),
        (["study", "--vectors", "FILE", "-k", "100"], "100 is too many: a query has 99 other"),
        (["study", "--vectors", "FILE", "-k", "0"], "-k must be from 1 to 1,000, not 0"),
        (["study", "--vectors", "FILE", "--n", "9"], "100 vectors, which are not cut down"),
        (["study", "--vectors", "FILE", "--recall", "97"], "--recall must be from 0.01 to 1"),
        (["study", "--vectors", "FILE", "--out", "FOREIGN"], "holds something else than a study"),
        (["study", "--vectors", "FILE", "--own", "no.module"], "'no.module' cannot be imported"),
        (["study", "--vectors", "FILE", "--own", "json"], "'json' defines no method"),
        (["study", "--vectors", "ZEROS"], "3 of 3 vectors, the first in row 0, are zeros"),
        (["study", "--vectors", "FILE", "--n", "1000000000"], "GB are free: give a smaller --n"),
        (["study", "--vectors", "FILE", "--own", OWN, "--methods", "absent"], "No method is left"),
        (["study", "--vectors", "nothing.npz"], "There is no file nothing.npz"),
        (["study", "--gallery", "none", "--gallery", "none"], "none is named twice"),
    ],
)
def test_bad_input_is_told_in_one_sentence(
    options: list[str],
    told: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {name: tmp_path / name.lower() for name in ("EMPTY", "FOREIGN")}
    for name in places:
        places[name].mkdir()
    (places["FOREIGN"] / "holiday.jpg").touch()
    places |= {"FOLDER": folder, "FILE": write_vectors(tmp_path / "few.npz", rows=100)}
    np.save(tmp_path / "zeros.npy", np.zeros((3, 4), np.float32))
    places |= {"ZEROS": tmp_path / "zeros.npy"}
    typed = [str(places.get(word, word)) for word in options]
    if options[0] == "study" and "--out" not in options:
        typed += ["--out", str(tmp_path / "out")]
    assert main(typed) in (2, 4)
    said = capsys.readouterr().err
    sentence = said.strip().splitlines()[-1]
    assert told in sentence
    assert len(re.findall(r"[.!?](\s|$)", sentence)) == 1
    assert list(places["FOREIGN"].iterdir()) == [places["FOREIGN"] / "holiday.jpg"]


def test_a_study_at_work_is_not_disturbed_by_another(tmp_path: Path) -> None:
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    with FileLock(out / ".lock"), pytest.raises(AppError, match="Another study is at work"):
        study(request(vectors, out, "first-rows"), home=tmp_path)


def test_nothing_measured_yet_is_told(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "begun")
    asked = {"k": 10, "target": 0.97}
    folder.describe({"request": asked, "jobs": [], "sets": {}, "command": "python -m lab study"})
    with pytest.raises(UsageError, match="Nothing is measured yet"):
        read_study(folder)


def test_the_bar_tells_which_search_is_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    with TerminalTelling().bar(2, 1) as bar:
        bar.begin(Job("some", "cosine", "faiss-flat", {}))
        for told in ({"built": 0.1, "efforts": 2}, {"searched": 1}, {"searched": 2}):
            bar.heard(told)
        bar.done()
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


def test_drawn_vectors_are_told_wherever_they_count(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz", rows=100)
    study(request(vectors, tmp_path / "out", "first-rows", rows=150), home=tmp_path)
    told = report_of(tmp_path / "out")
    assert "For these 150 vectors of 16 numbers (50 of them drawn to resemble the others)" in told
    assert "of which 50 were drawn to resemble the 100 real ones" in told
    assert "the drawn vectors have no labels" in told
    assert "50 of the 150 vectors are drawn" in told
    assert "150 × 16 (50 drawn)" in (tmp_path / "out" / "few-cosine.svg").read_text()


def test_galleries_of_the_same_pictures_are_compared(home: Home) -> None:
    pictures = fill(home.path / "datasets" / "shapes", 60)
    for name in ("one", "other"):
        home.build(pictures, name)
    methods = ("numpy-brute", "faiss-flat", "faiss-ivf-flat")
    asked = StudyRequest(
        galleries=("one", "other"), out=home.path / "out", methods=methods, queries=20, builds=1
    )
    study(asked, home=home.path)
    told = report_of(home.path / "out")
    first = told.split("\n\n")[1]
    for name in ("one", "other"):
        assert f"> For the 60 vectors of `{name}`, 48 numbers each" in first, "each by its name"
    table = told.split("## The models")[1].split("\n\n")[1]
    assert table.splitlines()[0].count("|") == 11
    for row in table.splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:3] == ["48", "60"]
        assert re.fullmatch(r"\d\.\d{4} s", cells[3])
        assert all(re.fullmatch(r"[\d.]+ ms", cell) for cell in cells[4:7])
        assert all(re.fullmatch(r"[01]\.\d{3}", cell) for cell in cells[7:])
    assert "original pictures, decoded and embedded one after the other" in told
    assert [row.split("|")[1].strip() for row in table.splitlines()[2:]] == ["one", "other"]
    assert "the galleries are of the same pictures" in told


def test_a_gallery_that_cannot_be_studied_is_told_and_the_others_are(home: Home) -> None:
    pictures = fill(home.path / "datasets" / "shapes", 30)
    home.build(pictures, "good")
    asked = StudyRequest(
        galleries=("good", "gone"), out=home.path / "out", methods=("numpy-brute",), queries=20
    )
    study(asked, home=home.path)
    told = report_of(home.path / "out")
    assert "There is no gallery 'gone'" in told.split("## gone")[1]
    assert "| numpy-brute |" in told
    assert "## The model" in told, "the table of one gallery's model"
    first = StudyRequest(galleries=("gone", "lost"), out=home.path / "none", methods=())
    with pytest.raises(AppError, match=r"no gallery 'gone'.*no gallery 'lost'"):
        study(first, home=home.path)


def test_what_could_not_be_extracted_is_tried_again_on_request(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.build(fill(home.path / "datasets" / "shapes", 20))
    told: list[dict[str, object]] = [{"seconds": None}, {"seconds": 0.5}]
    monkeypatch.setattr("lab.study.extraction.measured", lambda name, home: told.pop(0))
    asked = StudyRequest(
        galleries=("mine",), out=home.path / "out", methods=("numpy-brute",), queries=9, k=3
    )
    for retry, seconds in ((False, None), (False, None), (True, 0.5), (True, 0.5)):
        folder = study(replace(asked, retry_failed=retry), home=home.path)
        assert (folder.read_json("mine/extraction.json") or {})["seconds"] == seconds
