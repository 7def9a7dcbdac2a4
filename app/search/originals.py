"""A gallery's images → their original files, as long as those are still what was indexed."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from app.errors import NotFoundError, printable
from app.gallery import Store, moving_command
from app.sources.datasets.register import DATA_SETS
from app.values import ImageRecord, names

_LOOKED_AT = 200  # files of a gallery at once, drawn afresh each time
_LOOK_SECONDS = 0.3
_WAIT_SECONDS = 0.5  # for a look: a share that does not answer can hold it up for minutes
_KEPT_SECONDS = 5.0


@dataclass(frozen=True)
class _Seen:
    """How many files were looked for, the images whose file was not there, and whether all were."""

    folder: Path | None
    looked_at: int = 0
    missing: tuple[ImageRecord, ...] = ()
    nothing: bool = True


@dataclass
class _Look:
    """A look at some of a gallery's files, in a thread of its own; `before` is what is known."""

    gallery: Store
    before: _Seen | None
    seen: _Seen | None = None
    began: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def is_fresh(self) -> bool:
        """Whether it goes on, or has ended a moment ago."""
        return not self.done.is_set() or time.monotonic() - self.began < _KEPT_SECONDS


class Originals:
    """The original files of galleries, in the folders that `folder_of` gives. For many threads."""

    def __init__(self, folder_of: Callable[[Store, int], Path | None]) -> None:
        self._folder_of = folder_of
        self._looks: dict[str, _Look] = {}
        self._beginning = threading.Lock()

    def read(self, gallery: Store, record: ImageRecord) -> bytes:
        """Return the bytes of an image's original file.

        NotFoundError says which command helps if it is not there any more, or another file is.
        """
        path = self._path_of(gallery, record)
        if path is None:
            raise NotFoundError(self._why_missing(gallery, record))
        try:
            if record.sha256 and path.stat().st_size != record.bytes:
                raise NotFoundError(_changed(gallery, record))
            data = path.read_bytes()
        except (OSError, ValueError) as exc:  # or may not be read, or no file can be called so
            raise NotFoundError(self._why_missing(gallery, record)) from exc
        if record.sha256 and hashlib.sha256(data).hexdigest() != record.sha256:
            raise NotFoundError(_changed(gallery, record))
        return data

    def path(self, gallery: Store, record: ImageRecord) -> Path:
        """Return where an image's original file is, whatever it holds now.

        NotFoundError says which command helps if no file is there any more.
        """
        path = self._path_of(gallery, record)
        if path is None or not (_is_there(path) and path.is_file()):
            raise NotFoundError(self._why_missing(gallery, record))
        return path

    def _path_of(self, gallery: Store, record: ImageRecord) -> Path | None:
        return _path_in(self._folder_of(gallery, record.source), record)

    def missing(self, gallery: Store) -> str:
        """Return which originals are not here and what to do, in a sentence; '' if none is known.

        Some of a gallery's files are looked at, and again those that were missing before. It takes
        no longer than half a second, and no time where a look has begun a moment ago.
        """
        seen = self._seen(gallery)
        if seen is None:
            return "The folder of the original pictures answers slowly: they may not be shown."
        if seen.nothing:
            return _nothing_here(gallery)
        return _some_missing(gallery, seen) if seen.missing else ""

    def begin(self, gallery: Store) -> _Look:
        """Begin to look at a gallery's files, unless a look goes on or has begun a moment ago."""
        with self._beginning:
            last = self._looks.get(gallery.name)
            before = None
            if last is not None and last.gallery is gallery:
                if last.is_fresh:
                    return last
                before = last.seen or last.before
            look = _Look(gallery, before)
            records = gallery.images(gallery.random_ids(_LOOKED_AT))
            self._looks[gallery.name] = look
        threading.Thread(target=self._look, args=(look, records), daemon=True).start()
        return look

    def _seen(self, gallery: Store) -> _Seen | None:
        look = self.begin(gallery)
        look.done.wait(max(0.0, look.began + _WAIT_SECONDS - time.monotonic()))
        return look.seen or look.before

    def _look(self, look: _Look, records: Sequence[ImageRecord]) -> None:
        try:
            folder = self._folder_of(look.gallery, 0)
            alone = len(look.gallery.manifest.sources) < 2 and not look.gallery.manifest.added
            if folder is None or (alone and not _is_there(folder)):
                look.seen = _Seen(folder)
            else:
                path_of = partial(self._path_of, look.gallery)
                look.seen = _seen_in(folder, path_of, records, look.before)
        finally:
            look.done.set()

    def _why_missing(self, gallery: Store, record: ImageRecord) -> str:
        folder, seen = self._folder_of(gallery, record.source), self._seen(gallery)
        if folder is None or not _is_there(folder) or (seen and seen.nothing):
            return _nothing_here(gallery)
        return f"{record.path} is not in {folder} any more: run {_command(gallery)}."


def _seen_in(
    folder: Path,
    path_of: Callable[[ImageRecord], Path | None],
    records: Sequence[ImageRecord],
    before: _Seen | None,
) -> _Seen:
    """Look for the files of images, and of those that were missing before, while there is time."""
    until = time.monotonic() + _LOOK_SECONDS
    # An import may know nothing of a picture: its file has never been here.
    drawn = {record.id: record for record in records if record.bytes}
    known = {record.id: record for record in before.missing} if before else {}
    there: dict[int, bool] = {}
    for image, record in (drawn | known).items():
        path = path_of(record)
        there[image] = path is not None and _is_there(path)
        if time.monotonic() > until:
            break
    missing = [
        each for each in (known | drawn).values() if not there.get(each.id, each.id not in known)
    ]
    return _Seen(
        folder,
        looked_at=len(there),
        missing=tuple(missing[:_LOOKED_AT]),
        nothing=not any(there[image] for image in drawn if image in there),
    )


def _path_in(folder: Path | None, record: ImageRecord) -> Path | None:
    """Return where an image's file is; None for a path that leads out of the folder.

    Links do: the build follows them too, and whoever owns the folder has put them there.
    """
    path = PurePosixPath(record.path)
    if folder is None or path.is_absolute() or ".." in path.parts:
        return None
    try:
        return folder / names.path_of(record.path)
    except ValueError:  # no file can be called so
        return None


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (OSError, ValueError):  # or the share is gone, or no file can be called so
        return False
    return True


def _nothing_here(gallery: Store) -> str:
    manifest = gallery.manifest
    if manifest.source:
        return (
            f"The original pictures are not in {manifest.source} any more: bring them back, or "
            f"say where they are now with {moving_command(manifest, manifest.source)}."
        )
    missing = "The original pictures are not on this machine: thumbnails are shown."
    published = DATA_SETS.get(manifest.data)
    if published is None:  # a data set that only another version of this program knows
        return missing
    return f"{missing} To fetch them, run: {published.download_command()}"


def _some_missing(gallery: Store, seen: _Seen) -> str:
    count, images = len(seen.missing), gallery.manifest.images
    of_them = f" ({count} of {seen.looked_at} looked at)"
    some = "Some of the original pictures are"
    if seen.looked_at == images:
        of_them = ""
        some = f"{count} of the {images} original pictures {'is' if count == 1 else 'are'}"
    such_as = f"such as {printable(seen.missing[0].path)}{of_them}"
    return f"{some} not in {seen.folder} any more, {such_as}: run {_command(gallery)}."


def _changed(gallery: Store, record: ImageRecord) -> str:
    return f"{record.path} has changed since the gallery was made: run ris update {gallery.name}."


def _command(gallery: Store) -> str:
    """Return the command that mends a gallery some of whose originals are gone."""
    published = None if gallery.manifest.source else DATA_SETS.get(gallery.manifest.data)
    return published.download_command() if published else f"ris update {gallery.name}"
