"""`update`: galleries → the same, as their folders or lists are now; with `--watch` for good."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from app.doors.answers import update_answer
from app.doors.cli import output, watching
from app.doors.cli.progress import Progress
from app.errors import AppError, UsageError

if TYPE_CHECKING:
    from app.build.keeper import GalleryKeeper
    from app.build.update import UpdateReport

NAME = "update"
HELP = "bring galleries up to date with their folders"
EXAMPLE = "ris update mine"

_COUNTS = ("added", "changed", "moved", "removed", "unchanged")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the galleries, what may be removed, and whether their folders are followed."""
    parser.add_argument("gallery", nargs="*", metavar="NAME", help="a gallery's name")
    parser.add_argument(
        "--all", action="store_true", help="every gallery of your own folders and lists"
    )
    parser.add_argument(
        "--accept-removals",
        action="store_true",
        help="go on where more than half of the pictures are gone",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="embed in the Ray cluster at this address, or auto for the one that this machine is "
        "in; needs requirements-scale.txt",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON a gallery")
    parser.add_argument(
        "--watch", action="store_true", help="follow the folders until stopped, and go on updating"
    )
    watching.add_rescan_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Update each gallery, or follow the folders of all until stopped.

    Return the exit code of the first that could not be updated.
    """
    from app.settings import read_settings
    from app.wiring import make_keeper, make_spread

    if options.watch:
        return _follow(options)
    settings = read_settings()
    keeper = make_keeper(settings, spread=make_spread(settings, options.ray))
    code = 0
    names = _names(options, keeper)
    for name in names:
        try:
            report = updated(keeper, name, accept_removals=options.accept_removals)
        except AppError as exc:
            if options.json:
                output.print_json({"gallery": name, "error": str(exc)})
            output.print_message(f"{name}: {exc}" if len(names) > 1 else str(exc))
            code = code or exc.exit_code
            continue
        if options.json:
            output.print_json({"gallery": name} | update_answer(report))
        else:
            print_report(name, report)
    return code


def stopped(options: argparse.Namespace) -> str:
    """Return the sentence to print after Ctrl-C."""
    return (
        "The gallery is as it was before; what is embedded is kept, and the same command goes on "
        "from there."
    )


def updated(keeper: "GalleryKeeper", name: str, *, accept_removals: bool) -> "UpdateReport":
    """Update a gallery, showing the progress."""
    with Progress() as progress:
        return keeper.update(name, accept_removals=accept_removals, on_progress=progress.show)


def print_report(name: str, report: "UpdateReport") -> None:
    """Print what an update did, for people."""
    for skip in report.skipped:
        output.print_line(f"Skipped {skip.path}: {skip.reason}")
    for line in left_out_lines(report.left_out):
        output.print_line(line)
    for note in report.notes:
        output.print_line(f"Note: {note}")
    counts = ", ".join(f"{each} {getattr(report, each)}" for each in _COUNTS)
    output.print_line(f"{name}: {counts}, skipped {len(report.skipped)}")


def left_out_lines(left_out: Mapping[str, int]) -> Iterator[str]:
    """Yield a line that says how many files were passed over, and why; none where there are none.

    >>> list(left_out_lines({"hidden": 2, "no picture": 1}))
    ['Left out: 2 hidden, 1 no picture.']
    """
    if left_out:
        yield f"Left out: {', '.join(f'{count} {why}' for why, count in left_out.items())}."


def _follow(options: argparse.Namespace) -> int:
    if options.accept_removals:
        raise UsageError(
            "--accept-removals is for one update, which somebody looks at: leave --watch out."
        )
    if options.json or options.ray:
        option = "--json" if options.json else "--ray"
        raise UsageError(f"{option} is for one update: leave --watch out.")
    if options.all == bool(options.gallery):
        raise UsageError("Name the galleries to follow, or add --all for every one of folders.")
    return watching.follow(options.gallery, options.rescan)


def _names(options: argparse.Namespace, keeper: "GalleryKeeper") -> Sequence[str]:
    if options.all and options.gallery:
        raise UsageError("--all means every gallery: leave the names out.")
    if options.all:
        return keeper.names_to_update()
    if not options.gallery:
        raise UsageError("Name the galleries to update, or add --all for every one.")
    return list(dict.fromkeys(options.gallery))
