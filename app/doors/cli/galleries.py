"""`galleries`: every gallery, one a line."""

import argparse
import json

from app.doors.cli.answerers import add_server_arguments, answering
from app.doors.cli.table import printable

NAME = "galleries"
HELP = "list the galleries"
EXAMPLE = "ris galleries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the form of the list, and who tells it."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document a gallery")
    form.add_argument(
        "--names", action="store_true", help="print the names alone, of damaged ones too"
    )
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print every gallery, a refused one with the reason."""
    from app.settings import read_settings

    with answering(options, read_settings()) as answerer:
        if options.names:
            print("".join(f"{name}\n" for name in answerer.names()), end="")
            return 0
        found = answerer.galleries()
    for gallery in found:
        name = gallery["name"]
        if options.json:
            print(json.dumps(gallery, ensure_ascii=False))
        elif gallery["refused"]:
            print(printable(f"{name}: cannot be searched. {gallery['refused']}"))
        else:
            print(f"{name}: {gallery['images']} images, {gallery['model']}, {gallery['index']}")
    return 0
