"""Galleries made for the page: watched, cancelled, one at a time; uploads and ZIPs are safe."""

import io
import logging
import os
import random
import shlex
import stat
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.build.build import BuildReport, build
from app.build.jobs import Archive, GalleryMaker, MakeRequest, Progress, Uploaded
from app.doors.cli import create_index
from app.embed import MODELS, Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import AppError, DatasetError, ModelError, StorageError, UsageError
from app.gallery import Gallery, gallery_names
from app.images.formats import SUFFIXES
from app.sources import uploads
from tests.conftest import Home, encoded, fill, mean_colour, picture
from tests.doors.page.browser.visitor import is_one_sentence

WAIT_SECONDS = 60
JPEG = encoded(picture(1))


class Gate(MeanColourRuntime):
    """Lets a number of batches pass, then waits for `open`."""

    def __init__(self, batches: int) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.ran = 0
        self._free = batches
        self._lock = threading.Lock()

    def run(self, batch: Any) -> Any:
        with self._lock:
            self.ran += 1
            free = self.ran <= self._free
        if not free:
            self.reached.set()
            assert self.open.wait(WAIT_SECONDS)
        return super().run(batch)


def gated(gate: Gate) -> Embedder:
    return Embedder(model_named("mean_colour"), gate, weights_sha256="")


class Workshop:
    """A home with a GalleryMaker, and a folder for arriving uploads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.arrived = home.path / "arrived"
        self.arrived.mkdir(parents=True)
        self.maker = self.make_maker()

    def make_maker(
        self,
        load_embedder: Callable[[str], Embedder] = lambda name: mean_colour(),
        build: Callable[..., BuildReport] = build,
    ) -> GalleryMaker:
        folders = {"features_dir": self.home.path / "features", "workers": 1}
        self.maker = GalleryMaker(
            partial(
                build,
                datasets_dir=self.home.path / "datasets",
                indexes_dir=self.home.path / "indexes",
                load_embedder=load_embedder,
                **folders,
            ),
            uploaded_dir=self.home.path / "datasets" / "uploaded",
            features_dir=self.home.path / "features",
            indexes_dir=self.home.path / "indexes",
        )
        return self.maker

    def start(self, pictures: Path | Uploaded | Archive, name: str = "new") -> None:
        self.maker.start(MakeRequest(name, "mean_colour", pictures))

    def end(self) -> Progress:
        self.maker.wait(WAIT_SECONDS)
        assert self.maker.progress().state != "running"
        return self.maker.progress()

    def made(self, pictures: Path | Uploaded | Archive, name: str = "new") -> Progress:
        self.start(pictures, name)
        return self.end()

    def failed(self, pictures: Path | Uploaded | Archive) -> str:
        """Return the message of a build that must fail and leave no file behind."""
        ended = self.made(pictures)
        assert ended.state == "failed"
        assert not ended.can_go_on
        assert is_one_sentence(ended.message)
        assert not self.left()
        assert gallery_names(self.home.path / "indexes") == []
        return ended.message

    def left(self) -> list[Path]:
        """Return the files and folders of uploads, arriving and kept."""
        folders = (self.arrived, self.home.path / "datasets" / "uploaded")
        return [path for folder in folders if folder.exists() for path in folder.iterdir()]

    def uploaded(self, files: dict[str, bytes]) -> Uploaded:
        """Return uploads as they arrive: under names without meaning."""
        arrived = []
        for number, (name, data) in enumerate(files.items()):
            file = self.arrived / f"upload-{number}"
            file.write_bytes(data)
            arrived.append((file, name))
        return Uploaded(tuple(arrived))

    def archive(self, write: Callable[[zipfile.ZipFile], None]) -> Archive:
        file = self.arrived / "upload-zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            write(packed)
        return Archive(file, "holiday.zip")

    def paths(self, name: str = "new") -> list[str]:
        gallery = Gallery(self.home.folders(name))
        try:
            return [image.path for image in gallery.images(range(gallery.manifest.images))]
        finally:
            gallery.close()


@pytest.fixture
def workshop(home: Home) -> Iterator[Workshop]:
    made = Workshop(home)
    yield made
    made.maker.close()


def pictures(count: int, folder: str = "kind") -> dict[str, bytes]:
    return {f"{folder}_{n % 2}/{n:02}.jpg": encoded(picture(n)) for n in range(count)}


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
    ((skipped),) = ended.report.skipped
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
    monkeypatch.setattr("app.build.build.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(3)
    maker = workshop.make_maker(lambda name: gated(gate))
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
    workshop.make_maker(lambda name: gated(gate))
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
    monkeypatch.setattr("app.build.build.PROGRESS_EVERY_SECONDS", 0)
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
    monkeypatch.setattr("app.build.build.PROGRESS_EVERY_SECONDS", 0)
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
    monkeypatch.setattr("app.build.build.PROGRESS_EVERY_SECONDS", 0)
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
    monkeypatch.setattr("app.build.build.PROGRESS_EVERY_SECONDS", 0)
    gate = Gate(1)
    workshop.make_maker(lambda name: gated(gate))
    workshop.start(fill(tmp_path / "pictures", 5 * gate.batch))
    assert gate.reached.wait(WAIT_SECONDS)
    threading.Timer(0.2, gate.open.set).start()
    workshop.maker.close()
    assert workshop.maker.progress().state == "stopped"


# --- refused, failed -----------------------------------------------------------------------------


def test_one_gallery_is_made_at_a_time(workshop: Workshop, tmp_path: Path) -> None:
    gate = Gate(0)
    workshop.make_maker(lambda name: gated(gate))
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
        ("taken", "choose another name"),
    ],
)
def test_a_bad_name_is_refused_at_once(
    workshop: Workshop, home: Home, tmp_path: Path, name: str, words: str
) -> None:
    folder = fill(tmp_path / "pictures", 12)
    home.build(folder, "taken")
    before = (home.folders("taken").indexes / "gallery.db").read_bytes()
    for ask in (
        lambda: workshop.maker.check(name, "mean_colour"),
        lambda: workshop.start(folder, name),
    ):
        with pytest.raises(UsageError, match=words) as refusal:
            ask()
        assert is_one_sentence(str(refusal.value))
    assert workshop.maker.progress() == Progress()
    assert (home.folders("taken").indexes / "gallery.db").read_bytes() == before


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
    for ask in (
        lambda: maker.check("new", "mean_colour"),
        lambda: maker.start(MakeRequest("new", "mean_colour", fill(tmp_path / "pictures", 3))),
    ):
        with pytest.raises(UsageError, match=off):
            ask()
    assert maker.progress() == Progress()


def test_a_model_that_cannot_be_loaded_ends_the_build_with_its_message(
    workshop: Workshop, tmp_path: Path
) -> None:
    def loader(name: str) -> Embedder:
        raise ModelError("Its weights are not here.")

    workshop.make_maker(loader)
    ended = workshop.made(fill(tmp_path / "pictures", 3))
    assert (ended.state, ended.message) == ("failed", "Its weights are not here.")


def test_a_mistake_in_the_program_is_logged_and_reported_and_the_next_build_runs(
    workshop: Workshop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(name: str) -> Embedder:
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
    assert {name for name, _ in models} == set(MODELS)


# --- from uploaded pictures ----------------------------------------------------------------------


def test_uploaded_pictures_get_a_folder_and_their_sub_folders_are_labels(
    workshop: Workshop, home: Home
) -> None:
    files = pictures(12) | {".hidden/a.jpg": JPEG, "kind_0/.b.jpg": JPEG, "kind_0/notes.txt": b"x"}
    ended = workshop.made(workshop.uploaded(files))
    assert ended.report is not None
    folder = home.path / "datasets" / "uploaded" / "new"
    assert ended.report.manifest.source == str(folder)
    assert f"--images {folder} --name new --model mean_colour" in ended.report.manifest.command
    assert workshop.paths() == sorted(pictures(12))
    service = home.service()
    assert service.image("new", 0).labels == ("kind_0",)
    assert service.picture("new", 0)[0] == files["kind_0/00.jpg"]
    assert workshop.left() == [folder]  # nothing is left where they arrived


def test_equal_pictures_under_two_names_are_both_kept(workshop: Workshop) -> None:
    workshop.made(workshop.uploaded({"a.jpg": JPEG, "b.jpg": JPEG, "sub/a.jpg": JPEG}))
    assert workshop.paths() == ["a.jpg", "b.jpg", "sub/a.jpg"]


def test_a_folder_around_everything_is_no_label(workshop: Workshop, home: Home) -> None:
    workshop.made(
        workshop.uploaded({f"holiday/{name}": data for name, data in pictures(4).items()})
    )
    assert workshop.paths() == sorted(pictures(4))
    assert home.service().image("new", 0).labels == ("kind_0",)


BAD_NAMES = [
    "../a.jpg",
    "kind/../../a.jpg",
    "..\\a.jpg",
    "/etc/a.jpg",
    "\\\\host\\share\\a.jpg",
    "C:\\a.jpg",
    "c:/a.jpg",
    "a\0.jpg",
    "\ud800.jpg",
    "",
    ".",
    "/",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_uploaded_name_leads_out_of_the_folder(workshop: Workshop, name: str) -> None:
    assert "rename it" in workshop.failed(workshop.uploaded({"good.jpg": JPEG, name: JPEG}))


def test_names_that_exclude_each_other_are_refused(workshop: Workshop) -> None:
    twice = workshop.uploaded({"a/x.jpg": JPEG, "a//x.jpg": JPEG})
    assert "a/x.jpg twice" in workshop.failed(twice)
    both = workshop.uploaded({"a.jpg": JPEG, "a.jpg/x.jpg": JPEG})
    assert "a.jpg as a file and as a folder" in workshop.failed(both)


def test_uploads_without_a_picture_are_refused(workshop: Workshop) -> None:
    assert "holds no picture" in workshop.failed(workshop.uploaded({"notes.txt": b"x"}))
    assert "No picture of the 1 in" in workshop.failed(workshop.uploaded({"a.jpg": b"Dear Sir"}))


def test_an_upload_that_is_gone_is_named(workshop: Workshop) -> None:
    uploaded = workshop.uploaded({"a.jpg": JPEG, "b.jpg": JPEG})
    uploaded.files[1][0].unlink()
    assert "b.jpg" in workshop.failed(uploaded)


def test_other_pictures_in_the_folder_are_never_replaced(workshop: Workshop, home: Home) -> None:
    folder = fill(home.path / "datasets" / "uploaded" / "new", 3)
    before = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    ended = workshop.made(workshop.uploaded(pictures(3)))
    assert ended.state == "failed"
    assert str(folder) in ended.message
    assert "choose another name" in ended.message
    assert is_one_sentence(ended.message)
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == before
    assert workshop.left() == [folder]


def test_pictures_are_copied_where_disks_differ(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_disks(*arguments: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", two_disks)
    workshop.made(workshop.uploaded(pictures(4)))
    assert workshop.paths() == sorted(pictures(4))


def test_a_folder_that_cannot_be_written_is_reported(workshop: Workshop, home: Home) -> None:
    (home.path / "datasets").write_bytes(b"")  # a file in the way
    ended = workshop.made(workshop.uploaded(pictures(3)))
    assert ended.state == "failed"
    assert str(home.path / "datasets") in ended.message
    assert is_one_sentence(ended.message)


# --- from a ZIP ----------------------------------------------------------------------------------


def test_only_the_pictures_of_a_zip_are_unpacked(workshop: Workshop, home: Home) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.mkdir("empty")
        for name, data in pictures(6, "photos\\kind").items():  # as .NET once packed
            packed.writestr(zipfile.ZipInfo(name), data)
        packed.writestr("photos/kind_0/broken.jpg", b"Dear Sir or Madam,\n")
        packed.writestr("__MACOSX/photos/0.jpg", b"x")
        packed.writestr("photos/.hidden.jpg", JPEG)
        packed.writestr("photos/readme.txt", b"x" * 10_000)

    ended = workshop.made(workshop.archive(write))
    assert ended.report is not None
    assert [skip.path for skip in ended.report.skipped] == ["kind_0/broken.jpg"]
    assert workshop.paths() == sorted(pictures(6))
    folder = home.path / "datasets" / "uploaded" / "new"
    assert workshop.left() == [folder]
    assert not [path for path in folder.rglob("*") if path.suffix == ".txt"]
    assert home.service().image("new", 0).labels == ("kind_0",)


# The others zipfile itself does not pack as the name of a file.
@pytest.mark.parametrize("name", BAD_NAMES[:7])
def test_no_name_in_a_zip_leads_out_of_the_folder(workshop: Workshop, name: str) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.writestr("good.jpg", JPEG)
        packed.writestr(name, JPEG)

    assert "rename it" in workshop.failed(workshop.archive(write))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_a_zip_with_a_link_or_a_device_is_refused(workshop: Workshop, kind: int) -> None:
    def write(packed: zipfile.ZipFile) -> None:
        packed.writestr("good.jpg", JPEG)
        link = zipfile.ZipInfo("link.jpg")
        link.create_system = 3
        link.external_attr = (kind | 0o777) << 16
        packed.writestr(link, "/etc/passwd")

    assert "link.jpg" in workshop.failed(workshop.archive(write))


def changed(archive: Archive, change: Callable[[bytearray], None]) -> Archive:
    data = bytearray(archive.file.read_bytes())
    change(data)
    archive.file.write_bytes(data)
    return archive


def one(packed: zipfile.ZipFile) -> None:
    packed.writestr("a.jpg", JPEG)


CENTRAL = b"PK\x01\x02"


def test_an_encrypted_zip_is_refused(workshop: Workshop) -> None:
    def encrypt(data: bytearray) -> None:
        data[data.rindex(CENTRAL) + 8] |= 1

    assert "without a password" in workshop.failed(changed(workshop.archive(one), encrypt))


def test_a_zip_packed_in_a_rare_way_is_refused(workshop: Workshop) -> None:
    def compress_as_deflate64(data: bytearray) -> None:
        data[data.rindex(CENTRAL) + 10] = 9

    archive = changed(workshop.archive(one), compress_as_deflate64)
    assert "pack it as a plain ZIP" in workshop.failed(archive)


def test_other_files_than_zips_are_refused(workshop: Workshop) -> None:
    for data in (b"", JPEG, b"PK\x05\x06", b"Rar!\x1a\x07\x01\x00"):
        file = workshop.arrived / "upload-zip"
        file.write_bytes(data)
        assert "is not a ZIP archive" in workshop.failed(Archive(file, "holiday.zip"))


def test_a_damaged_or_truncated_zip_is_refused(workshop: Workshop) -> None:
    def damage(data: bytearray) -> None:
        data[60] ^= 0xFF

    def cut_off(data: bytearray) -> None:
        del data[len(data) // 2 :]

    for change in (damage, cut_off):
        archive = changed(workshop.archive(one), change)
        assert "or a damaged one" in workshop.failed(archive)


def test_a_zip_without_a_picture_is_refused(workshop: Workshop) -> None:
    assert "holds no picture" in workshop.failed(workshop.archive(lambda packed: None))
    hidden = workshop.archive(lambda packed: packed.writestr(".a.jpg", JPEG))
    assert "holiday.zip holds no picture" in workshop.failed(hidden)


def unpack(archive: Archive, folder: Path, **options: Any) -> None:
    uploads.unpack(
        archive.file,
        archive.name,
        folder,
        suffixes=SUFFIXES,
        on_progress=lambda stage, done, total: None,
        **options,
    )


def test_a_zip_that_would_fill_the_disk_is_refused_before_it_is_unpacked(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = workshop.archive(lambda packed: packed.writestr("a.bmp", bytes(5_000_000)))
    assert bomb.file.stat().st_size < 10_000
    with pytest.raises(DatasetError, match=r"holiday\.zip.*fewer pictures") as refusal:
        unpack(bomb, tmp_path / "new", most_bytes=4_000_000)
    assert is_one_sentence(str(refusal.value))
    free = SimpleNamespace(free=14_000_000)  # some of it always stays free
    monkeypatch.setattr("shutil.disk_usage", lambda path: free)
    with pytest.raises(StorageError, match=r"5 MB.*14 MB.*make room"):
        unpack(bomb, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_zip_that_holds_more_than_it_declares_is_refused(
    workshop: Workshop, tmp_path: Path
) -> None:
    def understate(data: bytearray) -> None:
        at = data.rindex(CENTRAL) + 24
        data[at : at + 4] = (1000).to_bytes(4, "little")

    bomb = workshop.archive(lambda packed: packed.writestr("a.bmp", bytes(5_000_000)))
    assert "or a damaged one" in workshop.failed(changed(bomb, understate))


def test_bytes_are_counted_while_they_are_unpacked(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    def endless(*arguments: object) -> bytes:
        reads.append(1)
        return bytes(1000)

    monkeypatch.setattr(zipfile.ZipExtFile, "read", endless)
    with pytest.raises(DatasetError, match=r"holiday\.zip"):
        unpack(workshop.archive(one), tmp_path / "new")
    assert len(reads) <= 1 + len(JPEG) // 1000 + 1
    assert not (tmp_path / "new").exists()


def test_any_zip_gives_a_folder_or_one_sentence(workshop: Workshop, tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(3):
            packed.writestr(f"a/{number}.jpg", bytes(range(256)) * number)
    good, chance = file.getvalue(), random.Random(1)
    archive = Archive(workshop.arrived / "upload-zip", "holiday.zip")
    messages = []
    for turn in range(1500):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        archive.file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        folder = tmp_path / "out" / str(turn)
        try:
            unpack(archive, folder)
        except AppError as exc:
            messages.append(str(exc))
            assert not folder.exists()
    assert len(messages) > 500
    assert all(map(is_one_sentence, messages))
    assert not list((tmp_path / "out").glob(".*"))
