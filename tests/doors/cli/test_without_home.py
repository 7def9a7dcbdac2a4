"""A user whom the system does not know, without HOME, as a container may be given one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Home, encoded, fill, picture
from tests.doors.conftest import free_port

# What Docker's --user 12345 does: no HOME, and no entry of the user in the system's list.
UNKNOWN = """
import os, pwd, sys
def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = getpwuid
from app.doors.cli import ris
sys.exit(ris())
"""


def started(*arguments: object, **environ: object) -> subprocess.Popen[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RIS_", "XDG_"))}
    kept.pop("HOME", None)
    return subprocess.Popen(
        [sys.executable, "-c", UNKNOWN, *map(str, arguments)],
        cwd=ROOT,
        env=kept | {key: str(value) for key, value in environ.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer_of(*arguments: object, **environ: object) -> tuple[int, str, str]:
    with started(*arguments, **environ) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.fixture
def places(home: Home, tmp_path: Path) -> dict[str, object]:
    home.build(fill(home.path / "pictures", 12), "mine")
    return {"RIS_HOME": home.path, "RIS_CACHE_DIR": tmp_path / "cache"}


def test_the_help_is_shown() -> None:
    code, out, err = answer_of("--help")
    assert (code, "search" in out, err) == (0, True, "")


def test_a_search_needs_no_home_folder(places: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "query.jpg"
    file.write_bytes(encoded(picture(1)))
    code, out, err = answer_of("search", file, "--no-server", "-k", "1", "--paths", **places)
    assert (code, out.count("\n"), err) == (0, 1, "")


def test_the_server_starts(places: dict[str, object]) -> None:
    with started("serve", **places, PORT=free_port()) as process:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        process.terminate()
        process.wait(60)


def test_a_folder_that_is_not_set_is_named_in_one_sentence(places: dict[str, object]) -> None:
    code, out, err = answer_of("galleries", RIS_HOME=places["RIS_HOME"])
    assert (code, out) == (2, "")
    assert "RIS_CACHE_DIR" in err
    assert err.count("\n") == 1
