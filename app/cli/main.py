"""The command line's arguments → one of its commands; errors become a sentence and an exit code."""

import argparse
import sys
from collections.abc import Callable, Sequence

import app
from app.cli import build, export, galleries, inspect, serve
from app.errors import AppError

_INTERRUPTED = 130

# Each has NAME, HELP (one line), EXAMPLE (shown under its --help), `add_arguments` and `run`.
COMMANDS = (serve, galleries, build, export, inspect)


def main(arguments: Sequence[str]) -> int:
    """Run `python -m app`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Reverse image search on your own machine."
    )
    parser.add_argument("--version", action="version", version=app.__version__)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP,
            epilog=f"Example: {command.EXAMPLE}",
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    options = parser.parse_args(arguments)
    return _tell_errors(lambda: options.run(options))


def create_index(arguments: Sequence[str]) -> int:
    """Run `create_index.py`; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="create_index.py",
        description="Turn a data set or a folder of pictures into a gallery that can be searched.",
        epilog=f"Example: {build.EXAMPLE}",
    )
    build.add_arguments(parser)
    options = parser.parse_args(arguments)
    return _tell_errors(lambda: build.run(options))


def _tell_errors(run: Callable[[], int]) -> int:
    try:
        return run()
    except AppError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. What is done is kept: the same command goes on from there.\n")
        return _INTERRUPTED
