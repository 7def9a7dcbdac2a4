"""A request from the page to change a gallery → a job that the gallery maker can run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from app.build.additions import AddReport, NewImage, together
from app.build.build import BuildReport
from app.build.embedding import OnProgress
from app.build.jobs import Kind
from app.build.keeper import GalleryKeeper
from app.build.update import UpdateReport
from app.errors import UsageError

_FILES_AT_ONCE = 50
_BYTES_AT_ONCE = 100_000_000

File = tuple[Path, str]


@dataclass(frozen=True)
class Update:
    """Brings a gallery up to date with its folders; see `update_gallery`."""

    keeper: GalleryKeeper
    name: str
    accept_removals: bool = False
    kind: ClassVar[Kind] = "update"
    stopped: ClassVar[str] = (
        "Stopped: the gallery is as it was, and the next update goes on from there."
    )
    can_go_on: ClassVar[bool] = True

    def run(self, on_progress: OnProgress) -> UpdateReport:
        """Do it; what was embedded stays for the next update if it is stopped."""
        return self.keeper.update(
            self.name, accept_removals=self.accept_removals, on_progress=on_progress
        )


@dataclass(frozen=True)
class Addition:
    """Adds uploaded pictures to a gallery, some at a time; those are deleted in the end."""

    keeper: GalleryKeeper
    name: str
    files: tuple[File, ...]
    kind: ClassVar[Kind] = "add"
    stopped: ClassVar[str] = "Stopped: the pictures that were added so far stay in the gallery."
    can_go_on: ClassVar[bool] = False

    def run(self, on_progress: OnProgress) -> AddReport:
        """Do it; what was added stays if it is stopped."""
        reports: list[AddReport] = []
        done = 0
        try:
            for part in _parts(self.files):
                on_progress("add", done, len(self.files))
                new = [NewImage(name, path.read_bytes()) for path, name in part]
                reports.append(self.keeper.add(self.name, new))
                done += len(part)
        except FileNotFoundError as exc:
            raise UsageError("Uploaded files are not there any more: choose them again.") from exc
        finally:
            for path, _ in self.files:
                path.unlink(missing_ok=True)
        return together(reports)


@dataclass(frozen=True)
class Selection:
    """Makes a gallery of some images of another, by their public ids; see `select_images`."""

    keeper: GalleryKeeper
    name: str
    gallery: str
    ids: tuple[str, ...]
    kind: ClassVar[Kind] = "make"
    stopped: ClassVar[str] = "Stopped: nothing was made."
    can_go_on: ClassVar[bool] = False

    def run(self, on_progress: OnProgress) -> BuildReport:
        """Do it; nothing stays of it if it is stopped."""
        return self.keeper.select(self.name, self.gallery, self.ids, on_progress)


def _parts(files: Sequence[File]) -> Iterator[list[File]]:
    """Yield the files, as many at once as fit into memory."""
    part: list[File] = []
    size = 0
    for path, name in files:
        size += path.stat().st_size
        part.append((path, name))
        if len(part) == _FILES_AT_ONCE or size > _BYTES_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part
