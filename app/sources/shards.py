"""webdataset shards (tar files of samples) → a folder of pictures, with ids and labels.

A sample is the files that share a name up to its first dot: `0001.jpg`, `0001.cls`, `0001.json`.
That name is the picture's id, with the shard's before it where several shards hold it. No file is
unpacked under a name from the tar, so none leaves the folder.
"""

import filecmp
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as shortened
from typing import Any

from app.errors import DatasetError
from app.sources.folder import MOST_UNPACKED_BYTES, new_folder
from app.sources.ids import fault_of
from app.sources.picture import labels_of
from app.sources.tars import files_in, is_tar, stem_of_tar

_MAX_LABEL_BYTES = 1 << 20
_MAX_LABEL_CHARACTERS = 200
_LABEL_SUFFIXES = (".cls", ".txt", ".json")
_LABEL_KEYS = ("label", "labels", "class", "category", "caption")


@dataclass(frozen=True)
class Sample:
    """A picture of a shard: its id, the name of its file in the folder, and its labels.

    `missing` is the reason if there is no such file, else ''.
    """

    key: str
    name: str
    labels: tuple[str, ...]
    missing: str = ""


@dataclass(frozen=True)
class _Found:
    """A picture in a shard: its name there without suffix; `is_first` if none before has that."""

    shard: Path
    key: str
    sample: str
    suffix: str
    is_first: bool
    missing: str

    @property
    def long_key(self) -> str:
        """The id that tells it from other shards' pictures of that name."""
        return f"{stem_of_tar(self.shard.name)}/{self.key}"

    @property
    def file(self) -> str:
        """The name of the file that it is unpacked to, before its id is known."""
        return self.named(self.key if self.is_first else self.long_key)

    def named(self, key: str) -> str:
        """Return the name of its file if its id is `key`: safe on every system."""
        return hashlib.sha256(key.encode()).hexdigest()[:32] + self.suffix


def shards_in(place: Path) -> list[Path]:
    """Return the shards that a file, a folder or a pattern such as `shard-*.tar` names, in order.

    Numbers in their names count as numbers. DatasetError if there are none.
    """
    if place.is_dir():
        shards = [file for file in place.iterdir() if is_tar(file.name)]
    elif place.is_file():
        shards = [place]
    else:
        shards = list(place.parent.glob(place.name))
    if not shards:
        raise DatasetError(f"There is no shard (a tar file) at {place}: name one, or their folder.")
    return sorted(shards, key=_in_order)


def _in_order(shard: Path) -> tuple[list[str | int], str]:
    parts = re.split("([0-9]+)", shard.name)  # by turns text and number
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], shard.name


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

    An id is the picture's name in its shard. Where several shards hold one of that name, the first
    of them keeps it and the others' ids are "SHARD/NAME", but for pictures that have an id in
    `folder` already: they keep theirs, whatever shards come before them or go.

    Labels are the content of a sample's `.cls` and `.txt`, and `label`, `labels`, `class`,
    `category` or `caption` in its `.json`, if those files have at most 1 MB. Pictures larger than
    `most_picture_bytes` are `missing`. `force` replaces pictures of other shards.

    Raises
    ------
    DatasetError
        A shard is not a whole tar file, holds a link or a name that leads out of the folder, an
        invalid id or one that occurs twice in it, too many bytes or no picture.
    UsageError
        The folder holds other pictures.
    StorageError
        It cannot be written.
    """
    labels: defaultdict[tuple[Path, str], set[str]] = defaultdict(set)
    most = dict.fromkeys(suffixes, most_picture_bytes) | dict.fromkeys(
        _LABEL_SUFFIXES, _MAX_LABEL_BYTES
    )
    found: dict[str, list[_Found]] = {}  # by name
    with new_folder(folder, replace=force and _is_unpacked(folder)) as made:
        for done, shard in enumerate(shards):
            on_progress("unpack", done, len(shards))
            for path, size, data in files_in(shard, most, most_bytes):
                most_bytes -= size
                if path.suffix.lower() in _LABEL_SUFFIXES:
                    labels[shard, _sample_of(path)] |= _labels_in(data or b"", path.suffix.lower())
                else:
                    _unpack(path, size, data, shard, made, found)
        if not found:
            raise DatasetError(
                f"{shards[0].name} holds no picture (a file named {' '.join(sorted(suffixes))})."
            )
        pictures = _with_ids(found, made, folder)
        _rename(made, {each.file: each.named(key) for key, each in pictures.items()})
        on_progress("unpack", len(shards), len(shards))
    return [
        Sample(key, each.named(key), labels_of(labels[each.shard, each.sample]), each.missing)
        for key, each in sorted(pictures.items())
    ]


def _unpack(
    path: PurePosixPath,
    size: int,
    data: bytes | None,
    shard: Path,
    made: Path,
    found: dict[str, list[_Found]],
) -> None:
    """Write a picture's file and add it to those found."""
    key = str(path.with_suffix(""))
    _check_key(key, str(path), shard)
    others = found.setdefault(key, [])
    if others and others[-1].shard == shard:
        raise _twice(key, shard, shard)
    missing = f"It has {size / 1e6:,.0f} MB, too many: make it smaller." if data is None else ""
    each = _Found(shard, key, _sample_of(path), path.suffix.lower(), not others, missing)
    if data is not None:
        (made / each.file).write_bytes(data)
    others.append(each)


def _with_ids(found: Mapping[str, Sequence[_Found]], made: Path, before: Path) -> dict[str, _Found]:
    """Return the pictures, unpacked to `made`, by their ids; those in `before` keep theirs."""
    names = {path.name for path in before.iterdir()} if before.is_dir() else set()
    pictures: dict[str, _Found] = {}
    for key, group in found.items():
        # A folder in a shard may be called as another shard is: then the file is that one's.
        new = [
            each
            for each in group
            if each.long_key in found or each.named(each.long_key) not in names
        ]
        known = (
            each
            for each in new
            if len(new) > 1 and _are_same(made / each.file, before / each.named(key))
        )
        first = next(known, new[0] if new else None)
        for each in group:
            own = key if each is first else each.long_key
            if own in pictures:
                raise _twice(own, pictures[own].shard, each.shard)
            if own != key:
                _check_key(own, own, each.shard)
            pictures[own] = each
    return pictures


def _are_same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _rename(folder: Path, names: Mapping[str, str]) -> None:
    """Rename files that may take each other's names."""
    moved = {old: new for old, new in names.items() if old != new and (folder / old).exists()}
    for old in moved:
        (folder / old).rename(folder / f"{old}.moved")
    for old, new in moved.items():
        (folder / f"{old}.moved").rename(folder / new)


def _check_key(key: str, name: str, shard: Path) -> None:
    if fault := fault_of(key):
        raise DatasetError(f"{shard.name} holds {shortened(name)}, which has {fault}: rename it.")


def _twice(key: str, one: Path, other: Path) -> DatasetError:
    return DatasetError(
        f"The id {key!r} is both in {one.name} and in {other.name}: rename one of them."
    )


def _is_unpacked(folder: Path) -> bool:
    """Return whether every file of a folder was put there by `unpack_shards`."""
    name = re.compile(r"[0-9a-f]{32}\.[a-z]+")
    return folder.is_dir() and all(name.fullmatch(path.name) for path in folder.iterdir())


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
