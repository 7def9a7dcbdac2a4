"""A file's lock: one run at a time in a folder, and a sentence where the file system has none."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from app.errors import AppError, StorageError

# What flock(2) answers where there are no locks: NFS without its lock daemon, FUSE and SMB mounts
# that leave them out.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


@contextlib.contextmanager
def locked(path: Path, *, busy: AppError, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of the file `path`; see `lock`."""
    held = lock(path, busy=busy, wait_seconds=wait_seconds)
    try:
        yield
    finally:
        held.release()


def lock(path: Path, *, busy: AppError, wait_seconds: float = 0) -> BaseFileLock:
    """Take the lock of the file `path`, which is made if need be; its `release` ends it.

    The system ends the lock with the process, however that ends; the file stays.

    Raises
    ------
    AppError
        `busy`, if another run holds the lock and does not let go of it in `wait_seconds`.
    StorageError
        The file system gives no locks.
    OSError
        The file cannot be made.
    """
    # Where flock is missing the package would take the file itself for the lock, which a killed
    # run leaves behind.
    # Not of one thread: a job's begins in that of the request, and ends in its own.
    held = FileLock(path, timeout=wait_seconds, fallback_to_soft=False, thread_local=False)
    try:
        held.acquire()
    except Timeout as exc:
        raise busy from exc
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise
        raise StorageError(
            f"The file system of {path.parent} gives no locks ({exc.strerror}), so nothing can be "
            "built or changed there: set RIS_HOME to a folder on a local disk."
        ) from exc
    return held
