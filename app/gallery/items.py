"""The items of one segment in SQLite: written once, then only read."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.gallery import files, words
from app.values import ImageRecord, MetadataValue, Skipped

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE image (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL, path TEXT NOT NULL, sha256 BLOB NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, bytes INTEGER NOT NULL
);
CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE image_label (
    image INTEGER NOT NULL REFERENCES image, label INTEGER NOT NULL REFERENCES label,
    PRIMARY KEY (image, label)
) WITHOUT ROWID;
CREATE TABLE image_key (image INTEGER PRIMARY KEY REFERENCES image, key TEXT NOT NULL UNIQUE);
CREATE TABLE metadata_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE metadata (
    name INTEGER NOT NULL REFERENCES metadata_name, image INTEGER NOT NULL REFERENCES image,
    value NOT NULL, PRIMARY KEY (name, image)
) WITHOUT ROWID;
"""
# Made once all rows are there, which takes half the time.
_INDEXES = """
CREATE INDEX image_by_content ON image (sha256);
CREATE INDEX image_by_label ON image_label (label);
"""
# Small pages: a thumbnail of 3 KB would leave a quarter of a page of 4 KB empty.
_THUMBNAIL_TABLE = """
PRAGMA page_size = 1024;
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE thumbnail (image INTEGER PRIMARY KEY, webp BLOB NOT NULL);
"""
_T = TypeVar("_T")
_AT_ONCE = 10_000  # of the 32766 question marks that SQLite takes


def write_items(path: Path, records: Iterable[ImageRecord]) -> list[int]:
    """Write the items of a new segment to `path` and return their ids, which must ascend."""
    ids: list[int] = []
    with files.new_database(path, _TABLES + words.TABLE) as database:
        for batch in in_parts(records, _AT_ONCE):
            _insert(database, batch)
            ids += [record.id for record in batch]
        database.executescript(_INDEXES)
    return ids


def write_thumbnails(path: Path, thumbnails: Iterable[tuple[int, bytes]]) -> None:
    """Write (id, WebP) pairs of a new segment to `path`."""
    with files.new_database(path, _THUMBNAIL_TABLE) as database:
        database.executemany("INSERT INTO thumbnail VALUES (?, ?)", thumbnails)


def in_parts(values: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Yield the values in tuples of `size`, the last perhaps shorter."""
    left = iter(values)
    while part := tuple(islice(left, size)):
        yield part


def _insert(database: sqlite3.Connection, records: Sequence[ImageRecord]) -> None:
    database.executemany(
        "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (i.id, i.source, i.path, bytes.fromhex(i.sha256), i.width, i.height, i.bytes)
            for i in records
        ],
    )
    labels = [(record.id, name) for record in records for name in record.labels]
    database.executemany(
        "INSERT OR IGNORE INTO label (name) VALUES (?)", [(name,) for _, name in labels]
    )
    database.executemany("INSERT INTO image_label SELECT ?, id FROM label WHERE name = ?", labels)
    keys = [(record.id, record.key) for record in records if record.key]
    database.executemany("INSERT INTO image_key VALUES (?, ?)", keys)
    database.executemany(
        "INSERT OR IGNORE INTO metadata_name (name) VALUES (?)",
        [(name,) for name in dict.fromkeys(name for each in records for name in each.metadata)],
    )
    database.executemany(
        "INSERT INTO metadata SELECT id, ?, ? FROM metadata_name WHERE name = ?",
        [(each.id, value, name) for each in records for name, value in each.metadata.items()],
    )
    words.index(database, records)


class Items:
    """The open items and thumbnails of a segment. For many threads."""

    def __init__(self, items: Path, thumbnails: Path, *, mend: str) -> None:
        """Open both; GalleryError, ending with `mend`, if one is missing or no database."""
        self._lock = threading.RLock()
        self._items = files.open_read_only(items, mend=mend)
        try:
            self._thumbnails = files.open_read_only(thumbnails, mend=mend)
        except BaseException:
            self._items.close()
            raise
        tables = {name for (name,) in self._all("SELECT name FROM sqlite_master")}
        columns = {row[1] for row in self._all("PRAGMA table_info(image)")}
        self._key_table = "image_key" in tables  # format 1 made it for the first key
        self.has_keys = self._key_table and bool(self._all("SELECT 1 FROM image_key LIMIT 1"))
        self._source = "source" if "source" in columns else "0"
        self._metadata = "metadata" in tables  # format 1 and the first of format 2 have none
        self._words = self._items if "words" in tables else None
        self._skipped = "skipped" in tables

    def close(self) -> None:
        """Close both databases."""
        with self._lock:
            self._items.close()
            self._thumbnails.close()
            if self._words is not None:
                self._words.close()

    def ids(self) -> NDArray[np.int64]:
        """Return all ids, ascending: row i is that of the i-th."""
        return np.fromiter(self._each("SELECT id FROM image ORDER BY id"), np.int64)

    def images(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """Return the images of these ids by id; an id that is not here is left out."""
        records: dict[int, ImageRecord] = {}
        for batch in in_parts(ids, _AT_ONCE):
            records |= self._images(batch)
        return records

    def _images(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        marks = ",".join("?" * len(ids))
        rows = self._all(
            f"SELECT id, path, sha256, width, height, bytes, {self._source} FROM image "
            f"WHERE id IN ({marks})",  # only question marks are put in
            ids,
        )
        names = self._all(
            "SELECT image, name FROM image_label JOIN label ON label.id = label "
            f"WHERE image IN ({marks}) ORDER BY name",
            ids,
        )
        keys = {}
        if self.has_keys:
            keys = dict(
                self._all(f"SELECT image, key FROM image_key WHERE image IN ({marks})", ids)
            )
        labels: dict[int, list[str]] = {}
        for image, name in names:
            labels.setdefault(image, []).append(name)
        metadata: dict[int, dict[str, MetadataValue]] = {}
        for image, name, value in self._metadata_of(ids):
            metadata.setdefault(image, {})[name] = value
        return {
            row[0]: ImageRecord(
                row[0],
                row[1],
                row[2].hex(),
                row[3],
                row[4],
                row[5],
                labels=tuple(labels.get(row[0], ())),
                key=keys.get(row[0], ""),
                source=row[6],
                metadata=metadata.get(row[0], {}),
            )
            for row in rows
        }

    def _metadata_of(self, ids: Sequence[int]) -> list[tuple[int, str, MetadataValue]]:
        if not self._metadata:
            return []
        marks = ",".join("?" * len(ids))
        return self._all(
            "SELECT image, metadata_name.name, value FROM metadata_name JOIN metadata "
            f"ON metadata.name = metadata_name.id WHERE image IN ({marks}) "
            "ORDER BY metadata_name.id",
            ids,
        )

    def ids_of_content(self, sha256: str) -> list[int]:
        """Return the ids of the images whose file has this SHA-256 (hex), ascending."""
        return self._first(
            "SELECT id FROM image WHERE sha256 = ? ORDER BY id", bytes.fromhex(sha256)
        )

    def digests(self) -> dict[int, bytes]:
        """Return the SHA-256 of every image's file by id, b"" where it is not known."""
        return dict(self._all("SELECT id, sha256 FROM image ORDER BY id"))

    def content_starts(self) -> NDArray[np.uint64]:
        """Return the first 8 bytes of every image's SHA-256, by row; 0 where it is not known."""
        starts = self._each("SELECT substr(sha256, 1, 8) FROM image ORDER BY id")
        return np.fromiter((int.from_bytes(each or b"", "little") for each in starts), np.uint64)

    def ids_with_keys(self) -> Iterator[list[int]]:
        """Yield the ids of the images that have a key, in parts; the first is a small one."""
        size, last = 1, -1
        while self.has_keys:
            part = self._first(
                "SELECT image FROM image_key WHERE image > ? ORDER BY image LIMIT ?", last, size
            )
            if not part:
                return
            yield part
            size, last = _AT_ONCE, part[-1]

    def ids_of_key(self, key: str) -> list[int]:
        """Return the id of the image with this key, if there is one."""
        if not self.has_keys:
            return []
        return self._first("SELECT image FROM image_key WHERE key = ?", key)

    def ids_of_label(self, label: str) -> list[int]:
        """Return the ids of the images with this label, ascending."""
        return self._first(
            "SELECT image FROM image_label JOIN label ON label.id = label "
            "WHERE name = ? ORDER BY image",
            label,
        )

    def ids_of_path(self, path: str) -> list[int]:
        """Return the ids of the images with this path, ascending."""
        return self._first("SELECT id FROM image WHERE path = ? ORDER BY id", path)

    def label_names(self) -> list[str]:
        """Return every label of this segment."""
        return self._first("SELECT name FROM label")

    def labels(self) -> list[tuple[int, str]]:
        """Return every (id, label), by label."""
        return self._all(
            "SELECT image, name FROM image_label JOIN label ON label.id = label ORDER BY name"
        )

    def metadata_names(self) -> list[str]:
        """Return the name of everything that is known besides, of any image."""
        return self._first("SELECT name FROM metadata_name ORDER BY id") if self._metadata else []

    def metadata(self, name: str) -> list[tuple[int, MetadataValue]]:
        """Return (id, value) of every image of which it is known, by id."""
        if not self._metadata:
            return []
        return self._all(
            "SELECT image, value FROM metadata WHERE name = "
            "(SELECT id FROM metadata_name WHERE name = ?) ORDER BY image",
            [name],
        )

    def column(self, name: Literal["path", "width", "height", "bytes"]) -> list[Any]:
        """Return what every image has there, by id."""
        return self._first(f"SELECT {name} FROM image ORDER BY id")  # one of four words

    def keys(self) -> list[tuple[int, str]]:
        """Return (id, key) of every image that has one, by id."""
        return self._all("SELECT image, key FROM image_key ORDER BY image") if self.has_keys else []

    def ids_of_word(self, word: str, *, begun: bool) -> list[int]:
        """Return the ids of the images of which a word of `words_of` is written, ascending.

        With `begun`, also those of which a longer word that begins so is. Segments of before have
        no index of words: it is made in memory when it is first asked for.
        """
        with self._lock:
            if self._words is None:
                self._words = self._index_of_words()
            found = self._words.execute(
                "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid",
                [words.matching(word, begun=begun)],
            )
            return [row[0] for row in found]

    def _index_of_words(self) -> sqlite3.Connection:
        database = sqlite3.connect(":memory:", check_same_thread=False)
        database.execute(words.TABLE)
        ids = [row[0] for row in self._items.execute("SELECT id FROM image")]
        for part in in_parts(ids, _AT_ONCE):
            words.index(database, self._images(part).values())
        return database

    def thumbnails(self, ids: Sequence[int]) -> dict[int, bytes]:
        """Return the WebP pictures of these ids by id."""
        found: dict[int, bytes] = {}
        for batch in in_parts(ids, _AT_ONCE):
            marks = ",".join("?" * len(batch))
            with self._lock:
                found |= self._thumbnails.execute(
                    f"SELECT image, webp FROM thumbnail WHERE image IN ({marks})", batch
                ).fetchall()
        return found

    def skipped(self) -> list[Skipped]:
        """Return the files that a build of format 1 could not read."""
        if not self._skipped:
            return []
        return [
            Skipped(*row) for row in self._all("SELECT path, reason FROM skipped ORDER BY path")
        ]

    def _all(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._items.execute(statement, values).fetchall()

    def _each(self, statement: str) -> Iterator[Any]:
        """Yield the first value of each row: all of a segment are not in memory at once."""
        with self._lock:
            for row in self._items.execute(statement):
                yield row[0]

    def _first(self, statement: str, *values: object) -> list:  # type: ignore[type-arg]
        return [row[0] for row in self._all(statement, values)]
