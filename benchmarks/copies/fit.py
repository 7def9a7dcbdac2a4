"""Pairs of pictures, copies and none → the weights by which app/search/verify.py tells them apart.

Run by `python -m benchmarks.copies.fit --folder F`, with requirements-lab.txt installed. No
photograph that the evaluation of the same folder asks with, or holds out, is among them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

from app.features import compare, fit, of_gallery_picture, of_query
from app.images import decode
from app.search.verify import LEAST_BLOCKS, alike
from app.values.features import comparable
from benchmarks.copies import photographs
from benchmarks.copies.__main__ import SAME
from benchmarks.copies.edits import EDITS
from benchmarks.copies.questions import edited, pictures_beside

_ASKED = {"sources": 200, "bursts": 200, "unrelated": 400}  # by the evaluation
_OTHER_SEED = 5
_SOURCES = 120
_FRAMES = {"Faces": 900, "Faces_easy": 200, "airplanes": 400, "Leopards": 100, "car_side": 100}
_AS_THEY_ARE = 3  # frames of a burst, to one of each edit below
_EDITED_FRAMES = ("crop 50 %", "crop 25 %", "crop 10 %", "grey", "colours", "blur σ4", "text bar")
_UNALIKE = 4_500
_THUMBNAILS = 0.4  # the share of the images that are compared as such
_SIDE, _THUMBNAIL_SIDE = 256, 160
_WORSE = 10  # how much worse it is to call another picture a copy than to miss one
_TERMS = "share of blocks", "closeness, -ln(1 - c)", "ln pairs"


@dataclass(frozen=True)
class Pair:
    """A query's file, the image beside it, and whether the one is made of the other."""

    kind: str
    query: bytes
    image: Path
    is_copy: bool
    as_thumbnail: bool


def main(words: Sequence[str] | None = None) -> int:
    """Fit and print the weights, and how many of both kinds they take for copies."""
    parser = argparse.ArgumentParser(description="Fit the weights that tell copies apart.")
    parser.add_argument("--folder", type=Path, required=True, help="photographs, as Caltech101")
    options = parser.parse_args(words)
    kinds: list[str] = []
    facts, copies = [], []
    with Pool() as pool:
        for pair, found in pool.imap(_measured, pairs(options.folder), chunksize=16):
            if found is not None:
                kinds.append(pair[0])
                copies.append(pair[1])
                facts.append(found)
    terms, is_copy = np.array(facts), np.array(copies)
    model = LogisticRegression(C=100, class_weight={False: _WORSE, True: 1}, max_iter=1000)
    model.fit(terms, is_copy)
    for name, weight in zip(_TERMS, model.coef_[0], strict=True):
        print(f"{name}: {weight:.2f}")
    print(f"needed: {-model.intercept_[0]:.2f}")
    called = model.decision_function(terms) > 0
    for kind in sorted(set(kinds)):
        mine = np.array([each == kind for each in kinds])
        print(f"{kind}: {called[mine].sum()} of {mine.sum()} called a copy")
    return 0


def pairs(folder: Path) -> Iterator[Pair]:
    """Yield copies of photographs beside them, frames of one scene, and pictures of one class."""
    paths = photographs.pictures_in(folder)
    photograph = photographs.photographs(folder, paths, SAME)
    asked = photographs.split(paths, photograph, **_ASKED, burst_folders=photographs.BURSTS, seed=0)
    taken = {photograph[path] for path in (*asked.sources, *asked.bursts, *asked.unrelated)}
    free = [path for path in paths if photograph[path] not in taken]
    parts = photographs.split(
        free,
        photograph,
        sources=_SOURCES,
        bursts=0,
        unrelated=_SOURCES,
        burst_folders=photographs.BURSTS,
        seed=_OTHER_SEED,
    )
    random = Random(1)

    def pair(kind: str, query: bytes, image: str, *, is_copy: bool) -> Pair:
        return Pair(kind, query, folder / image, is_copy, random.random() < _THUMBNAILS)

    for edit in EDITS:
        for place, path in enumerate(parts.sources):
            query = edited(folder, edit, path, pictures_beside(edit, place, parts), _OTHER_SEED)
            yield pair("copies", query, path, is_copy=True)
    for name, count in _FRAMES.items():
        frames = [path for path in free if path.split("/")[0] == name]
        for _ in range(count if len(frames) > 3 else 0):
            at = random.randrange(len(frames) - 3)
            path, other = frames[at], frames[at + random.choice((1, 1, 1, 2, 3))]
            edit = random.choice((*[""] * _AS_THEY_ARE, *_EDITED_FRAMES))
            if photograph[path] != photograph[other]:
                query = (folder / path).read_bytes()
                if edit:
                    query = edited(folder, edit, path, [parts.unrelated[0]], _OTHER_SEED)
                yield pair(f"frames of {name}", query, other, is_copy=False)
    for _ in range(_UNALIKE):
        place, edit = random.randrange(len(parts.sources)), random.choice(list(EDITS))
        path, others = parts.sources[place], pictures_beside(edit, place, parts)
        alike_ones = [each for each in free if each.split("/")[0] == path.split("/")[0]]
        other = random.choice(random.choice((alike_ones, free)))
        if photograph[other] not in {photograph[each] for each in (path, *others)}:
            query = edited(folder, edit, path, others, _OTHER_SEED)
            yield pair("other pictures", query, other, is_copy=False)


def _measured(pair: Pair) -> tuple[tuple[str, bool], list[float] | None]:
    """Return the terms of the evidence, as the application measures them; None without a fit."""
    about = pair.kind, pair.is_copy
    query = decode.decode(pair.query, min_side=_SIDE)
    image = decode.decode(pair.image.read_bytes(), min_side=_SIDE)
    asked, kept = of_query(query), of_gallery_picture(image)
    if not (len(asked) and len(kept)):
        return about, None
    fits = []
    for shown, features in ((query, asked), (query[:, ::-1], asked.mirrored())):
        at, other = alike(comparable(features.descriptors), comparable(kept.descriptors))
        found = fit(features.places[at], _size(query), kept.places[other], _size(image))
        if found is not None:
            fits.append((found.pairs, np.ascontiguousarray(shown), found.matrix))
    if not fits:
        return about, None
    count, shown, matrix = max(fits, key=lambda each: each[0])
    if pair.as_thumbnail:
        thumbnail = Image.fromarray(image)
        thumbnail.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        small = np.asarray(thumbnail)
        grown = np.diag(np.array(_size(image)) / np.array(_size(small)))
        image, matrix = small, np.column_stack([matrix[:, :2] @ grown, matrix[:, 2]])
    overlap = compare(shown, image, matrix)
    if overlap is None or overlap.blocks < LEAST_BLOCKS:
        return about, None
    closeness = -np.log(max(1 - overlap.closeness, 1e-3))
    return about, [overlap.uncovered, closeness, np.log(count)]


def _size(pixels: np.ndarray) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[0]


if __name__ == "__main__":
    sys.exit(main())
