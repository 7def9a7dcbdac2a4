"""A study runs each index in a process of its own, and goes on where it was stopped."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.errors import AppError, StorageError, UsageError
from lab.__main__ import main
from lab.report.results import Study, read_study
from lab.study import extraction
from lab.study.folder import StudyFolder
from lab.study.progress import Progress
from lab.study.request import StudyRequest
from lab.study.run import study
from lab.study.supervise import OtherWork
from tests.conftest import ROOT, Home, fill
from tests.lab.studies import (
    OWN,
    built_of,
    jobs_in_this_process,
    points_of,
    report_of,
    request,
    result_files,
    write_vectors,
)

GOOD = ("application", "numpy-brute", "faiss-ivf-flat")
BAD = ("killed", "raising", "forgetful", "leaving", "crashing")


@pytest.fixture
def in_this_process() -> Iterator[None]:
    with jobs_in_this_process():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with methods that work, that die (in their own processes), and one that is absent."""
    place = tmp_path_factory.mktemp("study")
    vectors = write_vectors(place / "clusters.npz", rows=1_500)
    with jobs_in_this_process():
        study(request(vectors, place / "out", *GOOD, "absent"), home=place)
    study(request(vectors, place / "out", "first-rows", *BAD), home=place)
    vectors.unlink()
    return place / "out"


@pytest.fixture(scope="module")
def read(folder: Path) -> Study:
    return read_study(StudyFolder(folder))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the study's folder, to change."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


# Methods


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
    ("method", "reason"),
    [
        ("killed", "killed from outside"),
        ("raising", "ValueError: it cannot take these vectors"),
        ("forgetful", "out of memory"),
        ("leaving", "exit code 3: no licence found"),
        ("crashing", "crashed: Segmentation fault"),
    ],
)
def test_the_reason_why_a_method_died_is_kept_in_words(
    read: Study, method: str, reason: str
) -> None:
    built = built_of(read, method)
    assert built.status == "failed"
    assert reason in built.words


def test_what_a_method_found_before_it_died_is_kept(read: Study) -> None:
    assert len(built_of(read, "crashing").points) == 1


def test_a_method_whose_library_is_missing_does_not_run(folder: Path, read: Study) -> None:
    assert "no_such_library" in read.description["missing"]["absent"]
    assert "absent" not in result_files(folder)


def test_a_method_that_is_killed_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    vectors = write_vectors(tmp_path / "few.npz")
    study(request(vectors, tmp_path / "out", "killed"), home=tmp_path)
    assert not list((tmp_path / "tmp").iterdir())


def test_limits_of_time_and_memory_stop_a_method_and_the_study_goes_on(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    out = tmp_path / "out"
    study(request(vectors, out, "endless", seconds=0.2), home=tmp_path)
    study(request(vectors, out, "greedy", "first-rows", memory_bytes=200_000_000), home=tmp_path)
    found = read_study(StudyFolder(out))
    for method, limit in (("endless", "0.2 s (--seconds)"), ("greedy", "0.2 GB of memory (--mem")):
        assert built_of(found, method).words.startswith("stopped: ")
        assert limit in built_of(found, method).words
    assert built_of(found, "first-rows").status == "done"


def test_what_others_take_of_the_processors_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    work = OtherWork()
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        assert work.share() > 0
        other.kill()
    monkeypatch.setattr(OtherWork, "share", lambda work: 0.25)
    vectors = write_vectors(tmp_path / "few.npz")
    found = study(request(vectors, tmp_path / "out", "first-rows"), home=tmp_path)
    assert built_of(read_study(found), "first-rows").others == 0.25


# Again


def test_the_vectors_are_taken_away_when_the_study_is_done(folder: Path) -> None:
    assert not (folder / ".work").exists()


def test_a_study_that_is_done_measures_nothing_again(copy: Path, tmp_path: Path) -> None:
    before = result_files(copy)
    vectors = write_vectors(tmp_path / "clusters.npz", rows=1_500)
    study(request(vectors, copy, *GOOD, "killed"), home=tmp_path)
    assert result_files(copy) == before


def test_a_result_whose_neighbours_are_lost_is_measured_again(
    copy: Path, tmp_path: Path, in_this_process: None
) -> None:
    (lost,) = copy.glob("clusters/cosine/first-rows-*.npz")
    lost.unlink()
    vectors = write_vectors(tmp_path / "clusters.npz", rows=1_500)
    study(request(vectors, copy, "first-rows"), home=tmp_path)
    assert lost.is_file()


def test_what_failed_is_tried_again_on_request_and_within_other_limits(
    copy: Path, tmp_path: Path, in_this_process: None
) -> None:
    before = result_files(copy)
    vectors = write_vectors(tmp_path / "clusters.npz", rows=1_500)
    study(request(vectors, copy, "raising", "first-rows", retry_failed=True), home=tmp_path)
    after = result_files(copy)
    assert {name for name in before if before[name] != after[name]} == {"raising"}
    study(request(vectors, copy, "forgetful", seconds=61.0), home=tmp_path)
    again = result_files(copy)
    assert {name for name in after if after[name] != again[name]} == {"forgetful"}


def test_other_vectors_or_another_question_are_refused(copy: Path, tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "clusters.npz", rows=1_500)
    with pytest.raises(UsageError, match=r"k = 10, not 5.*--out"):
        study(request(vectors, copy, "first-rows", k=5), home=tmp_path)
    write_vectors(vectors, rows=1_500, seed=1)
    with pytest.raises(UsageError, match=r"clusters.*changed.*--out"):
        study(request(vectors, copy, "first-rows"), home=tmp_path)


def test_a_killed_study_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    out, waits = tmp_path / "out", tmp_path / "waits"
    arguments = ["study", "--vectors", str(vectors), "--out", str(out), "--own", OWN]
    arguments += ["--methods", "first-rows,waiting", "--queries", "20"]
    begun = subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
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
    with jobs_in_this_process():
        assert main(arguments) == 0
    assert set(result_files(out)) == {"first-rows", "waiting"}
    assert result_files(out)["first-rows"] == before["first-rows"]
    assert "is not finished" not in report_of(out)


def wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    while not file.exists():
        assert process.poll() is None
        os.sched_yield()


class Stopping(Progress):
    """Stops a study, as Ctrl-C does, where it reports a line with this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def line(self, text: str) -> None:
        if self._text in text:
            raise KeyboardInterrupt


def test_a_study_stopped_while_it_prepares_begins_again(
    tmp_path: Path, in_this_process: None
) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    options = request(vectors, tmp_path / "out", "first-rows")
    with pytest.raises(KeyboardInterrupt):
        study(options, home=tmp_path, progress=Stopping("exact neighbours by l2"))
    assert set(result_files(tmp_path / "out")) == set()
    study(options, home=tmp_path)
    assert set(result_files(tmp_path / "out")) == {"first-rows"}


def test_what_was_prepared_for_another_question_is_prepared_anew(
    tmp_path: Path, in_this_process: None
) -> None:
    files = tuple(write_vectors(tmp_path / f"{name}.npz") for name in ("first", "second"))
    options = replace(request(files[0], tmp_path / "out", "first-rows"), files=files)
    with pytest.raises(KeyboardInterrupt):
        study(options, home=tmp_path, progress=Stopping("second: reading"))
    study(replace(options, k=5), home=tmp_path)
    found = read_study(StudyFolder(tmp_path / "out"))
    assert [each.truth["rows_cosine"].shape for each in found.sets] == [(60, 5), (60, 5)]


def test_a_question_that_was_refused_can_be_mended(tmp_path: Path, in_this_process: None) -> None:
    np.save(tmp_path / "eight.npy", np.random.default_rng(0).normal(size=(8, 4)))
    with pytest.raises(UsageError, match="-k 10"):
        study(request(tmp_path / "eight.npy", tmp_path / "out", "first-rows"), home=tmp_path)
    options = request(tmp_path / "eight.npy", tmp_path / "out", "first-rows", k=5)
    study(options, home=tmp_path)
    assert set(result_files(tmp_path / "out")) == {"first-rows"}


def test_a_study_at_work_is_not_disturbed_by_another(tmp_path: Path) -> None:
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    vectors = write_vectors(tmp_path / "few.npz")
    with FileLock(out / ".lock"), pytest.raises(AppError, match=rf"{out}: wait"):
        study(request(vectors, out, "first-rows"), home=tmp_path)


def test_what_could_not_be_extracted_is_tried_again_on_request(
    home: Home, monkeypatch: pytest.MonkeyPatch, in_this_process: None
) -> None:
    home.build(fill(home.path / "datasets" / "shapes", 20))
    results: list[dict[str, object]] = [{"seconds": None}, {"seconds": 0.5}]
    monkeypatch.setattr(extraction, "measured", lambda name, home: results.pop(0))
    options = StudyRequest(
        galleries=("mine",), out=home.path / "out", methods=("numpy-brute",), queries=9, k=3
    )
    for retry, seconds in ((False, None), (False, None), (True, 0.5), (True, 0.5)):
        folder = study(replace(options, retry_failed=retry), home=home.path)
        assert (folder.read_json("mine/extraction.json") or {})["seconds"] == seconds


# Files


def test_a_disk_without_room_for_the_vectors_is_refused_with_its_free_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = write_vectors(tmp_path / "few.npz")
    full = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: full)
    with pytest.raises(StorageError, match=r"0\.0 GB.*--out"):
        study(request(vectors, tmp_path / "out", "first-rows"), home=tmp_path)


def test_a_file_that_cannot_take_its_place_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    folder = StudyFolder(tmp_path)
    folder.write_json("some.json", {"state": "before"})
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(StorageError, match=r"some\.json.*No space left"):
        folder.write_json("some.json", {"state": "after"})
    assert folder.read_json("some.json") == {"state": "before"}
