"""Rows with URLs → pictures in a folder: many at once, few from one host, stopped and gone on with.

A picture's file is named after its row's id and a hash over id and URL, so what is there tells by
itself what need not be asked for again, and no id leads out of the folder.
"""

import contextlib
import csv
import hashlib
import os
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from app.collect.tables import Row
from app.errors import FetchError, StorageError, UsageError

if TYPE_CHECKING:
    from tenacity import RetryCallState

FAILED = "failed.csv"
"""The list, beside the pictures, of the rows that gave none; it marks a folder as this module's."""

_LOCK, _PART = ".lock", ".part"
_SUFFIXES = tuple(
    (re.compile(magic, re.DOTALL), suffix)
    for magic, suffix in (
        (rb"\xff\xd8\xff", ".jpg"),
        (rb"\x89PNG", ".png"),
        (rb"RIFF....WEBP", ".webp"),
        (rb"GIF8", ".gif"),
        (rb"BM", ".bmp"),
        (rb"II|MM", ".tif"),
        (rb"....ftypavi", ".avif"),
        (rb"....ftyp", ".heic"),
    )
)


@dataclass(frozen=True)
class Politeness:
    """How many hosts are asked at once, and how; times in seconds.

    A server that asks to be left alone (429, 503) is, by all, for what it says in Retry-After but
    no longer than `longest_pause`, or for `pause` if it says nothing.
    """

    connections: int = 16
    connections_a_host: int = 4
    attempts: int = 4
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
    tell: Callable[[str, int, int], None],
    politeness: Politeness = _POLITE,
) -> list[Downloaded]:
    """Get the pictures of the rows that are not in `folder` yet; return all rows, in their order.

    Stopped at any moment, the next call with the same rows asks for what is missing alone. What
    failed is listed in `FAILED`. UsageError for a folder with other pictures and while another
    download into it runs; StorageError if the disk cannot take it.
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
            with contextlib.closing(_fetched(missing, folder, fetch, politeness)) as fetched:
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
    rows: Sequence[Row], folder: Path, fetch: Callable[[str], bytes], politeness: Politeness
) -> Generator[tuple[Row, str | FetchError], None, None]:
    """Yield each row with the name of its file, or why there is none, as they come."""
    hosts = _Hosts(rows, politeness)
    outcomes: SimpleQueue[tuple[Row, str | Exception]] = SimpleQueue()

    def work() -> None:
        while (row := hosts.take()) is not None:
            try:
                outcome: str | Exception = _keep(row, folder, _get(row, hosts, fetch, politeness))
            except Exception as exc:  # noqa: BLE001 (told to the thread that waits)
                outcome = exc
            hosts.give_back(row)
            outcomes.put((row, outcome))

    # Daemons: after Ctrl-C nobody waits for a server that drips; half a file is never a picture.
    for number in range(min(politeness.connections, len(rows))):
        threading.Thread(target=work, name=f"download-{number}", daemon=True).start()
    try:
        for _ in rows:
            row, outcome = outcomes.get()
            if isinstance(outcome, Exception) and not isinstance(outcome, FetchError):
                raise outcome
            yield row, outcome
    finally:
        hosts.stop()


def _get(row: Row, hosts: "_Hosts", fetch: Callable[[str], bytes], politeness: Politeness) -> bytes:
    """Return the picture of a row, asked for again where that may help."""
    import tenacity  # not needed by who only searches

    if not row.url:
        raise FetchError("The list has no address for it.")

    def wait(state: "RetryCallState") -> float:
        error = state.outcome.exception() if state.outcome else None
        backed_off = tenacity.wait_exponential_jitter(
            multiplier=politeness.first_wait,
            max=politeness.longest_wait,
            jitter=politeness.first_wait,
        )(state)
        asked = error.retry_after_seconds if isinstance(error, FetchError) else None
        return max(backed_off, min(asked or 0.0, politeness.longest_pause))

    def ask() -> bytes:
        hosts.wait_for_pause(row)
        try:
            return fetch(row.url)
        except FetchError as exc:
            if exc.overloaded:
                hosts.pause(row, exc.retry_after_seconds)
            raise

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, FetchError) and error.may_pass
        ),
        stop=tenacity.stop_after_attempt(politeness.attempts)
        | tenacity.stop_when_event_set(hosts.stopped),
        wait=wait,
        sleep=tenacity.sleep_using_event(hosts.stopped),
        reraise=True,
    )(ask)


def _keep(row: Row, folder: Path, data: bytes) -> str:
    """Write a picture, whole or not at all, and return its name."""
    suffix = next((suffix for magic, suffix in _SUFFIXES if magic.match(data)), ".img")
    name = stem_of(row) + suffix
    part = folder / f".{name}{_PART}"
    part.write_bytes(data)
    part.replace(folder / name)
    return name


class _Hosts:
    """Hands rows to threads, in the order of the list, so that no host gets too many at once."""

    def __init__(self, rows: Sequence[Row], politeness: Politeness) -> None:
        self.stopped = threading.Event()
        self._politeness = politeness
        self._waiting: dict[str, deque[Row]] = {}
        self._at_work: defaultdict[str, int] = defaultdict(int)
        self._paused_until: defaultdict[str, float] = defaultdict(float)
        self._changed = threading.Condition()
        for row in rows:
            self._waiting.setdefault(_host_of(row), deque()).append(row)

    def take(self) -> Row | None:
        """Return the next row whose host may be asked; wait for it; None when all are given out."""
        with self._changed:
            while self._waiting and not self.stopped.is_set():
                now = time.monotonic()
                for host, rows in self._waiting.items():
                    free = self._at_work[host] < self._politeness.connections_a_host
                    if free and self._paused_until[host] <= now:
                        self._at_work[host] += 1
                        row = rows.popleft()
                        # The host goes to the end of the line: each gets its turn.
                        del self._waiting[host]
                        if rows:
                            self._waiting[host] = rows
                        return row
                pauses = [self._paused_until[host] - now for host in self._waiting]
                self._changed.wait(min((pause for pause in pauses if pause > 0), default=None))
            return None

    def stop(self) -> None:
        """Give out no more rows, and end every wait."""
        with self._changed:
            self.stopped.set()
            self._changed.notify_all()

    def give_back(self, row: Row) -> None:
        """Say that a row's host has one connection less."""
        with self._changed:
            self._at_work[_host_of(row)] -= 1
            self._changed.notify_all()

    def pause(self, row: Row, seconds: float | None) -> None:
        """Leave a row's host alone for so long."""
        longest = self._politeness.longest_pause
        pause = self._politeness.pause if seconds is None else min(seconds, longest)
        with self._changed:
            until = self._paused_until[_host_of(row)]
            self._paused_until[_host_of(row)] = max(until, time.monotonic() + pause)

    def wait_for_pause(self, row: Row) -> None:
        """Wait until a row's host may be asked again, or all is stopped."""
        while not self.stopped.is_set():
            with self._changed:
                left = self._paused_until[_host_of(row)] - time.monotonic()
            if left <= 0:
                return
            self.stopped.wait(left)


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
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
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
