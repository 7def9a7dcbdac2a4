"""Published data sets → whole folders below datasets/: downloaded, checked, unpacked, named last.

A run that was stopped anywhere is mended by the next one: what has arrived is kept, and a folder
gets its name in one step, when it is whole.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from app.errors import BusyError, DatasetError, FetchError, StorageError
from app.sources.datasets import download, unpack
from app.sources.datasets.published import Archive, PublishedDataSet

Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Part:
    """An archive on its way to a folder, and the names that it has there meanwhile."""

    archive: Archive
    datasets_dir: Path
    home: Path

    @property
    def file(self) -> Path:
        """The archive, with all its bytes."""
        return self.datasets_dir / self.archive.file

    @property
    def unfinished(self) -> Path:
        """The bytes that have arrived."""
        return self.datasets_dir / f"{self.archive.file}.part"

    @property
    def target(self) -> Path:
        """The folder that it becomes."""
        return self.archive.places_in(self.home)[0]

    @property
    def unpacking(self) -> Path:
        """The folder while it fills: beside the target, so that it can be renamed."""
        return self.target.with_name(f".unpacking-{self.target.name}")

    def whole_folder(self) -> Path | None:
        """Return the first of its places where it is whole, or None."""
        places = self.archive.places_in(self.home)
        return next((place for place in places if self.archive.is_whole(place)), None)

    def remove_leftovers(self) -> None:
        """Remove what is needed no more; a run that was stopped may have left it to the next."""
        shutil.rmtree(self.unpacking, ignore_errors=True)
        for file in (self.file, self.unfinished):
            with suppress(OSError):
                file.unlink()


@dataclass(frozen=True)
class Fetching:
    """How a run goes: its command, to be run `again`, and who is shown what it does.

    `show` gets the bytes of an archive that are here, and of the whole archive if that is known.
    """

    again: str
    say: Say
    show: Progress


def fetch_data_sets(
    data_sets: Sequence[type[PublishedDataSet]],
    datasets_dir: Path,
    *,
    environ: Mapping[str, str],
    fetching: Fetching,
) -> None:
    """Download what is not whole yet of some data sets; for the rest no request is sent.

    Raises
    ------
    UsageError
        A variable of the environment that replaces what is published cannot be used.
    FetchError
        A host cannot be reached, or the connection broke.
    DatasetError
        An archive is not the published one.
    StorageError
        The folder cannot be written, or there is not enough room.
    BusyError
        Another run downloads into the same folder.
    """
    parts = [
        Part(archive.changed_by(environ), datasets_dir, datasets_dir / data_set.name)
        for data_set in data_sets
        for archive in data_set.archives
    ]
    # What a host refuses at times comes last, and keeps nobody from the others.
    parts.sort(key=lambda part: bool(part.archive.by_hand))
    missing = []
    for part in parts:
        if folder := part.whole_folder():
            fetching.say(f"{part.archive.name}: nothing to do, all of it is in {folder}")
            part.remove_leftovers()
        else:
            missing.append(part)
    if not missing:
        return
    with _only_run_in(datasets_dir):
        for part in missing:  # what a run that was stopped had unpacked takes no room
            shutil.rmtree(part.unpacking, ignore_errors=True)
        _check_space(missing, datasets_dir)
        for part in missing:
            if not part.whole_folder():  # another run may have been faster
                _fetch(part, fetching)


@contextmanager
def _only_run_in(datasets_dir: Path) -> Iterator[None]:
    """Make the folder, and keep other runs out of it until this one ends, however it ends."""
    try:
        datasets_dir.mkdir(parents=True, exist_ok=True)
        lock = (datasets_dir / ".download.lock").open("a")
    except OSError as exc:
        raise StorageError(
            f"cannot write to {datasets_dir}: change its permissions, or set RIS_DATASETS_DIR."
        ) from exc
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BusyError(
                f"another download into {datasets_dir} is running: wait for it to end."
            ) from exc
        except (ImportError, OSError):
            pass  # a system or disk without such locks
        yield


def _check_space(parts: Sequence[Part], datasets_dir: Path) -> None:
    """Raise StorageError unless there is room for all folders, and one archive at a time."""
    unpacked = needed = 0
    for part in parts:
        archive_bytes = part.archive.expected_bytes
        unpacked += int(archive_bytes * part.archive.growth)
        here = _size(part.file) + _size(part.unfinished)
        needed = max(needed, unpacked + archive_bytes - here)
    free = shutil.disk_usage(datasets_dir).free
    if needed > free:
        raise StorageError(
            f"{_megabytes(needed)} are needed and {_megabytes(free)} are free in {datasets_dir}: "
            "make room, or set RIS_DATASETS_DIR to a folder on a larger disk."
        )


def _fetch(part: Part, fetching: Fetching) -> None:
    if not part.file.is_file():
        _download(part, fetching)
    _check_archive(part, fetching)
    _unpack(part, fetching)
    part.remove_leftovers()
    fetching.say(f"{part.archive.name}: whole, in {part.target}")


def _download(part: Part, fetching: Fetching) -> None:
    archive = part.archive
    host = download.host_of(archive.url)
    if archive.size_bytes is not None and _size(part.unfinished) > archive.size_bytes:
        part.unfinished.unlink()
    here = _size(part.unfinished)
    if here != archive.size_bytes:
        fetching.say(
            f"{archive.name}: fetching from {host} ({_megabytes(here)} of {_whole(archive)} "
            "are here)"
        )
        if not _append_rest(part, fetching):
            fetching.say(f"{archive.name}: {host} cannot resume, starting again")
            part.unfinished.unlink()
            _append_rest(part, fetching)
    part.unfinished.rename(part.file)


def _append_rest(part: Part, fetching: Fetching) -> bool:
    """Append what is missing of an archive; return False where its host cannot resume it."""
    start = here = _size(part.unfinished)
    try:
        with download.open_from(part.archive.url, start) as rest:
            if rest is None:  # there is no more: the check says whether it is the archive
                return True
            if rest.start != start:
                return False
            with _writing(part, fetching):
                file = part.unfinished.open("ab", buffering=0)
            with file:
                for chunk in rest.chunks():
                    with _writing(part, fetching):
                        _write(file, chunk)
                    here += len(chunk)
                    fetching.show(here, part.archive.size_bytes or rest.whole_bytes)
    except download.FAILURES as exc:
        raise _failure(part, exc, fetching, came=here > start) from exc
    return True


@contextmanager
def _writing(part: Part, fetching: Fetching) -> Iterator[None]:
    """Distinguish a disk that takes no more from a host that gives no more: both are an OSError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"cannot write {part.unfinished}: make room, then run {fetching.again}."
        ) from exc


def _write(file: FileIO, data: bytes) -> None:
    """Write without a buffer, which would fail a second time when it is closed on a full disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _failure(part: Part, exc: Exception, fetching: Fetching, *, came: bool) -> FetchError:
    """Return the error for a download that failed; `came` says that a part of it arrived."""
    url, again = part.archive.url, fetching.again
    host, reason = download.host_of(url), download.reason_of(exc)
    if came:
        here = _megabytes(_size(part.unfinished))
        return FetchError(
            f"the connection to {host} broke ({reason}) after {here} of {_whole(part.archive)}: "
            f"run {again}, it goes on from there."
        )
    return FetchError(
        f"cannot fetch from {host} ({reason}): check the network and run {again}, or get {url} by "
        f"other means, save it as {part.file} and run {again}."
    )


def _check_archive(part: Part, fetching: Fetching) -> None:
    """Remove an archive that is not the published one, and raise DatasetError."""
    archive = part.archive
    size = _size(part.file)
    if archive.size_bytes not in (None, size):
        part.file.unlink()
        raise DatasetError(
            f"{part.file} had {size} bytes instead of {archive.size_bytes} and was removed: "
            f"run {fetching.again}."
        )
    if not archive.md5:
        return
    fetching.say(f"{archive.name}: checking")
    with part.file.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != archive.md5:
        part.file.unlink()
        by_hand = f", or save what datasets/README.md links to as {part.file} and run it"
        raise DatasetError(
            f"{part.file} had the MD5 {digest} instead of {archive.md5} and was removed: "
            f"run {fetching.again}{by_hand if archive.by_hand else ''}."
        )


def _unpack(part: Part, fetching: Fetching) -> None:
    """Unpack beside the target; the folder gets its name in one step, when it is whole."""
    archive = part.archive
    fetching.say(f"{archive.name}: unpacking")
    try:
        part.unpacking.mkdir(parents=True)
    except OSError as exc:
        raise StorageError(
            f"cannot write to {part.unpacking.parent}: change its permissions, "
            f"then run {fetching.again}."
        ) from exc
    try:
        unpack.unpack(part.file, archive.inside, part.unpacking, packed_again=archive.packed_again)
    except unpack.FAILURES as exc:
        shutil.rmtree(part.unpacking, ignore_errors=True)
        raise StorageError(
            f"cannot unpack {part.file} ({download.reason_of(exc)}): make room in "
            f"{part.datasets_dir} and run {fetching.again}; if that does not help, remove the "
            "archive."
        ) from exc
    if not archive.is_whole(part.unpacking):
        shutil.rmtree(part.unpacking, ignore_errors=True)
        raise DatasetError(
            f"{part.file} lacks files that were published: remove it and run {fetching.again}."
        )
    _put_aside(part.target, archive.name, fetching.say)
    part.unpacking.rename(part.target)


def _put_aside(folder: Path, name: str, say: Say) -> None:
    """Rename a folder that is not whole: people may have put files of their own there."""
    if not folder.exists() and not folder.is_symlink():
        return
    with suppress(OSError):
        folder.rmdir()
        return
    number = 1
    while folder.with_name(f"{folder.name}.old-{number}").exists():
        number += 1
    aside = folder.with_name(f"{folder.name}.old-{number}")
    folder.rename(aside)
    say(f"{name}: what was in {folder} was not whole; it is now in {aside}")


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _whole(archive: Archive) -> str:
    """Return the size of an archive for people."""
    about = "about " if archive.size_bytes is None else ""
    return about + _megabytes(archive.expected_bytes)


def _megabytes(number_bytes: int) -> str:
    return f"{-(-number_bytes // 1_000_000)} MB"
