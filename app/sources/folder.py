"""Pictures of a source → a folder that appears complete or not at all, and no name leaves it."""

import filecmp
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from reprlib import repr as shortened

from app.errors import StorageError, UsageError
from app.values.locks import locked

MOST_UNPACKED_BYTES = 20_000_000_000
"""What one archive, list or set of shards may unpack to."""

_SPARE_BYTES = 10_000_000  # room that stays free for everything else on the disk
_DRAFT = ".unfinished"


def check_free_space(folder: Path, needed: int) -> None:
    """Raise StorageError if `needed` bytes do not fit on the disk of `folder`."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed + _SPARE_BYTES:
        raise StorageError(
            f"The pictures need {needed / 1e6:,.0f} MB in {existing}, and {free / 1e6:,.0f} MB are "
            "free: make room there, then try again."
        )


def relative(name: str, source: str) -> PurePosixPath:
    """Return a name from `source` as a relative path; UsageError if it leads out of the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    try:
        os.fsencode(name)
        plain = bool(path.parts) and "\0" not in name
    except UnicodeEncodeError:
        plain = False
    absolute = path.is_absolute() or PureWindowsPath(name).is_absolute()
    if not plain or absolute or ".." in path.parts:
        raise UsageError(
            f"{source} holds {shortened(name)}, which is no name of a file in a folder: rename it."
        )
    return path


@contextmanager
def new_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `folder` at the end, and is deleted after an error.

    Remains of a killed run are deleted too. An existing `folder` is kept if it holds the same
    files, filled if it is empty, and replaced if none of its files gets lost or changes, or if
    `replace` is set.

    Raises
    ------
    UsageError
        The folder holds other pictures, or another run is filling it.
    StorageError
        It cannot be written.
    """
    held = False
    busy = UsageError(f"Another run is filling the folder {folder}: wait for it, or stop it.")
    try:
        empty = is_empty(folder)
        # On the same disk; inside, an empty folder may be all that can be written to.
        draft = folder / _DRAFT if empty else folder.with_name(f".{folder.name}{_DRAFT}")
        lock = draft / "lock"
        draft.mkdir(parents=True, exist_ok=True)
        with locked(lock, busy=busy):
            held = True
            for remains in draft.iterdir():
                if remains != lock:
                    shutil.rmtree(remains)
            made = draft / "made"
            made.mkdir()
            yield made
            _put_in_place(made, folder, empty=empty, replace=replace)
    except OSError as exc:
        raise StorageError(
            f"{exc.filename or folder} cannot be written ({exc.strerror or exc}): "
            "make room there, then try again."
        ) from exc
    finally:
        if held:
            shutil.rmtree(draft, ignore_errors=True)


def is_empty(folder: Path) -> bool:
    """Return whether a folder exists and holds nothing but the remains of a killed run."""
    return folder.is_dir() and all(path.name == _DRAFT for path in folder.iterdir())


def _put_in_place(made: Path, folder: Path, *, empty: bool, replace: bool) -> None:
    if empty:
        for path in sorted(made.iterdir()):
            path.rename(folder / path.name)
    elif not folder.exists():
        made.rename(folder)
    elif _same(made, folder):
        return
    elif replace or _same(folder, made, within=True):
        folder.rename(made.with_name("old"))
        made.rename(folder)
    else:
        raise UsageError(f"The folder {folder} holds other pictures already: choose another name.")


def _same(one: Path, other: Path, *, within: bool = False) -> bool:
    """Return whether two folders hold the same files, or the other more where `within` is set."""
    files, others = _files(one), _files(other)
    return (
        files.keys() <= others.keys()
        and (within or len(files) == len(others))
        and all(filecmp.cmp(file, others[name], shallow=False) for name, file in files.items())
    )


def _files(folder: Path) -> Mapping[str, Path]:
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
