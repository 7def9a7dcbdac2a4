"""The page's requests to change a gallery → the keeper and the gallery maker."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.build.changing import Addition, Update
from app.build.jobs import GalleryMaker
from app.build.keeper import GalleryKeeper
from app.doors.page.create import UPLOADS_GONE, folder_at, ids_of, shown
from app.doors.page.functions import Answer, answering
from app.doors.page.references import Uploads, entry, whole_number
from app.errors import UsageError
from app.values import MAX_PICTURE_BYTES
from app.values.names import text_of


class ManagingFunctions:
    """The functions that the page changes galleries with.

    An AppError becomes {"message": its sentence}. None of them is there where no gallery can be
    made, and the keeper refuses then, too.
    """

    def __init__(self, maker: GalleryMaker, uploads: Uploads) -> None:
        self._maker = maker
        self._uploads = uploads

    @property
    def all(self) -> list[Callable[..., Answer]]:
        """The functions, under the names that the scripts call them by; none where it is off."""
        if self._maker.off or self._maker.keeper is None:
            return []
        functions = (
            *(self.update_gallery, self.may_add, self.add_pictures, self.remove_images),
            *(self.set_title, self.rename_gallery, self.move_gallery, self.delete_gallery),
            self.waiting,
        )
        return [answering(function) for function in functions]

    def update_gallery(self, request: Mapping[str, Any]) -> Answer:
        """Start to bring a gallery up to date with its folders."""
        accepted = entry(request, "accept_removals") is True
        self._maker.start_change(Update(self._keeper, _name(request), accepted))
        return {"progress": shown(self._maker.progress())}

    def waiting(self, request: Mapping[str, Any]) -> Answer:
        """Return what waits in a gallery's folders for an update; null if it has no folders."""
        waiting = self._keeper.waiting(_name(request))
        return {"waiting": waiting and asdict(waiting)}

    def may_add(self, request: Mapping[str, Any]) -> Answer:
        """Answer before an upload whether pictures could be added to a gallery at all."""
        self._maker.check_change(
            _name(request),
            needed_bytes=whole_number(entry(request, "bytes") or 0, "The number of bytes"),
            arriving_in=self._uploads.folder,
        )
        return {}

    def add_pictures(self, request: Mapping[str, Any]) -> Answer:
        """Start to add uploaded pictures to a gallery."""
        files = entry(request, "files")
        if not isinstance(files, list) or not files:
            raise UsageError("Choose the pictures first.")
        uploaded = tuple(self._uploaded(each) for each in files)
        self._maker.start_change(Addition(self._keeper, _name(request), uploaded))
        return {"progress": shown(self._maker.progress())}

    def remove_images(self, request: Mapping[str, Any]) -> Answer:
        """Take images out of a gallery; their files stay."""
        ids = ids_of(request, "The images to remove")
        self._maker.check_change(_name(request))
        self._keeper.remove(_name(request), ids)
        return {}

    def set_title(self, request: Mapping[str, Any]) -> Answer:
        """Give a gallery a title, '' for none."""
        self._maker.check_change(_name(request))
        self._keeper.set_title(_name(request), str(entry(request, "title") or "").strip())
        return {}

    def rename_gallery(self, request: Mapping[str, Any]) -> Answer:
        """Give a gallery another name; return it as it is kept."""
        new = str(entry(request, "name") or "").strip()
        if not new:
            raise UsageError("Give the gallery a name.")
        name = _name(request)
        if new != name:
            self._maker.check_change(name)
            self._keeper.rename(name, new)
            self._maker.forget(name)
        return {"name": new}

    def move_gallery(self, request: Mapping[str, Any]) -> Answer:
        """Say where a folder of a gallery is now."""
        folder = folder_at(entry(request, "folder"))
        if not folder.is_absolute():
            raise UsageError(f"Give the folder's whole path, from / on, not {text_of(folder)!r}.")
        if not _is_folder(folder):
            raise UsageError(
                f"There is no folder {text_of(folder)} on this machine: check its path."
            )
        self._maker.check_change(_name(request))
        self._keeper.move(_name(request), folder, before=str(entry(request, "before") or ""))
        return {}

    def delete_gallery(self, request: Mapping[str, Any]) -> Answer:
        """Delete a gallery; its pictures stay."""
        name = _name(request)
        self._maker.check_change(name)
        self._keeper.delete(name)
        self._maker.forget(name)
        return {}

    @property
    def _keeper(self) -> GalleryKeeper:
        keeper = self._maker.keeper
        assert keeper is not None  # else there are no functions
        return keeper

    def _uploaded(self, file: Any) -> tuple[Path, str]:
        path = self._uploads.inside(str(entry(file, "path")), UPLOADS_GONE)
        name = str(entry(file, "name"))
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise UsageError(
                f"{name} is larger than {MAX_PICTURE_BYTES / 1e6:.0f} MB: choose a smaller one."
            )
        return path, name


def _name(request: Mapping[str, Any]) -> str:
    return str(entry(request, "gallery") or "")


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # its name is too long, or it may not be looked at
        return False
