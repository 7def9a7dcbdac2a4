"""A folder of pictures that is there whole or not at all, and no name that leads out of it."""

import filecmp
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from reprlib import repr as shortened

from app.errors import StorageError, UsageError

_SPARE_BYTES = 10_000_000  # what a disk needs to stay usable


def check_free_space(folder: Path, needed: int) -> None:
    """Raise StorageError if `needed` bytes do not fit where `folder` is, or will be made."""
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed + _SPARE_BYTES:
        raise StorageError(
            f"The pictures need {needed / 1e6:,.0f} MB in {there}, and {free / 1e6:,.0f} MB are "
            "free: make room there, then try again."
        )


def relative(name: str, called: str) -> PurePosixPath:
    """Return a name as a path below the folder; UsageError if it leads out of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    try:
        os.fsencode(name)
        plain = bool(path.parts) and "\0" not in name
    except UnicodeEncodeError:
        plain = False
    absolute = path.is_absolute() or PureWindowsPath(name).is_absolute()
    if not plain or absolute or ".." in path.parts:
        raise UsageError(
            f"{called} holds {shortened(name)}, which is no name of a file in a folder: rename it."
        )
    return path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill; it becomes `folder` at the end, and goes if that is not reached."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")  # on the same disk
    try:
        draft.mkdir(parents=True)
        yield draft
        if not folder.exists():
            draft.rename(folder)
        elif not _same(draft, folder):
            raise UsageError(
                f"The folder {folder} holds other pictures already: choose another name."
            )
    except OSError as exc:
        raise StorageError(
            f"{exc.filename or folder} cannot be written ({exc.strerror or exc}): "
            "make room there, then try again."
        ) from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _same(one: Path, other: Path) -> bool:
    """Return whether two folders hold the same files: a build that was stopped can go on."""
    files, others = _files(one), _files(other)
    return files.keys() == others.keys() and all(
        filecmp.cmp(file, others[name], shallow=False) for name, file in files.items()
    )


def _files(folder: Path) -> Mapping[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
