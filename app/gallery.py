"""A gallery on disk: written in steps that can stop anywhere, opened, verified and read.

The only file that names SQLite.
`features/README.md` and `indexes/README.md` state the format. What exists is what `gallery.db`
says; it is the last file a build puts in its place, in one rename, so a reader sees the gallery as
before or as after. It holds the SHA-256 of every other file, and ends with its own: the last 32
bytes, which SQLite, going by the page count in its header, does not read.
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
_SEAL_BYTES = 32
_CHUNK_BYTES = 1 << 20

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
        """Return the folders of the gallery `name`; UsageError if it is no plain file name."""
        if not _is_name(name):
            raise UsageError(
                f"A gallery cannot be called {name!r}: use letters, digits, '.', '_' and '-'."
            )
        return cls(features_dir / name, indexes_dir / name)

    def path_of(self, kind: str, file: StoredFile) -> Path:
        """Return where a stored file lies: vectors under features, all else under indexes."""
        return (self.features if kind == "vectors" else self.indexes) / file.name


_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def _is_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and set(name) <= _NAME_CHARACTERS


def gallery_names(indexes_dir: Path) -> list[str]:
    """Return the names of the galleries that exist, damaged ones too, in alphabetical order."""
    if not indexes_dir.is_dir():
        return []
    return sorted(
        path.name
        for path in indexes_dir.iterdir()
        if path.is_dir() and _is_name(path.name) and _is_gallery(path)
    )


def _is_gallery(folder: Path) -> bool:
    """Tell a gallery, also one that lost its database, from a first build that has not ended."""
    inside = [path.name for path in folder.iterdir()]
    remains = any(name.endswith((".db", ".faiss")) for name in inside)
    return DATABASE in inside or (remains and _DRAFT not in inside)


class Gallery:
    """An open gallery: a snapshot that a rebuild does not disturb. For any number of threads."""

    def __init__(self, folders: Folders) -> None:
        """Open and verify; GalleryError names the wrong file and the command that mends it."""
        self.folders = folders
        self._lock = threading.Lock()
        while True:
            self._identity = _identity(folders.indexes / DATABASE)
            try:
                self._open(folders.indexes / DATABASE)
                break
            except GalleryError:
                if not self.replaced():  # a build that has just ended takes the old files away
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
        self._check_ids(ids)
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
        self._check_ids([image])
        with self._lock:
            row = self._thumbnails.execute(
                "SELECT webp FROM thumbnail WHERE image = ?", [image]
            ).fetchone()
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

    def _open(self, path: Path) -> None:
        self._database = _open_read_only(path, mend=_mend(self.name, None))
        try:
            self.manifest = self._read_manifest(path)
            self._verify()
            thumbnails = self.folders.path_of("thumbnails", self.manifest.files["thumbnails"])
            self._thumbnails = _open_read_only(thumbnails, mend=self._mend())
        except GalleryError:
            self._database.close()
            raise
        except OSError as exc:
            self._database.close()
            raise GalleryError(f"{exc.filename or path} cannot be read ({exc.strerror}).") from exc

    def _check_ids(self, ids: Iterable[int]) -> None:
        for image in ids:
            if not 0 <= image < self.manifest.images:
                raise NotFoundError(
                    f"The gallery {self.name} has no image {image}: "
                    f"its ids go from 0 to {self.manifest.images - 1}."
                )

    def _existing(self, kind: str) -> Path | None:
        file = self.manifest.files.get(kind)
        if file is None or (kind == "vectors" and self._may_do_without_vectors()):
            return None
        return self.folders.path_of(kind, file)

    def _may_do_without_vectors(self) -> bool:
        """Whether the features folder is not here, or only as the place of a draft."""
        features = self.folders.features
        absent = not features.is_dir() or [path.name for path in features.iterdir()] == [_DRAFT]
        return absent and "shortlist" in self.manifest.files

    def _read_manifest(self, path: Path) -> Manifest:
        try:
            if not _is_sealed(path):
                raise GalleryError("It is damaged")
            (text,) = self._database.execute("SELECT manifest FROM manifest").fetchone()
            return Manifest.from_json(text)
        except (sqlite3.Error, GalleryError) as exc:
            what = str(exc) if isinstance(exc, GalleryError) else "It is no gallery database"
            raise GalleryError(f"{what}: {path}. {_mend(self.name, None)}") from exc

    def _verify(self) -> None:
        for kind, file in self.manifest.files.items():
            if kind == "vectors" and self._may_do_without_vectors():
                continue
            path = self.folders.path_of(kind, file)
            try:
                _verify_file(path, file, self._mend())
            except GalleryError as exc:
                if self.manifest.name == self.name:
                    raise
                raise GalleryError(
                    f"{self.folders.indexes / DATABASE} is that of the gallery "
                    f"{self.manifest.name}, and {path.name} does not belong to it. {self._mend()}"
                ) from exc

    def _mend(self) -> str:
        own = self.manifest.name == self.name
        return _mend(self.name, self.manifest.command if own else None)


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
        exact, `shortlist_path`. Old files go only after the new database is in place, and the
        draft after those: stopped in between, the next build need not embed again.
        """
        before = _manifest_or_none(self.folders)
        generation = before.generation + 1 if before else 1
        thumbnails, database = self._indexes / "thumbnails.done.db", self._indexes / "done.db"
        drafts = {"vectors": self.vectors_path, "thumbnails": thumbnails}
        if self.shortlist_path.is_file():
            drafts["shortlist"] = self.shortlist_path
        with writing_to(self.folders.indexes):
            _copy_compact(self._thumbnails, thumbnails)
            files = {}
            for kind, draft in drafts.items():
                number = f".{generation}" if generation > 1 else ""
                name = f"{draft.name.partition('.')[0]}{number}{draft.suffix}"
                _sync(draft)
                files[kind] = StoredFile(name, draft.stat().st_size, sha256_of(draft))
            complete = Manifest(**{**manifest.__dict__, "files": files, "generation": generation})
            self._database.execute("DELETE FROM manifest")
            self._database.execute("INSERT INTO manifest VALUES (?)", [complete.to_json()])
            self._database.commit()
            _copy_compact(self._database, database)
            _seal(database)
            _sync(database)
            for kind, draft in drafts.items():
                draft.replace(self.folders.path_of(kind, files[kind]))
            for folder in (self.folders.features, self.folders.indexes):
                _sync(folder)
            database.replace(self.folders.indexes / DATABASE)
            _sync(self.folders.indexes)
            self._close_files()
            self._remove_leftovers(complete)
        self._guard.release()
        return complete

    def close(self) -> None:
        """Let go of the draft; the next build of the same recipe goes on with it."""
        self._close_files()
        self._guard.release()

    def discard(self) -> None:
        """Delete the draft: the next build begins anew."""
        self._close_files()
        for folder in (self._features, self._indexes):
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it stays where the gallery that was there before is
            self.folders.features.rmdir()
        self._guard.release()

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
        # Vectors and thumbnails are written before the database's commit: what it does not
        # know of is cut off.
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
        folder, reason = exc.filename or folder, exc.strerror or str(exc)
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
        with contextlib.closing(_open_read_only(path, mend="")) as database:
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


def _copy_compact(database: sqlite3.Connection, path: Path) -> None:
    path.unlink(missing_ok=True)
    database.execute("VACUUM INTO ?", [str(path)])


def _seal(path: Path) -> None:
    """Append the SHA-256 of a file to it."""
    digest = bytes.fromhex(sha256_of(path))
    with path.open("ab") as file:
        file.write(digest)


def _is_sealed(path: Path) -> bool:
    """Whether a file ends with the SHA-256 of all that comes before."""
    digest, left = hashlib.sha256(), path.stat().st_size - _SEAL_BYTES
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, _CHUNK_BYTES))):
            digest.update(part)
            left -= len(part)
        return file.read() == digest.digest()


def _open_read_only(path: Path, *, mend: str) -> sqlite3.Connection:
    if not path.is_file():
        raise GalleryError(f"{path} is missing. {mend}")
    _refuse_lfs_pointer(path)
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
    except sqlite3.Error as exc:
        raise GalleryError(f"{path} cannot be opened. {mend}") from exc


def _verify_file(path: Path, file: StoredFile, mend: str) -> None:
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
    """Return what to do about a damaged gallery, as far as is known without its database."""
    of_a_folder = f"python create_index.py --images DIR --name {name}"
    if command is None:
        data, dash, model = name.rpartition("-")
        command = f"python create_index.py --data {data} --model {model}" if dash else of_a_folder
    return (
        f"Run: git checkout -- indexes/{name} features/{name} (if it came with the program), "
        f"or {command} --force"
    )


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
