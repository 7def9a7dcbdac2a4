"""A split folder → the files that are searched by, one after the other, each with its sources."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.copies.edits import COLLAGE, EDITS, SEVERAL, edit, opened
from benchmarks.copies.measure import Question
from benchmarks.copies.photographs import Split

BURSTS = "another frame of a burst"
UNRELATED = "unrelated photograph"
UNRELATED_EDITED = f"unrelated photograph, {SEVERAL}"
_WITHOUT_SOURCE = 4  # mixed queries for one that has a source: 80 % have none, as in DISC21


def questions(
    folder: Path, parts: Split, *, seed: int, edits: Sequence[str] = tuple(EDITS)
) -> Iterator[Question]:
    """Yield every source after every edit, and the pictures that have no source in the gallery."""
    for name in edits:
        for place, path in enumerate(parts.sources):
            beside = pictures_beside(name, place, parts)
            sources = [path, *beside] if name == COLLAGE else [path]
            data = edited(folder, name, path, beside, seed)
            yield Question(name, path, tuple(parts.photograph[each] for each in sources), data)
    for test, paths in ((BURSTS, parts.bursts), (UNRELATED, parts.unrelated)):
        for path in paths:
            yield Question(test, path, (), (folder / path).read_bytes())
    for turn in range(_WITHOUT_SOURCE * len(parts.sources) if SEVERAL in edits else 0):
        place = turn % len(parts.unrelated)
        path, beside = parts.unrelated[place], [parts.unrelated[place - 1]]
        data = edited(folder, SEVERAL, path, beside, f"{seed}/{turn}")
        yield Question(UNRELATED_EDITED, path, (), data)


def count(parts: Split, edits: Sequence[str] = tuple(EDITS)) -> int:
    """Return how many `questions` there are."""
    mixed = _WITHOUT_SOURCE if SEVERAL in edits else 0
    return (len(edits) + mixed) * len(parts.sources) + len(parts.bursts) + len(parts.unrelated)


def pictures_beside(name: str, place: int, parts: Split) -> list[str]:
    """Return the pictures that an edit needs: other sources for a collage, else one held out."""
    if name == COLLAGE:
        return [parts.sources[(place + step) % len(parts.sources)] for step in (1, 2, 3)]
    return [parts.unrelated[place % len(parts.unrelated)]]


def edited(folder: Path, name: str, path: str, beside: Sequence[str], seed: object) -> bytes:
    """Return the file of a picture after an edit, which may need others."""
    others = [opened(folder / each) for each in beside]
    own_seed = zlib.crc32(f"{seed}/{path}".encode())
    return edit(name, opened(folder / path), seed=own_seed, others=others).data
