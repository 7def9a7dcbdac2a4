"""A module of the program, run in a process of its own: what it imports and holds goes with it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import app
from app.errors import ModelError


def run_in_own_process(module: str, arguments: Sequence[str], *, failed: str) -> None:
    """Run a module with arguments, and wait for it.

    ModelError with its own sentence where it ends with that error, and else with `failed` and the
    last line that it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=Path(app.__file__).parents[1],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if done.returncode == ModelError.exit_code:
        raise ModelError(last)
    raise ModelError(f"{failed}: {last}")
