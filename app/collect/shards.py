"""webdataset shards (tar files of samples) → a folder of pictures, with ids and labels.

A sample is what shares a name up to its first dot: `0001.jpg`, `0001.cls`, `0001.json`. The name is
the picture's id. Nothing is unpacked under a name of the tar's own, so none leads anywhere.
"""

import hashlib
import json
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import Any

from app.collect.folder import new_folder, relative
from app.collect.uploads import MOST_UNPACKED_BYTES
from app.errors import DatasetError, UsageError
from app.results import FITS_NO_ADDRESS, fits_no_address

_MOST_LABEL_BYTES = 1 << 20
_MOST_LABEL_CHARACTERS = 200
_LABEL_SUFFIXES = (".cls", ".txt", ".json")
_LABEL_KEYS = ("label", "labels", "class", "category", "caption")
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError)


@dataclass(frozen=True)
class Sample:
    """A picture of a shard: its id, the name of its file in the folder, and its labels."""

    key: str
    name: str
    labels: tuple[str, ...]


def shards_in(place: Path) -> list[Path]:
    """Return the shards that a file, a folder or a pattern such as `shard-*.tar` names, in order.

    DatasetError if there are none.
    """
    if place.is_dir():
        found = [file for file in place.iterdir() if re.search(r"\.(tar|tgz|tar\.\w+)$", file.name)]
    elif place.is_file():
        found = [place]
    else:
        found = list(place.parent.glob(place.name))
    if not found:
        raise DatasetError(f"There is no shard (a tar file) at {place}: name one, or their folder.")
    return sorted(found)


def unpack_shards(
    shards: Sequence[Path],
    folder: Path,
    *,
    suffixes: frozenset[str],
    tell: Callable[[str, int, int], None],
    most_bytes: int = MOST_UNPACKED_BYTES,
) -> list[Sample]:
    """Make `folder` of the pictures in some shards, and return them in the order of their ids.

    Labels are what a sample's `.cls` and `.txt` say, and `label`, `labels`, `class`, `category` or
    `caption` in its `.json`. DatasetError for a shard that is no whole tar, for a link or a name
    that leads out of a folder, an id that comes twice, too many bytes or no picture; UsageError for
    a `folder` with other pictures; StorageError if the disk cannot take it.
    """
    pictures: dict[str, tuple[str, str, Path]] = {}  # id → its sample, its file, its shard
    labels: defaultdict[str, set[str]] = defaultdict(set)
    left = most_bytes
    with new_folder(folder) as made:
        for done, shard in enumerate(shards):
            tell("unpack", done, len(shards))
            for path, data in _files(shard, suffixes.union(_LABEL_SUFFIXES), left):
                left -= len(data)
                sample, suffix = _sample_of(path), path.suffix.lower()
                if suffix in _LABEL_SUFFIXES:
                    labels[sample] |= _labels_in(data, suffix)
                    continue
                key = str(path.with_suffix(""))
                if fits_no_address(key):
                    raise DatasetError(
                        f"{shard.name} holds {shortened(str(path))}, whose id {FITS_NO_ADDRESS}: "
                        "pack it under another name."
                    )
                if key in pictures:
                    raise DatasetError(
                        f"The id {key!r} is in {pictures[key][2].name} and once more in "
                        f"{shard.name}: ids must differ."
                    )
                name = hashlib.sha256(key.encode()).hexdigest()[:32] + suffix
                (made / name).write_bytes(data)
                pictures[key] = sample, name, shard
        if not pictures:
            raise DatasetError(
                f"{shards[0].name} holds no picture (a file named {' '.join(sorted(suffixes))})."
            )
        tell("unpack", len(shards), len(shards))
    return [
        Sample(key, name, tuple(sorted(labels[sample])))
        for key, (sample, name, _) in sorted(pictures.items())
    ]


def _files(
    shard: Path, suffixes: frozenset[str], most_bytes: int
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the files of a shard with these suffixes, read from front to back."""
    try:
        with tarfile.open(shard, "r|*") as opened:
            for member in opened:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise DatasetError(
                        f"{shard.name} holds {shortened(member.name)}, which is a link or a device "
                        "and no plain file: pack it without those."
                    )
                most_bytes -= member.size
                if most_bytes < 0:
                    raise DatasetError(
                        f"{shard.name} holds more than is taken ({MOST_UNPACKED_BYTES / 1e9:g} GB "
                        "in all): give fewer or smaller shards."
                    )
                path = relative(member.name, shard.name)
                file = opened.extractfile(member)
                hidden = path.name.startswith(".")
                if file is not None and path.suffix.lower() in suffixes and not hidden:
                    yield path, file.read()
    except FileNotFoundError as exc:
        raise UsageError(f"{shard} is not here any more: name it again.") from exc
    except _DAMAGED as exc:
        raise DatasetError(f"{shard} is not a tar file, or a damaged one: get it anew.") from exc


def _sample_of(path: PurePosixPath) -> str:
    return str(path.with_name(path.name.partition(".")[0]))


def _labels_in(data: bytes, suffix: str) -> set[str]:
    """Return what a sample's side file says; nothing where it says nothing that can be read."""
    if len(data) > _MOST_LABEL_BYTES:
        return set()
    text = data.decode("utf-8", "replace")
    found: list[Any] = [text]
    if suffix == ".json":
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return set()
        found = []
        for value in (values.get(key) for key in _LABEL_KEYS) if isinstance(values, dict) else ():
            found += value if isinstance(value, list) else [value]
    texts = {str(each).strip()[:_MOST_LABEL_CHARACTERS] for each in found if _is_plain(each)}
    return texts - {""}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
