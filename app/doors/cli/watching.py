"""Galleries whose folders are followed → what an update of each did, line by line."""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from app.doors.cli import output


def add_rescan_argument(parser: argparse.ArgumentParser) -> None:
    """Add how often the folders are looked at without an event."""
    parser.add_argument(
        "--rescan",
        type=_minutes,
        default=5,
        metavar="MINUTES",
        help="for --watch: look at the folders every so often in any case, default: 5",
    )


def follow(names: Sequence[str], rescan_minutes: float) -> int:
    """Keep galleries up to date, and print what changes, until Ctrl-C or SIGTERM."""
    from app.settings import read_settings
    from app.wiring import make_watch

    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how one stops it
        watch = make_watch(read_settings(), names, rescan_minutes=rescan_minutes, say=_say)
        watch.run(threading.Event())
    return 0


@contextlib.contextmanager
def following(names: Sequence[str], rescan_minutes: float) -> Iterator[None]:
    """Keep galleries, all of folders where none is named, up to date beside what runs meanwhile."""
    from app.build.watch import following as beside
    from app.settings import read_settings
    from app.wiring import make_watch

    watch = make_watch(read_settings(), names, rescan_minutes=rescan_minutes, say=_say_or_not)
    with beside(watch):
        yield


def _say(text: str) -> None:
    output.print_line(text)
    sys.stdout.flush()  # whoever waits for it may read a pipe


def _say_or_not(text: str) -> None:
    with contextlib.suppress(OSError):  # the server goes on when nobody reads
        _say(text)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return minutes
