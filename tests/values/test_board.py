"""Work in the background of one process, as others see it that share a folder with it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.build.updates import BackgroundUpdates, UpdateProgress
from app.errors import BusyError
from app.search.background import BackgroundFinding, FindingProgress, restored
from app.search.duplicates import find_duplicates
from app.values.board import Board
from tests.conftest import Home, fill, is_one_sentence, picture


@dataclass(frozen=True)
class Steps:
    """Lets a job go on step by step."""

    begun: threading.Event
    go_on: threading.Event

    def work(self, name: str, *, on_progress: Callable[..., None], **_: Any) -> Any:
        on_progress("embed", 1, 2)
        self.begun.set()
        assert self.go_on.wait(60)
        on_progress("embed", 2, 2)

    def fail(self, name: str, **_: Any) -> Any:
        pytest.fail("nobody else may do it")


@pytest.fixture
def steps() -> Steps:
    return Steps(threading.Event(), threading.Event())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


def board_of(folder: Path) -> Board[UpdateProgress]:
    return Board(folder, UpdateProgress)


@pytest.fixture
def mine(folder: Path, steps: Steps) -> BackgroundUpdates:
    return BackgroundUpdates(steps.work, board_of(folder))


@pytest.fixture
def other(folder: Path, steps: Steps) -> BackgroundUpdates:
    """What another process has: it shares the folder alone."""
    return BackgroundUpdates(steps.fail, board_of(folder))


def test_another_process_sees_what_is_done_and_does_not_do_it_too(
    mine: BackgroundUpdates, other: BackgroundUpdates, steps: Steps
) -> None:
    assert other.progress("mine").state == "idle"
    mine.start("mine")
    assert steps.begun.wait(60)
    assert other.progress("mine").state == "running"
    with pytest.raises(BusyError, match="mine"):
        other.start("mine")
    assert other.progress("another").state == "idle"
    steps.go_on.set()
    mine._threads["mine"].join(60)
    assert other.progress("mine") == mine.progress("mine")
    assert other.progress("mine").state == "done"


def test_another_process_stops_what_is_done(
    mine: BackgroundUpdates, other: BackgroundUpdates, steps: Steps
) -> None:
    mine.start("mine")
    assert steps.begun.wait(60)
    other.cancel("mine")
    steps.go_on.set()
    mine._threads["mine"].join(60)
    assert other.progress("mine").state == "stopped"
    # That was this one's end, and not that of the next.
    steps.begun.clear()
    mine.start("mine")
    mine._threads["mine"].join(60)
    assert other.progress("mine").state == "done"


def test_what_a_process_that_was_killed_has_left_is_called_stopped_and_can_begin_anew(
    mine: BackgroundUpdates, other: BackgroundUpdates, folder: Path, steps: Steps
) -> None:
    board_of(folder).write("mine", UpdateProgress("running", stage="embed", done=3, total=9))
    progress = other.progress("mine")
    assert (progress.state, progress.done, progress.total) == ("stopped", 3, 9)
    assert is_one_sentence(progress.message)
    steps.go_on.set()
    mine.start("mine")
    mine._threads["mine"].join(60)
    assert other.progress("mine").state == "done"


def test_what_is_known_of_a_gallery_that_is_gone_is_forgotten_everywhere(
    mine: BackgroundUpdates, other: BackgroundUpdates, steps: Steps
) -> None:
    steps.go_on.set()
    mine.start("mine")
    mine._threads["mine"].join(60)
    mine.forget("mine")
    assert other.progress("mine").state == "idle"


def test_a_file_that_is_none_of_this_version_is_passed_over(
    other: BackgroundUpdates, folder: Path
) -> None:
    folder.mkdir()
    for text in ("", "[]", '{"state": "unheard of"}', '{"state": 3}', "\x00"):
        (folder / "mine.json").write_text(text)
        assert other.progress("mine") == UpdateProgress()


def test_work_goes_on_where_its_progress_cannot_be_written(
    mine: BackgroundUpdates, folder: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    steps.go_on.set()
    mine.start("mine")
    mine._threads["mine"].join(60)
    assert mine._progress["mine"].state == "done"


def test_pairs_that_were_found_are_the_same_in_another_process(home: Home, folder: Path) -> None:
    pictures = fill(home.path / "pictures", 6)
    for seed in (1, 4):
        picture(seed).save(pictures / f"copy {seed}.png")
    (pictures / "same.jpg").write_bytes((pictures / "kind_2" / "00002.jpg").read_bytes())
    home.build(pictures, "mine")
    service = home.service()

    def find(name: str, on_progress: Any) -> Any:
        return find_duplicates(service._galleries.open(name).stored, on_progress)

    boards = [Board(folder, FindingProgress, restored=restored) for _ in range(2)]
    mine, other = (BackgroundFinding(find, board) for board in boards)
    mine.start("mine")
    while other.progress("mine").state != "done":
        pass
    found = other.progress("mine").found
    assert found is not None
    assert len(found.matches) >= 2
    expected = find("mine", lambda *_: None)
    assert found.duplicates().groups == expected.duplicates().groups
    assert other.start("mine").found == found  # what the last one has found is shown meanwhile
    other.close()
