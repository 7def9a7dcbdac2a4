"""A file is replaced whole or not at all, and known by its content."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.values.files import replacing, sha256_of


def test_the_hash_is_that_of_the_whole_content(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_a_file_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("n")
        assert path.read_text() == "old"
        new.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, ValueError])
def test_a_file_that_could_not_be_written_stays_as_it_was(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as new:
            new.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "gone" / "a") as new:
        new.write_text("x")


def test_threads_that_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with replacing(tmp_path / "a") as new:
            new.write_text(text * 10_000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, "abcdefgh" * 20))
    assert len(set((tmp_path / "a").read_text())) == 1
    assert (tmp_path / "a").stat().st_size == 10_000


def test_processes_of_one_number_do_not_mix_as_those_of_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each container's first process has the number 1, and they may share a folder."""
    monkeypatch.setattr("os.getpid", lambda: 1)
    with replacing(tmp_path / "a") as mine, replacing(tmp_path / "a") as other:
        assert mine != other
        mine.write_text("mine")
        other.write_text("other")
    assert (tmp_path / "a").read_text() == "mine"  # the last to end
    assert len(list(tmp_path.iterdir())) == 1
