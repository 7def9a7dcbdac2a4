"""A folder of photographs → which are searched for, which are held out, which fill the gallery.

Files that show one photograph (equal bytes, the crops in Caltech101's Faces_easy, pairs that a list
names) are one photograph here: they are held out together, and finding one of them is finding it.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
_CUT_OUT = "_easy"  # Caltech101's Faces_easy/image_0001.jpg is cut out of Faces/image_0001.jpg
BURSTS = ("Faces", "airplanes")


@dataclass(frozen=True)
class Split:
    """The parts of a folder, as paths relative to it.

    `gallery` are all that are not held out, the `sources` among them. A burst is a held-out picture
    whose neighbours by name stay; `unrelated` are held out as well. `photograph` names what a path
    shows: it is the same for all files of one photograph.
    """

    gallery: tuple[str, ...]
    sources: tuple[str, ...]
    bursts: tuple[str, ...]
    unrelated: tuple[str, ...]
    photograph: Mapping[str, str]


def pictures_in(folder: Path) -> list[str]:
    """Return the paths of all pictures in a folder and below, relative to it, in order."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())


def photographs(folder: Path, paths: Iterable[str], same: Path | None = None) -> dict[str, str]:
    """Return, for each path, the first path of all that show the same photograph.

    `same` is a CSV file with two paths a line, which show one photograph.
    """
    first: dict[str, str] = {}

    def root(path: str) -> str:
        while first[path] != path:
            path = first[path]
        return path

    def join(one: str, other: str) -> None:
        low, high = sorted((root(one), root(other)))
        first[high] = low

    of_key: dict[str, str] = {}
    for path in paths:
        first[path] = path
        digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        for key in (digest, _whole(path)):
            join(path, of_key.setdefault(key, path))
    for one, other in _pairs(same) if same else ():
        if one in first and other in first:
            join(one, other)
    return {path: root(path) for path in first}


def _whole(path: str) -> str:
    """Return the path of the whole photograph that one was cut out of.

    >>> _whole("Faces_easy/image_0001.jpg")
    'Faces/image_0001.jpg'
    """
    place = PurePosixPath(path)
    folder = place.parent.as_posix().removesuffix(_CUT_OUT)
    return (PurePosixPath(folder) / place.name).as_posix()


def _pairs(file: Path) -> list[tuple[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [(row[0], row[1]) for row in csv.reader(lines) if len(row) >= 2]


def split(
    paths: Sequence[str],
    photograph: Mapping[str, str],
    *,
    sources: int,
    bursts: int,
    unrelated: int,
    burst_folders: Sequence[str] = BURSTS,
    seed: int = 0,
) -> Split:
    """Part a folder by hashes of its paths, the same way for the same seed.

    There are fewer of each kind where a folder has not enough: half of it always stays distractors.
    No unrelated photograph is from a folder of bursts, where others of the same scene stay.
    """
    order = sorted(paths, key=lambda path: _hash(path, seed))
    beside = _neighbours(sorted(paths))
    burst = _bursts(order, beside, photograph, bursts, burst_folders)
    held_out = {photograph[path] for path in burst}
    kept = {photograph[each] for path in burst for each in beside[path]}
    free = [
        path
        for path in _one_of_each(order, photograph)
        if photograph[path] not in held_out and photograph[path] not in kept
    ]
    asked = free[: min(sources, len(free) // 4)]
    rest = [path for path in free[len(asked) :] if not _is_in(path, burst_folders)]
    strangers = rest[: min(unrelated, len(free) // 4)]
    held_out.update(photograph[path] for path in strangers)
    gallery = tuple(path for path in paths if photograph[path] not in held_out)
    return Split(gallery, tuple(asked), tuple(burst), tuple(strangers), photograph)


def _hash(path: str, seed: int) -> bytes:
    return hashlib.blake2b(path.encode(), key=str(seed).encode(), digest_size=16).digest()


def _one_of_each(order: Iterable[str], photograph: Mapping[str, str]) -> list[str]:
    first: dict[str, str] = {}
    for path in order:
        first.setdefault(photograph[path], path)
    return list(first.values())


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return PurePosixPath(path).parent.name.removesuffix(_CUT_OUT) in folders


def _bursts(
    order: Sequence[str],
    beside: Mapping[str, Sequence[str]],
    photograph: Mapping[str, str],
    count: int,
    folders: Sequence[str],
) -> list[str]:
    """Return pictures of some folders, as many of each, that are not neighbours of each other."""
    chosen: list[str] = []
    for name in folders:
        taken: set[str] = set()
        for path in order:
            if len(taken) == -(-count // len(folders)):
                break
            if PurePosixPath(path).parent.name != name:
                continue
            neighbours = {photograph[each] for each in beside[path]} - {photograph[path]}
            if neighbours and photograph[path] not in taken and not neighbours & taken:
                taken.add(photograph[path])
                chosen.append(path)
    return chosen[:count]


def _neighbours(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return, for each path, the paths before and after it in its folder.

    >>> _neighbours(["a/1", "a/2", "b/1"])
    {'a/1': ['a/2'], 'a/2': ['a/1'], 'b/1': []}
    """
    folders = defaultdict(list)
    for path in paths:
        folders[PurePosixPath(path).parent].append(path)
    return {
        path: folder[max(place - 1, 0) : place] + folder[place + 1 : place + 2]
        for folder in folders.values()
        for place, path in enumerate(folder)
    }
