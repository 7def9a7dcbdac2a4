"""`study`: galleries or a file of vectors → a folder with measurements and a report."""

import argparse
import os
import shlex
import sys
from pathlib import Path

NAME = "study"
HELP = "measure which model, which index and which parameters suit some vectors"
EXAMPLE = "python -m lab study --gallery caltech101-efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the vectors, the methods and the limits."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--gallery",
        action="append",
        metavar="NAME",
        help="a gallery; may be given again, to compare models",
    )
    what.add_argument(
        "--vectors", type=Path, metavar="FILE", help="a .npy, .npz or ann-benchmarks .hdf5 file"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: a folder of studies/ in RIS_HOME"
    )
    parser.add_argument(
        "--metric",
        action="append",
        metavar="NAME",
        help="cosine (default, unless the file names its own), l2 or ip; may be given again",
    )
    parser.add_argument(
        "-k", type=int, default=10, metavar="N", help="how many neighbours (default: 10)"
    )
    parser.add_argument(
        "--queries", type=int, default=1_000, metavar="N", help="how many queries (default: 1000)"
    )
    parser.add_argument(
        "--methods", default="", metavar="A,B", help="names of methods, default: all there are"
    )
    parser.add_argument(
        "--builds",
        type=int,
        metavar="N",
        help="so many indexes of each method (default: all; 1 above 300,000 vectors)",
    )
    parser.add_argument(
        "--n", type=int, metavar="N", help="go up to N vectors by drawing some that resemble them"
    )
    parser.add_argument(
        "--recall", type=float, default=0.97, metavar="R", help="to be reached, default: 0.97"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=900.0,
        metavar="S",
        help="what building an index, and one of its searches, may take (default: 900)",
    )
    parser.add_argument(
        "--memory", type=float, metavar="GB", help="what one index may take (default: no limit)"
    )
    parser.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module with methods of your own (METHOD or METHODS)",
    )
    parser.add_argument("--retry-failed", action="store_true", help="try again what failed")


def run(options: argparse.Namespace) -> int:
    """Measure, showing the progress, and print the recommendation."""
    from app.settings import read_settings
    from lab.report.story import advice, searched_sets, write_report
    from lab.study.progress import TerminalProgress
    from lab.study.request import StudyRequest
    from lab.study.run import study

    request = StudyRequest(
        galleries=tuple(options.gallery or ()),
        files=(options.vectors,) if options.vectors else (),
        out=options.out,
        metrics=tuple(dict.fromkeys(options.metric or ())),
        k=options.k,
        queries=options.queries,
        methods=tuple(filter(None, options.methods.split(","))),
        rows=options.n,
        target=options.recall,
        seconds=options.seconds,
        memory_bytes=None if options.memory is None else int(options.memory * 1e9),
        builds=options.builds,
        own=tuple(options.own),
        retry_failed=options.retry_failed,
        command=_typed(),
    )
    folder = study(request, home=read_settings().indexes_dir.parent, progress=TerminalProgress())
    written = write_report(folder)
    for results, metric in searched_sets(written):
        for sentence in advice(written, results, metric).sentences:
            print(sentence.replace("**", "").replace("`", ""))
    print(f"The report: {_near(folder.path / 'report.html')}")
    return 0


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to show after Ctrl-C."""
    return "What is measured is kept: the same command goes on from there."


def _typed() -> str:
    """Return the command as it was typed, files by their names alone."""
    words = [
        "=".join(Path(part).name if os.sep in part else part for part in word.split("="))
        for word in sys.argv[1:]
    ]
    return "python -m lab " + shlex.join(words)


def _near(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
