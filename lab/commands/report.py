"""`report`: a study's folder → its report, made again from its files."""

import argparse
from pathlib import Path

NAME = "report"
HELP = "write a study's report again from what it stored"
EXAMPLE = "python -m lab report studies/caltech101-efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's folder."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the study's folder")


def run(options: argparse.Namespace) -> int:
    """Write report.md, report.html and the plots."""
    from lab.report.story import write_report
    from lab.study.folder import StudyFolder

    write_report(StudyFolder(options.folder))
    print(f"The report: {options.folder / 'report.html'}")
    return 0
