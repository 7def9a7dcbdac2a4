"""`serve`: the page and the other doors at HOST and PORT until stopped, galleries kept current."""

import argparse
import contextlib
import signal
import sys

from app.doors.cli import output, watching

NAME = "serve"
HELP = "serve the page at HOST and PORT (127.0.0.1:7860)"
EXAMPLE = "PORT=8000 ris serve"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whether galleries are kept up to date; the settings are environment variables."""
    parser.add_argument(
        "--watch",
        nargs="*",
        metavar="NAME",
        help="follow the folders of these galleries, or of all, and update them when they change",
    )
    watching.add_rescan_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from app.doors.server import serve
    from app.settings import read_settings

    # The server passes the signal on when it has stopped: an exit, so that uploads are removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    beside: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if options.watch is not None:
        beside = watching.following(options.watch, options.rescan)
    with contextlib.suppress(KeyboardInterrupt), beside:  # Ctrl-C is how one stops it
        serve(read_settings(), _announce)
    return 0


def _announce(address: str) -> None:
    output.print_line(f"Open {address}")
    sys.stdout.flush()  # whoever waits for it may read a pipe
