"""webdataset shards (tar files of samples) → a folder of pictures, with ids and labels.

A sample is the files that share a name up to its first dot: `0001.jpg`, `0001.cls`, `0001.json`.
That name is the picture's id. No file is unpacked under a name from the tar, so none leaves the
folder.
"""

import hashlib
import json
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import Any

from app.errors import DatasetError, UsageError
from app.sources.folder import new_folder, relative
from app.sources.ids import fault_of
from app.sources.picture import labels_of
from app.sources.uploads import MOST_UNPACKED_BYTES

_MAX_LABEL_BYTES = 1 << 20
_MAX_LABEL_CHARACTERS = 200
_LABEL_SUFFIXES = (".cls", ".txt", ".json")
_LABEL_KEYS = ("label", "labels", "class", "category", "caption")
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError, OSError)


@dataclass(frozen=True)
class Sample:
    """A picture of a shard: its id, the name of its file in the folder, and its labels.

    `missing` is the reason if there is no such file, else ''.
    """

    key: str
    name: str
    labels: tuple[str, ...]
    missing: str = ""


def shards_in(place: Path) -> list[Path]:
    """Return the shards that a file, a folder or a pattern such as `shard-*.tar` names, in order.

    DatasetError if there are none.
    """
    if place.is_dir():
        shards = [
            file for file in place.iterdir() if re.search(r"\.(tar|tgz|tar\.\w+)$", file.name)
        ]
    elif place.is_file():
        shards = [place]
    else:
        shards = list(place.parent.glob(place.name))
    if not shards:
        raise DatasetError(f"There is no shard (a tar file) at {place}: name one, or their folder.")
    return sorted(shards)


def unpack_shards(
    shards: Sequence[Path],
    folder: Path,
    *,
    suffixes: frozenset[str],
    on_progress: Callable[[str, int, int], None],
    most_bytes: int = MOST_UNPACKED_BYTES,
    most_picture_bytes: int = 50_000_000,
    force: bool = False,
) -> list[Sample]:
    """Unpack the pictures of some shards into `folder`; return them in the order of their ids.

    Labels are the content of a sample's `.cls` and `.txt`, and `label`, `labels`, `class`,
    `category` or `caption` in its `.json`, if those files have at most 1 MB. Pictures larger than
    `most_picture_bytes` are `missing`. `force` replaces pictures of other shards.

    Raises
    ------
    DatasetError
        A shard is not a whole tar file, holds a link or a name that leads out of the folder, an
        invalid id or one that occurs twice, too many bytes or no picture.
    UsageError
        The folder holds other pictures.
    StorageError
        It cannot be written.
    """
    pictures: dict[str, tuple[str, str, Path, str]] = {}  # id → sample, file, shard, missing
    labels: defaultdict[str, set[str]] = defaultdict(set)
    bytes_left = most_bytes
    most = dict.fromkeys(suffixes, most_picture_bytes) | dict.fromkeys(
        _LABEL_SUFFIXES, _MAX_LABEL_BYTES
    )
    with new_folder(folder, replace=force and _is_unpacked(folder)) as made:
        for done, shard in enumerate(shards):
            on_progress("unpack", done, len(shards))
            for path, size, data in _files(shard, most, bytes_left):
                bytes_left -= size
                sample, suffix = _sample_of(path), path.suffix.lower()
                if suffix in _LABEL_SUFFIXES:
                    labels[sample] |= _labels_in(data or b"", suffix)
                    continue
                key = str(path.with_suffix(""))
                if fault := fault_of(key):
                    raise DatasetError(
                        f"{shard.name} holds {shortened(str(path))}, which has {fault}: rename it."
                    )
                if key in pictures:
                    raise DatasetError(
                        f"The id {key!r} is both in {pictures[key][2].name} and in {shard.name}: "
                        "rename one of them."
                    )
                name = hashlib.sha256(key.encode()).hexdigest()[:32] + suffix
                missing = ""
                if data is None:
                    missing = f"It has {size / 1e6:,.0f} MB, too many: make it smaller."
                else:
                    (made / name).write_bytes(data)
                pictures[key] = sample, name, shard, missing
        if not pictures:
            raise DatasetError(
                f"{shards[0].name} holds no picture (a file named {' '.join(sorted(suffixes))})."
            )
        on_progress("unpack", len(shards), len(shards))
    return [
        Sample(key, name, labels_of(labels[sample]), missing)
        for key, (sample, name, _, missing) in sorted(pictures.items())
    ]


def _is_unpacked(folder: Path) -> bool:
    """Return whether every file of a folder was put there by `unpack_shards`."""
    name = re.compile(r"[0-9a-f]{32}\.[a-z]+")
    return folder.is_dir() and all(name.fullmatch(path.name) for path in folder.iterdir())


def _files(
    shard: Path, most: Mapping[str, int], most_bytes: int
) -> Iterator[tuple[PurePosixPath, int, bytes | None]]:
    """Yield a shard's files in their order: path, size and content.

    The content is None if it is larger than `most` allows for the suffix; files with a suffix that
    is not in `most` are left out.
    """
    try:
        with tarfile.open(shard, "r|*") as tar:
            for member in tar:
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
                        f"{shard.name} exceeds the limit of {MOST_UNPACKED_BYTES / 1e9:g} GB "
                        "for all shards: give fewer or smaller ones."
                    )
                path = relative(member.name, shard.name)
                largest = most.get(path.suffix.lower())
                if largest is None or path.name.startswith("."):
                    continue
                file = tar.extractfile(member) if member.size <= largest else None
                yield path, member.size, file.read() if file else None
    except FileNotFoundError as exc:
        raise UsageError(f"{shard} is no longer there: give it again.") from exc
    except _DAMAGED as exc:
        raise DatasetError(
            f"{shard} is not a tar file, or a damaged one: download it again."
        ) from exc


def _sample_of(path: PurePosixPath) -> str:
    return str(path.with_name(path.name.partition(".")[0]))


def _labels_in(data: bytes, suffix: str) -> set[str]:
    """Return the labels in a sample's side file; none if it cannot be read as one."""
    text = data.decode("utf-8", "replace")
    labels: list[Any] = [text]
    if suffix == ".json":
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            return set()
        labels = []
        for value in (values.get(key) for key in _LABEL_KEYS) if isinstance(values, dict) else ():
            labels += value if isinstance(value, list) else [value]
    texts = {str(each).strip()[:_MAX_LABEL_CHARACTERS] for each in labels if _is_plain(each)}
    return texts - {""}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
