"""A tar file, packed with gzip, bzip2, xz, Zstandard or not at all → its files, checked.

Tar files are not trusted: a link, a name that leads out of a folder and one that unpacks to too
much are refused, and nothing is unpacked here under any name.
"""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from app.errors import DatasetError, UsageError
from app.sources.folder import MOST_UNPACKED_BYTES, relative

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError)
_SUFFIX = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|tzst)$")
# RFC 8878: a frame, or one of the 16 kinds of frames to skip that parallel packers begin with.
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
# What zstd itself takes without --long; a frame may ask for 3.75 TB.
_MOST_WINDOW_BYTES = 1 << 27
# One byte of Zstandard can stand for 32 kB: of so many, 64 MB come out at once at most.
_PACKED_BYTES = 2_048


def is_tar(name: str) -> bool:
    """Return whether a file is called as tar files are."""
    return bool(_SUFFIX.search(name))


def stem_of_tar(name: str) -> str:
    """Return a tar file's name without its suffixes.

    >>> stem_of_tar("cats-0001.tar.zst")
    'cats-0001'
    """
    return _SUFFIX.sub("", name)


def files_in(
    tar_file: Path, most: Mapping[str, int], most_bytes: int
) -> Iterator[tuple[PurePosixPath, int, bytes | None]]:
    """Yield a tar's files in their order: path, size and content.

    The content is None if it is larger than `most` allows for the suffix; files with a suffix that
    is not in `most` are left out, as are hidden ones.

    Raises
    ------
    DatasetError
        It is not a whole tar file, holds a link or a name that leads out of the folder, or has more
        than `most_bytes` in all.
    UsageError
        It is no longer there.
    """
    try:
        with _opened(tar_file) as tar:
            for member in tar:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise DatasetError(
                        f"{tar_file.name} holds {shortened(member.name)}, which is a link or a "
                        "device and no plain file: pack it without those."
                    )
                most_bytes -= member.size
                if most_bytes < 0:
                    raise DatasetError(
                        f"{tar_file.name} exceeds the limit of {MOST_UNPACKED_BYTES / 1e9:g} GB "
                        "for all shards: give fewer or smaller ones."
                    )
                path = relative(member.name, tar_file.name)
                largest = most.get(path.suffix.lower())
                if largest is None or path.name.startswith("."):
                    continue
                file = tar.extractfile(member) if member.size <= largest else None
                yield path, member.size, file.read() if file else None
    except FileNotFoundError as exc:
        raise UsageError(f"{tar_file} is no longer there: give it again.") from exc
    except _DAMAGED as exc:
        raise DatasetError(
            f"{tar_file} is not a tar file, or a damaged one: download it again."
        ) from exc


@contextmanager
def _opened(tar_file: Path) -> Iterator[tarfile.TarFile]:
    """Open a tar file, whose packing is recognised by its first bytes whatever it is called."""
    with tar_file.open("rb") as file:
        packed = _ZSTD.match(file.read(4))
        file.seek(0)
        if packed:
            stream = io.BufferedReader(_ZstdStream(file, tar_file.name))
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                yield tar
        else:
            with tarfile.open(fileobj=file, mode="r|*") as tar:
                yield tar


class _ZstdStream(io.RawIOBase):
    """What a file packed with Zstandard holds; EOFError if its end is missing.

    The library's own streams end there as if the file were whole.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._ready = bytearray()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer as far as there are bytes; return how many, 0 at the end alone."""
        while not self._ready and (more := self._unpacked()) is not None:
            self._ready += more
        room = memoryview(buffer)
        size = min(len(room), len(self._ready))
        room[:size] = self._ready[:size]
        del self._ready[:size]
        return size

    def _unpacked(self) -> bytes | None:
        """Return some more bytes; None at the end."""
        packed = self._packed or self._file.read(_PACKED_BYTES)
        if not packed:
            if self._frame:
                raise EOFError
            return None
        if self._frame is None:
            unpacker = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
            self._frame = unpacker.decompressobj()
        try:
            data = self._frame.decompress(packed)
        except zstandard.ZstdError as exc:
            if "memory" in str(exc):
                raise DatasetError(
                    f"{self._name} needs more than {_MOST_WINDOW_BYTES >> 20} MB of memory to be "
                    "unpacked: pack it without --long, or with --long=27."
                ) from exc
            raise tarfile.ReadError(str(exc)) from exc
        self._packed = b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None
        return data
