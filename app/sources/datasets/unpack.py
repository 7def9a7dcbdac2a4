"""A ZIP or tar archive → the files of one of its folders, below a folder on the disk."""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

FAILURES = (
    *(OSError, EOFError, ValueError, zlib.error, tarfile.TarError, zipfile.BadZipFile),
    *(NotImplementedError, RuntimeError),  # kinds of ZIP that Python does not read
)
"""What `unpack` raises for a damaged archive, a full disk, and the like."""


def unpack(archive: Path, inside: str, into: Path, *, packed_again: str = "") -> None:
    """Copy every file below the folder `inside` of an archive to the folder `into`.

    `packed_again` names an archive (``.tar.gz``) in the archive, which then is the one that is
    unpacked. Links are left out, and so is what would lead out of `into`. A damaged archive or a
    full disk raises one of `FAILURES`.
    """
    with archive.open("rb") as file:
        if packed_again:
            files = _files_packed_again(file, packed_again)
        elif archive.suffix == ".zip":
            files = _files_of_zip(file)
        else:
            files = _files_of_tar(file)
        for name, content in files:
            path = PurePosixPath(name)
            if path.is_relative_to(inside) and ".." not in path.parts:
                target = into / path.relative_to(inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as copy:
                    shutil.copyfileobj(content, copy)


_Files = Iterator[tuple[str, IO[bytes]]]


def _files_of_zip(file: IO[bytes]) -> _Files:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, content


def _files_of_tar(file: IO[bytes]) -> _Files:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content


def _files_packed_again(file: IO[bytes], name: str) -> _Files:
    for member, content in _files_of_zip(file):
        if member == name:
            yield from _files_of_tar(content)
