"""The files of a gallery: hashed, sealed, verified and synced, each fault in one sentence."""

import contextlib
import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock

from app.errors import AppError, BusyError, GalleryError, StorageError
from app.values import locks
from app.values.files import sha256_of
from app.values.gallery import StoredFile

_LFS_POINTER = b"version https://git-lfs"
_SEAL_BYTES = 32
_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def locked(path: Path, *, busy: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of the file `path`; BusyError with the sentence `busy` if another has it."""
    held = lock(path, busy=busy, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        held.release()


def lock(path: Path, *, busy: str, wait_seconds: float = 0) -> BaseFileLock:
    """Take the lock of the file `path`, to be released; BusyError `busy` if another has it.

    StorageError where the folder cannot be made, or its file system gives no locks.
    """
    with writing_to(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        return locks.lock(path, busy=BusyError(busy), wait_seconds=wait_seconds)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while writing into a StorageError that names `folder`."""
    try:
        yield
    except AppError:
        raise
    except OSError as exc:
        folder, reason = exc.filename or folder, exc.strerror or str(exc)
    except sqlite3.Error as exc:
        reason = str(exc)
    else:
        return
    raise StorageError(
        f"{folder} cannot be written ({reason}): make room or choose another folder with "
        "RIS_HOME, then run the same command again; what is done is kept."
    )


def open_read_only(path: Path, *, mend: str) -> sqlite3.Connection:
    """Return an open database; GalleryError, ending with `mend`, if there is none.

    No lock is taken, so that a gallery opens where the file system gives none: its files are
    replaced, never changed.
    """
    if not path.is_file():
        raise GalleryError(f"{path} is missing. {mend}")
    refuse_lfs_pointer(path)
    try:
        # Immutable: no lock is taken, which a share may refuse; the file is never written again.
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
    except sqlite3.Error as exc:
        raise GalleryError(f"{path} cannot be opened. {mend}") from exc


def verify_file(path: Path, file: StoredFile, mend: str, *, hashed: bool = True) -> None:
    """Raise a GalleryError, ending with `mend`, unless `path` is the file that was stored.

    Without `hashed` its size alone is looked at.
    """
    if not path.is_file():
        raise GalleryError(f"{path} is missing. {mend}")
    refuse_lfs_pointer(path)
    size = path.stat().st_size
    if size != file.bytes:
        raise GalleryError(f"{path} has {size} bytes instead of {file.bytes}. {mend}")
    if hashed and sha256_of(path) != file.sha256:
        raise GalleryError(f"{path} is not the file its gallery was built with. {mend}")


@contextlib.contextmanager
def new_database(path: Path, script: str) -> Iterator[sqlite3.Connection]:
    """Give a new database at `path`, made by `script`; committed and closed at the end."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    try:
        database.executescript(script)
        yield database
        database.commit()
    finally:
        database.close()


def is_sealed(path: Path) -> bool:
    """Whether a file ends with the SHA-256 of all that comes before."""
    digest, left = hashlib.sha256(), path.stat().st_size - _SEAL_BYTES
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, _CHUNK_BYTES))):
            digest.update(part)
            left -= len(part)
        return file.read() == digest.digest()


def identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of the file that has this name now; None if there is no file.

    It is opened for that: a network file system may answer stat for seconds from what it knew, but
    asks the server at each open (NFS: close-to-open consistency, RFC 1813, 4.11).
    """
    try:
        if sys.platform == "win32":  # an open file could not be replaced there
            facts = path.stat()
        else:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                facts = os.fstat(handle)
            finally:
                os.close(handle)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def state_of(folder: Path) -> frozenset[tuple[object, ...]]:
    """Return a state that differs once a file of a gallery in a folder changes.

    Those of its segments, in numbered folders, count too. Empty if it cannot be read.
    """
    state: set[tuple[object, ...]] = set()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            facts = entry.stat()
            when = facts.st_mtime_ns, facts.st_ctime_ns
            inside = state_of(Path(entry.path)) if entry.name.isdigit() else None
            state.add((entry.name, facts.st_ino, facts.st_size, facts.st_mode, *when, inside))
    return frozenset(state)


def stored_file(path: Path) -> StoredFile:
    """Return a finished file's name, size and hash, once it is on the disk."""
    sync(path)
    return StoredFile(path.name, path.stat().st_size, sha256_of(path))


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def manifest_text(path: Path, *, mend: str) -> str:
    """Return the manifest in a sealed database of format 1; GalleryError if it is damaged."""
    with contextlib.closing(open_read_only(path, mend=mend)) as database:
        if not is_sealed(path):
            raise GalleryError(f"{path} is damaged. {mend}")
        try:
            (text,) = database.execute("SELECT manifest FROM manifest").fetchone()
        except (sqlite3.Error, TypeError) as exc:
            raise GalleryError(f"{path} is no gallery database. {mend}") from exc
    return str(text)


def refuse_lfs_pointer(path: Path) -> None:
    """Raise GalleryError for a file that Git LFS has left its pointer in place of."""
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise GalleryError(
                f"{path} is a Git LFS pointer, not the file itself. Run: git lfs pull"
            )
