"""`hdf5`: a study's folder → its vectors, truth and results as files of ann-benchmarks."""

import argparse
from pathlib import Path

NAME = "hdf5"
HELP = "write a study's vectors and results as HDF5 files of ann-benchmarks"
EXAMPLE = "python -m lab hdf5 studies/mine --out mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's folder, and where the files go."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the study's folder")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: hdf5 in the study's folder"
    )


def run(options: argparse.Namespace) -> int:
    """Write the files, and name those of vectors."""
    from app.settings import read_settings
    from lab.study.benchmark_files import write_benchmark_files
    from lab.study.folder import StudyFolder

    out = options.out or options.folder / "hdf5"
    written = list(
        write_benchmark_files(
            StudyFolder(options.folder), out, home=read_settings().indexes_dir.parent, note=print
        )
    )
    for path in written:
        if path.parent == out:
            print(f"Vectors, queries and true neighbours: {path}")
    searches = sum(path.parent != out for path in written)
    print(f"{searches} searches: {out / 'results'}")
    return 0
