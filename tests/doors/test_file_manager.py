"""A file in the file manager: that file, and no shell; without a file manager one sentence."""

import os
import select
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from showinfm import showinfm

from app.doors.file_manager import show_file
from app.errors import UsageError
from tests.conftest import is_one_sentence

HOSTILE = "a 'b' \"c\" $(touch gone) `x`; & | %41 #1? \\ ü\udcff.jpg"

linux = pytest.mark.skipif(sys.platform != "linux", reason="a desktop of Linux is imitated")


@pytest.fixture
def nautilus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GNOME's file manager on a desktop without any other program: it writes down its arguments."""
    programs, written = tmp_path / "programs", tmp_path / "written"
    programs.mkdir()
    os.mkfifo(written)
    program = programs / "nautilus"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{written}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "GNOME")
    monkeypatch.setenv("DISPLAY", ":7")
    return written


@linux
# Nobody waits for a file manager, so it is still running when the library forgets it.
@pytest.mark.filterwarnings("ignore:subprocess [0-9]+ is still running:ResourceWarning")
def test_the_file_itself_is_selected_whatever_its_name(nautilus: Path, tmp_path: Path) -> None:
    (tmp_path / "target.jpg").touch()
    file = tmp_path / "pictures" / HOSTILE
    file.parent.mkdir()
    file.symlink_to("../target.jpg")  # it lies in the gallery's folder, and is shown there
    reading = os.open(nautilus, os.O_RDWR)
    try:
        show_file(file)
        assert select.select([reading], [], [], 60)[0]
        option, address = os.read(reading, 10_000).splitlines()
    finally:
        os.close(reading)
    assert option == b"--select"
    assert unquote_to_bytes(address) == b"file://" + os.fsencode(file)
    assert not (tmp_path / "pictures" / "gone").exists()


@linux
@pytest.mark.parametrize("without", ["a desktop", "a program"])
def test_without_a_file_manager_one_sentence_names_the_file(
    nautilus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    if without == "a desktop":
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    else:
        (tmp_path / "programs" / "nautilus").unlink()
    monkeypatch.setattr(showinfm, "show_in_file_manager", lambda address: pytest.fail("shown"))
    with pytest.raises(UsageError) as refusal:
        show_file(tmp_path / "a.jpg")
    assert "No file manager" in str(refusal.value)
    assert str(tmp_path / "a.jpg") in str(refusal.value)
    assert is_one_sentence(str(refusal.value))


@pytest.mark.parametrize("error", [OSError(8, "Exec format error"), Exception(), KeyError("x")])
def test_a_file_manager_that_does_not_start_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(address: str) -> None:
        raise error

    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(showinfm, "valid_file_manager", lambda: "nautilus")
    monkeypatch.setattr(showinfm, "show_in_file_manager", fail)
    with pytest.raises(UsageError) as refusal:
        show_file(tmp_path / "a.jpg")
    assert "did not start" in str(refusal.value)
    assert is_one_sentence(str(refusal.value))


def test_the_library_is_loaded_when_a_file_is_shown_and_not_before() -> None:
    loaded = "import sys, app, app.doors.server; sys.exit('showinfm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
