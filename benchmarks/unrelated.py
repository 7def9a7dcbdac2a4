"""Photographs in folders by content → how near a model's vectors of unrelated ones come.

Run by `python -m benchmarks.unrelated --folder F --model M`, where F has a folder for each kind of
thing. The nearest of n photographs of other kinds reaches a + b ln n for one in twenty: what is
printed as such stands in `app/embed/models.py`. How well that parts unrelated pictures from copies
is shown with `--strangers`, a folder of F that the two numbers were not fitted on.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from app.embed.load import load_embedder
from app.embed.models import Unrelated
from app.images import decode
from app.settings import read_settings
from benchmarks.copies import photographs
from benchmarks.copies.edits import edit, opened
from benchmarks.report import Report, arguments, at_least, at_most

Vectors = NDArray[np.float32]
_SIZES = tuple(4**power for power in range(6))  # of a gallery
_SHOWN = (*_SIZES[1:], 4096)
_PER_KIND = 60
_ASKED, _TRIALS = 100, 60
_EDITS = ("JPEG quality 30", "half size", "crop 80 %", "crop 50 %", "mirrored", "grey")
_EDITED = 400
_ONE_IN = 20


def main(words: Sequence[str] | None = None) -> int:
    """Fit, print, and return 1 if strangers or copies are told apart worse than wished for."""
    options = _parser().parse_args(words)
    random = Random(options.seed)
    settings = read_settings()
    embedder = load_embedder(
        options.model,
        weights_dir=settings.weights_dir,
        cache_dir=settings.cache_dir,
        purpose="build",
    )

    def embedded(paths: Sequence[str], name: str = "") -> Vectors:
        """Return the vectors of pictures, or of their copies after an edit."""
        files = (options.folder / path for path in paths)
        data = (
            edit(name, opened(file), seed=options.seed, others=[]).data
            if name
            else file.read_bytes()
            for file in files
        )
        pictures = tqdm(data, name or "pictures", len(paths), disable=None, mininterval=5)
        side = embedder.decoded_side
        inputs = [embedder.prepare(decode.decode(each, min_side=side)) for each in pictures]
        return embedder.embed_prepared(inputs)

    kinds = _kinds(options.folder, random)
    strangers = embedded(kinds.pop(options.strangers, []))
    names = [name for name, paths in kinds.items() for _ in paths]
    paths = [path for paths in kinds.values() for path in paths]
    vectors, kind = embedded(paths), np.array(names)
    asked = np.array(random.sample(range(len(paths)), min(_EDITED, len(paths))))
    copies = {name: embedded([paths[at] for at in asked], name) for name in _EDITS}

    a, b = _fitted(vectors, kind, random)
    command = f"--folder {options.folder.name} --model {options.model} --seed {options.seed}"
    report = Report("Unrelated photographs", f"python -m benchmarks.unrelated {command}")
    report.add("nearest of n of other kinds, one time in twenty", f"{a:.3f} + {b:.4f} ln n")
    for size in _SHOWN:
        floor = Unrelated(a, b).among(size)
        taken = [random.sample(range(len(paths)), size) for _ in range(_TRIALS)]
        if len(strangers):
            near = [_nearest(strangers, vectors[each]) for each in taken]
            accepted = float(np.mean(np.array(near) >= floor))
            words = f"{size:,} images: strangers that count as similar"
            report.add(words, f"{accepted:.3f}", at_most(accepted, 0.05, "0.05"))
        cosines = [np.einsum("nd,nd->n", found, vectors[asked]) for found in copies.values()]
        kept = float((np.array(cosines) >= floor).mean(axis=1).min())
        words = f"{size:,} images: copies that count as similar, of the worst edit"
        report.add(words, f"{kept:.3f}", at_least(kept, 0.95, "0.95"))
    return report.finish(options.save)


def _parser() -> argparse.ArgumentParser:
    parser = arguments("Measure how near the vectors of unrelated photographs come.")
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="photographs, a folder for each kind of thing")
    add("--model", default="efficientnet_lite0", help="default: efficientnet_lite0")
    add("--strangers", default="BACKGROUND_Google", metavar="NAME", help="a folder to show it on")
    add("--seed", type=int, default=0)
    return parser


def _kinds(folder: Path, random: Random) -> dict[str, list[str]]:
    """Return some pictures of each kind, one kind for all of a photograph's own files."""
    kinds: dict[str, list[str]] = {}
    for path in photographs.pictures_in(folder):
        name = path.rpartition("/")[0]
        if not name.endswith("_easy"):  # the same faces, cut out
            kinds.setdefault(name, []).append(path)
    return {name: random.sample(paths, min(_PER_KIND, len(paths))) for name, paths in kinds.items()}


def _fitted(vectors: Vectors, kind: NDArray[np.str_], random: Random) -> tuple[float, float]:
    """Return a and b of the cosine that the nearest of n others reaches one time in twenty."""
    sizes, reached = zip(*_reached(vectors, kind, random), strict=True)
    b, a = np.polyfit(np.log(sizes), reached, 1)
    return float(a), float(b)


def _reached(
    vectors: Vectors, kind: NDArray[np.str_], random: Random
) -> Iterator[tuple[int, float]]:
    kinds = sorted(set(kind.tolist()))
    for size in _SIZES:
        best: list[float] = []
        for _ in range(_TRIALS):
            inside = np.isin(kind, random.sample(kinds, len(kinds) // 2))
            if inside.sum() < size:
                continue
            gallery = random.sample(np.flatnonzero(inside).tolist(), size)
            asked = random.sample(np.flatnonzero(~inside).tolist(), _ASKED)
            best += _nearest(vectors[asked], vectors[gallery]).tolist()
        if best:
            yield size, float(np.quantile(best, 1 - 1 / _ONE_IN))


def _nearest(asked: Vectors, gallery: Vectors) -> NDArray[np.float32]:
    best: NDArray[np.float32] = (asked @ gallery.T).max(axis=1)
    return best


if __name__ == "__main__":
    sys.exit(main())
