"""A gallery's change: new files in their places, and then one manifest, by a rename."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import AppError, GalleryError
from app.gallery import files
from app.gallery.files import writing_to
from app.gallery.items import write_items, write_thumbnails
from app.gallery.manifest import (
    COMPACTION,
    DATABASE,
    MANIFEST,
    VECTORS,
    Folders,
    manifest_path,
    manifest_to_json,
    read_manifest,
)
from app.gallery.published import OnRows, Publication
from app.gallery.seen import Place, Seen, write_seen
from app.gallery.segment import Ids
from app.index import write_local_index
from app.values import ImageRecord, Skipped
from app.values.features import PHashes, Points
from app.values.gallery import Manifest, Segment, StoredFile

_SCRATCH = "new"
_WAIT_SECONDS = 60.0
_OF_A_GALLERY = ("removed", "skipped", "items", "seen", "projection", "network", "quantiser")
_OF_FORMAT_1 = ("vectors", "shortlist", "thumbnails")
_SUFFIXES = ("faiss", "db", "npy", "json", "safetensors", "zip")


class SegmentWriter:
    """The files of a new segment, written in folders of their own until a commit places them."""

    def __init__(self, place: Folders) -> None:
        """Begin anew in the folders of `place`."""
        self.place = place
        with writing_to(place.indexes):
            for folder in (place.features, place.indexes):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
        self._ids: Ids = np.zeros(0, np.int64)

    @property
    def vectors_path(self) -> Path:
        """Where the flat index has to be written."""
        return self.place.features / "vectors.faiss"

    @property
    def shortlist_path(self) -> Path:
        """Where the shortlist has to be written, if there is to be one."""
        return self.place.indexes / "shortlist.faiss"

    def write_images(
        self, records: Iterable[ImageRecord], thumbnails: Iterable[tuple[int, bytes]]
    ) -> None:
        """Write the items, whose ids ascend as the rows do, and (id, WebP) of each."""
        with writing_to(self.place.indexes):
            self._ids = np.array(write_items(self.place.indexes / "items.db", records), np.int64)
            write_thumbnails(self.place.indexes / "thumbnails.db", thumbnails)

    def write_local(
        self,
        training: NDArray[np.float32],
        features: Iterable[tuple[PHashes, Points, NDArray[np.float32]]],
        expected: int,
    ) -> None:
        """Write the hashes and local features of all images; see `write_local_index`."""
        with writing_to(self.place.indexes):
            write_local_index(training, features, expected, **self._local_paths)

    @property
    def _local_paths(self) -> dict[str, Path]:
        names = {"index": "local.faiss"} | {
            kind: f"{kind}.npy" for kind in ("points", "firsts", "phashes")
        }
        return {kind: self.place.indexes / name for kind, name in names.items()}

    def finish(self, **measured: object) -> Segment:
        """Wait until all is on the disk; return the facts, with those that were measured."""
        paths = {
            "items": self.place.indexes / "items.db",
            "thumbnails": self.place.indexes / "thumbnails.db",
            "shortlist": self.shortlist_path,
            VECTORS: self.vectors_path,
            "local": self._local_paths["index"],
            "points": self._local_paths["points"],
            "firsts": self._local_paths["firsts"],
            "phashes": self._local_paths["phashes"],
        }
        with writing_to(self.place.indexes):
            stored = {
                kind: files.stored_file(path) for kind, path in paths.items() if path.is_file()
            }
            for folder in (self.place.features, self.place.indexes):
                files.sync(folder)
        ids = self._ids
        gapless = len(ids) and int(ids[-1] - ids[0]) == len(ids) - 1
        return Segment(
            name="",
            rows=len(ids),
            files=stored,
            first_id=int(ids[0]) if gapless else None,
            **measured,  # type: ignore[arg-type]
        )


class Commit:
    """A change under way: the manifest as it is, and what may be put beside it."""

    def __init__(self, folders: Folders, manifest: Manifest | None) -> None:
        self.folders = folders
        self.manifest = manifest
        self.on_rows: OnRows = lambda *_: None
        self._generation = (manifest.generation if manifest else 0) + 1

    def segment_writer(self) -> SegmentWriter:
        """Return a writer of a segment that only this commit can place."""
        return SegmentWriter(self.folders.below(_SCRATCH))

    def place(self, segment: Segment, written: Folders) -> Segment:
        """Give a finished segment its name and its place; return its facts."""
        name = self._free_name()
        into = self.folders.below(name)
        with writing_to(self.folders.indexes):
            written.features.replace(into.features)
            written.indexes.replace(into.indexes)
        return replace(segment, name=name)

    def place_file(self, kind: str, written: Path) -> StoredFile:
        """Give a file of the gallery itself its name and its place; return its facts."""
        path = self.folders.indexes / f"{kind}.{self._generation}{written.suffix}"
        with writing_to(self.folders.indexes):
            stored = replace(files.stored_file(written), name=path.name)
            written.replace(path)
        return stored

    def write_items(self, segment: Segment, records: Iterable[ImageRecord]) -> Segment:
        """Write the items of a segment anew, beside those that readers have open; return its facts.

        `records` are those of all its rows, in their order.
        """
        path = self.folders.below(segment.name).indexes / f"items.{self._generation}.db"
        with writing_to(self.folders.indexes):
            write_items(path, records)
            stored = files.stored_file(path)
            files.sync(path.parent)
        return replace(segment, files=segment.files | {"items": stored})

    def write_removed(self, ids: Ids) -> StoredFile:
        """Keep the ids that are gone, as of this change."""
        scratch = self.folders.indexes / "new.npy"
        with writing_to(self.folders.indexes):
            np.save(scratch, np.unique(ids))
        return self.place_file("removed", scratch)

    def write_skipped(self, skipped: Sequence[Skipped]) -> StoredFile:
        """Keep the files that could not be read, as of this change."""
        scratch = self.folders.indexes / "new.json"
        entries = sorted([skip.path, skip.reason, skip.source] for skip in skipped)
        with writing_to(self.folders.indexes):
            scratch.write_text(json.dumps(entries, indent=0), encoding="utf-8")
        return self.place_file("skipped", scratch)

    def write_seen(self, seen: Mapping[Place, Seen]) -> StoredFile:
        """Keep the files of the gallery's folders, as of this change."""
        scratch = self.folders.indexes / "new.db"
        with writing_to(self.folders.indexes):
            write_seen(scratch, seen)
        return self.place_file("seen", scratch)

    def write(self, manifest: Manifest) -> Manifest:
        """Put a manifest in place of the one that is: from then on the change has happened.

        Files that it does not name go after it. Return it as it was written.
        """
        manifest = replace(manifest, generation=self._generation)
        publication = Publication(self.folders, self.manifest, self.on_rows)
        manifest = publication.begin(manifest)
        scratch = self.folders.indexes / "new.manifest"
        with writing_to(self.folders.indexes):
            synced = [self.folders.features, self.folders.indexes]
            if self._generation == 1:  # their own names are new too
                synced += [folder.parent for folder in synced]
            for folder in synced:
                if folder.is_dir():
                    files.sync(folder)
            scratch.write_text(manifest_to_json(manifest), encoding="utf-8")
            # Readers know a manifest by its inode and time. An inode comes back with the change
            # after the next, and the clock of a file system ticks a hundred times a second only.
            os.utime(scratch, ns=(time.time_ns(), time.time_ns()))
            files.sync(scratch)
            scratch.replace(self.folders.indexes / MANIFEST)
            files.sync(self.folders.indexes)
            self.manifest = manifest
        publication.end(manifest)
        remove_leftovers(self.folders, manifest)
        return manifest

    def _free_name(self) -> str:
        # Never the name of an older segment, though that be gone: a reader may still look for it.
        taken = {self._generation - 1} | {
            int(path.name)
            for folder in (self.folders.indexes, self.folders.features)
            if folder.is_dir()
            for path in folder.iterdir()
            if path.name.isdigit()
        }
        return str(max(taken) + 1)


@contextlib.contextmanager
def committing(folders: Folders, *, wait_seconds: float = _WAIT_SECONDS) -> Iterator[Commit]:
    """Give a change of a gallery, one at a time; BusyError if another takes too long.

    Its manifest is None where there is none, or where it is damaged and can only be replaced.
    """
    busy = f"Another change of {folders.indexes.name} is being written: try again when it is done."
    with files.locked(folders.indexes / "commit.lock", busy=busy, wait_seconds=wait_seconds):
        try:
            manifest = read_manifest(folders) if manifest_path(folders).is_file() else None
        except GalleryError:
            manifest = None
        except OSError as exc:
            path = manifest_path(folders)
            raise GalleryError(f"{path} cannot be read ({exc.strerror}).") from exc
        if manifest is not None:  # what changes that were cut short have left does not pile up
            remove_leftovers(folders, manifest)
        yield Commit(folders, manifest)


@contextlib.contextmanager
def compacting(folders: Folders) -> Iterator[None]:
    """Let nobody else compact a gallery; BusyError if somebody does."""
    busy = f"{folders.indexes.name} is being compacted already: it will be done in a while."
    with files.locked(folders.indexes / "compact.lock", busy=busy):
        yield


def now() -> str:
    """Return this moment, as manifests have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def remove_leftovers(folders: Folders, manifest: Manifest) -> None:
    """Delete what belongs to no segment or file of a manifest; nothing of other programs.

    What cannot be deleted stays until the next change: this one has happened.
    """
    segments = {segment.name for segment in manifest.segments}
    kept = {file.name for file in manifest.files.values()}
    for segment in manifest.segments:
        names = {file.name for file in segment.files.values()}
        if not segment.name:  # of format 1: its files lie beside the manifest
            kept |= names | {DATABASE}
            continue
        for path in folders.below(segment.name).indexes.glob("items*.db"):
            if path.name not in names:  # of before its items were written anew
                with contextlib.suppress(OSError):
                    path.unlink()
    for folder in (folders.features, folders.indexes):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir():
                if path.name == _SCRATCH or (path.name.isdigit() and path.name not in segments):
                    shutil.rmtree(path, ignore_errors=True)
            elif path.name not in kept and _is_ours(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()
    scratch = folders.below(COMPACTION)
    if scratch.features.is_dir() or scratch.indexes.is_dir():
        with contextlib.suppress(AppError), compacting(folders):  # else one is at work there
            for folder in (scratch.features, scratch.indexes):
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(name: str) -> bool:
    kind, _, rest = name.partition(".")
    if name == DATABASE or (kind == "new" and rest):
        return True
    return kind in (*_OF_A_GALLERY, *_OF_FORMAT_1) and rest.endswith(_SUFFIXES)
