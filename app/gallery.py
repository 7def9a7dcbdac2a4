"""A gallery on disk: written in steps that can stop anywhere, opened, verified and read. The only file that names SQLite.

`features/README.md` and `indexes/README.md` state the format. What exists is what `gallery.db`
says; it is the last file a build puts in its place, in one rename, so a reader sees the gallery as
before or as after.
"""

import contextlib
import hashlib
import json
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from app.errors import AppError, GalleryError, NotFoundError, StorageError, UsageError
from app.results import ImageRecord, Skipped

FORMAT = 1
DATABASE = "gallery.db"
_DRAFT = "building"
_LFS_POINTER = b"version https://git-lfs"

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
# Small pages: a thumbnail of 3 KB would leave a quarter of a page of 4 KB empty.
_THUMBNAIL_TABLE = """
PRAGMA page_size = 1024;
CREATE TABLE thumbnail (image INTEGER PRIMARY KEY, webp BLOB NOT NULL);
"""


@dataclass(frozen=True)
class StoredFile:
    """A file beside the database: its name, its size in bytes and its SHA-256 in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything a query must agree with, and what was measured when the gallery was built."""

    name: str
    data: str
    source: str
    command: str
    model: str
    weights_sha256: str
    preprocessing: dict[str, Any]
    dim: int
    images: int
    skipped: int
    index_asked: str
    index: str
    probes: int
    candidates: int
    recall_raw: float
    recall_reranked: float
    recall_queries: int
    created: str
    versions: dict[str, str]
    files: dict[str, StoredFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    generation: int = 1
    format: int = FORMAT

    def to_json(self) -> str:
        """Return the manifest as JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Return the manifest of a JSON text; GalleryError if it is of another format."""
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise GalleryError(f"Its format is {values['format']}, this program reads {FORMAT}")
            files = {kind: StoredFile(**file) for kind, file in values.pop("files").items()}
            return cls(files=files, notes=tuple(values.pop("notes")), **values)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise GalleryError("Its manifest cannot be read") from exc


@dataclass(frozen=True)
class Folders:
    """The two folders of one gallery; `features` may be missing."""

    features: Path
    indexes: Path

    @classmethod
    def of(cls, name: str, features_dir: Path, indexes_dir: Path) -> "Folders":
        """Return the folders of the gallery `name`; UsageError if the name is no plain file name."""
        if not name or name.startswith(".") or not set(name) <= _NAME_CHARACTERS:
            raise UsageError(
                f"A gallery cannot be called {name!r}: use letters, digits, '.', '_' and '-'."
            )
        return cls(features_dir / name, indexes_dir / name)

    def path_of(self, kind: str, file: StoredFile) -> Path:
        """Return where a stored file lies: vectors under features, all else under indexes."""
        return (self.features if kind == "vectors" else self.indexes) / file.name


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def gallery_names(indexes_dir: Path) -> list[str]:
    """Return the names of the galleries that exist, damaged ones too, in alphabetical order."""
    if not indexes_dir.is_dir():
        return []
    # A folder that holds only a draft is not a gallery yet.
    return sorted(
        path.name
        for path in indexes_dir.iterdir()
        if path.is_dir() and any(child.name not in (_DRAFT, "lock") for child in path.iterdir())
    )


class Gallery:
    """An open gallery: a snapshot that a rebuild does not disturb. Safe to use from several threads."""

    def __init__(self, folders: Folders) -> None:
        """Open and verify; GalleryError names the file that is wrong and the command that mends it."""
        self.folders = folders
        self._lock = threading.Lock()
        path = folders.indexes / DATABASE
        self._identity = _identity(path)
        self._database = _open_read_only(path, mend=None)
        try:
            rows = self._database.execute("SELECT manifest FROM manifest").fetchall()
            check = self._database.execute("PRAGMA quick_check").fetchone()[0]
            if len(rows) != 1 or check != "ok":
                raise GalleryError("It is damaged")
            self.manifest = Manifest.from_json(rows[0][0])
        except (sqlite3.Error, GalleryError) as exc:
            self._database.close()
            what = str(exc) if isinstance(exc, GalleryError) else "It is no gallery database"
            raise GalleryError(f"{what}: {path}. {_mend(folders.indexes.name, None)}") from exc
        try:
            self._verify()
            self._thumbnails = _open_read_only(
                folders.path_of("thumbnails", self.manifest.files["thumbnails"]),
                mend=self.manifest.command,
            )
        except GalleryError:
            self._database.close()
            raise

    @property
    def name(self) -> str:
        """The gallery's name, which is its folder's."""
        return self.folders.indexes.name

    @property
    def vectors_path(self) -> Path | None:
        """The flat index, or None where `features/` is not here: the search is approximate then."""
        return self._existing("vectors")

    @property
    def shortlist_path(self) -> Path | None:
        """The shortlist index, or None for a gallery that is always searched exactly."""
        return self._existing("shortlist")

    def replaced(self) -> bool:
        """Return whether a build has put another gallery in this one's place, or removed it."""
        return _identity(self.folders.indexes / DATABASE) != self._identity

    def close(self) -> None:
        """Close the databases."""
        with self._lock:
            self._database.close()
            self._thumbnails.close()

    def images(self, ids: Sequence[int]) -> list[ImageRecord]:
        """Return the images of these ids, in their order; NotFoundError if one does not exist."""
        marks = ",".join("?" * len(ids))
        with self._lock:
            rows = self._database.execute(
                "SELECT id, path, sha256, width, height, bytes FROM image "
                f"WHERE id IN ({marks})",  # only question marks are put in
                list(ids),
            ).fetchall()
            names = self._database.execute(
                "SELECT image, name FROM image_label JOIN label ON label.id = label "
                f"WHERE image IN ({marks}) ORDER BY name",
                list(ids),
            ).fetchall()
        labels: dict[int, list[str]] = {}
        for image, name in names:
            labels.setdefault(image, []).append(name)
        found = {
            row[0]: ImageRecord(
                row[0], row[1], row[2].hex(), row[3], row[4], row[5], tuple(labels.get(row[0], ()))
            )
            for row in rows
        }
        for image in ids:
            if image not in found:
                raise NotFoundError(
                    f"The gallery {self.name} has no image {image}: "
                    f"its ids go from 0 to {self.manifest.images - 1}."
                )
        return [found[image] for image in ids]

    def ids_of_content(self, sha256: str) -> list[int]:
        """Return the ids of the images whose file has this SHA-256 (hex)."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id FROM image WHERE sha256 = ? ORDER BY id", [bytes.fromhex(sha256)]
            ).fetchall()
        return [row[0] for row in rows]

    def thumbnail(self, image: int) -> bytes:
        """Return the small WebP picture of an image; NotFoundError if there is none."""
        with self._lock:
            row = self._thumbnails.execute(
                "SELECT webp FROM thumbnail WHERE image = ?", [image]
            ).fetchone()
        if row is None:
            raise NotFoundError(f"The gallery {self.name} has no image {image}.")
        return bytes(row[0])

    def random_ids(self, count: int) -> list[int]:
        """Return up to `count` different ids, drawn afresh at each call."""
        total = self.manifest.images
        return random.sample(range(total), min(count, total))

    def labels_by_row(self) -> list[tuple[str, ...]]:
        """Return the labels of every image in the order of the rows."""
        labels: list[list[str]] = [[] for _ in range(self.manifest.images)]
        with self._lock:
            for image, name in self._database.execute(
                "SELECT image, name FROM image_label JOIN label ON label.id = label ORDER BY name"
            ):
                labels[image].append(name)
        return [tuple(names) for names in labels]

    def _existing(self, kind: str) -> Path | None:
        file = self.manifest.files.get(kind)
        if file is None or (kind == "vectors" and not self.folders.features.is_dir()):
            return None
        return self.folders.path_of(kind, file)

    def _verify(self) -> None:
        for kind, file in self.manifest.files.items():
            if kind == "vectors" and not self.folders.features.is_dir():
                continue
            _verify_file(self.folders.path_of(kind, file), file, self.manifest.command)


class Draft:
    """A gallery under construction. What `add` has taken is kept, whatever happens next."""

    def __init__(self, folders: Folders, *, recipe: str, dim: int) -> None:
        """Open the draft of `folders`, going on with it if it was begun for the same `recipe`.

        StorageError if a folder cannot be written, UsageError if another build is at work on it.
        """
        self.folders = folders
        self._features = folders.features / _DRAFT
        self._indexes = folders.indexes / _DRAFT
        self._dim = dim
        with writing_to(folders.indexes):
            folders.indexes.mkdir(parents=True, exist_ok=True)
            self._guard = FileLock(folders.indexes / "lock", timeout=0)
            try:
                self._guard.acquire()
            except Timeout as exc:
                raise UsageError(
                    f"Another build of {folders.indexes.name} is running: wait for it, or stop it."
                ) from exc
        try:
            with writing_to(folders.indexes):
                self._open_or_start_over(recipe)
        except BaseException:
            self._guard.release()
            raise

    @property
    def vectors_path(self) -> Path:
        """Where the finished flat index has to be written."""
        return self._features / "vectors.faiss"

    @property
    def shortlist_path(self) -> Path:
        """Where the finished shortlist has to be written."""
        return self._indexes / "shortlist.faiss"

    def add(
        self,
        images: Sequence[ImageRecord],
        thumbnails: Sequence[bytes],
        vectors: NDArray[np.float32],
        skipped: Sequence[Skipped],
    ) -> None:
        """Keep the next pictures of the list, (n, dim) unit vectors among them; all of them or none."""
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
            named = [
                (row, name) for row, image in enumerate(images, first) for name in image.labels
            ]
            self._database.executemany(
                "INSERT OR IGNORE INTO label (name) VALUES (?)", [(name,) for _, name in named]
            )
            self._database.executemany(
                "INSERT INTO image_label SELECT ?, id FROM label WHERE name = ?", named
            )
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
        exact, `shortlist_path`. Old files go only after the new database is in place.
        """
        before = _manifest_or_none(self.folders)
        generation = before.generation + 1 if before else 1
        self._raw.close()
        self._thumbnails.close()
        drafts = {"vectors": self.vectors_path, "thumbnails": self._indexes / "thumbnails.db"}
        if self.shortlist_path.is_file():
            drafts["shortlist"] = self.shortlist_path
        with writing_to(self.folders.indexes):
            files = {}
            for kind, draft in drafts.items():
                number = f".{generation}" if generation > 1 else ""
                name = f"{draft.stem}{number}{draft.suffix}"
                _sync(draft)
                files[kind] = StoredFile(name, draft.stat().st_size, sha256_of(draft))
            complete = Manifest(**{**manifest.__dict__, "files": files, "generation": generation})
            self._database.execute("DELETE FROM manifest")
            self._database.execute("INSERT INTO manifest VALUES (?)", [complete.to_json()])
            self._database.commit()
            self._database.execute("PRAGMA journal_mode = DELETE")
            self._database.execute("VACUUM")
            self._database.close()
            database = self._indexes / DATABASE
            _sync(database)
            for kind, draft in drafts.items():
                draft.replace(self.folders.path_of(kind, files[kind]))
            for folder in (self.folders.features, self.folders.indexes):
                _sync(folder)
            database.replace(self.folders.indexes / DATABASE)
            _sync(self.folders.indexes)
            self._remove_leftovers(complete)
        self._guard.release()
        return complete

    def close(self) -> None:
        """Let go of the draft; the next build of the same recipe goes on with it."""
        for opened in (self._raw, self._database, self._thumbnails):
            opened.close()
        self._guard.release()

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
        if not (self._indexes / DATABASE).is_file():
            return False
        self._database = _open_draft(self._indexes / DATABASE)
        begun, self.done = self._database.execute("SELECT * FROM progress").fetchone()
        if begun != recipe:
            self._database.close()
            return False
        self.rows = self._database.execute("SELECT count(*) FROM image").fetchone()[0]
        self._thumbnails = _open_draft(self._indexes / "thumbnails.db")
        # Vectors and thumbnails are written before the database's commit: what it does not
        # know of is cut off.
        self._thumbnails.execute("DELETE FROM thumbnail WHERE image >= ?", [self.rows])
        self._thumbnails.commit()
        self._raw = (self._features / "vectors.fp16").open("r+b")
        size = self.rows * self._dim * 2
        if self._raw.seek(0, os.SEEK_END) < size:
            self.close()
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
                if path.name not in kept and path.suffix in (".faiss", ".db"):
                    path.unlink()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while writing into a StorageError that names `folder`."""
    try:
        yield
    except AppError:
        raise
    except OSError as exc:
        reason = exc.strerror or str(exc)
    except sqlite3.Error as exc:
        reason = str(exc)
    else:
        return
    raise StorageError(
        f"{folder} cannot be written ({reason}): make room or choose another folder with "
        "RIS_HOME, then run the same command again; what is done is kept."
    )


def _manifest_or_none(folders: Folders) -> Manifest | None:
    path = folders.indexes / DATABASE
    if not path.is_file():
        return None
    try:
        with contextlib.closing(_open_read_only(path, mend=None)) as database:
            return Manifest.from_json(
                database.execute("SELECT manifest FROM manifest").fetchone()[0]
            )
    except (GalleryError, sqlite3.Error, TypeError):
        return None  # it is being replaced because it is damaged


def _open_draft(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    # A killed process loses nothing that way; a power cut may cost the draft, never a gallery,
    # since `finish` syncs every file before it counts.
    database.execute("PRAGMA synchronous = OFF")
    return database


def _open_read_only(path: Path, *, mend: str | None) -> sqlite3.Connection:
    if not path.is_file():
        raise GalleryError(f"{path} is missing. {_mend(path.parent.name, mend)}")
    _refuse_lfs_pointer(path)
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
    except sqlite3.Error as exc:
        raise GalleryError(f"{path} cannot be opened. {_mend(path.parent.name, mend)}") from exc


def _verify_file(path: Path, file: StoredFile, command: str) -> None:
    mend = _mend(path.parent.name, command)
    if not path.is_file():
        raise GalleryError(f"{path} is missing. {mend}")
    _refuse_lfs_pointer(path)
    size = path.stat().st_size
    if size != file.bytes:
        raise GalleryError(f"{path} has {size} bytes instead of {file.bytes}. {mend}")
    if sha256_of(path) != file.sha256:
        raise GalleryError(f"{path} is not the file its gallery was built with. {mend}")


def _refuse_lfs_pointer(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise GalleryError(
                f"{path} is a Git LFS pointer, not the file itself. Run: git lfs pull"
            )


def _mend(name: str, command: str | None) -> str:
    """Return what to do about a damaged gallery."""
    if command is None:
        data = name.rsplit("-", 1)
        model = f" --model {data[1]}" if len(data) == 2 else ""
        command = f"python create_index.py --data {data[0]}{model}"
    return f"Run: git checkout -- indexes/{name} features/{name} (if it came with the program), or {command} --force"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def recipe_of(parts: Iterable[object]) -> str:
    """Return a hash over what makes two builds the same, in order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode() + b"\n")
    return digest.hexdigest()
