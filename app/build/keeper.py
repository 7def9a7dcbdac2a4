"""Changes that doors ask for → galleries, changed one at a time; and compaction beside them."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.build import manage
from app.build.additions import AddReport, NewImage, add_images, remove_images
from app.build.compact import compact
from app.build.embedding import OnProgress
from app.build.update import UpdateReport
from app.embed import Embedder
from app.errors import AppError, BusyError, UsageError
from app.gallery import Folders, Gallery, open_gallery
from app.values.gallery import Manifest

_logger = logging.getLogger(__name__)


class GalleryKeeper:
    """Changes galleries. For many threads and processes: a change waits for the one before it.

    `off` says why none may be changed ('' if they may): then every method raises UsageError.
    `in_background` has galleries compacted in a thread, so that no caller waits for it.
    """

    def __init__(
        self,
        *,
        datasets_dir: Path,
        features_dir: Path,
        indexes_dir: Path,
        load_embedder: Callable[[str], Embedder],
        update: Callable[..., UpdateReport],
        off: str = "",
        in_background: bool = False,
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

    def add(self, name: str, new: Sequence[NewImage]) -> AddReport:
        """Add images to a gallery; see `add_images`."""
        self._check_on()
        report = add_images(
            self._gallery(name),
            new,
            load_embedder=self._load_embedder,
            datasets_dir=self._datasets_dir,
        )
        self._tidy(name)
        return report

    def remove(self, name: str, public_ids: Sequence[str]) -> Manifest:
        """Take images, by their public ids, out of a gallery; NotFoundError if one is not there."""
        self._check_on()
        gallery = self._gallery(name)
        manifest = remove_images(gallery, [gallery.id_of(each) for each in public_ids])
        self._tidy(name)
        return manifest

    def update(
        self, name: str, *, accept_removals: bool = False, on_progress: OnProgress
    ) -> UpdateReport:
        """Bring a gallery up to date with its folders; see `update_gallery`."""
        self._check_on()
        report = self._update(name, accept_removals=accept_removals, on_progress=on_progress)
        self._tidy(name, on_progress)
        return report

    def merge(self, into: str, other: str) -> tuple[Manifest, int, int]:
        """Add another gallery's images to one; see `merge_galleries`."""
        self._check_on()
        for name in (into, other):
            self._gallery(name)
        merged = manage.merge_galleries(
            self._folders(into), self._folders(other), datasets_dir=self._datasets_dir
        )
        self._tidy(into)
        return merged

    def set_title(self, name: str, title: str) -> Manifest:
        """Give a gallery a title, '' for none."""
        self._check_on()
        self._gallery(name)
        return manage.set_title(self._folders(name), title)

    def rename(self, name: str, new: str) -> Manifest:
        """Give a gallery another name; see `rename_gallery`."""
        self._check_on()
        return manage.rename_gallery(name, new, **self._dirs)

    def move(self, name: str, folder: Path, *, before: str = "") -> Manifest:
        """Say where the pictures of a gallery are now; see `move_gallery`."""
        self._check_on()
        self._gallery(name)
        return manage.move_gallery(self._folders(name), folder, before=before)

    def delete(self, name: str) -> None:
        """Delete a gallery; its pictures stay."""
        self._check_on()
        manage.delete_gallery(name, **self._dirs)

    def compact(self, name: str, on_progress: OnProgress = lambda *_: None) -> bool:
        """Fold all segments of a gallery into one, and train its index anew."""
        self._check_on()
        self._gallery(name)
        return compact(self._folders(name), everything=True, on_progress=on_progress)

    def _check_on(self) -> None:
        if self.off:
            raise UsageError(self.off)

    def _folders(self, name: str) -> Folders:
        return Folders.of(name, self._dirs["features_dir"], self._dirs["indexes_dir"])

    def _gallery(self, name: str) -> Gallery:
        """Return the gallery as it is now; what has not changed since the last time is open."""
        with self._opening:
            before = self._open.get(name)
            if before is None or before.replaced():
                self._open.pop(name, None)
                self._open[name] = open_gallery(
                    name, **self._dirs, before=before, hashed=before is None
                )
            return self._open[name]

    def _tidy(self, name: str, on_progress: OnProgress = lambda *_: None) -> None:
        """Compact a gallery where it needs it; what goes wrong there can wait."""
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
