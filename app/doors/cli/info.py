"""`info`: a gallery → its facts: model, index, measured recall, sizes."""

import argparse
from collections.abc import Iterator
from typing import Any

from app.doors.cli import output
from app.doors.cli.answerers import add_server_arguments, answering
from app.errors import GalleryError

NAME = "info"
HELP = "show a gallery's facts: model, index, recall, sizes"
EXAMPLE = "ris info caltech101-efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, and who answers."""
    parser.add_argument(
        "gallery", nargs="?", metavar="GALLERY", help="the gallery's name (default: all of them)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document a gallery")
    add_server_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the facts; GalleryError if the one that was named cannot be searched."""
    from app.settings import read_settings

    with answering(options, read_settings()) as answerer:
        galleries = [answerer.gallery(options.gallery)] if options.gallery else answerer.galleries()
    for number, gallery in enumerate(galleries):
        if options.json:
            output.print_json(gallery)
        else:
            for line in ([""] if number else []) + list(_lines(gallery)):
                output.print_line(line)
    return GalleryError.exit_code if options.gallery and galleries[0]["refused"] else 0


def _lines(gallery: dict[str, Any]) -> Iterator[str]:
    yield str(gallery["name"])
    if gallery["refused"]:
        yield f"  cannot be searched. {gallery['refused']}"
        return
    if gallery["title"]:
        yield f"  {'title':<9} {gallery['title']}"
    yield from (f"  {title:<9} {text}" for title, text in gallery["summary"])
    yield f"  {'on disk':<9} {gallery['disk_bytes'] / 1e6:.1f} MB"
    if gallery["approximate"]:
        yield "  Its vectors are not here: scores are approximate."
    yield from (f"  {gallery[key]}" for key in ("uploads_off", "pictures_missing") if gallery[key])
    yield from (f"  Note: {note}." for note in gallery["notes"])
