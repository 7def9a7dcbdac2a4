"""`update`: galleries → the same, as their folders are now; with `--watch` for good."""

import argparse

from app.doors.cli import output, watching
from app.doors.cli.progress import Progress
from app.errors import UsageError

NAME = "update"
HELP = "bring galleries up to date with their folders"
EXAMPLE = "ris update mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the galleries, and whether their folders are followed."""
    parser.add_argument("gallery", nargs="+", metavar="NAME", help="a gallery's name")
    parser.add_argument(
        "--accept-removals",
        action="store_true",
        help="go on where more than half of the pictures are gone",
    )
    parser.add_argument(
        "--watch", action="store_true", help="follow the folders until stopped, and go on updating"
    )
    watching.add_rescan_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Update each gallery, or follow the folders of all until stopped."""
    from app.settings import read_settings
    from app.wiring import make_keeper

    if options.watch:
        if options.accept_removals:
            raise UsageError(
                "--accept-removals is for one update, which somebody looks at: leave --watch out."
            )
        return watching.follow(options.gallery, options.rescan)
    keeper = make_keeper(read_settings())
    for name in options.gallery:
        with Progress() as progress:
            report = keeper.update(
                name, accept_removals=options.accept_removals, on_progress=progress.show
            )
        output.print_line(
            f"{name}: added {report.added}, changed {report.changed}, moved {report.moved}, "
            f"removed {report.removed}, unchanged {report.unchanged}, "
            f"skipped {len(report.skipped)}"
        )
    return 0


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to print after Ctrl-C."""
    return "The gallery is as before; what is embedded is kept: the same command goes on."
