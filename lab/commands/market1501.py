"""`market1501`: a gallery of Market-1501 → CMC and mAP, by the benchmark's own rules."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.market1501 import Standing

NAME = "market1501"
HELP = "measure how well a gallery of Market-1501 finds persons again (CMC, mAP)"
EXAMPLE = "python -m lab market1501 --gallery market1501-resnet50"
_PRINTED_RANKS = (1, 5, 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, and the form of the answer."""
    parser.add_argument(
        "--gallery",
        required=True,
        metavar="NAME",
        help="a gallery that create_index.py --data market1501 made",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(options: argparse.Namespace) -> int:
    """Measure by exact search, and print the figures."""
    from app.doors.python import open_gallery
    from lab.market1501 import measure

    found = measure(open_gallery(options.gallery))
    if options.json:
        print(json.dumps({"gallery": options.gallery, **asdict(found)}))
        return 0
    for line in lines(options.gallery, found):
        print(line)
    return 0


def lines(gallery: str, found: "Standing") -> Iterator[str]:
    """Yield the figures as lines for the terminal."""
    yield (
        f"{gallery}: {found.queries} queries, {found.searched} images searched, of them "
        f"{found.distractors} distractors and {found.junk} junk"
    )
    if found.unanswerable:
        yield f"{found.unanswerable} queries count in no figure: no other camera saw the person"
    for rank in _PRINTED_RANKS:
        yield f"{f'rank-{rank}':8}{found.rank(rank):.4f}"
    yield f"mAP     {found.mean_average_precision:.4f}  (mean precision at the right images)"
    yield f"        {found.by_trapezoids:.4f}  (by trapezoids, as the benchmark's own code has it)"
