"""A gallery on disk, opened, verified and read."""

import difflib
import random
import re
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from app.errors import GalleryError, NotFoundError
from app.gallery import files
from app.gallery.manifest import (
    DATABASE,
    DRAFT,
    Folders,
    gallery_names,
    manifest_from_json,
    mending_command,
)
from app.values import ImageRecord, Skipped
from app.values.gallery import Manifest

_KEY_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'image_key'"


def open_gallery(name: str, *, features_dir: Path, indexes_dir: Path) -> "Gallery":
    """Open a gallery; NotFoundError, with the names there are, if there is none of that name."""
    names = gallery_names(indexes_dir)
    if name not in names:
        mend = (
            f"choose one of {', '.join(names)}."
            if names
            else "make one with python3 create_index.py --images DIR --name NAME."
        )
        raise NotFoundError(f"There is no gallery {name!r}: {mend}")
    return Gallery(Folders.of(name, features_dir, indexes_dir))


class Gallery:
    """An open gallery: a snapshot that a rebuild does not disturb. For any number of threads."""

    def __init__(self, folders: Folders) -> None:
        """Open and verify; GalleryError names the wrong file and the command that mends it."""
        self.folders = folders
        self._lock = threading.Lock()
        while True:
            self._identity = files.identity(folders.indexes / DATABASE)
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

    @property
    def projection_path(self) -> Path | None:
        """The projection of the model's vectors; None where the gallery keeps those themselves."""
        return self._existing("projection")

    def replaced(self) -> bool:
        """Return whether a build has put another gallery in this one's place, or removed it."""
        return files.identity(self.folders.indexes / DATABASE) != self._identity

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
            keys = dict(
                self._database.execute(
                    f"SELECT image, key FROM image_key WHERE image IN ({marks})", list(ids)
                )
                if self._has_keys
                else ()
            )
        labels: dict[int, list[str]] = {}
        for image, name in names:
            labels.setdefault(image, []).append(name)
        records = {
            row: ImageRecord(
                row,
                path,
                digest.hex(),
                width,
                height,
                size,
                labels=tuple(labels.get(row, ())),
                key=keys.get(row, ""),
            )
            for row, path, digest, width, height, size in rows
        }
        return [records[image] for image in ids]

    def ids_of_content(self, sha256: str) -> list[int]:
        """Return the ids of the images whose file has this SHA-256 (hex); none for '' (unknown)."""
        if not sha256:
            return []
        with self._lock:
            rows = self._database.execute(
                "SELECT id FROM image WHERE sha256 = ? ORDER BY id", [bytes.fromhex(sha256)]
            ).fetchall()
        return [row[0] for row in rows]

    def copies(self, ids: Iterable[int]) -> list[list[int]]:
        """Return the ids of all images with a content that one of `ids` shares with another image.

        One ascending list a content. An unknown content ('') is shared with none.
        """
        sharing = self._sharing_content.intersection(ids)
        groups: dict[int, list[int]] = {}
        for image in sharing:
            if image not in groups:
                with self._lock:
                    rows = self._database.execute(
                        "SELECT id FROM image WHERE sha256 = "
                        "(SELECT sha256 FROM image WHERE id = ?) ORDER BY id",
                        [image],
                    ).fetchall()
                same = [row[0] for row in rows]
                groups |= dict.fromkeys(sharing.intersection(same), same)
        return list({same[0]: same for same in groups.values()}.values())

    def one_of_each_content(self) -> list[int]:
        """Return the lowest id of each content, ascending; every id whose content is unknown."""
        with self._lock:
            rows = self._database.execute(
                "SELECT min(id) FROM image WHERE sha256 <> x'' GROUP BY sha256 "
                "UNION ALL SELECT id FROM image WHERE sha256 = x'' ORDER BY 1"
            ).fetchall()
        return [row[0] for row in rows]

    def id_of(self, public_id: str) -> int:
        """Return the row of the image with the id `public_id`; NotFoundError if there is none.

        The id is its key in a gallery that has keys, and its row in any other.
        """
        if not self._has_keys and re.fullmatch("0|[1-9][0-9]{0,8}", public_id):
            self._check_ids([int(public_id)])
            return int(public_id)
        row = None
        if self._has_keys:
            with self._lock:
                row = self._database.execute(
                    "SELECT image FROM image_key WHERE key = ?", [public_id]
                ).fetchone()
        if row is None:
            raise NotFoundError(f"The gallery {self.name} has no image {public_id!r}.")
        return int(row[0])

    def ids_of_label(self, label: str) -> list[int]:
        """Return the ids of the images with this label, ascending; NotFoundError if it is none."""
        with self._lock:
            rows = self._database.execute(
                "SELECT image FROM image_label JOIN label ON label.id = label "
                "WHERE name = ? ORDER BY image",
                [label],
            ).fetchall()
            names = [] if rows else self._database.execute("SELECT name FROM label").fetchall()
        if not rows:
            near = difflib.get_close_matches(label, [name for (name,) in names], 3, 0.5)
            mend = f"perhaps {' or '.join(near)} is meant." if near else "leave the label out."
            raise NotFoundError(f"No image of {self.name} has the label {label!r}: {mend}")
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

    def skipped(self) -> list[Skipped]:
        """Return the files that the build could not read, by path."""
        with self._lock:
            rows = self._database.execute("SELECT path, reason FROM skipped ORDER BY path")
            return [Skipped(*row) for row in rows]

    @cached_property
    def _sharing_content(self) -> frozenset[int]:
        """The ids of the images whose content another one has too: none in most galleries.

        Found once, at the first search, in 0.8 s for 1,000,000 images. Asking the database about
        the results of each search would make all of them a tenth slower.
        """
        with self._lock:
            rows = self._database.execute(
                "SELECT id FROM image WHERE sha256 IN (SELECT sha256 FROM image "
                "WHERE sha256 <> x'' GROUP BY sha256 HAVING count(*) > 1)"
            ).fetchall()
        return frozenset(row[0] for row in rows)

    def _open(self, path: Path) -> None:
        try:
            self._database = files.open_read_only(path, mend=mending_command(self.name, None))
        except OSError as exc:
            raise GalleryError(f"{exc.filename or path} cannot be read ({exc.strerror}).") from exc
        try:
            self.manifest = self._read_manifest(path)
            self._has_keys = bool(self._database.execute(_KEY_TABLE).fetchall())
            self._verify()
            thumbnails = self.folders.path_of("thumbnails", self.manifest.files["thumbnails"])
            self._thumbnails = files.open_read_only(thumbnails, mend=self._mend())
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
        absent = not features.is_dir() or [path.name for path in features.iterdir()] == [DRAFT]
        return absent and "shortlist" in self.manifest.files

    def _read_manifest(self, path: Path) -> Manifest:
        mend = mending_command(self.name, None)
        if not files.is_sealed(path):
            raise GalleryError(f"{path} is damaged. {mend}")
        try:
            (text,) = self._database.execute("SELECT manifest FROM manifest").fetchone()
        except sqlite3.Error as exc:
            raise GalleryError(f"{path} is no gallery database. {mend}") from exc
        return manifest_from_json(text, place=path, mend=mend)

    def _verify(self) -> None:
        for kind, file in self.manifest.files.items():
            if kind == "vectors" and self._may_do_without_vectors():
                continue
            path = self.folders.path_of(kind, file)
            try:
                files.verify_file(path, file, self._mend())
            except GalleryError as exc:
                if self.manifest.name == self.name:
                    raise
                raise GalleryError(
                    f"{self.folders.indexes / DATABASE} is that of the gallery "
                    f"{self.manifest.name}, and {path.name} does not belong to it. {self._mend()}"
                ) from exc

    def _mend(self) -> str:
        own = self.manifest.name == self.name
        return mending_command(self.name, self.manifest.command if own else None)
