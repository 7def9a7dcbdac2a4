"""`evaluate`: a gallery → the recall of its index, and how often labels agree."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from app.doors.cli import output
from app.errors import UsageError

if TYPE_CHECKING:
    from app.values import Evaluation

NAME = "evaluate"
HELP = "measure a gallery's index against exact search, and its labels"
EXAMPLE = "ris evaluate caltech101-efficientnet_lite0 --without BACKGROUND_Google"
_SAMPLE = 1_000
_MOST = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, how many of its images are queries, and k."""
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery's name")
    parser.add_argument(
        "-k", type=int, default=10, metavar="N", help="of how many results (default: 10)"
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=_SAMPLE,
        metavar="N",
        help=f"ask with so many of its own images (default: {_SAMPLE})",
    )
    parser.add_argument(
        "--without",
        default="",
        metavar="LABEL",
        help="leave the images of this label out where labels are compared",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(options: argparse.Namespace) -> int:
    """Measure, showing the progress, and print the figures."""
    for name, number in (("-k", options.k), ("--sample", options.sample)):
        if not 1 <= number <= _MOST:
            raise UsageError(f"{name} must be from 1 to {_MOST}, not {number}.")
    from tqdm import tqdm

    from app.settings import read_settings
    from app.wiring import make_evaluator

    with tqdm(desc="Asking", unit=" images", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        evaluation = make_evaluator(read_settings())(
            options.gallery,
            k=options.k,
            sample=options.sample,
            without=options.without,
            on_progress=show,
        )
    if options.json:
        output.print_json(asdict(evaluation))
    else:
        for line in _lines(evaluation):
            output.print_line(line)
    return 0


def _lines(evaluation: "Evaluation") -> Iterator[str]:
    yield f"{evaluation.gallery}: {evaluation.queries} of its own images asked"
    yield (
        f"recall@{evaluation.k}     {evaluation.recall_reranked:.4f}  "
        f"({evaluation.recall_raw:.4f} without re-ranking)"
    )
    if evaluation.mean_average_precision is None:
        yield "No two images share a label: there is no precision to measure."
        return
    yield (
        f"precision@{evaluation.k}  {evaluation.precision_index:.4f}  "
        f"({evaluation.precision_exact:.4f} by exact search)"
    )
    yield (
        f"mAP           {evaluation.mean_average_precision:.4f}  (exact ranking of all images, "
        f"{evaluation.labelled_queries} queries with a label that another image has)"
    )
