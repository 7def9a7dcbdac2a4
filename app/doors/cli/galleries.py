"""`galleries`: every gallery, one a line."""

import argparse
from typing import Any

from app.doors.cli import output
from app.doors.cli.answerers import add_server_arguments, answering

NAME = "galleries"
HELP = "list the galleries"
EXAMPLE = "ris galleries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the form of the list, and who answers."""
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
            for name in answerer.names():
                output.print_line(name)
            return 0
        listed = answerer.galleries()
    for gallery in listed:
        name = gallery["name"]
        if options.json:
            output.print_json(gallery)
        elif gallery["refused"]:
            output.print_line(f"{name}: cannot be searched. {gallery['refused']}")
        else:
            output.print_line(_line(gallery))
    return 0


def _line(gallery: dict[str, Any]) -> str:
    """Return a gallery's facts in one line: title, images, folders, model, index, last change."""
    title = f" ({gallery['title']})" if gallery["title"] else ""
    of = f" of {', '.join(gallery['sources'])}" if gallery["sources"] else ""
    changed = f", changed {gallery['changed']}" if gallery["changed"] else ""
    return (
        f"{gallery['name']}{title}: {gallery['images']} images{of}, {gallery['model']}, "
        f"{gallery['index']}{changed}"
    )
