"""A server's address ↔ a small file by which the command line finds the server.

The files are in a folder of the cache that only their user may read or write, one file an address.
A server locks its file; the operating system ends the lock with the process, however it ends. So a
file without a lock was left behind, and whatever listens at its address now is another program.

This is `fcntl`, not the package filelock, because filelock has exclusive locks alone: two command
lines that ask at the same moment would take each other for the server. Its import would also add
20 ms to every search, and on Windows it locks a file's first byte, which then nobody can read.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":  # on Windows no server is found: --server names it
    import fcntl

_FOLDER = "servers"
_OTHERS = 0o077


@dataclass(frozen=True)
class RunningServer:
    """A server and the `file` that gives its `address`."""

    address: str
    file: Path

    def is_running(self) -> bool:
        """Return whether the process that wrote the file still runs."""
        return _is_locked(self.file)


@contextlib.contextmanager
def announced(address: str, *, home: Path, cache_dir: Path) -> Iterator[None]:
    """Let the command line find the server at `address`, which serves the galleries of `home`.

    Where the folder cannot be written, the server runs without being found.
    """
    path = cache_dir / _FOLDER / f"{address.partition('://')[2].replace(':', '-')}.json"
    facts = {"address": address, "home": str(home), "machine": socket.gethostname()}
    with contextlib.ExitStack() as announcing:
        with contextlib.suppress(OSError):
            announcing.enter_context(_locked_file(path, json.dumps(facts)))
        yield


def servers_of(home: Path, cache_dir: Path) -> list[RunningServer]:
    """Return the servers that run on this machine and serve `home`, newest first."""
    servers = []
    folder = cache_dir / _FOLDER
    with contextlib.suppress(OSError):
        if not _is_private(folder):
            return []
        for path in folder.glob("*.json"):
            facts = _read(path)
            address = facts.get("address")
            here = facts.get("machine") == socket.gethostname()
            if here and facts.get("home") == str(home) and isinstance(address, str):
                server = RunningServer(address, path)
                if server.is_running():
                    servers.append((path.stat().st_mtime_ns, server))
    return [server for _, server in sorted(servers, key=lambda each: each[0], reverse=True)]


@contextlib.contextmanager
def _locked_file(path: Path, text: str) -> Iterator[None]:
    """Write a file that only this user may read, keep it locked, and remove it at the end.

    It is locked before it gets its name, so that nobody sees it without its lock.
    """
    if sys.platform == "win32":
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    mine = path.with_suffix(f".{os.getpid()}")
    mine.unlink(missing_ok=True)
    with open(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(text)
            file.flush()
            mine.replace(path)
        except OSError:
            mine.unlink(missing_ok=True)
            raise
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a later server may have put its own file there
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    path.unlink()


def _is_locked(path: Path) -> bool:
    """Return whether some process holds the exclusive lock of a file."""
    if sys.platform == "win32":
        return False
    try:
        with path.open("rb") as file:
            # Shared, so that two who ask at the same time do not take each other for the server.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_private(folder: Path) -> bool:
    """Return whether nobody but this user can have written to a folder."""
    status = folder.lstat()
    return (
        sys.platform != "win32" and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
    )


def _read(path: Path) -> dict[str, object]:
    """Return a file's facts; none where it is gone, or was not written by a server."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
