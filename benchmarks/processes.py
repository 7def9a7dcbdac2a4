"""A process and those it started → the memory they hold."""

import threading

import psutil

MB = 1_000_000
_SAMPLE_SECONDS = 0.1


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold together, in bytes.

    A page that several share counts once (PSS), where the system counts so (Linux), else for each
    of them; a process that has ended holds nothing.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_resident_bytes_of_one(each) for each in family)


def _resident_bytes_of_one(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return int(getattr(memory, "pss", memory.rss))
    except psutil.NoSuchProcess:
        return 0


class PeakMemory:
    """Looks ten times a second, while its block runs, at `resident_bytes`; keeps the most."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, resident_bytes(self._pid))
