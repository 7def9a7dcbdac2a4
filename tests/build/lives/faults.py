"""Whatever a change does to the disk, counted, and made to fail at one step or from it on."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WRITES = ("write", "fsync", "mkdir", "link", "sqlite", "replace", "utime")


class Crash(BaseException):
    """The process ends here: nothing that comes after is done, nor any cleaning up."""


class Disk:
    """Counts steps; the one of number `fails_at` fails with `error`, half done where it can be.

    With `for_good` all writing after it fails too, as on a full disk; after a Crash, everything.
    """

    def __init__(self, fails_at: int, error: int | None, *, for_good: bool = False) -> None:
        self.steps: list[str] = []
        self.failed = False
        self._at = fails_at
        self._error = error
        self._for_good = for_good

    def step(self, kind: str, half: Callable[[], object] = lambda: None) -> None:
        """Take one step, or fail."""
        self.steps.append(kind)
        again = self.failed and (self._error is None or (self._for_good and kind in WRITES))
        if len(self.steps) != self._at + 1 and not again:
            return
        if not again:
            half()
        self.failed = True
        if self._error is None:
            raise Crash
        if kind == "sqlite":
            raise sqlite3.OperationalError(os.strerror(self._error))
        raise OSError(self._error, os.strerror(self._error))


class _File:
    """A file that is written in steps."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: Any) -> Any:
        def half() -> None:
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._disk.step("write", half)
        return self._file.write(data)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def disk_that_fails(
    at: int = -1, error: int | None = errno.EIO, *, for_good: bool = False
) -> Iterator[Disk]:
    """Have the step of number `at` fail: with an `error`, or, where that is None, with a Crash."""
    disk = Disk(at, error, for_good=for_good)
    with pytest.MonkeyPatch.context() as patched:

        def counted(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                disk.step(kind)
                return function(*args, **options)

            return call

        for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "link", "fsync", "utime"):
            kind = "replace" if name == "rename" else name
            patched.setattr(os, name, counted(kind, getattr(os, name)))
        patched.setattr(np, "save", _saving(disk, np.save))
        opened = Path.open

        def open_path(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            file = opened(path, mode, *args, **options)
            return _File(file, disk) if set(mode) & set("wa+") else file

        patched.setattr(Path, "open", open_path)
        connect = sqlite3.connect

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *args: Any) -> Any:
                if statement.split()[0] not in ("SELECT", "PRAGMA"):
                    disk.step("sqlite")
                return super().execute(statement, *args)

            def executemany(self, *args: Any) -> Any:
                disk.step("sqlite")
                return super().executemany(*args)

            def executescript(self, *args: Any) -> Any:
                disk.step("sqlite")
                return super().executescript(*args)

            def commit(self) -> None:
                disk.step("sqlite")
                super().commit()

        patched.setattr(
            sqlite3,
            "connect",
            lambda *args, **options: connect(*args, factory=Connection, **options),
        )
        yield disk


def _saving(disk: Disk, save: Callable[..., None]) -> Callable[..., None]:
    def half(path: Path) -> None:
        path.write_bytes(b"half")

    def save_array(path: Path, array: Any) -> None:
        disk.step("write", lambda: half(path))
        save(path, array)

    return save_array
