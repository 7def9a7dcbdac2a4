"""Galleries made for the page: watched, cancelled, resumed, refused, one at a time."""

import logging
import os
import shlex
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.build.build import BuildReport
from app.build.jobs import Archive, GalleryMaker, MakeRequest, Progress, Uploaded
from app.doors.cli import create_index
from app.embed import MODELS, Embedder
from app.errors import DatasetError, ModelError, StorageError, UsageError
from app.gallery import gallery_names
from tests.build.workshop import JPEG, WAIT_SECONDS, Gate, Workshop, gated, pictures
from tests.conftest import Home, fill, is_one_sentence

# --- from a folder -------------------------------------------------------------------------------


def test_a_gallery_is_made_of_a_folder_and_can_be_searched(
    workshop: Workshop, home: Home, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "my pictures", 20)
    (folder / "broken.jpg").write_bytes(b"Dear Sir or Madam,\n")
    before = sorted(folder.rglob("*"))

    ended = workshop.made(folder)

    assert (ended.state, ended.name, ended.message) == ("done", "new", "")
    assert ended.report is not None
    assert ended.report.manifest.images == 20
    (skipped,) = ended.report.skipped
    assert skipped.path == "broken.jpg"
    assert "text file" in skipped.reason
    query = folder / "kind_3" / "00003.jpg"
    assert home.service().search("new", query.read_bytes()).hits[0].image.path == "kind_3/00003.jpg"
    assert sorted(folder.rglob("*")) == before


def test_the_command_of_a_gallery_builds_it_again(
    workshop: Workshop, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "my pictures", 12)
    report = workshop.made(folder).report
    assert report is not None
    words = shlex.split(report.manifest.command)
    expected = ["--images", str(folder), "--name", "new", "--model", "mean_colour"]
    assert words == ["python3", "create_index.py", *expected, "--index", "IVF100,PQ8"]
    monkeypatch.setenv("RIS_HOME", str(home.path))
    assert create_index([*words[2:], "--force"]) == 0


def test_progress_gives_stage_count_rate_and_time_left(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(3)
    maker = workshop.make_maker(lambda name, **_: gated(gate))
    assert maker.progress() == Progress()

    workshop.start(fill(tmp_path / "pictures", 5 * gate.batch))

    assert gate.reached.wait(WAIT_SECONDS)
    wait_until(lambda: maker.progress().done > 0)
    progress = maker.progress()
    assert (progress.state, progress.name, progress.stage) == ("running", "new", "embed")
    assert (progress.total, progress.report) == (5 * gate.batch, None)
    assert progress.rate > 0
    left = progress.total - progress.done
    assert progress.seconds_left == pytest.approx(left / progress.rate)
    gate.open.set()
    assert workshop.end().state == "done"


def wait_until(holds: Callable[[], bool]) -> None:
    too_late = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < too_late
        time.sleep(0.005)


# --- cancelled and resumed ---------------------------------------------------------------------


def stop_midway(workshop: Workshop, gate: Gate, pictures: Path | Uploaded | Archive) -> Progress:
    """Cancel a build while its third batch is embedded."""
    workshop.make_maker(lambda name, **_: gated(gate))
    workshop.start(pictures)
    assert gate.reached.wait(WAIT_SECONDS)
    wait_until(lambda: workshop.maker.progress().stage == "embed")
    workshop.maker.cancel()
    assert workshop.maker.progress().stopping
    workshop.maker.cancel()  # a double click
    gate.open.set()
    return workshop.end()


def test_a_cancelled_build_resumes_from_its_last_batch(
    workshop: Workshop, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(2)
    folder = fill(tmp_path / "pictures", 10 * gate.batch)

    stopped = stop_midway(workshop, gate, folder)

    assert (stopped.state, stopped.can_go_on) == ("stopped", True)
    assert is_one_sentence(stopped.message)
    assert gallery_names(home.path / "indexes") == []
    before = gate.ran
    assert before < 10
    workshop.maker.go_on()
    ended = workshop.end()
    assert ended.state == "done"
    assert ended.report is not None
    assert ended.report.manifest.images == 10 * gate.batch
    assert ended.report.embedded < 10 * gate.batch
    assert gate.ran < 10 + before


@pytest.mark.parametrize("came", [True, False], ids=["uploaded", "a folder"])
def test_what_was_stopped_can_be_deleted_and_the_name_taken_again(
    workshop: Workshop, home: Home, came: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(2)
    folder = fill(tmp_path / "pictures", 10 * gate.batch)
    stop_midway(workshop, gate, workshop.uploaded(pictures(10 * gate.batch)) if came else folder)

    workshop.maker.discard()

    assert workshop.maker.progress() == Progress()
    assert not workshop.left()
    assert not list((home.path / "indexes").iterdir())
    assert len(list(folder.rglob("*.jpg"))) == 10 * gate.batch, "a visitor's own folder stays"
    with pytest.raises(UsageError, match="nothing was stopped"):
        workshop.maker.discard()
    assert workshop.made(workshop.uploaded(pictures(12))).state == "done"


def test_a_build_that_was_not_stopped_cannot_be_resumed(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to go on with"):
        workshop.maker.go_on()
    workshop.maker.cancel()
    assert workshop.maker.progress() == Progress()
    assert workshop.made(fill(tmp_path / "pictures", 12)).state == "done"
    workshop.maker.cancel()
    assert workshop.maker.progress().state == "done"
    with pytest.raises(UsageError, match="nothing to go on with"):
        workshop.maker.go_on()


@pytest.mark.parametrize("again", ["go on", "the same request"])
def test_uploaded_pictures_stay_when_their_build_is_cancelled_and_it_resumes(
    workshop: Workshop, home: Home, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(2)
    files = pictures(10 * gate.batch)
    assert stop_midway(workshop, gate, workshop.uploaded(files)).state == "stopped"
    assert len(list((home.path / "datasets/uploaded/new").rglob("*.jpg"))) == len(files)
    if again == "go on":
        workshop.maker.go_on()
    else:
        workshop.start(workshop.uploaded(files))
    report = workshop.end().report
    assert report is not None
    assert report.manifest.images == len(files)
    assert report.embedded < len(files)
    assert [path.name for path in workshop.left()] == ["new"]


@pytest.mark.parametrize("kind", ["files", "zip"])
def test_a_build_cancelled_while_the_pictures_are_collected_resumes(
    workshop: Workshop, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = pictures(12)
    source = (
        workshop.uploaded(files)
        if kind == "files"
        else workshop.archive(lambda packed: [packed.writestr(*each) for each in files.items()])
    )
    stages = []

    def cancelling(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            stages.append(workshop.maker.progress().stage)
            if len(stages) == 5:
                workshop.maker.cancel()
            return function(*arguments, **options)

        return run

    arrived = {path.name for path in workshop.left()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", cancelling(os.link))
        patch.setattr(zipfile.ZipFile, "open", cancelling(zipfile.ZipFile.open))
        assert workshop.made(source).state == "stopped"
    assert len(stages) == 5
    assert stages[-1] == ("collect" if kind == "files" else "unpack")
    assert {path.name for path in workshop.left()} == arrived
    workshop.maker.go_on()
    assert workshop.end().state == "done"
    assert workshop.paths() == sorted(files)


def test_closing_stops_the_build(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.build.embedding.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(1)
    workshop.make_maker(lambda name, **_: gated(gate))
    workshop.start(fill(tmp_path / "pictures", 5 * gate.batch))
    assert gate.reached.wait(WAIT_SECONDS)
    threading.Timer(0.2, gate.open.set).start()
    workshop.maker.close()
    assert workshop.maker.progress().state == "stopped"


# --- refused, failed -----------------------------------------------------------------------------


def test_one_gallery_is_made_at_a_time(workshop: Workshop, tmp_path: Path) -> None:
    gate = Gate(0)
    workshop.make_maker(lambda name, **_: gated(gate))
    folder = fill(tmp_path / "pictures", 12)
    workshop.start(folder)
    assert gate.reached.wait(WAIT_SECONDS)
    for name in ("new", "another"):  # a double click, another visitor
        with pytest.raises(UsageError, match="new is being made") as refusal:
            workshop.start(folder, name)
        assert is_one_sentence(str(refusal.value))
    gate.open.set()
    assert workshop.end().state == "done"
    assert workshop.made(folder, "another").state == "done"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Give the gallery a name"),
        ("a/b", "cannot be called 'a/b'"),
        ("..", "cannot be called"),
        (".hidden", "cannot be called"),
        ("a b", "cannot be called"),
        ("a\\b", "cannot be called"),
        ("a\0b", "cannot be called"),
        ("Bücher", "cannot be called"),
        ("x" * 101, "at most 100 characters"),
    ],
)
def test_a_bad_name_is_refused_at_once(
    workshop: Workshop, tmp_path: Path, name: str, words: str
) -> None:
    assert_refused(workshop, fill(tmp_path / "pictures", 1), name, words)


def test_a_name_that_a_gallery_has_is_refused_and_the_gallery_stays(
    workshop: Workshop, home: Home, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "pictures", 12)
    home.build(folder, "taken")
    before = (home.folders("taken").indexes / "manifest.json").read_bytes()
    assert_refused(workshop, folder, "taken", "choose another name")
    assert (home.folders("taken").indexes / "manifest.json").read_bytes() == before


def assert_refused(workshop: Workshop, folder: Path, name: str, words: str) -> None:
    """Assert that neither the check nor the start takes a name, and that nothing begins."""
    for attempt in (
        lambda: workshop.maker.check(name, "mean_colour"),
        lambda: workshop.start(folder, name),
    ):
        with pytest.raises(UsageError, match=words) as refusal:
            attempt()
        assert is_one_sentence(str(refusal.value))
    assert workshop.maker.progress() == Progress()


def test_an_unknown_model_is_refused_at_once(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nothing'"):
        workshop.maker.start(MakeRequest("new", "nothing", fill(tmp_path / "pictures", 3)))


def test_a_bad_folder_is_refused_at_once(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(JPEG)
    for folder, kind, words in (
        (tmp_path / "gone", DatasetError, "does not exist"),
        (tmp_path / "file", DatasetError, "is not a folder"),
        (Path("pictures"), UsageError, "whole path"),
        (tmp_path / ("x" * 300), DatasetError, "cannot be read"),
    ):
        with pytest.raises(kind, match=words) as refusal:
            workshop.start(folder)
        assert is_one_sentence(str(refusal.value))


def test_a_folder_without_a_picture_is_refused(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no image" in workshop.failed(tmp_path / "empty")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"Dear Sir or Madam,\n")
    message = workshop.made(tmp_path / "broken").message
    assert str(tmp_path / "broken") in message
    assert (tmp_path / "broken" / "a.jpg").exists()  # the user's own


def test_no_gallery_is_made_where_that_is_off(home: Home, tmp_path: Path) -> None:
    def never(*arguments: Any, **options: Any) -> BuildReport:
        raise AssertionError("it builds")

    off = "Not here."
    maker = GalleryMaker(
        never, uploaded_dir=home.path, features_dir=home.path, indexes_dir=home.path, off=off
    )
    for attempt in (
        lambda: maker.check("new", "mean_colour"),
        lambda: maker.start(MakeRequest("new", "mean_colour", fill(tmp_path / "pictures", 3))),
    ):
        with pytest.raises(UsageError, match=off):
            attempt()
    assert maker.progress() == Progress()


def test_a_model_that_cannot_be_loaded_ends_the_build_with_its_message(
    workshop: Workshop, tmp_path: Path
) -> None:
    def loader(name: str, **_: object) -> Embedder:
        raise ModelError("Its weights are not here.")

    workshop.make_maker(loader)
    ended = workshop.made(fill(tmp_path / "pictures", 3))
    assert (ended.state, ended.message) == ("failed", "Its weights are not here.")


def test_a_mistake_in_the_program_is_logged_and_reported_and_the_next_build_runs(
    workshop: Workshop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(name: str, **_: object) -> Embedder:
        raise ZeroDivisionError

    workshop.make_maker(mistaken)
    with caplog.at_level(logging.ERROR):
        message = workshop.failed(workshop.uploaded(pictures(3)))
    assert "mistake in this program" in message
    assert "ZeroDivisionError" in caplog.text
    workshop.make_maker()
    assert workshop.made(fill(tmp_path / "pictures", 12)).state == "done"


def test_a_full_disk_is_reported_and_the_uploads_stay_for_another_try(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(StorageError, match="make room there") as refusal:
            workshop.maker.check("new", "mean_colour", needed_bytes=5000)
        assert is_one_sentence(str(refusal.value))
        ended = workshop.made(workshop.uploaded(pictures(12)))
        assert (ended.state, ended.can_go_on) == ("failed", True)
        assert "make room" in ended.message
    workshop.maker.go_on()
    assert workshop.end().state == "done"


def test_there_must_be_room_where_uploads_arrive_too(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = workshop.arrived
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: SimpleNamespace(free=0 if path == arrived else 1e12)
    )
    workshop.maker.check("new", "mean_colour", needed_bytes=5000)
    with pytest.raises(StorageError, match=str(arrived)):
        workshop.maker.check("new", "mean_colour", needed_bytes=5000, arriving_in=arrived)


def test_the_model_that_needs_no_download_comes_first(workshop: Workshop) -> None:
    models = workshop.maker.models()
    assert models[0] == ("efficientnet_lite0", False)
    assert dict(models)["resnet50"] is True
    of_pictures = {name for name, model in MODELS.items() if model.kind == "picture"}
    assert {name for name, _ in models} == of_pictures - {"mean_colour"}
