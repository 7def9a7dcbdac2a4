"""A lock keeps a second run out; where the file system has none, one sentence says so."""

import errno
import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from app.build.build import BuildReport
from app.doors.running import announced, servers_of
from app.errors import StorageError, UsageError
from app.gallery import discard_draft, files
from app.sources.downloads import download
from app.sources.folder import new_folder
from app.values.locks import locked
from tests.commands import Run
from tests.conftest import Home, fill, is_one_sentence

REFUSALS = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP]


def refuse_locks(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOLCK) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_lock_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    busy = UsageError("wait for it")
    for _ in range(2):
        with locked(tmp_path / "lock", busy=busy):
            with (
                pytest.raises(UsageError, match="wait for it"),
                locked(tmp_path / "lock", busy=busy),
            ):
                pass
            with locked(tmp_path / "other", busy=busy):
                pass


@pytest.mark.parametrize("number", REFUSALS)
def test_a_file_system_without_locks_is_named_and_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse_locks(monkeypatch, number)
    with (
        pytest.raises(StorageError) as refusal,
        locked(tmp_path / "lock", busy=UsageError("busy")),
    ):
        pass
    message = str(refusal.value)
    assert is_one_sentence(message)
    assert all(words in message for words in (str(tmp_path), "no locks", "RIS_HOME"))
    assert "make room" not in message


def test_any_other_failure_is_left_to_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lock = locked(tmp_path / "file" / "lock", busy=UsageError("busy"))
    with pytest.raises(OSError, match=r"Not a directory|File exists"), lock:
        pass


def test_nothing_is_written_where_locks_are_refused_and_the_gallery_opens_all_the_same(
    run: Run, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = fill(tmp_path / "pictures", 3)

    def build() -> BuildReport:
        return home.build(pictures)

    build()
    refuse_locks(monkeypatch)
    for change in (
        build,
        lambda: discard_draft(home.folders("mine")),
        lambda: download([], tmp_path / "shop", fetch=bytes, on_progress=print),
        lambda: new_folder(tmp_path / "new").__enter__(),
    ):
        with pytest.raises(StorageError, match="gives no locks"):
            change()
    assert home.service().gallery("mine").images == 3
    code, _, err = run("--images", pictures, "--name", "mine", "--model", "mean_colour", "--force")
    assert (code, "gives no locks" in err) == (7, True), err


def test_a_gallery_is_read_without_a_lock(home: Home, tmp_path: Path) -> None:
    home.build(fill(tmp_path / "pictures", 3))
    file = home.folders("mine").indexes / "1" / "items.db"
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    reader = files.open_read_only(file, mend="")
    assert reader.execute("SELECT count(*) FROM image").fetchone() == (3,)
    reader.close()
    writer.close()


def test_a_server_starts_where_the_cache_has_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_locks(monkeypatch)
    with announced("http://127.0.0.1:1", home=tmp_path, cache_dir=tmp_path):
        assert servers_of(tmp_path, tmp_path) == []
    assert list((tmp_path / "servers").iterdir()) == []
