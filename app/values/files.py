"""Files that are whole or not there, and their SHA-256."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex; OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `path`, and rename it to `path` at the end.

    Whatever goes wrong before, `path` stays as it was and the new file is removed. The new name is
    hidden and drawn: two that write the same file do not mix, be they on two machines.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        yield new
        new.replace(path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink()
