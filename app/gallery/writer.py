"""Pictures that are being embedded, kept in steps that can stop anywhere, until a commit."""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import StorageError
from app.gallery import files
from app.gallery.files import writing_to
from app.gallery.items import in_parts
from app.gallery.manifest import DRAFT, Folders, manifest_path
from app.gallery.seen import Place, Stamp
from app.values import ImageRecord, Skipped

_DATABASE = "draft.db"
_TABLES = """
CREATE TABLE image (
    row INTEGER PRIMARY KEY, source INTEGER NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, labels TEXT NOT NULL, key TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE INDEX image_by_content ON image (sha256);
CREATE TABLE skipped (
    source INTEGER NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, PRIMARY KEY (source, path)
);
CREATE TABLE progress (recipe TEXT NOT NULL);
"""
_THUMBNAIL_TABLE = """
PRAGMA page_size = 1024;
CREATE TABLE thumbnail (image INTEGER PRIMARY KEY, webp BLOB NOT NULL, local BLOB NOT NULL);
"""
_FORMAT = 2
"""Of a draft: one of before is begun anew."""
_AT_ONCE = 1_000
_UNKNOWN: Stamp = (-1, 0)


@dataclass(frozen=True)
class Drafted:
    """An image that the draft has embedded: its row there, and its file as it was."""

    row: int
    stamp: Stamp
    record: ImageRecord


class Draft:
    """Embedded pictures of a gallery to come. What `add` has taken is kept, whatever happens next.

    Where they were before a stop, the next draft of the same `recipe` has them still, whatever
    list of pictures it is for.
    """

    def __init__(self, folders: Folders, *, recipe: str, dim: int, replaces: bool = True) -> None:
        """Open the draft of `folders`, going on with it if it was begun for the same `recipe`.

        `replaces` says that the gallery that is there will be replaced: nobody can change it
        meanwhile. StorageError if a folder cannot be written, BusyError if another build is at work
        on it.
        """
        recipe = f"{_FORMAT} {recipe}"
        self.folders = folders
        self._features = folders.features / DRAFT
        self._indexes = folders.indexes / DRAFT
        self._dim = dim
        busy = f"Another build of {folders.indexes.name} is running: wait for it, or stop it."
        self._guards = [files.lock(folders.indexes / "lock", busy=busy)]
        try:
            if replaces and manifest_path(folders).is_file():
                guard = files.lock(folders.indexes / "commit.lock", busy=busy, wait_seconds=60)
                self._guards.append(guard)
            with writing_to(folders.indexes):
                self._open_or_start_over(recipe)
        except BaseException:
            self._release()
            raise

    @property
    def place(self) -> Folders:
        """Folders for the files that are made of the draft; they go when it goes."""
        return Folders(self._features / "segment", self._indexes / "segment")

    def add(
        self,
        images: Sequence[ImageRecord],
        thumbnails: Sequence[bytes],
        vectors: NDArray[np.float32],
        skipped: Sequence[Skipped],
        *,
        local: Sequence[bytes] = (),
        stamps: Mapping[Place, Stamp] | None = None,
    ) -> None:
        """Keep the next pictures, with (n, dim) unit vectors; all of them or none.

        `local` are their packed local features, of all or of none; `stamps` those of their files,
        images and skipped ones, where they are known.
        """
        first, stamps = self.rows, stamps or {}
        with writing_to(self.folders.indexes):
            self._raw.write(vectors.astype(np.float16).tobytes())
            self._raw.flush()
            features = local or [b""] * len(thumbnails)
            self._thumbnails.executemany(
                "INSERT INTO thumbnail VALUES (?, ?, ?)",
                zip(range(first, first + len(thumbnails)), thumbnails, features, strict=True),
            )
            self._thumbnails.commit()
            self._database.executemany(
                "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(row, i.source, i.path, i.sha256, i.width, i.height, i.bytes),
                        *(_time_of(i, stamps), json.dumps(i.labels), i.key),
                        json.dumps(dict(i.metadata)),
                    )
                    for row, i in enumerate(images, first)
                ],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        *(skip.source, skip.path, skip.reason),
                        *stamps.get((skip.source, skip.path), _UNKNOWN),
                    )
                    for skip in skipped
                ],
            )
            self._database.commit()
        self.rows += len(images)

    def entries(self) -> dict[Place, Drafted]:
        """Return the images by their places: of several at one place, the last that was added."""
        return {
            (entry.record.source, entry.record.path): entry
            for part in in_parts(range(self.rows), _AT_ONCE)
            for entry in self._entries(part[0], part[-1])
        }

    def records(self) -> Iterator[ImageRecord]:
        """Yield all images in the order that they were added; the id of each is its row."""
        for part in in_parts(range(self.rows), _AT_ONCE):
            for entry in self._entries(part[0], part[-1]):
                yield entry.record

    def thumbnails(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the thumbnails of rows, in their order."""
        return self._blobs("webp", rows)

    def local_features(self, rows: Iterable[int]) -> Iterator[bytes]:
        """Yield the packed local features of rows, in their order."""
        return self._blobs("local", rows)

    def _blobs(self, column: str, rows: Iterable[int]) -> Iterator[bytes]:
        for part in in_parts(rows, _AT_ONCE):
            marks = ",".join("?" * len(part))
            found = dict(
                self._thumbnails.execute(
                    f"SELECT image, {column} FROM thumbnail WHERE image IN ({marks})", part
                )
            )
            for row in part:
                yield found[row]

    def row_of_content(self, sha256: str) -> int | None:
        """Return a row whose file has this SHA-256, in hex; None if there is none."""
        row = self._database.execute(
            "SELECT row FROM image WHERE sha256 = ? LIMIT 1", [sha256]
        ).fetchone()
        return row[0] if row else None

    def skipped(self) -> list[Skipped]:
        """Return the files that could not be read, by path."""
        rows = self._database.execute(
            "SELECT path, reason, source FROM skipped ORDER BY source, path"
        )
        return [Skipped(*row) for row in rows]

    def skipped_stamps(self) -> dict[Place, Stamp]:
        """Return the stamps of the files that could not be read, as they were then."""
        rows = self._database.execute("SELECT source, path, bytes, mtime_ns FROM skipped")
        return {(source, path): (size, time) for source, path, size, time in rows}

    def forget_skipped(self, places: Iterable[Place]) -> None:
        """Forget that files could not be read: they are tried again."""
        with writing_to(self.folders.indexes):
            self._database.executemany(
                "DELETE FROM skipped WHERE source = ? AND path = ?", list(places)
            )
            self._database.commit()

    def raw_vectors(self) -> NDArray[np.float16]:
        """Return the (rows, dim) fp16 vectors, memory-mapped."""
        path = self._features / "vectors.fp16"
        if not self.rows:
            return np.zeros((0, self._dim), np.float16)
        return np.memmap(path, np.float16, "r", shape=(self.rows, self._dim))

    def close(self) -> None:
        """Let go of the draft; the next one of the same recipe goes on with it."""
        self._close_files()
        self._release()

    def discard(self) -> None:
        """Delete the draft: the next one begins anew."""
        self._close_files()
        for folder in (self._features, self._indexes):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it stays where the gallery that was there before is
            self.folders.features.rmdir()
        self._release()

    def release_commit(self) -> None:
        """Let a commit begin: the draft itself held it off."""
        for guard in self._guards[1:]:
            guard.release()
        del self._guards[1:]

    def _release(self) -> None:
        for guard in reversed(self._guards):
            guard.release()

    def _entries(self, first: int, last: int) -> Iterator[Drafted]:
        rows = self._database.execute(
            "SELECT row, path, sha256, width, height, bytes, labels, key, source, mtime_ns, "
            "metadata FROM image WHERE row BETWEEN ? AND ? ORDER BY row",
            [first, last],
        )
        for row, path, sha256, width, height, size, *more in rows:
            labels, key, source, mtime_ns, metadata = more
            record = ImageRecord(
                *(row, path, sha256, width, height, size),
                labels=tuple(json.loads(labels)),
                key=key,
                source=source,
                metadata=json.loads(metadata),
            )
            yield Drafted(row, (size, mtime_ns), record)

    def _close_files(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk closing fails once more
            self._raw.close()
        self._database.close()
        self._thumbnails.close()

    def _open_or_start_over(self, recipe: str) -> None:
        try:
            if self._open(recipe):
                return
        except (sqlite3.Error, OSError):
            pass  # a draft that cannot be read is worth nothing
        for folder in (self._features, self._indexes):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
        with files.new_database(self._indexes / "thumbnails.db", _THUMBNAIL_TABLE):
            pass
        with files.new_database(self._indexes / _DATABASE, _TABLES) as database:
            database.execute("INSERT INTO progress VALUES (?)", [recipe])
        (self._features / "vectors.fp16").touch()
        if not self._open(recipe):
            raise StorageError(f"The draft in {self._indexes} cannot be used: delete the folder.")

    def _open(self, recipe: str) -> bool:
        database, thumbnails = self._indexes / _DATABASE, self._indexes / "thumbnails.db"
        raw = self._features / "vectors.fp16"
        if not all(path.is_file() for path in (database, thumbnails, raw)):
            return False
        self._database, self._thumbnails = _open_draft(database), _open_draft(thumbnails)
        self._raw = raw.open("r+b")
        try:
            usable = self._go_on(recipe)
        except BaseException:
            self._close_files()
            raise
        if not usable:
            self._close_files()
        return usable

    def _go_on(self, recipe: str) -> bool:
        progress = self._database.execute("SELECT recipe FROM progress").fetchone()
        if progress is None or progress[0] != recipe:
            return False
        self.rows: int = self._database.execute("SELECT count(*) FROM image").fetchone()[0]
        # Vectors and thumbnails are written before the database's commit: those beyond its
        # rows are cut off.
        self._thumbnails.execute("DELETE FROM thumbnail WHERE image >= ?", [self.rows])
        self._thumbnails.commit()
        thumbnails = self._thumbnails.execute("SELECT count(*) FROM thumbnail").fetchone()[0]
        size = self.rows * self._dim * 2
        if thumbnails < self.rows or self._raw.seek(0, os.SEEK_END) < size:
            return False
        self._raw.truncate(size)
        self._raw.seek(size)
        return True


def discard_draft(folders: Folders) -> None:
    """Delete what an unfinished build has done; the gallery that was there before stays.

    BusyError if a build is at work on it.
    """
    busy = f"A build of {folders.indexes.name} is running: stop it first."
    with files.locked(folders.indexes / "lock", busy=busy), writing_to(folders.indexes):
        for folder in (folders.features, folders.indexes):
            shutil.rmtree(folder / DRAFT, ignore_errors=True)
    if not manifest_path(folders).exists():
        shutil.rmtree(folders.indexes, ignore_errors=True)
    with contextlib.suppress(OSError):
        folders.features.rmdir()


def _time_of(image: ImageRecord, stamps: Mapping[Place, Stamp]) -> int:
    return stamps.get((image.source, image.path), _UNKNOWN)[1]


def _open_draft(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    # A killed process loses nothing that way; a power cut may cost the draft, never a gallery,
    # since a commit syncs every file before it counts.
    database.execute("PRAGMA synchronous = OFF")
    return database
