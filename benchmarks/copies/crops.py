"""A folder of photographs → many more pictures, for a gallery larger than there are photographs.

Run by `python -m benchmarks.copies.crops --folder F --out O`. Each is a part of a photograph that
the evaluation of the same folder neither asks with nor holds out: a quarter to two thirds of its
area, some mirrored. They are less different from each other than as many photographs would be, and
none of them is the source of a query.
"""

import argparse
import sys
from collections.abc import Sequence
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import ImageOps
from tqdm import tqdm

from benchmarks.copies import photographs
from benchmarks.copies.__main__ import SAME
from benchmarks.copies.edits import opened

_AREAS = (0.25, 0.67)
_QUALITY = 85


def main(words: Sequence[str] | None = None) -> int:
    """Write the pictures, `PART/PATH` of each photograph's part."""
    parser = argparse.ArgumentParser(description="Make distractors out of photographs.")
    parser.add_argument("--folder", type=Path, required=True, help="photographs, in it and below")
    parser.add_argument("--out", type=Path, required=True, help="where the pictures are written")
    parser.add_argument("--count", type=int, default=92_000, help="how many, about")
    parser.add_argument("--queries", type=int, default=200, help="of the evaluation")
    parser.add_argument("--seed", type=int, default=0, help="of the evaluation")
    options = parser.parse_args(words)
    paths = photographs.pictures_in(options.folder)
    photograph = photographs.photographs(options.folder, paths, SAME)
    parts = photographs.split(
        paths,
        photograph,
        sources=options.queries,
        bursts=options.queries,
        unrelated=2 * options.queries,
        seed=options.seed,
    )
    asked = {photograph[path] for path in parts.sources}
    free = [path for path in parts.gallery if photograph[path] not in asked]
    tasks = [
        (options.folder, path, options.out, part)
        for part in range(-(-options.count // len(free)))
        for path in free
    ][: options.count]
    with Pool() as pool:
        done = pool.imap_unordered(_write, tasks, chunksize=64)
        for _ in tqdm(done, total=len(tasks), disable=None, mininterval=5):
            pass
    return 0


def _write(task: tuple[Path, str, Path, int]) -> None:
    folder, name, out, part = task
    image, path = opened(folder / name), out / str(part) / name
    random = np.random.default_rng([part, *name.encode()])
    share = random.uniform(*_AREAS) ** 0.5
    width, height = max(1, round(image.width * share)), max(1, round(image.height * share))
    left = random.integers(image.width - width, endpoint=True)
    top = random.integers(image.height - height, endpoint=True)
    cut = image.crop((left, top, left + width, top + height))
    path.parent.mkdir(parents=True, exist_ok=True)
    (ImageOps.mirror(cut) if random.random() < 0.5 else cut).save(path, quality=_QUALITY)


if __name__ == "__main__":
    sys.exit(main())
