"""Where a server listens ↔ a small file that the command line finds it by.

The files lie in the cache folder, one for each address, so that what a killed server left behind
is written over by the next one there. A file says where its server was; whether it still is,
only asking it tells.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

_FOLDER = "servers"


@contextlib.contextmanager
def announced(address: str, *, home: Path, cache_dir: Path) -> Iterator[None]:
    """Let the command line find the server at `address`, which serves the galleries of `home`.

    A folder that cannot be written is passed over: the server works without being found.
    """
    path = cache_dir / _FOLDER / f"{address.partition('://')[2].replace(':', '-')}.json"
    facts = {
        "address": address,
        "pid": os.getpid(),
        "home": str(home),
        "machine": socket.gethostname(),
    }
    mine = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text(json.dumps(facts), encoding="utf-8")
        mine.replace(path)
    try:
        yield
    finally:
        if _read(path).get("pid") == os.getpid():
            with contextlib.suppress(OSError):
                path.unlink()


def servers_of(home: Path, cache_dir: Path) -> list[str]:
    """Return the addresses on this machine that said last that they serve `home`, newest first."""
    found = []
    with contextlib.suppress(OSError):
        for path in (cache_dir / _FOLDER).glob("*.json"):
            facts, address = _read(path), _read(path).get("address")
            here = facts.get("machine") == socket.gethostname()
            if here and facts.get("home") == str(home) and isinstance(address, str):
                found.append((path.stat().st_mtime_ns, address))
    return [address for _, address in sorted(found, reverse=True)]


def _read(path: Path) -> dict[str, object]:
    """Return what a file says; nothing where it is gone or is not one of ours."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
