"""The files of a gallery's folders as they were last seen: one that has not changed stays shut."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from app.gallery import files

_TABLE = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE file (
    source INTEGER NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY (source, path)
) WITHOUT ROWID;
"""
NO_IMAGE = -1

Place = tuple[int, str]
"""Which of a gallery's folders a file lies in, and its path there."""
Stamp = tuple[int, int]
"""A file's size in bytes, -1 where that is not known, and its time of change in nanoseconds."""


class Seen(NamedTuple):
    """A file as it was: its stamp, and its image's id, NO_IMAGE where it cannot be read."""

    stamp: Stamp
    image: int


def write_seen(path: Path, seen: Mapping[Place, Seen]) -> None:
    """Write what was seen to a new file at `path`."""
    with files.new_database(path, _TABLE) as database:
        database.executemany(
            "INSERT INTO file VALUES (?, ?, ?, ?, ?)",
            (
                (source, _kept(path), *each.stamp, each.image)
                for (source, path), each in sorted(seen.items())
            ),
        )


def read_seen(path: Path) -> dict[Place, Seen]:
    """Return what was seen; GalleryError if the file is missing or no database."""
    with contextlib.closing(files.open_read_only(path, mend="")) as database:
        rows = database.execute("SELECT source, path, bytes, mtime_ns, image FROM file")
        return {(row[0], _name(row[1])): Seen((row[2], row[3]), row[4]) for row in rows}


def _kept(path: str) -> str | bytes:
    """Return a path as the table has it: in bytes where its name is no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode(errors="surrogateescape")
    return path


def _name(kept: str | bytes) -> str:
    return kept if isinstance(kept, str) else kept.decode(errors="surrogateescape")
