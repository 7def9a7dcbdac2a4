"""`galleries`: every gallery on this machine, one a line."""

import argparse

NAME = "galleries"
HELP = "list the galleries on this machine"
EXAMPLE = "ris galleries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: all galleries are listed."""


def run(options: argparse.Namespace) -> int:
    """Print every gallery, a refused one with the reason."""
    from app.settings import read_settings
    from app.wiring import make_service

    for gallery in make_service(read_settings()).galleries():
        if gallery.refused:
            print(f"{gallery.name}: cannot be searched. {gallery.refused}")
        else:
            print(f"{gallery.name}: {gallery.images} images, {gallery.model}, {gallery.index}")
    return 0
