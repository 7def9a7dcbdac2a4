"""The command line → the time to its first answer, with a server and without one."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks.report import Report, at_most
from benchmarks.server_speed import running_server

_PROGRAM = Path(__file__).resolve().parents[1]
_PICTURE = "app/doors/page/examples/chelsea.jpg"
_ROUNDS = 9
_SEARCH = ("-m", "app", "search", _PICTURE, "--gallery", "caltech101-efficientnet_lite0")
_BARE = ("-c", "import openvino, faiss")


def measure(report: Report) -> None:
    """Time whole processes, by turns with the bare start that they are compared with; medians."""
    bare, alone = by_turns(_BARE, (*_SEARCH, "--no-server"))
    more = median(one - other for one, other in zip(alone, bare, strict=True))
    report.add(f"`import openvino, faiss`, median of {_ROUNDS}", f"{median(bare):.2f} s")
    report.add("`ris search FILE` without a server", f"{median(alone):.2f} s")
    report.add("the same beyond the import", f"{more:.2f} s", at_most(more, 2, "2 s"))
    with running_server():
        asked, by_id, helped = by_turns(
            _SEARCH, ("-m", "app", "search", "--id", "7"), ("-m", "app", "--help")
        )
    report.add(
        "`ris search FILE` when a server runs",
        f"{median(asked):.2f} s",
        at_most(median(asked), 0.3, "0.3 s"),
    )
    report.add("`ris search --id ID` when a server runs", f"{median(by_id):.2f} s")
    report.add("`ris --help`", f"{median(helped):.2f} s")


def by_turns(*commands: tuple[str, ...]) -> list[list[float]]:
    """Return the seconds of each command; the first round, which fills the caches, is left out."""
    spent: list[list[float]] = [[] for _ in commands]
    for number in tqdm(range(_ROUNDS + 1), desc="Asking", unit=" rounds", disable=None):
        for command, seconds in zip(commands, spent, strict=True):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *command], cwd=_PROGRAM, stdout=subprocess.DEVNULL, check=True
            )
            if number:
                seconds.append(time.perf_counter() - started)
    return spent
