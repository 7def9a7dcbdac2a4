"""A build can stop anywhere and goes on; what it ends with is the same as without the stop."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.build.build import BuildReport, BuildRequest, build, build_gallery
from app.embed import Embedder, model_named
from app.embed.runtimes.mean_colour import MeanColourRuntime
from app.errors import DatasetError, ModelError, NotFoundError, StorageError, UsageError
from app.gallery import Draft, Gallery, gallery_names
from app.images import decode
from app.index import SearchEffort, VectorIndex
from app.sources.own import open_folder
from app.values import ImageRecord, Skipped
from tests.conftest import ROOT, Home, encoded, fill, mean_colour, picture

BATCH = MeanColourRuntime.batch


class StoppedError(Exception):
    """Something no build expects."""


class CountingRuntime(MeanColourRuntime):
    """Counts its batches, and fails in place of the one numbered `fails_at`."""

    def __init__(self, fails_at: int | None = None, error: BaseException | None = None) -> None:
        self.batches = 0
        self._fails_at = fails_at
        self._error = error or StoppedError()
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._lock:
            if self.batches == self._fails_at:
                raise self._error
            self.batches += 1
        return super().run(batch)


def build_with(
    runtime: MeanColourRuntime, home: Home, images: Path, name: str = "mine", **options: object
) -> BuildReport:
    arguments: dict[str, object] = {
        "index": "IVF100,SQ8",
        "limit": None,
        "request": {"images": "/pictures"},
        "workers": 1,
        "on_progress": lambda stage, done, total: None,
    }
    return build_gallery(
        open_folder(images, name),
        Embedder(model_named("mean_colour"), runtime, weights_sha256=""),
        folders=home.folders(name),
        **(arguments | options),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Content:
    """All that a gallery says, but for when it was made."""

    images: list[ImageRecord]
    labels: list[tuple[str, ...]]
    thumbnails: list[bytes]
    vectors: bytes
    found: list[list[int]]
    index: tuple[str, int, int, float, float]
    skipped: int


def open_index(gallery: Gallery) -> VectorIndex:
    manifest = gallery.manifest
    return VectorIndex(
        vectors=gallery.vectors_path,
        shortlist=gallery.shortlist_path,
        effort=SearchEffort(manifest.probes, manifest.candidates),
    )


def content(home: Home, name: str = "mine") -> Content:
    gallery = Gallery(home.folders(name))
    manifest = gallery.manifest
    rows = np.arange(manifest.images)
    index = open_index(gallery)
    vectors = index.vectors(rows)
    try:
        return Content(
            gallery.images(rows.tolist()),
            gallery.labels_by_row(),
            [gallery.thumbnail(row) for row in rows.tolist()],
            vectors.tobytes(),
            index.search(vectors[:10], 20).rows.tolist(),
            (
                manifest.index,
                manifest.probes,
                manifest.candidates,
                manifest.recall_raw,
                manifest.recall_reranked,
            ),
            manifest.skipped,
        )
    finally:
        gallery.close()


def done_in_draft(home: Home, name: str = "mine") -> int:
    """Return how many pictures the draft of a build has kept."""
    database = sqlite3.connect(home.folders(name).indexes / "building" / "gallery.db")
    try:
        return int(database.execute("SELECT pictures FROM progress").fetchone()[0])
    finally:
        database.close()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred pictures, among them three that cannot be read."""
    folder = fill(tmp_path_factory.mktemp("images"), 97)
    (folder / "kind_1" / "00000.jpg").write_bytes(b"")
    (folder / "kind_3" / "text.jpg").write_text("a shopping list")
    (folder / "zzz.png").write_bytes(encoded(picture(1), "PNG")[:-60])
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What a build of `images` that nothing disturbs ends with."""
    home = Home(tmp_path_factory.mktemp("whole"))
    build_with(CountingRuntime(), home, images)
    return content(home)


# A whole build


def test_a_build_says_what_it_did(home, images):
    told: list[tuple[str, int, int]] = []
    report = build_with(
        CountingRuntime(), home, images, on_progress=lambda *what: told.append(what), source="here"
    )

    manifest = report.manifest
    assert [stage for stage, _, _ in told if stage != "embed"] == ["list", "train", "measure"]
    counts = [(done, total) for stage, done, total in told if stage == "embed"]
    assert counts[0] == (0, 100)
    assert counts[-1] == (100, 100)
    assert counts == sorted(counts)
    assert (manifest.name, manifest.data, manifest.source) == ("mine", "mine", "here")
    assert (manifest.model, manifest.dim) == ("mean_colour", 48)
    assert manifest.request == {"images": "/pictures"}
    assert manifest.command == "python3 create_index.py --images /pictures"
    assert (manifest.images, manifest.skipped, report.embedded) == (97, 3, 100)
    assert (manifest.index_asked, manifest.index) == ("IVF100,SQ8", "IVF2,SQ8")
    assert manifest.recall_reranked >= 0.97
    assert manifest.recall_queries > 40
    assert manifest.notes == ("97 images fill 2 cells, not 100: the index is IVF2,SQ8",)
    assert set(manifest.versions) == {"faiss-cpu", "numpy", "openvino", "pillow"}
    assert set(manifest.files) == {"vectors", "shortlist", "thumbnails"}
    assert report.images_per_second > 0
    assert report.seconds >= report.seconds_embedding > 0


def test_a_picture_is_found_by_the_vector_that_a_query_of_its_file_gets(home, images):
    build_with(CountingRuntime(), home, images)
    gallery = Gallery(home.folders("mine"))
    index = open_index(gallery)
    embedder = mean_colour()
    for record in gallery.images(range(0, 97, 8)):
        data = (images / record.path).read_bytes()
        query = embedder.embed([decode.decode(data, min_side=embedder.decoded_side)])
        found = index.search(query, 1)
        assert found.rows[0, 0] == record.id
        assert found.scores[0, 0] == pytest.approx(1, abs=1e-3)
    gallery.close()


def test_the_same_pictures_give_the_same_gallery_twice(home, images, whole):
    build_with(CountingRuntime(), home, images, workers=4)
    assert content(home) == whole
    build_with(CountingRuntime(), home, images, workers=3)
    assert content(home) == whole


def test_rows_are_in_the_order_of_the_paths(whole):
    paths = [image.path for image in whole.images]
    assert paths == sorted(paths)
    assert [image.id for image in whole.images] == list(range(97))
    assert whole.labels == [(path.split("/")[0],) for path in paths]


def test_unreadable_pictures_are_skipped_and_listed_with_reasons(home, images):
    report = build_with(CountingRuntime(), home, images)
    reasons = {skip.path: skip.reason for skip in report.skipped}
    words = {
        "kind_1/00000.jpg": "empty",
        "kind_3/text.jpg": "not a picture",
        "zzz.png": "broken|cut|damaged|truncated",
    }
    assert list(reasons) == list(words)
    for path, word in words.items():
        assert re.search(word, reasons[path]), reasons[path]
        assert reasons[path].endswith(".")


def test_a_name_that_is_no_text_costs_its_own_file_only(home, tmp_path):
    fill(tmp_path / "pictures", 3)
    try:
        name = os.fsdecode(b"caf\xe9.png")
        (tmp_path / "pictures" / name).write_bytes(encoded(picture(1)))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    report = build_with(MeanColourRuntime(), home, tmp_path / "pictures")
    assert report.skipped == (Skipped("caf\\udce9.png", "Its name is not valid UTF-8: rename it."),)
    assert report.manifest.images == 3


def test_a_picture_that_goes_away_during_the_build_is_skipped_with_the_reason(home, tmp_path):
    pictures = fill(tmp_path / "images", 20)

    def take_one_away(stage: str, done: int, total: int) -> None:
        if stage == "embed":
            (pictures / "kind_4" / "00019.jpg").unlink(missing_ok=True)

    report = build_with(CountingRuntime(), home, pictures, on_progress=take_one_away)

    assert report.skipped == (
        Skipped("kind_4/00019.jpg", "It cannot be read: No such file or directory."),
    )
    assert report.manifest.images == 19


def test_when_no_picture_can_be_read_there_is_no_gallery_and_mended_ones_are_read(home, tmp_path):
    broken = tmp_path / "images"
    broken.mkdir()
    for number in range(20):
        (broken / f"{number:02}.jpg").write_text("a shopping list")
    with pytest.raises(DatasetError, match=r"No picture of the 20 in .* can be read, the first"):
        build_with(CountingRuntime(), home, broken)
    assert gallery_names(home.path / "indexes") == []
    assert not home.folders("mine").features.exists()

    for number in range(20):
        (broken / f"{number:02}.jpg").write_bytes(encoded(picture(number)))
    assert build_with(CountingRuntime(), home, broken).manifest.images == 20


def test_a_limit_takes_the_first_pictures_only(home, images, whole):
    report = build_with(CountingRuntime(), home, images, limit=21)
    assert report.manifest.images == 21 - report.manifest.skipped
    assert content(home).images == whole.images[: report.manifest.images]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(home, images, limit):
    with pytest.raises(UsageError, match=f"The limit must be 1 or more, not {limit}"):
        build_with(CountingRuntime(), home, images, limit=limit)
    assert not home.path.exists()


@pytest.mark.parametrize("count", [1, 2, 5, 38, 39, 255, 256])
def test_a_gallery_too_small_for_its_index_gets_a_smaller_one_and_says_so(home, tmp_path, count):
    report = build_with(
        CountingRuntime(), home, fill(tmp_path / "images", count), index="IVF100,PQ8"
    )
    manifest = report.manifest
    if count < 256:
        assert manifest.index == "Flat"
        assert manifest.notes == (
            f"{count} images are too few for IVF100,PQ8: they are searched exactly",
        )
        assert "shortlist" not in manifest.files
    else:
        assert manifest.index == "IVF6,PQ8"
        assert manifest.notes[0].startswith("256 images fill 6 cells, not 100")
    gallery = Gallery(home.folders("mine"))
    index = open_index(gallery)
    vectors = index.vectors(np.arange(count))
    found = index.search(vectors, 100)
    assert found.rows.shape == (count, min(count, 100))
    assert all(len(set(rows)) == len(rows) for rows in found.rows.tolist())
    assert found.rows[:, 0].tolist() == list(range(count))
    assert found.rows.min() == 0
    gallery.close()


# Stopped in the middle


@pytest.mark.parametrize("fails_at", [0, 1, 6, 12])
def test_after_an_error_the_next_run_embeds_only_what_was_not_done(home, images, whole, fails_at):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(fails_at), home, images)
    assert done_in_draft(home) == fails_at * BATCH
    assert gallery_names(home.path / "indexes") == []

    rest = CountingRuntime()
    told: list[tuple[str, int, int]] = []
    report = build_with(rest, home, images, on_progress=lambda *what: told.append(what))

    assert rest.batches == 13 - fails_at  # a hundred pictures are thirteen batches
    assert told[1] == ("embed", fails_at * BATCH, 100)
    assert report.embedded == 100 - fails_at * BATCH
    assert content(home) == whole


def test_a_build_stopped_again_and_again_gets_there(home, images, whole):
    batches = 0
    for _ in range(20):
        runtime = CountingRuntime(fails_at=2)
        try:
            build_with(runtime, home, images)
        except StoppedError:
            batches += runtime.batches
        else:
            break
    assert batches + runtime.batches == 13
    assert content(home) == whole


@pytest.mark.parametrize("stage", ["train", "measure"])
def test_after_a_stop_behind_the_embedding_nothing_is_embedded_again(home, images, whole, stage):
    def stop(at: str, done: int, total: int) -> None:
        if at == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_with(CountingRuntime(), home, images, on_progress=stop)
    rest = CountingRuntime()
    build_with(rest, home, images)
    assert rest.batches == 0
    assert content(home) == whole


def test_a_stopped_build_may_go_on_with_another_index(home, images):
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "measure":
            raise StoppedError

    with pytest.raises(StoppedError):
        build_with(CountingRuntime(), home, images, on_progress=stop)
    rest = CountingRuntime()
    manifest = build_with(rest, home, images, index="Flat").manifest
    assert (rest.batches, manifest.index, set(manifest.files)) == (
        0,
        "Flat",
        {"vectors", "thumbnails"},
    )


class Bf16Runtime(CountingRuntime):
    precision = "bf16"


def test_a_stopped_build_in_another_precision_is_not_gone_on_with(home, images):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(6), home, images)
    all_anew = Bf16Runtime()
    assert build_with(all_anew, home, images).manifest.precision == "bf16"
    assert all_anew.batches == -(-100 // BATCH)


def test_a_stopped_build_of_other_pictures_is_not_gone_on_with(home, images, tmp_path):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(6), home, images)
    others = CountingRuntime()
    report = build_with(others, home, fill(tmp_path / "others", 30, first=7000))
    assert (others.batches, report.manifest.images) == (4, 30)
    assert all(int(image.path[-9:-4]) >= 7000 for image in content(home).images)


def test_a_network_that_gives_no_numbers_stops_the_build_which_goes_on(home, images, whole):
    class Broken(MeanColourRuntime):
        def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
            return super().run(batch) * np.float32("nan")

    with pytest.raises(ModelError, match="weights are damaged"):
        build_with(Broken(), home, images)
    build_with(CountingRuntime(), home, images)
    assert content(home) == whole


def test_after_an_interrupt_the_batches_that_wait_are_not_embedded(home, images, monkeypatch):
    runtime = CountingRuntime()
    add = Draft.add

    def interrupt(draft: Draft, *arguments: object) -> None:
        add(draft, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(Draft, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_with(runtime, home, images)
    assert done_in_draft(home) == BATCH
    assert runtime.batches <= 4  # of thirteen: the one kept, and those already under way


def test_a_second_build_is_refused_while_the_first_goes_on(home, images, whole):
    refused: list[str] = []

    def start_another(stage: str, done: int, total: int) -> None:
        if stage in ("embed", "train", "measure"):
            with pytest.raises(UsageError, match="Another build of mine is running") as second:
                build_with(CountingRuntime(), home, images)
            refused.append(str(second.value))

    build_with(CountingRuntime(), home, images, on_progress=start_another)

    assert len(refused) >= 4
    assert content(home) == whole


# Stopped from outside


@contextlib.contextmanager
def children_on_one_core() -> Iterator[None]:
    """Keep a machine of many cores from ending a build before it can be stopped."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Program:
    """`create_index.py` as a process of its own."""

    def __init__(self, home: Home, *arguments: object) -> None:
        with children_on_one_core():
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "create_index.py", *map(str, arguments)],
                env=os.environ | {"RIS_HOME": str(home.path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Where the tests run in the background, Ctrl-C is ignored, and that is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self._said = b""

    def wait_for_progress(self) -> None:
        """Return when its progress bar shows that something is done, but not all."""
        assert self.process.stderr is not None
        while not re.search(rb"[1-9][0-9]*/[0-9]+ \[", self._said):
            said = os.read(self.process.stderr.fileno(), 4096)
            assert said, f"it ended before: {self._said.decode()}"
            self._said += said

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit status and all of stderr when it has ended."""
        self.process.send_signal(number)
        _, said = self.process.communicate()
        return self.process.returncode, (self._said + said).decode()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start_it(home: Home, *arguments: object) -> Program:
        programs.append(Program(home, *arguments))
        return programs[-1]

    yield start_it
    for program in programs:
        program.process.kill()
        program.process.communicate()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hundred pictures that take a while."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(400):
        place = folder / f"kind_{number % 7}"
        place.mkdir(exist_ok=True)
        (place / f"{number:05}.jpg").write_bytes(encoded(picture(number, (400, 300))))
    return folder


@pytest.fixture(scope="module")
def whole_of_many(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    home = Home(tmp_path_factory.mktemp("whole"))
    build_with(CountingRuntime(), home, many, index="IVF100,PQ8")
    return content(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_ctrl_c_or_kill_the_next_run_goes_on(home, many, whole_of_many, start, number):
    program = start(home, "--images", many, "--name", "mine", "--model", "mean_colour")
    program.wait_for_progress()
    status, said = program.stop(number)

    if number == signal.SIGINT:
        assert status == 130
        assert said.endswith(
            "\nStopped. What is done is kept: the same command goes on from there.\n"
        )
        assert "Traceback" not in said
    else:
        assert status == -signal.SIGKILL
    done = done_in_draft(home)
    assert 0 < done < 400
    assert gallery_names(home.path / "indexes") == []

    rest = CountingRuntime()
    report = build_with(rest, home, many, index="IVF100,PQ8")

    assert report.embedded == 400 - done
    assert rest.batches == (400 - done) // BATCH, "a batch that was kept is embedded again"
    assert content(home) == whole_of_many


def test_the_gallery_that_was_there_stays_while_its_rebuild_is_killed(
    home, images, whole, many, start
):
    build_with(CountingRuntime(), home, images)
    program = start(home, "--images", many, "--name", "mine", "--model", "mean_colour", "--force")
    program.wait_for_progress()
    assert content(home) == whole, "while it is built anew"
    program.stop(signal.SIGKILL)
    assert content(home) == whole
    assert done_in_draft(home) > 0


# No room, no folder


# Files cannot grow beyond `room` bytes, which ends as a full disk does, in the middle of a write.
_WITH_LITTLE_ROOM = """
import resource, sys
from app.doors.cli import create_index
room = 300
while True:
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    sys.stderr.write(f"--- {room}\\n")
    code = create_index(sys.argv[1:])
    sys.stderr.write(f"=== {code}\\n")
    if code != 7:
        sys.exit(code)
    room = room * 5 // 4
"""

_WITH_LITTLE_ROOM_LATER = """
import resource, sys
from pathlib import Path
from app.errors import StorageError
from tests.conftest import Home
home, images = Home(Path(sys.argv[1])), Path(sys.argv[2])
no_limit = resource.RLIM_INFINITY
for stage in ("train", "measure"):
    for room in (0, 1_000, 5_000, 8_000, 11_000, 20_000, 30_000, 40_000, 60_000):
        begun = []
        def on_progress(at, done, total):
            if at == "embed":
                begun.append(done)
            if at == stage:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, no_limit))
        try:
            home.build(images, index="IVF100,SQ8", on_progress=on_progress)
            print(stage, begun[0], "ended", flush=True)
            break
        except StorageError as exc:
            resource.setrlimit(resource.RLIMIT_FSIZE, (no_limit, no_limit))
            print(stage, begun[0], exc, flush=True)
"""


def run_script(script: str, home: Home, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ
        | {"RIS_HOME": str(home.path), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_says_that_there_is_no_room(said: str, home: Home) -> None:
    assert said.startswith(str(home.path)), said
    assert "cannot be written" in said
    assert said.endswith("what is done is kept.")


def test_with_too_little_room_a_build_stops_with_one_sentence_and_goes_on_with_more(
    home, images, whole
):
    command = ("--images", images, "--name", "mine", "--model", "mean_colour")
    run = run_script(_WITH_LITTLE_ROOM, home, *command, "--index", "IVF100,SQ8")

    assert run.returncode == 0, run.stderr
    tries = re.findall(r"^--- \d+\n(.*?)^=== (\d)$", run.stderr, flags=re.DOTALL | re.MULTILINE)
    assert len(tries) > 10
    for said, code in tries[:-1]:
        assert code == "7"
        assert_says_that_there_is_no_room(said.splitlines()[-1], home)
        assert "Traceback" not in said
    gone_on = [int(done) for done in re.findall(r"Going on after (\d+) of 100", run.stderr)]
    assert gone_on == sorted(gone_on)
    assert 0 < gone_on[0] < 100
    assert content(home) == whole


def test_room_that_ends_behind_the_embedding_costs_no_embedding(home, images, whole):
    run = run_script(_WITH_LITTLE_ROOM_LATER, home, home.path, images)

    assert run.returncode == 0, run.stderr
    tries = [line.split(" ", 2) for line in run.stdout.splitlines()]
    for stage in ("train", "measure"):
        (_, begun, _), *rest = [each for each in tries if each[0] == stage]
        assert begun == "0"
        assert len(rest) > 2
        assert {begun for _, begun, _ in rest} == {"100"}, "pictures were embedded again"
    for _, _, said in tries:
        if said != "ended":
            assert_says_that_there_is_no_room(said, home)
    assert content(home) == whole


def test_a_disk_without_enough_room_is_seen_before_the_work(home, images, whole, monkeypatch):
    free = 1_000_000
    monkeypatch.setattr(
        "app.build.commit.shutil.disk_usage", lambda path: SimpleNamespace(free=free)
    )
    runtime = CountingRuntime()
    with pytest.raises(StorageError) as refused:
        build_with(runtime, home, images)
    assert re.fullmatch(
        rf"{re.escape(str(home.folders('mine').indexes))} needs about 1 MB and has 1 MB free: "
        r"make room, then run the same command again\.",
        str(refused.value),
    )
    assert runtime.batches == 0
    assert gallery_names(home.path / "indexes") == []

    free = 2_000_000
    build_with(runtime, home, images)
    assert content(home) == whole


def test_less_room_is_needed_for_what_is_left(home, images, monkeypatch):
    with pytest.raises(StoppedError):
        build_with(CountingRuntime(12), home, images)
    monkeypatch.setattr(
        "app.build.commit.shutil.disk_usage", lambda path: SimpleNamespace(free=800_000)
    )
    build_with(CountingRuntime(), home, images)


@pytest.mark.parametrize("blocked", ["features", "indexes", "features/mine", "indexes/mine"])
def test_a_folder_that_cannot_be_made_is_named(home, images, blocked):
    (home.path / blocked).parent.mkdir(parents=True)
    (home.path / blocked).write_text("a file where the folder should be")
    runtime = CountingRuntime()
    with pytest.raises(StorageError) as refused:
        build_with(runtime, home, images)
    assert str(refused.value).startswith(str(home.path / blocked))
    assert "\n" not in str(refused.value)
    assert runtime.batches == 0
    (home.path / blocked).unlink()
    build_with(runtime, home, images)


# What is asked for


def ask(home: Home, **changes: object) -> BuildReport:
    request: dict[str, object] = {
        "data": None,
        "images": None,
        "name": None,
        "model": "mean_colour",
        "index": "IVF100,PQ8",
        "limit": None,
        "force": False,
    }
    return build(
        BuildRequest(**(request | changes)),  # type: ignore[arg-type]
        datasets_dir=home.path / "datasets",
        features_dir=home.path / "features",
        indexes_dir=home.path / "indexes",
        load_embedder=lambda name: mean_colour(),
        workers=1,
        on_progress=lambda stage, done, total: None,
    )


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": "caltek"}, NotFoundError, "choose one of caltech, caltech101, coco, market"),
        ({"data": "coco"}, DatasetError, "data_download.sh coco"),
        ({"model": "vgg"}, UsageError, "There is no model 'vgg': choose one of resnet50"),
        ({"name": None}, UsageError, "add --name NAME"),
        ({"name": "../x"}, UsageError, "A gallery cannot be called '../x'"),
        ({"index": "IVF100,PQ7"}, UsageError, "The index 'IVF100,PQ7' cannot be made"),
        ({"images": Path("/nowhere")}, DatasetError, "/nowhere does not exist"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_written(
    home, images, changes, error, message
):
    asked = {"images": images, "name": "mine"}
    if "data" in changes:
        asked = {}
    with pytest.raises(error, match=re.escape(message)):
        ask(home, **(asked | changes))
    assert not home.path.exists()


def test_an_existing_gallery_is_replaced_only_when_forced(home, images, tmp_path):
    ask(home, images=images, name="mine")
    before = content(home)
    other = fill(tmp_path / "other", 10, first=300)
    with pytest.raises(UsageError, match="The gallery mine exists already: add --force"):
        ask(home, images=other, name="mine")
    assert content(home) == before
    assert ask(home, images=other, name="mine", force=True).manifest.images == 10


def test_a_data_set_s_gallery_is_called_after_it_and_the_model(home):
    for number in range(3):
        place = home.path / "datasets" / "caltech101" / "ant"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"image_{number:04}.jpg").write_bytes(encoded(picture(number)))
    manifest = ask(home, data="caltech").manifest
    assert (manifest.name, manifest.data, manifest.source) == (
        "caltech101-mean_colour",
        "caltech101",
        "",
    )
    assert ask(home, data="caltech101", name="ants").manifest.name == "ants"


def test_a_model_that_cannot_run_leaves_nothing_behind(home, images):
    def refuse(name: str) -> Embedder:
        raise ModelError("no weights")

    with pytest.raises(ModelError):
        build(
            BuildRequest(None, images, "mine", "mean_colour", "Flat", None, False),
            datasets_dir=home.path / "datasets",
            features_dir=home.path / "features",
            indexes_dir=home.path / "indexes",
            load_embedder=refuse,
            workers=1,
            on_progress=lambda stage, done, total: None,
        )
    assert not home.path.exists()
