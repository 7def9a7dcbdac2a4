"""`export`: a gallery → a folder of embeddings that clip-retrieval and autofaiss read."""

import argparse
from pathlib import Path

from app.doors.cli import output
from app.doors.cli.progress import Progress

NAME = "export"
HELP = "write a gallery's embeddings and metadata to a folder"
EXAMPLE = "ris export caltech101-efficientnet_lite0 caltech101-embeddings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the folder to write, and the vectors' number format."""
    parser.add_argument("gallery", metavar="GALLERY", help="the gallery's name")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        default="float16",
        help="of the vectors; float16, the default, loses nothing of what is stored",
    )


def run(options: argparse.Namespace) -> int:
    """Write the folder, showing the progress, and print what was written."""
    from app.settings import read_settings
    from app.wiring import make_exporter

    with Progress() as progress:
        report = make_exporter(read_settings())(
            options.gallery, options.out, dtype=options.dtype, on_progress=progress.show
        )
    output.print_line(
        f"{report.folder}: {report.images} images, {report.dim} × {report.dtype}, "
        f"{report.disk_bytes / 1e6:.1f} MB"
    )
    return 0
