"""A job → a process of its own, watched: its progress, its limits, and why it failed, in words."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

_ROOT = Path(__file__).resolve().parents[2]
_LOOK_EVERY_SECONDS = 0.1
_OVER_TIME = "stopped: {what} took longer than {seconds:g} s (--seconds)"
_OVER_MEMORY = "stopped: it took more than {gigabytes:g} GB of memory (--memory)"

OnEvent = Callable[[Mapping[str, Any]], None]


def run_job(
    job: Path, *, seconds: float, memory_bytes: int | None, errors: Path, on_event: OnEvent
) -> str:
    """Run the worker on a job's file; return '' if it did all, else why it failed, in words.

    `on_event` gets each JSON line that it reports. Building, and each search, may take `seconds`;
    the process may add `memory_bytes` to what the vectors take. What libraries print goes to
    `errors`.
    """
    with _worker(job, errors) as process:
        words = _watch(process, seconds=seconds, memory_bytes=memory_bytes, on_event=on_event)
        if words is None:
            words = _why_it_ended(process.wait(), errors)
    return words


@contextmanager
def _worker(job: Path, errors: Path) -> Iterator["subprocess.Popen[str]"]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        errors.open("w", encoding="utf-8") as printed,
        subprocess.Popen(
            [sys.executable, "-m", "lab.study.worker", str(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            text=True,
            # temporary files of a process that is killed go with the study's own
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(job.parent)},
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _watch(
    process: "subprocess.Popen[str]", *, seconds: float, memory_bytes: int | None, on_event: OnEvent
) -> str | None:
    """Return why the process was stopped or reports that it failed; None if it ended by itself."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    what, since = "building", time.monotonic()
    while True:
        try:
            line = lines.get(timeout=_LOOK_EVERY_SECONDS)
        except queue.Empty:
            if time.monotonic() - since > seconds:
                return _OVER_TIME.format(what=what, seconds=seconds)
            if memory_bytes is not None and _private_bytes(process.pid) > memory_bytes:
                return _OVER_MEMORY.format(gigabytes=memory_bytes / 1e9)
            continue
        if line is None:
            return None
        event = json.loads(line)
        if "failed" in event:
            return f"failed: {event['failed']}"
        what, since = "a search", time.monotonic()
        on_event(event)


def _read(stream: IO[str] | None, lines: "queue.Queue[str | None]") -> None:
    for line in stream or ():
        lines.put(line)
    lines.put(None)


def _private_bytes(pid: int) -> int:
    """Return the memory of a process without the files that it only maps, as the vectors."""
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss - getattr(memory, "shared", 0))


def _why_it_ended(code: int, errors: Path) -> str:
    if code == 0:
        return ""
    if code == -signal.SIGKILL:
        return "killed from outside, as the system does where memory runs out"
    if code < 0:
        return f"crashed: {signal.strsignal(-code)}"
    printed = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"ended with exit code {code}" + (f": {printed[-1][:200]}" if printed else "")


class OtherWork:
    """Watches, from when it is made, what other programs take of the processors."""

    def __init__(self) -> None:
        self._began, self._others = time.perf_counter(), _seconds_of_others()

    def share(self) -> float:
        """Return the share of all processors' time since then that went elsewhere, 0 to 1."""
        elapsed = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        return max(0.0, _seconds_of_others() - self._others) / max(elapsed, 1e-9)


def _seconds_of_others() -> float:
    machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
    busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
    return float(busy - own.user - own.system - own.children_user - own.children_system)
