"""Where a server listens ↔ a small file that the command line finds it by.

The files lie in a folder of the cache that is its user's alone, one for each address. A server
holds a lock on its own, which the system takes from it when it ends, however it ends: what holds no
lock was left behind, and whatever listens at that address now is somebody else.
"""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":  # there no server is found: it must be named
    import fcntl

_FOLDER = "servers"
_OTHERS = 0o077


@dataclass(frozen=True)
class RunningServer:
    """A server that said in `file` that it listens at `address`."""

    address: str
    file: Path

    def is_running(self) -> bool:
        """Return whether the process that wrote the file still runs."""
        return _is_held(self.file)


@contextlib.contextmanager
def announced(address: str, *, home: Path, cache_dir: Path) -> Iterator[None]:
    """Let the command line find the server at `address`, which serves the galleries of `home`.

    A folder that cannot be written is passed over: the server works without being found.
    """
    path = cache_dir / _FOLDER / f"{address.partition('://')[2].replace(':', '-')}.json"
    facts = {"address": address, "home": str(home), "machine": socket.gethostname()}
    with contextlib.ExitStack() as announcing:
        with contextlib.suppress(OSError):
            announcing.enter_context(_held(path, json.dumps(facts)))
        yield


def servers_of(home: Path, cache_dir: Path) -> list[RunningServer]:
    """Return the servers on this machine that run and say that they serve `home`, newest first."""
    found = []
    folder = cache_dir / _FOLDER
    with contextlib.suppress(OSError):
        if not _is_mine_alone(folder):
            return []
        for path in folder.glob("*.json"):
            facts = _read(path)
            address = facts.get("address")
            here = facts.get("machine") == socket.gethostname()
            if here and facts.get("home") == str(home) and isinstance(address, str):
                server = RunningServer(address, path)
                if server.is_running():
                    found.append((path.stat().st_mtime_ns, server))
    return [server for _, server in sorted(found, key=lambda each: each[0], reverse=True)]


@contextlib.contextmanager
def _held(path: Path, text: str) -> Iterator[None]:
    """Write a file that only this user may read, and hold its lock; remove it at the end.

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
            with contextlib.suppress(OSError):  # not what a later server there has written
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    path.unlink()


def _is_held(path: Path) -> bool:
    """Return whether some process holds the lock of a file."""
    if sys.platform == "win32":
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may ask meanwhile
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_mine_alone(folder: Path) -> bool:
    """Return whether nobody but this user can have put anything into a folder."""
    status = folder.lstat()
    return (
        sys.platform != "win32" and status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
    )


def _read(path: Path) -> dict[str, object]:
    """Return what a file says; nothing where it is gone or is not one of ours."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
