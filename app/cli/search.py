"""`search`: pictures, URLs or images of the gallery → the images that look like them."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from app.cli.asking import Answerer, Query, Wanted, add_server_arguments, answering
from app.cli.table import lines_of
from app.errors import AppError, UsageError
from app.results import Box

NAME = "search"
HELP = "find the images of a gallery that look like a picture"
EXAMPLE = "ris search photo.jpg --gallery caltech101-efficientnet_lite0 -k 5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is asked, of which gallery, and how the answer is shown."""
    parser.add_argument(
        "image",
        nargs="*",
        metavar="IMAGE_OR_URL",
        help="a picture's file, its address, or - for the bytes on standard input",
    )
    parser.add_argument(
        "--id",
        action="append",
        default=[],
        metavar="ID",
        help="an image of the gallery itself, by its id in earlier answers; may be given again",
    )
    parser.add_argument(
        "--gallery", default="", metavar="G", help="default: the first that can be searched"
    )
    parser.add_argument(
        "-k", type=int, default=10, metavar="N", help="how many results, 1 to 200 (default: 10)"
    )
    parser.add_argument(
        "--box",
        metavar="X0,Y0,X1,Y1",
        help="search with this part: left, top, right, bottom as fractions from 0 to 1",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="compare every vector, and mark what the index would have missed",
    )
    parser.add_argument("--label", default="", metavar="L", help="only images with this label")
    parser.add_argument(
        "--min-score",
        type=float,
        default=-1.0,
        metavar="S",
        help="only results with at least this cosine, from -1 to 1",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document a query")
    form.add_argument(
        "--paths",
        action="store_true",
        help="print one path a line: absolute where the originals are on this machine",
    )
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Answer each query; return the exit code of the first that failed, or 0."""
    from app.settings import read_settings

    queries = [Query(typed) for typed in options.image]
    queries += [Query(typed, is_id=True) for typed in options.id]
    if not queries:
        raise UsageError("Name a picture, its URL, - for standard input, or an image with --id.")
    wanted = Wanted(
        gallery=options.gallery,
        k=options.k,
        box=box_of(options.box) if options.box is not None else None,
        exact=options.exact,
        label=options.label,
        min_score=options.min_score,
    )
    answerer = answering(options, read_settings())
    first_failure = 0
    for number, query in enumerate(queries):
        try:
            answer = answerer.search(query, wanted)
        except AppError as exc:
            first_failure = first_failure or exc.exit_code
            _tell(exc, query, queries, as_json=options.json)
            continue
        if options.json:
            print(json.dumps(answer, ensure_ascii=False))
        elif options.paths:
            print_paths(answer, answerer)
        else:
            print_table(answer, query if len(queries) > 1 else None, first=number == 0)
    return first_failure


def box_of(text: str) -> Box:
    """Return the box of `x0,y0,x1,y1`; UsageError if it is none."""
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError as exc:
        raise UsageError(
            f"The box {text!r} is not four numbers: write left,top,right,bottom as fractions "
            "from 0 to 1, for example 0.25,0,0.75,0.5"
        ) from exc
    return Box(left, top, right, bottom)


def print_paths(answer: dict[str, Any], answerer: Answerer) -> None:
    """Print each result's path: absolute where its file is here, else relative to its data set."""
    folder = answerer.folder(answer["gallery"])
    for result in answer["results"]:
        print(_path(result["path"], folder))


def print_table(answer: dict[str, Any], query: Query | None, *, first: bool) -> None:
    """Print an answer for people; under the name of its query where there are several."""
    if query is not None:
        print(f"{'' if first else chr(10)}{query.name}")
    for line in lines_of(answer):
        print(line)


def _path(path: str, folder: Path | None) -> str:
    """Return where a gallery's file is on this machine; a path never leads out of its folder."""
    relative = PurePosixPath(path)
    if folder is None or relative.is_absolute() or ".." in relative.parts:
        return path
    whole = folder / relative
    return str(whole) if whole.is_file() else path


def _tell(error: AppError, query: Query, queries: Sequence[Query], *, as_json: bool) -> None:
    """Tell that one query failed; the n-th line of JSON still belongs to the n-th query."""
    several = len(queries) > 1
    if several and as_json:
        print(json.dumps({"error": str(error)}, ensure_ascii=False))
    sys.stdout.flush()
    sys.stderr.write(f"{query.name}: {error}\n" if several else f"{error}\n")
