"""A gallery under construction, written in steps that can stop anywhere."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError, StorageError, UsageError
from app.gallery import files
from app.gallery.files import writing_to
from app.gallery.manifest import DATABASE, DRAFT, Folders, manifest_from_json, manifest_to_json
from app.values import ImageRecord, Skipped
from app.values.files import sha256_of
from app.values.gallery import Manifest, StoredFile
from app.values.locks import locked

_TABLES = """
CREATE TABLE image (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, sha256 BLOB NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE INDEX image_by_content ON image (sha256);
CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE image_label (
    image INTEGER NOT NULL REFERENCES image, label INTEGER NOT NULL REFERENCES label,
    PRIMARY KEY (image, label)
) WITHOUT ROWID;
CREATE TABLE skipped (path TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE manifest (manifest TEXT NOT NULL);
CREATE TABLE progress (recipe TEXT NOT NULL, pictures INTEGER NOT NULL);
"""
# Made for the first image that has a key: most galleries have none.
_KEY_TABLE = """
CREATE TABLE IF NOT EXISTS image_key (
    image INTEGER PRIMARY KEY REFERENCES image, key TEXT NOT NULL UNIQUE
)
"""
# Small pages: a thumbnail of 3 KB would leave a quarter of a page of 4 KB empty.
_THUMBNAIL_TABLE = """
PRAGMA page_size = 1024;
CREATE TABLE thumbnail (image INTEGER PRIMARY KEY, webp BLOB NOT NULL);
"""


_OWN = (".faiss", ".db", ".safetensors")


class Draft:
    """A gallery under construction. What `add` has taken is kept, whatever happens next."""

    def __init__(self, folders: Folders, *, recipe: str, dim: int) -> None:
        """Open the draft of `folders`, going on with it if it was begun for the same `recipe`.

        StorageError if a folder cannot be written, UsageError if another build is at work on it.
        """
        self.folders = folders
        self._features = folders.features / DRAFT
        self._indexes = folders.indexes / DRAFT
        self._dim = dim
        busy = UsageError(
            f"Another build of {folders.indexes.name} is running: wait for it, or stop it."
        )
        with writing_to(folders.indexes), contextlib.ExitStack() as guard:
            folders.indexes.mkdir(parents=True, exist_ok=True)
            guard.enter_context(locked(folders.indexes / "lock", busy=busy))
            self._open_or_start_over(recipe)
            self._guard = guard.pop_all()

    @property
    def vectors_path(self) -> Path:
        """Where the finished flat index has to be written."""
        return self._features / "vectors.faiss"

    @property
    def shortlist_path(self) -> Path:
        """Where the finished shortlist has to be written."""
        return self._indexes / "shortlist.faiss"

    @property
    def projection_path(self) -> Path:
        """Where the projection has to be written, if the vectors are not the model's own."""
        return self._indexes / "projection.safetensors"

    def add(
        self,
        images: Sequence[ImageRecord],
        thumbnails: Sequence[bytes],
        vectors: NDArray[np.float32],
        skipped: Sequence[Skipped],
    ) -> None:
        """Keep the next pictures of the list, with (n, dim) unit vectors; all of them or none."""
        first = self.rows
        with writing_to(self.folders.indexes):
            self._raw.write(vectors.astype(np.float16).tobytes())
            self._raw.flush()
            self._thumbnails.executemany(
                "INSERT INTO thumbnail VALUES (?, ?)", list(enumerate(thumbnails, first))
            )
            self._thumbnails.commit()
            self._database.executemany(
                "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (row, i.path, bytes.fromhex(i.sha256), i.width, i.height, i.bytes)
                    for row, i in enumerate(images, first)
                ],
            )
            image_labels = [
                (row, name) for row, image in enumerate(images, first) for name in image.labels
            ]
            self._database.executemany(
                "INSERT OR IGNORE INTO label (name) VALUES (?)",
                [(name,) for _, name in image_labels],
            )
            self._database.executemany(
                "INSERT INTO image_label SELECT ?, id FROM label WHERE name = ?", image_labels
            )
            keys = [(row, image.key) for row, image in enumerate(images, first) if image.key]
            if keys:
                self._database.execute(_KEY_TABLE)
                self._database.executemany("INSERT INTO image_key VALUES (?, ?)", keys)
            self._database.executemany(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?)",
                [(skip.path, skip.reason) for skip in skipped],
            )
            self._database.execute(
                "UPDATE progress SET pictures = pictures + ?", [len(images) + len(skipped)]
            )
            self._database.commit()
        self.rows += len(images)
        self.done += len(images) + len(skipped)

    def skipped(self) -> list[Skipped]:
        """Return the files that could not be read, by path."""
        rows = self._database.execute("SELECT path, reason FROM skipped ORDER BY path")
        return [Skipped(*row) for row in rows]

    def raw_vectors(self) -> NDArray[np.float16]:
        """Return the (rows, dim) fp16 vectors, memory-mapped."""
        path = self._features / "vectors.fp16"
        return np.memmap(path, np.float16, "r", shape=(self.rows, self._dim))

    def finish(self, manifest: Manifest) -> Manifest:
        """Put the gallery in place and return its manifest, completed with files and generation.

        The indexes must have been written to `vectors_path` and, unless the search is always
        exact, `shortlist_path`, and a projection, if there is one, to `projection_path`. Old files
        go only after the new database is in place, and the draft after those: stopped in between,
        the next build need not embed again.
        """
        before = _manifest_or_none(self.folders)
        generation = before.generation + 1 if before else 1
        thumbnails, database = self._indexes / "thumbnails.done.db", self._indexes / "done.db"
        drafts = {"vectors": self.vectors_path, "thumbnails": thumbnails}
        optional = {"shortlist": self.shortlist_path, "projection": self.projection_path}
        drafts |= {kind: path for kind, path in optional.items() if path.is_file()}
        with writing_to(self.folders.indexes):
            files.copy_compact(self._thumbnails, thumbnails)
            stored = {}
            for kind, draft in drafts.items():
                number = f".{generation}" if generation > 1 else ""
                name = f"{draft.name.partition('.')[0]}{number}{draft.suffix}"
                files.sync(draft)
                stored[kind] = StoredFile(name, draft.stat().st_size, sha256_of(draft))
            complete = replace(manifest, files=stored, generation=generation)
            self._database.execute("DELETE FROM manifest")
            self._database.execute("INSERT INTO manifest VALUES (?)", [manifest_to_json(complete)])
            self._database.commit()
            files.copy_compact(self._database, database)
            files.seal(database)
            files.sync(database)
            for kind, draft in drafts.items():
                draft.replace(self.folders.path_of(kind, stored[kind]))
            for folder in (self.folders.features, self.folders.indexes):
                files.sync(folder)
            database.replace(self.folders.indexes / DATABASE)
            files.sync(self.folders.indexes)
            self._close_files()
            self._remove_leftovers(complete)
        self._guard.close()
        return complete

    def close(self) -> None:
        """Let go of the draft; the next build of the same recipe goes on with it."""
        self._close_files()
        self._guard.close()

    def discard(self) -> None:
        """Delete the draft: the next build begins anew."""
        self._close_files()
        for folder in (self._features, self._indexes):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it stays where the gallery that was there before is
            self.folders.features.rmdir()
        self._guard.close()

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
        for path, script in (
            (self._indexes / "thumbnails.db", _THUMBNAIL_TABLE),
            (self._indexes / DATABASE, _TABLES),
        ):
            database = sqlite3.connect(path)
            database.executescript(script)
            if path.name == DATABASE:
                database.execute("INSERT INTO progress VALUES (?, 0)", [recipe])
                database.commit()
            database.close()
        (self._features / "vectors.fp16").touch()
        if not self._open(recipe):
            raise StorageError(f"The draft in {self._indexes} cannot be used: delete the folder.")

    def _open(self, recipe: str) -> bool:
        database, thumbnails = self._indexes / DATABASE, self._indexes / "thumbnails.db"
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
        progress = self._database.execute("SELECT * FROM progress").fetchone()
        if progress is None or progress[0] != recipe:
            return False
        self.done: int = progress[1]
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

    def _remove_leftovers(self, current: Manifest) -> None:
        shutil.rmtree(self._features)
        shutil.rmtree(self._indexes)
        kept = {file.name for file in current.files.values()} | {DATABASE, "lock", "NOTICE"}
        for folder in (self.folders.features, self.folders.indexes):
            for path in folder.iterdir():
                if path.name not in kept and path.suffix in _OWN:
                    path.unlink()


def discard_draft(folders: Folders) -> None:
    """Delete what an unfinished build has done; the gallery that was there before stays.

    UsageError if a build is at work on it.
    """
    busy = UsageError(f"A build of {folders.indexes.name} is running: stop it first.")
    with writing_to(folders.indexes), locked(folders.indexes / "lock", busy=busy):
        for folder in (folders.features, folders.indexes):
            shutil.rmtree(folder / DRAFT, ignore_errors=True)
    if not (folders.indexes / DATABASE).exists():
        shutil.rmtree(folders.indexes, ignore_errors=True)
    with contextlib.suppress(OSError):
        folders.features.rmdir()


def _manifest_or_none(folders: Folders) -> Manifest | None:
    path = folders.indexes / DATABASE
    if not path.is_file():
        return None
    try:
        with contextlib.closing(files.open_read_only(path, mend="")) as database:
            (text,) = database.execute("SELECT manifest FROM manifest").fetchone()
            return manifest_from_json(text, place=path, mend="")
    except (GalleryError, sqlite3.Error, TypeError):
        return None  # it is being replaced because it is damaged


def _open_draft(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    # A killed process loses nothing that way; a power cut may cost the draft, never a gallery,
    # since `finish` syncs every file before it counts.
    database.execute("PRAGMA synchronous = OFF")
    return database
