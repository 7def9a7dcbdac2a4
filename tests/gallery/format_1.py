"""A gallery as the first version wrote it: one database that held the manifest and the items."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.gallery import Folders, Gallery

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
"""
_KEYS_TABLE = "CREATE TABLE image_key (image INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)"


def rewrite_as_format_1(folders: Folders) -> None:
    """Rewrite a gallery of one segment, without gaps in its ids, as format 1."""
    gallery = Gallery(folders)
    [segment] = gallery.manifest.segments
    records = gallery.images(gallery.ids().tolist())
    skipped = gallery.skipped()
    values = {**asdict(gallery.manifest), "format": 1, "source": gallery.manifest.source}
    gallery.close()
    of_segment = ("vectors", "shortlist", "thumbnails")
    files = {kind: values["segments"][0]["files"].get(kind) for kind in of_segment}
    for key in ("segments", "next_id", "sources", "title", "changed", "added"):
        del values[key]
    values["files"] = {kind: file for kind, file in files.items() if file}
    with contextlib.closing(sqlite3.connect(folders.indexes / "gallery.db")) as database:
        database.executescript(_TABLES)
        for i in records:
            database.execute(
                "INSERT INTO image VALUES (?, ?, ?, ?, ?, ?)",
                [i.id, i.path, bytes.fromhex(i.sha256), i.width, i.height, i.bytes],
            )
            for name in i.labels:
                database.execute("INSERT OR IGNORE INTO label (name) VALUES (?)", [name])
                database.execute(
                    "INSERT INTO image_label SELECT ?, id FROM label WHERE name = ?", [i.id, name]
                )
        if any(record.key for record in records):
            database.execute(_KEYS_TABLE)
            keys = [(record.id, record.key) for record in records]
            database.executemany("INSERT INTO image_key VALUES (?, ?)", keys)
        database.executemany(
            "INSERT INTO skipped VALUES (?, ?)", [(each.path, each.reason) for each in skipped]
        )
        database.execute("INSERT INTO manifest VALUES (?)", [json.dumps(values)])
        database.commit()
    path = folders.indexes / "gallery.db"
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())
    _move_up(folders.below(segment.name).indexes, folders.indexes)
    _move_up(folders.below(segment.name).features, folders.features)
    (folders.indexes / "items.db").unlink()
    for left in folders.indexes.iterdir():
        if left.name.partition(".")[0] in ("manifest", "seen", "skipped", "removed", "quantiser"):
            left.unlink()


def values_of_format_1(folders: Folders) -> dict[str, Any]:
    """Return what the manifest of a gallery of format 1 says."""
    with contextlib.closing(sqlite3.connect(folders.indexes / "gallery.db")) as database:
        (text,) = database.execute("SELECT manifest FROM manifest").fetchone()
    values: dict[str, Any] = json.loads(text)
    return values


def _move_up(folder: Path, into: Path) -> None:
    for path in folder.iterdir():
        shutil.move(path, into / path.name)
    folder.rmdir()
