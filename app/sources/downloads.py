"""Rows with URLs → pictures in a folder: many at once, few from one host, stopped and gone on with.

A picture's file is named after its row's id and a hash over id and URL, so what is there tells by
itself what need not be asked for again, and no id leads out of the folder.
"""

import contextlib
import csv
import hashlib
import heapq
import os
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from app.errors import FetchError, QueryError, StorageError, UsageError
from app.images.formats import recognise
from app.sources.lists import Row

FAILED = "failed.csv"
"""The list, beside the pictures, of the rows that gave none; it marks a folder as this module's."""

_LOCK, _PART = ".lock", ".part"


@dataclass(frozen=True)
class Politeness:
    """How many hosts are asked at once, and how; times in seconds.

    A server that asks to be left alone (429, 503) is, by all, for what it says in Retry-After but
    no longer than `longest_pause`, or for `pause` if it says nothing. One that could not be reached
    so many times in a row as `connects` says is given up, with all its rows.
    """

    connections: int = 16
    connections_a_host: int = 4
    attempts: int = 4
    connects: int = 20
    first_wait: float = 1.0
    longest_wait: float = 30.0
    pause: float = 5.0
    longest_pause: float = 120.0


_POLITE = Politeness()


@dataclass(frozen=True)
class Downloaded:
    """What became of a row: the name of its file in the folder, or '' and the `reason`.

    `new` says that the file came just now.
    """

    row: Row
    name: str
    reason: str = ""
    new: bool = False


def download(
    rows: Sequence[Row],
    folder: Path,
    *,
    fetch: Callable[[str], bytes],
    check: Callable[[bytes], None] = lambda data: None,
    tell: Callable[[str, int, int], None],
    politeness: Politeness = _POLITE,
) -> list[Downloaded]:
    """Get the pictures of the rows that are not in `folder` yet; return all rows, in their order.

    Stopped at any moment, the next call with the same rows asks for what is missing alone. What
    failed is listed in `FAILED`, and so is that for which `check` raises a QueryError: it is not
    kept, so that it will be asked for again. UsageError for a folder with other pictures and while
    another download into it runs; StorageError if the disk cannot take it.
    """
    with _writing_to(folder), _held(folder):
        there = _pictures_in(folder)
        with (folder / FAILED).open("w", encoding="utf-8", newline="") as file:
            failed = csv.writer(file)
            failed.writerow(("row", "id", "url", "reason"))
            missing = [row for row in rows if stem_of(row) not in there]
            reasons: dict[int, str] = {}
            asked = {row.number for row in missing}
            done = len(rows) - len(missing)
            tell("download", done, len(rows))
            with contextlib.closing(_fetched(missing, folder, fetch, check, politeness)) as fetched:
                for row, outcome in fetched:
                    if isinstance(outcome, str):
                        there[stem_of(row)] = outcome
                    else:
                        reasons[row.number] = str(outcome)
                        failed.writerow((row.number, row.key, row.url, outcome))
                        file.flush()
                    done += 1
                    tell("download", done, len(rows))
    return [
        Downloaded(
            row,
            there.get(stem_of(row), ""),
            reasons.get(row.number, ""),
            new=row.number in asked and row.number not in reasons,
        )
        for row in rows
    ]


def stem_of(row: Row) -> str:
    """Return the name of a row's file without its suffix: safe on every system, like no other's."""
    readable = re.sub("[^A-Za-z0-9_-]+", "_", row.key)[:40].strip("_")
    digest = hashlib.sha256(f"{row.key}\0{row.url}".encode()).hexdigest()[:16]
    return f"{readable}-{digest}" if readable else digest


def _fetched(
    rows: Sequence[Row],
    folder: Path,
    fetch: Callable[[str], bytes],
    check: Callable[[bytes], None],
    politeness: Politeness,
) -> Generator[tuple[Row, str | QueryError], None, None]:
    """Yield each row with the name of its file, or why there is none, as they come."""
    hosts = _Hosts(rows, politeness)
    outcomes: SimpleQueue[tuple[Row, str | Exception]] = SimpleQueue()

    def work() -> None:
        while (turn := hosts.take()) is not None:
            try:
                if not turn.row.url:
                    raise FetchError("The list has no address for it.")
                outcome: str | Exception = _keep(turn.row, folder, fetch(turn.row.url), check)
            except Exception as exc:  # noqa: BLE001 (told to the thread that waits)
                outcome = exc
            for row, reason in hosts.give_back(turn, outcome):
                outcomes.put((row, reason))

    # Daemons: after Ctrl-C nobody waits for a server that drips; half a file is never a picture.
    for number in range(min(politeness.connections, len(rows))):
        threading.Thread(target=work, name=f"download-{number}", daemon=True).start()
    try:
        for _ in rows:
            row, outcome = outcomes.get()
            if isinstance(outcome, Exception) and not isinstance(outcome, QueryError):
                raise outcome
            yield row, outcome
    finally:
        hosts.stop()


def _keep(row: Row, folder: Path, data: bytes, check: Callable[[bytes], None]) -> str:
    """Write a picture that passes the check, whole or not at all, and return its name."""
    check(data)
    found = recognise(data)
    name = stem_of(row) + (found.suffixes[0] if found else ".img")
    part = folder / f".{name}{_PART}"
    part.write_bytes(data)
    part.replace(folder / name)
    return name


@dataclass(order=True, frozen=True)
class _Turn:
    """A row that is to be asked for, not before a moment; the `attempt` is counted from 1."""

    not_before: float
    place: int
    row: Row = field(compare=False)
    attempt: int = field(compare=False, default=1)


class _Hosts:
    """Hands rows to threads, in the order of the list, so that no host gets too many at once.

    A row that has to wait goes back into its host's queue: no thread waits with it.
    """

    def __init__(self, rows: Sequence[Row], politeness: Politeness) -> None:
        self._politeness = politeness
        self._waiting: dict[str, list[_Turn]] = {}  # each a heap
        self._at_work: defaultdict[str, int] = defaultdict(int)
        self._paused_until: defaultdict[str, float] = defaultdict(float)
        self._out_of_reach: defaultdict[str, int] = defaultdict(int)
        self._left = len(rows)
        self._changed = threading.Condition()
        for place, row in enumerate(rows):
            self._waiting.setdefault(_host_of(row), []).append(_Turn(0.0, place, row))

    def take(self) -> _Turn | None:
        """Return the next row whose host may be asked; wait for it; None when all are done."""
        with self._changed:
            while self._left:
                now = time.monotonic()
                moments = {
                    host: max(self._paused_until[host], turns[0].not_before)
                    for host, turns in self._waiting.items()
                    if self._at_work[host] < self._politeness.connections_a_host
                }
                host = next((host for host, moment in moments.items() if moment <= now), None)
                if host is None:
                    self._changed.wait(min(moments.values()) - now if moments else None)
                    continue
                # The host goes to the end of the line: each gets its turn.
                turns = self._waiting.pop(host)
                turn = heapq.heappop(turns)
                if turns:
                    self._waiting[host] = turns
                self._at_work[host] += 1
                return turn
            return None

    def stop(self) -> None:
        """Give out no more rows, and end every wait."""
        with self._changed:
            self._left = 0
            self._changed.notify_all()

    def give_back(self, turn: _Turn, outcome: str | Exception) -> list[tuple[Row, str | Exception]]:
        """Take a row back with what came of it; return the rows that are done with by that.

        That is none if it is asked for again, and the rest of its host if that is given up.
        """
        host = _host_of(turn.row)
        error = outcome if isinstance(outcome, FetchError) else FetchError("")
        with self._changed:
            self._at_work[host] -= 1
            self._out_of_reach[host] = self._out_of_reach[host] + 1 if error.unreachable else 0
            done = [(turn.row, outcome)]
            if self._out_of_reach[host] >= self._politeness.connects:
                done += [(each.row, _given_up(host, error)) for each in self._dropped(host)]
            elif error.may_pass and turn.attempt < self._politeness.attempts:
                self._wait_with(turn, host, error)
                done = []
            self._left = max(0, self._left - len(done))
            self._changed.notify_all()
        return done

    def _wait_with(self, turn: _Turn, host: str, error: FetchError) -> None:
        """Put a row back into its host's queue, and leave the host alone where that is due."""
        wait = self._growing(turn.attempt - 1)
        if error.overloaded:
            asked = error.retry_after_seconds
            pause = self._politeness.pause if asked is None else asked
            self.pause(host, min(pause, self._politeness.longest_pause))
        elif error.unreachable:
            rounds = self._out_of_reach[host] // self._politeness.connections_a_host
            self.pause(host, self._growing(rounds))
        later = time.monotonic() + wait
        again = _Turn(later, turn.place, turn.row, turn.attempt + 1)
        heapq.heappush(self._waiting.setdefault(host, []), again)

    def _growing(self, rounds: int) -> float:
        wait = min(self._politeness.first_wait * 2.0**rounds, self._politeness.longest_wait)
        return wait * random.uniform(1, 1.5)  # so that not all come back at once

    def _dropped(self, host: str) -> list[_Turn]:
        return sorted(self._waiting.pop(host, []), key=lambda turn: turn.place)

    def pause(self, host: str, seconds: float) -> None:
        """Leave a host alone for so long."""
        until = self._paused_until[host]
        self._paused_until[host] = max(until, time.monotonic() + seconds)


def _given_up(host: str, error: FetchError) -> FetchError:
    return FetchError(f"{host} was given up after it could not be reached many times: {error}")


def _host_of(row: Row) -> str:
    with contextlib.suppress(ValueError):
        return urlsplit(row.url).hostname or ""
    return ""


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep `folder` for this download alone; half files of one that was killed go."""
    if folder.is_dir() and not (folder / FAILED).is_file() and any(folder.iterdir()):
        raise UsageError(f"The folder {folder} holds other pictures already: choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).touch()
    try:
        with FileLock(folder / _LOCK, timeout=0):
            for part in folder.glob(f".*{_PART}"):
                part.unlink()
            yield
    except Timeout as exc:
        raise UsageError(
            f"Another download into {folder} is running: wait for it, or stop it."
        ) from exc


def _pictures_in(folder: Path) -> dict[str, str]:
    """Return the names of a folder's pictures by their names without suffix."""
    with os.scandir(folder) as entries:
        names = [  # an empty file is what a power cut leaves
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.stat().st_size
        ]
    return {name.rpartition(".")[0]: name for name in names if name != FAILED}


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"{exc.filename or folder} cannot be written ({exc.strerror or exc}): make room, then "
            "run the same command again; what is there is kept."
        ) from exc
