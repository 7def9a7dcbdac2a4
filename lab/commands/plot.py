"""`plot`: a study's folder → the plot of recall against queries per second alone."""

import argparse
from pathlib import Path

NAME = "plot"
HELP = "draw a study's recall against queries per second as SVG"
EXAMPLE = "python -m lab plot studies/mine --metric l2 --k 5 --out l2.svg"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study, what is drawn of it, and where to."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="the study's folder, default: the latest of studies/ in RIS_HOME",
    )
    parser.add_argument(
        "--metric", metavar="NAME", default="cosine", help="cosine (default), l2 or ip"
    )
    parser.add_argument(
        "-k", "--k", type=int, metavar="N", help="recall of so many neighbours, default: all stored"
    )
    parser.add_argument(
        "--set", default="", metavar="NAME", help="which vectors, where a study is of several"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: tradeoff-METRIC-K.svg in the folder"
    )


def run(options: argparse.Namespace) -> int:
    """Write the plot."""
    from app.errors import UsageError
    from app.settings import read_settings
    from lab.report.results import read_study
    from lab.report.story import plot_of
    from lab.study.folder import METRICS, StudyFolder, latest_study

    if options.metric not in METRICS:
        raise UsageError(f"There is no metric {options.metric!r}: use {', '.join(METRICS)}.")
    folder = options.folder or latest_study(read_settings().indexes_dir.parent / "studies")
    study = read_study(StudyFolder(folder), options.k)
    file = options.out or folder / f"tradeoff-{options.metric}-{study.k}.svg"
    drawn = plot_of(study, options.metric, name=options.set)
    StudyFolder(file.parent).write(file.name, drawn.encode())
    print(f"The plot: {file}")
    return 0
