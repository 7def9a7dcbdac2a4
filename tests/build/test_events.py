"""What changes in folders is passed on, and a system that follows no more of them says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LIMITED = """
import sys
from pathlib import Path
from app.build.events import FolderEvents, NotFollowedError

try:
    FolderEvents(print, print).follow([Path(sys.argv[1])])
except NotFollowedError as exc:
    print(exc)
"""

BESIDE_A_CLOSED_FOLDER = """
import os, tempfile, threading
from pathlib import Path
from app.build.events import FolderEvents

if os.geteuid() == 0:  # who may read everything
    os.setuid(65534)
with tempfile.TemporaryDirectory() as folder:
    open_ones = [Path(folder) / name / "deep" for name in "abcdefgh"]
    for each in open_ones:
        each.mkdir(parents=True)
    closed = Path(folder) / "lost+found"
    closed.mkdir()
    closed.chmod(0)
    seen, all_seen = set(), threading.Event()
    wanted = {str(each / "new") for each in open_ones}

    def take(paths):
        seen.update(paths)
        if wanted <= seen:
            all_seen.set()

    events = FolderEvents(take, print)
    events.follow([Path(folder)])
    for each in open_ones:
        (each / "new").touch()
    print(all_seen.wait(30))
    events.close()
"""


@pytest.mark.parametrize("limit", ["watches", "instances"])
def test_more_folders_than_the_system_follows_are_named_as_that(limit: str, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    inside = (
        f"echo {5 if limit == 'watches' else 0} > /proc/sys/user/max_inotify_{limit} || exit 77\n"
        'exec "$@"'
    )
    ended = python("unshare", "-Ur", "sh", "-c", inside, "sh", code=LIMITED, argument=tmp_path)
    if ended is None or ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("a namespace with a limit of its own cannot be made here")
    assert f"fs.inotify.max_user_{limit}" in ended.stdout, ended.stderr


def test_a_folder_that_may_not_be_read_leaves_the_others_followed() -> None:
    ended = python(code=BESIDE_A_CLOSED_FOLDER)
    assert ended
    assert ended.stdout == "True\n", ended.stderr


def python(
    *before: str, code: str, argument: Path = ROOT
) -> subprocess.CompletedProcess[str] | None:
    """Run Python in a process of its own; None where what comes before it is not there."""
    try:
        return subprocess.run(
            [*before, sys.executable, "-B", "-c", code, str(argument)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except FileNotFoundError:
        return None
