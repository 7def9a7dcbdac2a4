"""Threads that do something at most so many at once, in the order in which they came."""

import threading
from collections import deque


class Turns:
    """A semaphore that is fair: the next turn is that of whoever waits longest.

    Python's own lets a thread that has just come pass those that wait, of which under load some
    wait five times as long as others.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until it is let go by whoever hands the turn on

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
