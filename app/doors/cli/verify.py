"""`verify`: every file of the galleries, hashed → which are damaged, and what mends them."""

import argparse

from app.doors.cli import output
from app.errors import AppError, GalleryError

NAME = "verify"
HELP = "check that the files of the galleries are whole"
EXAMPLE = "ris verify caltech101-efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the galleries to look at."""
    parser.add_argument(
        "gallery", nargs="*", metavar="GALLERY", help="a gallery's name (default: all of them)"
    )


def run(options: argparse.Namespace) -> int:
    """Print whether each gallery is whole; GalleryError's exit code if any is damaged."""
    from app.settings import read_settings
    from app.wiring import make_service

    service = make_service(read_settings())
    code = 0
    for name in options.gallery or service.names():
        try:
            info = service.gallery(name)
        except AppError as exc:
            output.print_line(f"{name}: {exc}")
            code = code or exc.exit_code
            continue
        if info.refused:
            output.print_line(f"{name}: damaged. {info.refused}")
            code = GalleryError.exit_code
        else:
            searched = "without its vectors: approximate scores" if info.approximate else "whole"
            output.print_line(
                f"{name}: {searched}, {info.images} images, {info.disk_bytes / 1e6:.1f} MB"
            )
    return code
