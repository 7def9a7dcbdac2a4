"""`formats`: 4096-d vectors → how large each storage format is and how long it loads."""

import argparse
import tempfile
from pathlib import Path

NAME = "formats"
HELP = "measure size and load time of vectors in each storage format"
EXAMPLE = "python -m lab formats --rows 10000 --dim 4096"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many vectors of how many numbers, and where the table goes."""
    parser.add_argument("--rows", type=int, default=10_000, help="vectors (default: 10000)")
    parser.add_argument("--dim", type=int, default=4_096, help="numbers a vector (default: 4096)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the table to this file"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print the table."""
    from lab.formats import measure, table

    with tempfile.TemporaryDirectory(prefix="formats-") as folder:
        measured = measure(Path(folder), rows=options.rows, dim=options.dim)
    text = table(measured, rows=options.rows, dim=options.dim)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0
