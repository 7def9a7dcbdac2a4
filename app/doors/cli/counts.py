"""`counts`: a gallery's columns, or how many of its images have each value of one."""

import argparse

from app.doors.cli import output
from app.doors.cli.answerers import add_server_arguments, answering

NAME = "counts"
HELP = "count a gallery's images by a column: label, folder, camera, taken, …"
EXAMPLE = "ris counts caltech101-efficientnet_lite0 label --limit 5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the column, which images are counted, and who answers."""
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery's name")
    parser.add_argument(
        "column", nargs="?", metavar="COLUMN", help="what to count by (default: list the columns)"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="count only images that are so, as in ris search; may be given again",
    )
    parser.add_argument(
        "--label", default="", metavar="L", help="count only images that have this label"
    )
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="how many values (default: 50)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the columns, or the counts of one."""
    from app.settings import read_settings

    with answering(options, read_settings()) as answerer:
        if options.column is None:
            columns = answerer.columns(options.gallery)
            if options.json:
                output.print_json({"gallery": options.gallery, "columns": columns})
            for name in [] if options.json else columns:
                output.print_line(name)
            return 0
        answer = answerer.counts(
            options.gallery,
            options.column,
            limit=options.limit,
            where=options.where,
            label=options.label,
        )
    if options.json:
        output.print_json(answer)
        return 0
    for each in answer["counts"]:
        output.print_line(f"{each['images']:>9,}  {each['value']}")
    if (left := answer["values"] - len(answer["counts"])) > 0:
        output.print_message(f"{left:,} more values: --limit shows more.")
    return 0
