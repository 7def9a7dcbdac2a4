"""Rows of a list → the row to fetch next, so that no server gets too many requests or too soon.

A row that has to wait goes back into its host's queue: no thread sleeps with it. That is why this
is no retry library: tenacity retries one call at a time and sleeps in between, and with an asyncio
task and a semaphore a row it was no shorter, took 6 kB a row, and requests that stood in line for
a thread did not notice that their host had demanded a pause.
"""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from app.errors import FetchError
from app.sources.cells import is_data_url
from app.sources.lists import Row


@dataclass(frozen=True)
class Politeness:
    """How many requests run at once, how often each is repeated, and the pauses, in seconds."""

    # Browsers open up to 6 connections to a host; crawlers stay below them: Scrapy's defaults are
    # 16 in all, 8 a host.
    connections: int = 16
    connections_a_host: int = 4
    # A row is worth three more tries, after 1, 2 and 4 seconds and up to half of that more.
    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 30.0
    # A server that answers 429 or 503 without Retry-After said "later" and no more than that.
    pause: float = 5.0
    # RFC 9110, 10.2.3, sets no bound to Retry-After, and a date may be hours away. Longer than
    # this nobody waits in front of a terminal; what is missing then can be fetched another day.
    longest_pause: float = 120.0
    # A host that is down would cost each of its rows `attempts` time-outs: hours for a long list.
    failures_in_a_row: int = 20


POLITE = Politeness()


@dataclass(order=True, frozen=True)
class Turn:
    """A row's turn: not before a moment, in the order of the list; `attempt` counts from 1."""

    not_before: float
    place: int
    row: Row = field(compare=False)
    attempt: int = field(compare=False, default=1)


@dataclass(eq=False)
class _Host:
    """A server's rows that wait, and how it has answered; moments are those of time.monotonic."""

    name: str
    waiting: list[Turn] = field(default_factory=list)  # a heap
    connections: int = 0
    paused_until: float = 0.0
    unreachable: int = 0  # failures in a row
    due: float = 0.0  # when its next row may go, if it stands in the line
    ticket: int | None = None  # its place among those due then; None: not in the line


Outcome = str | Exception
"""The outcome of a row: the name of its file, or the error."""


class Schedule:
    """Hands out rows to threads and takes them back; every method may be called by any thread."""

    def __init__(self, rows: Sequence[Row], politeness: Politeness = POLITE) -> None:
        self._politeness = politeness
        self._hosts: dict[str, _Host] = {}
        # A heap of (due, ticket, host); an entry whose ticket its host no longer has is outdated.
        self._line: list[tuple[float, int, _Host]] = []
        self._tickets = itertools.count()
        self._left = len(rows)
        self._changed = threading.Condition()
        for place, row in enumerate(rows):
            name = _host_of(row)
            host = self._hosts.setdefault(name, _Host(name))
            host.waiting.append(Turn(0.0, place, row))  # in order, and so a heap
        for host in self._hosts.values():
            self._queue(host)

    def take(self) -> Turn | None:
        """Return the next row whose host may be asked, and wait for it; None when all are done."""
        with self._changed:
            while self._left:
                seconds = self._seconds_to_wait()
                if seconds == 0:
                    host = heapq.heappop(self._line)[2]
                    host.ticket = None
                    turn = heapq.heappop(host.waiting)
                    host.connections += 1
                    self._queue(host)  # behind the others: each host gets its turn
                    return turn
                self._changed.wait(seconds)
            return None

    def seconds_to_wait(self) -> float | None:
        """Return the seconds until a row may be fetched; None if one must come back first."""
        with self._changed:
            return self._seconds_to_wait()

    def give_back(self, turn: Turn, outcome: Outcome) -> list[tuple[Row, Outcome]]:
        """Take a row back with its outcome; return the rows that are done by that.

        That is none if the row is tried again, and all rows of a host that is given up.
        """
        host = self._hosts[_host_of(turn.row)]
        error = outcome if isinstance(outcome, FetchError) else FetchError("")
        done = [(turn.row, outcome)]
        with self._changed:
            host.connections -= 1
            host.unreachable = host.unreachable + 1 if error.unreachable else 0
            if host.unreachable >= self._politeness.failures_in_a_row:
                done += self._give_up(host, error)
            elif error.retryable and turn.attempt < self._politeness.attempts:
                self._try_again(turn, host, error)
                done = []
            self._queue(host)
            self._left = max(0, self._left - len(done))
            self._changed.notify_all()
        return done

    def stop(self) -> None:
        """Hand out no more rows, and end every wait."""
        with self._changed:
            self._left = 0
            self._changed.notify_all()

    def _queue(self, host: _Host) -> None:
        """Put a host into the line, for the moment when its next row may go."""
        if not host.waiting or host.connections >= self._politeness.connections_a_host:
            host.ticket = None
            return
        now = time.monotonic()
        moment = max(host.paused_until, host.waiting[0].not_before)
        if host.ticket is not None and moment <= host.due <= now:
            return  # it keeps its place
        host.due, host.ticket = max(now, moment), next(self._tickets)
        heapq.heappush(self._line, (host.due, host.ticket, host))

    def _seconds_to_wait(self) -> float | None:
        while self._line and self._line[0][1] != self._line[0][2].ticket:
            heapq.heappop(self._line)
        return max(0.0, self._line[0][0] - time.monotonic()) if self._line else None

    def _give_up(self, host: _Host, error: FetchError) -> list[tuple[Row, Outcome]]:
        reason = FetchError(
            f"{host.name} was given up after {host.unreachable} failures in a row: {error}"
        )
        rows = [turn.row for turn in sorted(host.waiting, key=lambda turn: turn.place)]
        host.waiting.clear()
        return [(row, reason) for row in rows]

    def _try_again(self, turn: Turn, host: _Host, error: FetchError) -> None:
        """Put a row back into its host's queue, and pause the host where the error demands it."""
        now = time.monotonic()
        pause = 0.0
        if error.overloaded:  # it said so for the whole host (RFC 6585, 4; RFC 9110, 15.6.4)
            seconds = error.retry_after_seconds
            pause = self._politeness.pause if seconds is None else seconds
            pause = min(pause, self._politeness.longest_pause)
        elif error.unreachable:  # so will the others be; one round is a failure a connection
            pause = self._growing_wait(host.unreachable // self._politeness.connections_a_host)
        host.paused_until = max(host.paused_until, now + pause)
        later = now + self._growing_wait(turn.attempt - 1)
        heapq.heappush(host.waiting, Turn(later, turn.place, turn.row, turn.attempt + 1))

    def _growing_wait(self, rounds: int) -> float:
        wait = min(self._politeness.first_wait * 2.0**rounds, self._politeness.longest_wait)
        return wait * random.uniform(1, 1.5)  # or all that failed together would come together


def _host_of(row: Row) -> str:
    if is_data_url(row.url):
        return ""
    with suppress(ValueError):
        return urlsplit(row.url).hostname or ""
    return ""
