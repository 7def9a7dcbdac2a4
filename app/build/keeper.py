"""Changes that doors ask for → galleries, changed one at a time; and compaction beside them."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.build import manage
from app.build.additions import AddReport, NewImage, add_images, remove_images
from app.build.build import BuildReport
from app.build.compact import choice, compact
from app.build.embedding import OnProgress
from app.build.joining import JoinReport, forget_table, join_again, join_table
from app.build.layouts import can_be_looked_at_again, check_as_built
from app.build.look import Waiting, waiting_in
from app.build.selecting import select_images
from app.build.storing import give_to_milvus, mend_collection
from app.build.update import UpdateReport
from app.build.updates import BackgroundUpdates, UpdateProgress
from app.embed import Embedder, LoadEmbedder
from app.errors import AppError, BusyError, GalleryError, ModelError, NotAllowedError, UsageError
from app.gallery import (
    Folders,
    Gallery,
    content_of,
    folders_of,
    forget_apart,
    gallery_names,
    keep_apart,
    read_manifest,
)
from app.values.gallery import Manifest

if TYPE_CHECKING:
    from app.values.board import Board

_logger = logging.getLogger(__name__)


class GalleryKeeper:
    """Changes galleries. For many threads and processes: a change waits for the one before it.

    `off` says why none may be changed ('' if they may): then every change raises NotAllowedError.
    `in_background` has galleries compacted in a thread, so that no caller waits for it. On `board`
    several processes see each other's updates in the background.
    """

    def __init__(
        self,
        *,
        datasets_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        load_embedder: LoadEmbedder,
        update: Callable[..., UpdateReport],
        off: str = "",
        in_background: bool = False,
        board: "Board[UpdateProgress] | None" = None,
    ) -> None:
        self.off = off
        self._datasets_dir = datasets_dir
        self._dirs = {"features_dir": features_dir, "indexes_dir": indexes_dir}
        self._load_embedder = load_embedder
        self._update = update
        self._in_background = in_background
        self._compacting = threading.Lock()
        self._to_compact: set[str] = set()
        self._open: dict[str, Gallery] = {}
        self._opening = threading.Lock()
        self._models: dict[tuple[Any, ...], Embedder] = {}
        self._loading = threading.Lock()
        self._updates = BackgroundUpdates(self.update, board)

    def add(self, name: str, new: Sequence[NewImage]) -> AddReport:
        """Add images to a gallery; see `add_images`."""
        self.check_on()
        try:
            report = self._add(name, new)
        except ModelError:
            if not self._models:
                raise
            self._models.clear()  # the model's file may have been replaced since it was loaded
            report = self._add(name, new)
        self._tidy(name, report.manifest)
        return report

    def remove(
        self, name: str, public_ids: Sequence[str] = (), *, paths: Sequence[str] = ()
    ) -> Manifest:
        """Take images, by their public ids or paths, out of a gallery.

        NotFoundError if one is not there: then all stay.
        """
        self.check_on()
        gallery = self._gallery(name)
        ids = [gallery.id_of(each) for each in public_ids]
        for path in paths:
            ids += manage.ids_of_path(gallery, path)
        manifest = remove_images(gallery, ids)
        self._tidy(name, manifest)
        return manifest

    def update(
        self, name: str, *, accept_removals: bool = False, on_progress: OnProgress
    ) -> UpdateReport:
        """Bring a gallery up to date with its folders; see `update_gallery`."""
        self.check_on()
        mended = self._mend_collection(name, on_progress)
        report = self._update(name, accept_removals=accept_removals, on_progress=on_progress)
        manifest, note = join_again(
            self._folders(name), report.manifest, changed=report.did_something
        )
        notes = (*mended, *report.notes, *([note] if note else []))
        self._tidy(name, manifest, on_progress)
        return replace(report, manifest=manifest, notes=notes)

    def give_to_milvus(self, name: str, uri: str, index: str, on_progress: OnProgress) -> Manifest:
        """Have a gallery searched by Milvus from now on; see `give_to_milvus`."""
        self.check_on()
        self._gallery(name)
        return give_to_milvus(self._folders(name), uri, index, on_progress)

    def is_in_milvus(self, name: str) -> bool:
        """Return whether a gallery is searched by Milvus."""
        return self._gallery(name).manifest.store is not None

    def waiting(self, name: str) -> Waiting | None:
        """Return what an update would find; None for a gallery that was not made of folders."""
        self.check_on()
        return waiting_in(self._gallery(name), datasets_dir=self._datasets_dir)

    def join_table(self, name: str, file: Path, **how: Any) -> JoinReport:
        """Give a gallery's images the facts of a table; see `joining.join_table`."""
        self.check_on()
        self._check_there(name)
        return join_table(self._folders(name), file, **how)

    def forget_table(self, name: str) -> Manifest:
        """Take the facts of a gallery's table away from its images."""
        self.check_on()
        self._check_there(name)
        return forget_table(self._folders(name))

    def start_update(self, name: str, *, accept_removals: bool = False) -> UpdateProgress:
        """Begin an update in the background; BusyError while the one before is running."""
        self.check_on()
        self._check_there(name)
        return self._updates.start(name, accept_removals=accept_removals)

    def update_progress(self, name: str) -> UpdateProgress:
        """Return how far the update in the background is, or how the last one ended."""
        self._check_there(name)
        return self._updates.progress(name)

    def cancel_update(self, name: str) -> None:
        """Stop the update in the background at its next step; the gallery is as before."""
        self._updates.cancel(name)

    def exists(self, name: str) -> bool:
        """Return whether there is a gallery of that name, damaged or not."""
        return name in gallery_names(self._dirs["indexes_dir"])

    def size(self, name: str) -> int:
        """Return how many images a gallery has now; NotFoundError if there is none."""
        return self._gallery(name).rows

    def check_as_built(self, name: str, given: Mapping[str, Any]) -> None:
        """Raise UsageError for options other than those that a gallery was built with."""
        check_as_built(self._gallery(name).manifest, given)

    def names_to_update(self) -> list[str]:
        """Return the galleries made of folders or lists; a published data set never changes."""
        return [name for name in gallery_names(self._dirs["indexes_dir"]) if self._can_change(name)]

    def close(self) -> None:
        """Stop the updates in the background, and wait until they have stopped."""
        self._updates.close()

    def merge(self, into: str, other: str) -> tuple[Manifest, int, int]:
        """Add another gallery's images to one; see `merge_galleries`."""
        self.check_on()
        for name in (into, other):
            self._gallery(name)
        merged = manage.merge_galleries(
            self._folders(into), self._folders(other), datasets_dir=self._datasets_dir
        )
        self._tidy(into, merged[0])
        return merged

    def select(
        self, name: str, gallery: str, public_ids: Sequence[str], on_progress: OnProgress
    ) -> BuildReport:
        """Make a gallery called `name` of some images of another; see `select_images`."""
        self.check_on()
        chosen = self._gallery(gallery)
        ids = [chosen.id_of(each) for each in public_ids]
        into = self._folders(name)
        return select_images(
            chosen, ids, into, datasets_dir=self._datasets_dir, on_progress=on_progress
        )

    def set_title(self, name: str, title: str) -> Manifest:
        """Give a gallery a title, '' for none."""
        self.check_on()
        self._gallery(name)
        return manage.set_title(self._folders(name), title)

    def rename(self, name: str, new: str) -> Manifest:
        """Give a gallery another name; see `rename_gallery`."""
        self.check_on()
        manifest = manage.rename_gallery(name, new, **self._dirs)
        self._updates.forget(name)
        return manifest

    def move(self, name: str, folder: Path, *, before: str = "") -> Manifest:
        """Say where the pictures of a gallery are now; see `move_gallery`."""
        self.check_on()
        self._gallery(name)
        return manage.move_gallery(self._folders(name), folder, before=before)

    def delete(self, name: str) -> None:
        """Delete a gallery; its pictures stay."""
        self.check_on()
        manage.delete_gallery(name, **self._dirs)
        self._updates.forget(name)

    def compact(self, name: str, on_progress: OnProgress = lambda *_: None) -> bool:
        """Fold the segments of a gallery into as few as can be."""
        self.check_on()
        self._gallery(name)
        return compact(self._folders(name), everything=True, on_progress=on_progress)

    def keep_apart(self, name: str, public_ids: Sequence[str]) -> int:
        """Remember that no two of some images are duplicates; return how many pairs are new.

        UsageError for fewer than two, and for two of the same file.
        """
        self.check_on()
        return keep_apart(self._folders(name), self._contents(name, public_ids))

    def forget_apart(self, name: str, public_ids: Sequence[str]) -> int:
        """Forget such decisions on some images; return how many pairs there were."""
        self.check_on()
        return forget_apart(self._folders(name), self._contents(name, public_ids))

    def check_on(self) -> None:
        """Raise NotAllowedError where no gallery may be changed."""
        if self.off:
            raise NotAllowedError(self.off)

    def _check_there(self, name: str) -> None:
        if not self.exists(name):
            self._gallery(name)  # its error lists those that there are

    def _contents(self, name: str, public_ids: Sequence[str]) -> list[str]:
        gallery = self._gallery(name)
        ids = dict.fromkeys(gallery.id_of(each) for each in public_ids)
        if len(ids) < 2:
            raise UsageError(f"A decision is on two images or more, not {len(ids)}: name others.")
        contents: dict[str, str] = {}
        for record in gallery.images(list(ids)):
            content = content_of(record)
            if content in contents:
                raise UsageError(
                    f"{contents[content]} and {record.path} are the same file, byte by byte: only "
                    "different ones can be kept apart."
                )
            contents[content] = record.path
        return list(contents)

    def _mend_collection(self, name: str, on_progress: OnProgress) -> list[str]:
        """Fill the collection of a gallery anew where it lags; return what is to be said of it."""
        self._check_there(name)
        if not mend_collection(self._folders(name), on_progress):
            return []
        return ["Milvus has a new collection, filled from the stored vectors"]

    def _add(self, name: str, new: Sequence[NewImage]) -> AddReport:
        return add_images(
            self._gallery(name),
            new,
            load_embedder=self._embedder,
            datasets_dir=self._datasets_dir,
        )

    def _embedder(self, name: str, /, **how: Any) -> Embedder:
        """Return a model, loaded when it is first needed: one image alone takes less time."""
        with self._loading:
            wanted = (name, *sorted(how.items()))
            if wanted not in self._models:
                self._models[wanted] = self._load_embedder(name, **how)
            return self._models[wanted]

    def _can_change(self, name: str) -> bool:
        try:
            return can_be_looked_at_again(read_manifest(self._folders(name)))
        except (GalleryError, OSError):
            return True  # an update of it says what is wrong

    def _folders(self, name: str) -> Folders:
        return Folders.of(name, self._dirs["features_dir"], self._dirs["indexes_dir"])

    def _gallery(self, name: str) -> Gallery:
        """Return the gallery as it is now; what has not changed since the last time is open."""
        with self._opening:
            before = self._open.get(name)
            if before is None or before.replaced():
                self._open.pop(name, None)
                folders = folders_of(name, **self._dirs)
                self._open[name] = Gallery(folders, before=before, hashed=before is None)
            return self._open[name]

    def _tidy(
        self, name: str, manifest: Manifest, on_progress: OnProgress = lambda *_: None
    ) -> None:
        """Compact a gallery where it needs it; what goes wrong there can wait."""
        if not choice(manifest):
            return
        if self._in_background:
            if name not in self._to_compact:  # one that waits will see this change too
                self._to_compact.add(name)
                threading.Thread(target=self._compact_one, args=[name], daemon=True).start()
        else:
            self._compact_one(name, on_progress)

    def _compact_one(self, name: str, on_progress: OnProgress = lambda *_: None) -> None:
        with self._compacting:
            self._to_compact.discard(name)
            try:
                compact(self._folders(name), on_progress=on_progress)
            except BusyError:
                pass
            except AppError as exc:
                _logger.warning("%s could not be compacted: %s", name, exc)
