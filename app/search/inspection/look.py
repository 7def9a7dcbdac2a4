"""A folder or a gallery → a survey: each picture's size, format, colour, content and labels."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from app.errors import DecodeError
from app.gallery import Store, open_gallery
from app.images import decode, encode, formats
from app.sources.own import open_folder
from app.sources.picture import Picture, file_of
from app.values import Skipped
from app.values.names import text_of

_SIDE = 64  # pixels: enough for a mean colour
_GREY_SPREAD = 16  # of 255 between a pixel's colours; lossy formats tint grey ones that much
_NEARLY_EQUAL = 0.95  # cosine, as in the search's own results
_NEIGHBOURS = 6
_CHUNK_ROWS = 500

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Look:
    """One picture; `colour` is its mean in sRGB (0 to 255).

    `sha256` is '', sizes are 0 and `colour` and `grey` None where they are not known.
    """

    path: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    colour: tuple[int, int, int] | None
    grey: bool | None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two pictures that are not the same file and nearly equal, with the cosine between them."""

    one: str
    other: str
    score: float


@dataclass(frozen=True)
class Survey:
    """The looks of all pictures. `near` is None for a folder, which has no vectors."""

    name: str
    looks: tuple[Look, ...]
    failures: tuple[Skipped, ...]
    near: tuple[Pair, ...] | None = None

    @property
    def duplicates(self) -> list[list[str]]:
        """The paths of each group of files with the same content, largest group first."""
        groups = defaultdict(list)
        for look in self.looks:
            if look.sha256:
                groups[look.sha256].append(look.path)
        duplicates = [paths for paths in groups.values() if len(paths) > 1]
        return sorted(duplicates, key=lambda paths: (-len(paths), paths))


def survey_folder(folder: Path, *, workers: int, on_progress: OnProgress) -> Survey:
    """Read every picture of a folder once; those that cannot be read become `failures`.

    DatasetError if there is no such folder, or no picture in it.
    """
    layout = open_folder(folder, folder.name)
    pictures = layout.pictures()
    looks, failures = [], []
    with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
        for done, seen in enumerate(pool.map(lambda each: _look(layout.folders, each), pictures)):
            on_progress("look", done, len(pictures))
            if isinstance(seen, Look):
                looks.append(seen)
            else:
                failures.append(seen)
    on_progress("look", len(pictures), len(pictures))
    return Survey(_readable(text_of(folder)), tuple(looks), tuple(failures))


def survey_gallery(
    name: str, *, features_dir: Path, indexes_dir: Path, on_progress: OnProgress
) -> Survey:
    """Read a gallery's database, thumbnails and vectors; the pictures need not be here.

    NotFoundError if there is none of that name, GalleryError if it is damaged. Colours are those of
    the thumbnails, formats those of the files' names.
    """
    gallery = open_gallery(name, features_dir=features_dir, indexes_dir=indexes_dir)
    try:
        looks = tuple(_looks_of(gallery, on_progress))
        return Survey(name, looks, tuple(gallery.skipped()), _near(gallery, looks, on_progress))
    finally:
        gallery.close()


def _look(folders: Sequence[Path], picture: Picture) -> Look | Skipped:
    if picture.missing:
        return Skipped(_readable(picture.path), picture.missing)
    try:
        picture.path.encode()
        data = file_of(folders, picture).read_bytes()
        image, (width, height), _ = decode.read(data, min_side=_SIDE)
    except UnicodeEncodeError:
        return Skipped(_readable(picture.path), "Its name is not valid UTF-8: rename it.")
    except OSError as exc:
        return Skipped(picture.path, f"It cannot be read: {exc.strerror}.")
    except DecodeError as exc:
        return Skipped(picture.path, str(exc))
    digest = hashlib.sha256(data).hexdigest()
    kind = decode.format_of(data).name
    colours = _colours(image)
    return Look(
        picture.path, kind, width, height, len(data), digest, *colours, labels=picture.labels
    )


def _looks_of(gallery: Store, on_progress: OnProgress) -> Iterator[Look]:
    rows, ids = gallery.rows, gallery.ids()
    for start in range(0, rows, _CHUNK_ROWS):
        on_progress("look", start, rows)
        for record in gallery.images(ids[start : start + _CHUNK_ROWS].tolist()):
            yield Look(
                record.path,
                _format_by_name(record.path),
                record.width,
                record.height,
                record.bytes,
                record.sha256,
                *_colours_of(gallery.thumbnail(record.id)),
                labels=record.labels,
            )
    on_progress("look", rows, rows)


def _format_by_name(path: str) -> str:
    if kind := formats.by_suffix(path):
        return kind.name
    return PurePosixPath(path).suffix.lstrip(".").upper() or "unknown"


def _readable(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()


def _colours_of(thumbnail: bytes) -> tuple[tuple[int, int, int] | None, bool | None]:
    if thumbnail == encode.no_picture():
        return None, None
    try:
        return _colours(decode.read_here(thumbnail).pixels)
    except DecodeError:
        return None, None


def _colours(image: NDArray[np.uint8]) -> tuple[tuple[int, int, int], bool]:
    """Return an (H, W, 3) picture's mean colour, and whether it has no other than greys."""
    step = max(1, min(image.shape[:2]) // _SIDE)
    pixels = image[::step, ::step].reshape(-1, 3)
    red, green, blue = pixels.mean(axis=0).round().astype(int).tolist()
    spread = pixels.max(axis=1) - pixels.min(axis=1)
    return (red, green, blue), bool(np.percentile(spread, 99) <= _GREY_SPREAD)


def _near(
    gallery: Store, looks: Sequence[Look], on_progress: OnProgress
) -> tuple[Pair, ...] | None:
    """Return the pairs that nearly equal each other, best first; None without the vectors."""
    if gallery.approximate:
        return None
    ids, pairs = gallery.ids(), {}
    for start in range(0, gallery.rows, _CHUNK_ROWS):
        on_progress("compare", start, gallery.rows)
        part = ids[start : start + _CHUNK_ROWS]
        neighbours = gallery.search(gallery.vectors(part), _NEIGHBOURS)
        found = np.searchsorted(ids, neighbours.rows)  # the places of the looks
        for row, others, scores in zip(
            range(start, start + len(part)),
            found.tolist(),
            neighbours.scores.tolist(),
            strict=True,
        ):
            for other, score in zip(others, scores, strict=True):
                same = looks[row].sha256 and looks[row].sha256 == looks[other].sha256
                if other != row and score >= _NEARLY_EQUAL and not same:
                    pairs[min(row, other), max(row, other)] = score
    on_progress("compare", gallery.rows, gallery.rows)
    best = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Pair(looks[one].path, looks[other].path, score) for (one, other), score in best)
