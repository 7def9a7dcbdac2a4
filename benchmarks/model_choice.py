"""Models whose weights install from the package index, and what is done to their vectors.

    python -m benchmarks.model_choice --folder caltech101 --out benchmarks/results/model-choice.md

Each sub-folder is a class. The picture itself is left out of its own answer; every vector is
compared. Settings of the expansion are chosen on half of the classes, and the figures are of the
other half, searched among all pictures; precision is given of all, too.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.doors.python import load_embedder
from app.embed import MODELS
from app.errors import AppError
from app.index import train_projection
from app.values.measures import average_precision
from app.values.vectors import unit

OPTIONS = ("as they are", "pca 128", "expanded", "pca 128, expanded")
_SETTINGS = tuple((n, alpha) for n in (3, 5, 10, 20) for alpha in (1.0, 3.0))
_NOT_ONES = ("BACKGROUND_Google", "mean_colour")
_AT_ONCE = 256  # queries
_ONE_OF = 5  # pictures of the classes that settings are chosen on
_PCA = 128

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A model with one of `OPTIONS`: how well it ranks, and what it costs."""

    model: str
    option: str
    setting: str
    precision: float
    mean_average_precision: float
    precision_of_all: float
    images_per_second: float
    bytes: int


def pictures_of(folder: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """Return the pictures of a folder of classes, and the (n,) number of each one's class."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    files = [
        (file, number)
        for number, each in enumerate(classes)
        if each.name not in _NOT_ONES
        for file in sorted(each.iterdir())
        if file.suffix.lower() in (".jpg", ".jpeg", ".png")
    ]
    return [file for file, _ in files], np.array([number for _, number in files])


def rows_of(model: str, files: Sequence[Path], labels: NDArray[np.int64]) -> Iterator[Row]:
    """Yield a model's figures with each of the options; AppError where it is not here."""
    embedder = load_embedder(model)
    started = time.perf_counter()
    whole = embedder.embed_many([str(file) for file in files])
    rate = len(files) / (time.perf_counter() - started)
    shown = labels % 2 == 1
    fitted = np.zeros(len(labels), bool)
    fitted[np.flatnonzero(~shown)[::_ONE_OF]] = True

    def of_all(vectors: Vectors, queries: Vectors) -> float:
        return measured(vectors, queries, labels, np.ones(len(labels), bool))[0]

    for pca in (0, _PCA):
        vectors = train_projection(whole, pca).apply(whole) if pca else whole
        name = f"pca {pca}" if pca else ""
        size = 2 * vectors.shape[1]
        plain = (*measured(vectors, vectors, labels, shown), of_all(vectors, vectors))
        yield Row(model, name or "as they are", "", *plain, rate, size)
        best = max(
            _SETTINGS,
            key=lambda each: measured(vectors, expanded(vectors, *each), labels, fitted)[1],
        )
        moved = expanded(vectors, *best)
        found = (*measured(vectors, moved, labels, shown), of_all(vectors, moved))
        option = f"{name}, expanded" if name else "expanded"
        yield Row(model, option, f"{best[0]} nearest, alpha {best[1]:g}", *found, rate, size)


def expanded(vectors: Vectors, neighbours: int, alpha: float) -> Vectors:
    """Return each vector with its nearest others added, times their cosine to the power alpha."""
    moved = np.empty_like(vectors)
    for start in range(0, len(vectors), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        cosines = vectors[part] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, rows + start] = -1
        nearest = np.argpartition(-cosines, neighbours, axis=1)[:, :neighbours]
        weights = np.maximum(np.take_along_axis(cosines, nearest, axis=1), 0) ** alpha
        moved[part] = vectors[part] + np.einsum("qn,qnd->qd", weights, vectors[nearest])
    return unit(moved)


def measured(
    vectors: Vectors, queries: Vectors, labels: NDArray[np.int64], asked: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return precision@5 and mean average precision of the queries that are asked."""
    places = np.flatnonzero(asked)
    right_at_5, average = [], []
    for start in range(0, len(places), _AT_ONCE):
        part = places[start : start + _AT_ONCE]
        cosines = queries[part] @ vectors.T
        cosines[np.arange(len(part)), part] = -2
        order = np.argsort(-cosines, axis=1)[:, :-1]
        right = labels[order] == labels[part][:, None]
        right_at_5.append(right[:, :5].mean(axis=1))
        average.append(average_precision(right[right.any(axis=1)]))
    return float(np.concatenate(right_at_5).mean()), float(np.concatenate(average).mean())


def document(rows: Sequence[Row], images: int, command: str) -> str:
    """Return the figures as Markdown."""
    lines = [
        "# Models that need no download",
        "",
        f"{images:,} pictures of Caltech101 without BACKGROUND_Google. Half of the classes are",
        "asked; the settings of the expansion were chosen on the other half. Images a second:",
        "decoding and embedding by `load_embedder(…).embed_many`. Bytes: of a stored vector, 16",
        "bits a number.",
        "",
        f"`{command}`",
        "",
        "| model | vectors | precision@5 | mAP | precision@5 of all classes | images/s | bytes |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in rows:
        option = f"{each.option} ({each.setting})" if each.setting else each.option
        lines.append(
            f"| {each.model} | {option} | {each.precision:.3f} | {each.mean_average_precision:.3f} "
            f"| {each.precision_of_all:.3f} | {each.images_per_second:.0f} | {each.bytes:,} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every model whose weights are here, and write the table."""
    parser = argparse.ArgumentParser(description="Compare models that need no download.")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", action="append", metavar="NAME", help="default: all")
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    options = parser.parse_args(arguments)
    files, labels = pictures_of(options.folder)
    chosen = options.model or [
        name
        for name, model in MODELS.items()
        if model.embeds("picture")
        and name not in _NOT_ONES
        and model.weights
        and model.weights.package
    ]
    rows: list[Row] = []
    for model in chosen:
        try:
            for row in rows_of(model, files, labels):
                print(row, flush=True)
                rows.append(row)
        except AppError as exc:
            print(f"{model}: {exc}", flush=True)
    command = f"python -m benchmarks.model_choice --folder {options.folder.name}"
    if options.out:
        options.out.write_text(document(rows, len(files), command), encoding="utf-8")


if __name__ == "__main__":
    main()
