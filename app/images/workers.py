"""Pictures → pixels in processes of their own, which a codec ends instead of the program.

A codec may crash, hang, or take all memory: then one picture is refused. A process is
`python -m app.images.worker`. It is started for the first picture that needs one, takes one after
the other, and ends when it has long had nothing to do, or when this program ends.
"""

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import DecodeError

MOST_SECONDS = 10.0
"""How long a picture may take, in seconds. The largest that is read takes about three."""

MOST_BYTES = 4 * 2**30
"""The memory of a process, as addresses: 1.5 GB for the largest picture, the rest for libraries."""

IDLE_SECONDS = 60.0
"""After so many seconds with nothing to do a process ends."""

ASKED = struct.Struct("<QQ")
"""Before the bytes of a picture: how many they are, and `decode`'s `min_side`, 0 for none."""

ANSWERED = struct.Struct("<I")
"""Before an answer's JSON: how many bytes it is. Pixels follow it, three bytes each."""

_PROGRAM = Path(__file__).parents[2]
_MODULE = "app.images.worker"
_PIPE_BYTES = 1 << 20  # pixels are many, and each time that it is full both processes take turns
_LOOK_SECONDS = 0.2
_AT_ONCE = (os.cpu_count() or 1) + 1  # a build keeps every core busy, and a query need not wait


def decode(
    data: bytes, name: str, min_side: int | None
) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[str, ...]]:
    """Return the parts of what `app.images.decode.read` does of a picture of the format `name`.

    Raises DecodeError, and nothing else, whatever becomes of the process.
    """
    answer, pixels = _asked(data, name, min_side)
    if "refused" in answer:
        raise DecodeError(answer["refused"])
    return pixels, (answer["width"], answer["height"]), tuple(answer["notes"])


def _asked(
    data: bytes, name: str, min_side: int | None
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Return the answer of a process that waits; of a new one where none does, or it has ended.

    One that waited may have ended because it had nothing to do, have been killed by the system for
    want of memory, or been harmed by the picture before. So a picture is called damaged only where
    a new process crashes, too: it is decoded twice at most.
    """
    with _free:
        waiting = _take_waiting()
        if waiting is not None:
            with suppress(_EndedError):
                return _answer_of(waiting, data, name, min_side)
        try:
            return _answer_of(_Worker(), data, name, min_side)
        except _EndedError as exc:
            raise DecodeError(
                f"This {name} picture is so damaged that its decoder crashed: get or save it once "
                "more."
            ) from exc


def _answer_of(
    worker: "_Worker", data: bytes, name: str, min_side: int | None
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Return a process's answer, and let it wait for the next picture."""
    answered = worker.ask(data, name, min_side)
    _idle.append(worker)
    return answered


def _take_waiting() -> "_Worker | None":
    try:
        return _idle.pop()
    except IndexError:
        return None


class _EndedError(Exception):
    """The process ended before it had answered."""


class _Worker:
    """A process that decodes one picture at a time."""

    def __init__(self) -> None:
        """Start it; DecodeError if the system starts no more."""
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                cwd=_PROGRAM,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as exc:
            raise DecodeError(
                "The picture was not read, for the system starts no more processes "
                f"({exc.strerror}): end other programs, then try again."
            ) from exc
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            _enlarge(pipe.fileno())

    def ask(
        self, data: bytes, name: str, min_side: int | None
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """Return its answer and the (height, width, 3) pixels, none where it refuses.

        _EndedError where it ends before it has answered, DecodeError where it takes too long.
        """
        started = time.monotonic()
        try:
            with _watch.over(self):
                return self._exchange(data, min_side)
        except (OSError, EOFError, ValueError) as exc:  # no answer, or half of one
            self.end()
            if time.monotonic() - started >= MOST_SECONDS:
                raise DecodeError(
                    f"Reading this {name} picture was given up after {MOST_SECONDS:g} seconds: "
                    "save it once more, or in another format."
                ) from exc
            raise _EndedError from exc
        except BaseException:  # half an answer is on its way
            self.process.kill()
            self.end()
            raise

    def _exchange(
        self, data: bytes, min_side: int | None
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(ASKED.pack(len(data), min_side or 0))
        stdin.write(data)
        stdin.flush()
        length = stdout.read(ANSWERED.size)
        if len(length) < ANSWERED.size:
            raise EOFError
        answer: dict[str, Any] = json.loads(stdout.read(*ANSWERED.unpack(length)))
        pixels = np.empty((*answer.get("pixels", (0, 0)), 3), np.uint8)
        if stdout.readinto(pixels.reshape(-1)) < pixels.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        return answer, pixels

    def end(self) -> None:
        """End the process if it has not ended."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not yet written has nowhere to go
                pipe.close()
        try:
            self.process.wait(timeout=1)  # without questions it ends by itself
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _enlarge(pipe: int) -> None:
    """Make a pipe hold `_PIPE_BYTES`; leave it as it is where the system does not allow that.

    Linux does not where the pipes of a user who is not root hold 64 MB already, or by other limits
    (pipe-user-pages-soft and pipe-max-size, pipe(7)).
    """
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class _Watch:
    """Kills processes that take too long, by one thread: one for each picture costs half of it."""

    def __init__(self) -> None:
        self._ends: dict[_Worker, float] = {}
        self._some = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, worker: _Worker) -> Iterator[None]:
        """Kill a process if the block takes longer than `MOST_SECONDS`."""
        with self._some:
            self._ends[worker] = time.monotonic() + MOST_SECONDS
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="overtime", daemon=True)
                self._thread.start()
            if len(self._ends) == 1:
                self._some.notify()
        try:
            yield
        finally:
            with self._some:
                del self._ends[worker]

    def _look(self) -> None:
        while True:
            with self._some:
                self._some.wait_for(lambda: bool(self._ends))
            time.sleep(_LOOK_SECONDS)
            with self._some:  # so that none of them has its answer, and the next picture, meanwhile
                now = time.monotonic()
                for worker, end in self._ends.items():
                    if end <= now:
                        worker.process.kill()


def _forget() -> None:
    """Leave the processes to the one that this process was forked from."""
    global _idle, _free, _watch
    _idle, _free, _watch = [], threading.Semaphore(_AT_ONCE), _Watch()


def processes() -> list["subprocess.Popen[bytes]"]:
    """Return the processes that wait for a picture."""
    return [each.process for each in _idle]


def end_all() -> None:
    """End the processes that wait for a picture."""
    while _idle:
        _idle.pop().end()


_idle: list[_Worker] = []
_free = threading.Semaphore(_AT_ONCE)
_watch = _Watch()
atexit.register(end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
