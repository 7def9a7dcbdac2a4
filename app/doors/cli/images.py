"""`add` and `remove`: pictures, addresses or vectors → images of a gallery; and out of it."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.doors.answers import outcome_answer
from app.doors.cli import output
from app.doors.cli.answerers import STANDARD_INPUT
from app.doors.cli.command import Command
from app.doors.cli.progress import Progress
from app.doors.inputs import bytes_of_file
from app.errors import AppError, QueryError, UsageError
from app.search.picture import is_address

if TYPE_CHECKING:
    from app.build.additions import NewImage, Outcome
    from app.build.keeper import GalleryKeeper
    from app.settings import Settings

_FEW = 20  # so many are shown one by one
_MOST_AT_ONCE = 1_000  # pictures of one change
_MOST_BYTES_AT_ONCE = 200_000_000
_MOST_VECTORS_AT_ONCE = 20_000


def _add_arguments_of_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", metavar="NAME", help="the gallery's name")
    parser.add_argument(
        "image",
        nargs="*",
        metavar="FILE-OR-URL",
        help="pictures; - for their paths or addresses on standard input, one a line",
    )
    parser.add_argument(
        "--vector",
        type=Path,
        metavar="FILE.npy",
        help="in place of pictures: an array (n, dimension) of vectors of the gallery's model",
    )
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--key",
        action="append",
        metavar="K",
        help="the picture's id; given again for the next one. An image that has it is replaced",
    )
    keys.add_argument(
        "--keys", type=Path, metavar="FILE", help="the ids of all in a file, one a line"
    )
    parser.add_argument(
        "--label", action="append", metavar="L", help="a label of all; may be given again"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON an image")


def _add(options: argparse.Namespace) -> int:
    """Add the images in parts; return the exit code of the first that could not be."""
    from app.settings import read_settings
    from app.wiring import make_keeper

    settings = read_settings()
    if (options.vector is not None) == bool(options.image):
        raise UsageError("Give pictures, or vectors with --vector FILE.npy, one of them.")
    keeper = make_keeper(settings)
    keeper.size(options.gallery)  # before anything is read: there must be such a gallery
    named = list(_expanded(options.image))
    vectors = _read_vectors(options.vector) if options.vector is not None else None
    count = len(named) if vectors is None else len(vectors)
    adding = _Adding(keeper, options, count)
    keys = _keys(options, count)
    labels = tuple(options.label or ())
    with Progress() as progress:
        new: Iterator[NewImage | None]
        if vectors is None:
            new = _pictures(named, keys, labels, settings, adding)
        else:
            new = _of_vectors(vectors, options.vector.stem, keys, labels)
        for done, image in enumerate(new):
            progress.show("add", done, count)
            if image is not None:
                adding.take(image)
        adding.flush()
        progress.show("add", count, count)
    adding.print_summary()
    return adding.code


class _Adding:
    """Adds images in parts, in their order, and prints what became of each."""

    def __init__(self, keeper: "GalleryKeeper", options: argparse.Namespace, count: int) -> None:
        self.code = 0
        self._keeper = keeper
        self._gallery = options.gallery
        self._as_json = options.json
        self._few = count <= _FEW
        self._most = _MOST_AT_ONCE if options.vector is None else _MOST_VECTORS_AT_ONCE
        self._counts: Counter[str] = Counter()
        self._waiting: list[NewImage | tuple[str, AppError]] = []
        self._waiting_bytes = 0
        self._lines: list[str] = []
        self._failures: list[str] = []

    def take(self, image: "NewImage") -> None:
        """Add an image with the others of its part."""
        self._waiting.append(image)
        self._waiting_bytes += len(image.data)
        if len(self._waiting) >= self._most or self._waiting_bytes >= _MOST_BYTES_AT_ONCE:
            self.flush()

    def fail(self, name: str, error: AppError) -> None:
        """Take note that an image cannot be had; the others are added."""
        self._waiting.append((name, error))

    def flush(self) -> None:
        """Add all that wait, in one change."""
        new = [each for each in self._waiting if not isinstance(each, tuple)]
        outcomes = iter(self._keeper.add(self._gallery, new).outcomes if new else ())
        for each in self._waiting:
            if isinstance(each, tuple):
                self._failed(each[0], str(each[1]), each[1].exit_code)
            else:
                self._done(next(outcomes))
        self._waiting, self._waiting_bytes = [], 0

    def print_summary(self) -> None:
        """Print each image, where they are few, what failed, and the numbers of all."""
        for line in self._failures:
            output.print_message(line)
        if self._as_json:
            return
        for line in self._lines if self._few else ():
            output.print_line(line)
        kinds = {"added": "added", "replaced": "replaced", "known": "there already"}
        counts = [f"{self._counts[kind]} {words}" for kind, words in kinds.items()]
        counts += [f"{len(self._failures)} failed"] if self._failures else []
        output.print_line(f"{self._gallery}: {', '.join(counts)}")

    def _done(self, outcome: "Outcome") -> None:
        if outcome.became == "skipped":
            self._failed(outcome.name, outcome.reason, QueryError.exit_code)
            return
        self._counts[outcome.became] += 1
        if self._as_json:
            output.print_json(outcome_answer(outcome))
        elif self._few:
            became = {"known": "is there already"}.get(outcome.became, outcome.became)
            self._lines.append(f"{outcome.name}: {became}, with the id {outcome.public_id}")

    def _failed(self, name: str, reason: str, code: int) -> None:
        self.code = self.code or code
        self._failures.append(f"{name}: {reason}")
        if self._as_json:
            output.print_json({"name": name, "error": reason})


def _pictures(
    named: Sequence[str],
    keys: Sequence[str],
    labels: tuple[str, ...],
    settings: "Settings",
    adding: _Adding,
) -> "Iterator[NewImage | None]":
    """Yield each picture, read or fetched; None for one that cannot be had."""
    from app.build.additions import NewImage
    from app.wiring import make_fetch

    fetch = make_fetch(settings)
    for name, key in zip(named, keys, strict=True):
        try:
            data = fetch(name) if is_address(name) else bytes_of_file(name)
            if not data:
                raise UsageError(f"{name} is empty: name a picture.")
        except AppError as exc:
            adding.fail(name, exc)
            yield None
        else:
            yield NewImage(name, data, key=key, labels=labels)


def _of_vectors(
    vectors: Any, stem: str, keys: Sequence[str], labels: tuple[str, ...]
) -> "Iterator[NewImage]":
    from app.build.additions import NewImage

    for row, (vector, key) in enumerate(zip(vectors, keys, strict=True)):
        yield NewImage(key or f"{stem}-{row}", vector=vector, key=key, labels=labels)


def _read_vectors(file: Path) -> Any:
    """Return the (n, dim) array of a file; UsageError if it holds none."""
    import numpy as np

    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise UsageError(f"{file} is no array that NumPy has written ({exc}).") from exc
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        shape = getattr(vectors, "shape", "several arrays")
        raise UsageError(f"{file} must hold numbers of the shape (n, dimension), not {shape}.")
    return vectors


def _keys(options: argparse.Namespace, count: int) -> list[str]:
    """Return a key for each image, '' where none is given; UsageError if they do not fit."""
    keys = list(options.key or ())
    if options.keys is not None:
        try:
            keys = options.keys.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as exc:
            raise UsageError(f"{options.keys} cannot be read as keys ({exc}).") from exc
    if not keys:
        return [""] * count
    if len(keys) != count:
        raise UsageError(f"There are {count} images and {len(keys)} keys: give one for each image.")
    if twice := [key for key, times in Counter(keys).items() if times > 1]:
        raise UsageError(f"The key {twice[0]!r} is given twice: keys must differ.")
    return keys


def _expanded(typed: Iterable[str]) -> Iterator[str]:
    """Yield what was typed, in place of - the lines of standard input."""
    for each in typed:
        if each == STANDARD_INPUT:
            lines = sys.stdin if sys.stdin else ()
            yield from (line.rstrip("\r\n") for line in lines if line.strip())
        else:
            yield each


def _add_arguments_of_remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gallery", metavar="NAME", help="the gallery's name")
    parser.add_argument(
        "id", nargs="*", metavar="ID", help="images, by their ids; - for ids on standard input"
    )
    parser.add_argument(
        "--path",
        action="append",
        metavar="PATH",
        help="an image by its path, as answers show it; may be given again; - as above",
    )


def _remove(options: argparse.Namespace) -> int:
    """Take images out of a gallery, all of them or none."""
    from app.settings import read_settings
    from app.wiring import make_keeper

    ids, paths = list(_expanded(options.id)), list(_expanded(options.path or ()))
    if not (options.id or options.path):
        raise UsageError("Name the images to remove, by their ids or with --path.")
    keeper = make_keeper(read_settings())
    before = keeper.size(options.gallery)
    left = keeper.remove(options.gallery, ids, paths=paths).images
    output.print_line(f"{options.gallery}: {before - left} removed, {left} left")
    return 0


ADD = Command(
    NAME="add",
    HELP="add pictures or vectors to a gallery",
    EXAMPLE="ris add mine photo.jpg --key chelsea --label cat",
    add_arguments=_add_arguments_of_add,
    run=_add,
    stopped=lambda options: "What was added before is kept.",
)
REMOVE = Command(
    NAME="remove",
    HELP="take images out of a gallery; their files stay",
    EXAMPLE="ris remove mine 17",
    add_arguments=_add_arguments_of_remove,
    run=_remove,
)
