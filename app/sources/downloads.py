"""Rows of a list → pictures in a folder: many at once, few from one host, resumed after a stop.

A picture's file is named after its row's id and a hash of id and URL, or of id and content where
the list itself holds the picture: so the folder itself says what is there already, in whatever
order the list is and whatever was added to it, and no id leads out of it.
"""

import contextlib
import csv
import hashlib
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from app.errors import FetchError, QueryError, StorageError, UsageError
from app.images.formats import recognise
from app.sources.cells import shown
from app.sources.lists import Row
from app.sources.schedule import POLITE, Outcome, Politeness, Schedule
from app.values.files import replacing
from app.values.locks import locked

FAILED = "failed.csv"
"""The list, beside the pictures, of the rows without one; it marks a folder as this module's."""

_LOCK, _PART = ".lock", ".part"


@dataclass(frozen=True)
class Downloaded:
    """A row and the `name` of its file in the folder, or '' and the `reason` why there is none.

    `new` if this run fetched the file.
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
    on_progress: Callable[[str, int, int], None],
    politeness: Politeness = POLITE,
    inside: Callable[[Sequence[Row]], Iterable[tuple[Row, bytes]]] | None = None,
) -> list[Downloaded]:
    """Get the pictures of the rows that are not in `folder` yet; return all rows, in their order.

    `inside` gives the pictures that the list itself holds: each row, with its content if it has
    one, and that; the others are fetched.

    Stopped at any moment, the next call with the same rows fetches what is missing. Failures are
    listed in `FAILED`, and so are pictures for which `check` raises a QueryError: those are not
    kept, so that the next call downloads them again.

    Raises
    ------
    UsageError
        The folder holds other pictures, or another download into it is running.
    StorageError
        The folder cannot be written.
    """
    with _storage_errors(folder), _reserved(folder):
        files = _pictures_in(folder)
        taken: set[int] = set()
        if inside is not None:
            rows = list(_taken(inside(rows), folder, files, taken, len(rows), on_progress))
        missing = [row for row in rows if stem_of(row) not in files]
        reasons: dict[int, str] = {}
        done = len(rows) - len(missing)
        on_progress("download", done, len(rows))
        with (
            (folder / FAILED).open("w", encoding="utf-8", newline="") as file,
            contextlib.closing(_fetched(missing, folder, fetch, check, politeness)) as fetched,
        ):
            failed = csv.writer(file)
            failed.writerow(("row", "id", "url", "reason"))
            for row, outcome in fetched:
                if isinstance(outcome, str):
                    files[stem_of(row)] = outcome
                else:
                    reasons[row.number] = str(outcome)
                    failed.writerow((row.number, row.key, shown(row.url), outcome))
                    file.flush()
                done += 1
                on_progress("download", done, len(rows))
        new = taken | {row.number for row in missing} - reasons.keys()
    outcomes = ((row, files.get(stem_of(row), ""), reasons.get(row.number, "")) for row in rows)
    return [Downloaded(*outcome, new=outcome[0].number in new) for outcome in outcomes]


def stem_of(row: Row) -> str:
    """Return the name of a row's file without its suffix: safe on every system, and unique."""
    readable = re.sub("[^A-Za-z0-9_-]+", "_", row.key)[:40].strip("_")
    digest = hashlib.sha256(f"{row.key}\0{row.content or row.url}".encode()).hexdigest()[:16]
    return f"{readable}-{digest}" if readable else digest


def _taken(
    pictures: Iterable[tuple[Row, bytes]],
    folder: Path,
    files: dict[str, str],
    taken: set[int],
    total: int,
    on_progress: Callable[[str, int, int], None],
) -> Iterator[Row]:
    """Yield the rows of a list that holds pictures; write those that are not in `folder` yet."""
    for done, (row, data) in enumerate(pictures, 1):
        if data and stem_of(row) not in files:
            # Whether it can be decoded is for the build: it would come no better another time.
            files[stem_of(row)] = _keep(row, folder, data, check=lambda data: None)
            taken.add(row.number)
        on_progress("take", done, total)
        yield row


def _fetched(
    rows: Sequence[Row],
    folder: Path,
    fetch: Callable[[str], bytes],
    check: Callable[[bytes], None],
    politeness: Politeness,
) -> Generator[tuple[Row, str | QueryError], None, None]:
    """Yield each row with the name of its file, or the reason why there is none, when it is done.

    Any other error of a thread is raised here.
    """
    schedule = Schedule(rows, politeness)
    outcomes: SimpleQueue[tuple[Row, Outcome]] = SimpleQueue()

    def work() -> None:
        while (turn := schedule.take()) is not None:
            try:
                if not turn.row.url:
                    raise FetchError(turn.row.fault or "The list has no address for it.")
                outcome: Outcome = _keep(turn.row, folder, fetch(turn.row.url), check)
            except Exception as exc:  # noqa: BLE001 (raised by the thread that waits for it)
                outcome = exc
            for done in schedule.give_back(turn, outcome):
                outcomes.put(done)

    # Daemons, not an executor, whose threads Python waits for at its end: after Ctrl-C nobody waits
    # for a slow server. What is half written then has no picture's name.
    for number in range(min(politeness.connections, len(rows))):
        threading.Thread(target=work, name=f"download-{number}", daemon=True).start()
    try:
        for _ in rows:
            row, outcome = outcomes.get()
            if isinstance(outcome, Exception) and not isinstance(outcome, QueryError):
                raise outcome
            yield row, outcome
    finally:
        schedule.stop()


def _keep(row: Row, folder: Path, data: bytes, check: Callable[[bytes], None]) -> str:
    """Write a picture that passes the check, whole or not at all, and return its name."""
    check(data)
    kind = recognise(data)
    name = stem_of(row) + (kind.suffixes[0] if kind else ".img")
    with replacing(folder / name) as part:
        part.write_bytes(data)
    return name


@contextlib.contextmanager
def _reserved(folder: Path) -> Iterator[None]:
    """Keep every other download out of `folder`; delete the half files of one that was killed."""
    if folder.is_dir() and not (folder / FAILED).is_file() and any(folder.iterdir()):
        raise UsageError(f"The folder {folder} holds other pictures already: choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).touch()
    busy = UsageError(f"Another download into {folder} is running: wait for it, or stop it.")
    with locked(folder / _LOCK, busy=busy):
        for part in folder.glob(f".*{_PART}"):
            part.unlink(missing_ok=True)  # a thread that was stopped may end just now
        yield


def _pictures_in(folder: Path) -> dict[str, str]:
    """Return the files of a folder's pictures: name without suffix → name."""
    with os.scandir(folder) as entries:
        names = [  # an empty file is what a power cut leaves
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.stat().st_size
        ]
    return {name.rpartition(".")[0]: name for name in names if name != FAILED}


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Turn the system's errors into a StorageError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"{exc.filename or folder} cannot be written ({exc.strerror or exc}): make room, then "
            "run the same command again; what is there is kept."
        ) from exc
