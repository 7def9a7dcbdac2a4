"""The command line's arguments → one of its commands; errors become a sentence and an exit code."""

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import app
from app.doors.cli import (
    build,
    completion,
    counts,
    duplicates,
    evaluate,
    export,
    galleries,
    images,
    info,
    inspect,
    manage,
    mcp,
    output,
    search,
    serve,
    update,
    verify,
)
from app.doors.cli.command import AnyCommand
from app.doors.cli.parameters import MAY_BE_NEGATIVE, SORT
from app.errors import AppError, StorageError, UsageError, printable

_INTERRUPTED = 130
_BROKEN_PIPE = 141  # the exit code of a program that SIGPIPE ended
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

COMMANDS: tuple[AnyCommand, ...] = (
    serve,
    search,
    galleries,
    info,
    counts,
    duplicates,
    evaluate,
    verify,
    build,
    update,
    images.ADD,
    images.REMOVE,
    *manage.COMMANDS,
    export,
    inspect,
    mcp,
    completion,
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are printable, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message; end with code 2."""
        super().error(printable(message))


class CommandParser(_Parser):
    """A command's parser, which gets its arguments when it is used: a run needs one command's."""

    def __init__(self, *arguments: Any, command: AnyCommand, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting = [command]

    def complete(self) -> None:
        """Add the command's arguments, unless they are there."""
        while self._waiting:
            self._waiting.pop().add_arguments(self)

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:
        """Parse with the command's arguments."""
        self.complete()
        return super().parse_known_args(*arguments, **options)


def ris() -> int:
    """Run the console script `ris`; return the exit code."""
    return main(sys.argv[1:], program="ris")


def main(arguments: Sequence[str], *, program: str = "python -m app") -> int:
    """Run `python -m app`, or `ris`; return the exit code."""
    output.prepare()
    return run_command(make_parser(program).parse_args(_with_negative_values(arguments)))


def _with_negative_values(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with `--box -0.1,0,1,1` as one, for argparse takes it for two options.

    >>> _with_negative_values(["--box", "-.1,0,1,1", "--box", "--json"])
    ['--box=-.1,0,1,1', '--box', '--json']
    """
    joined: list[str] = []
    for argument in arguments:
        negative = joined and joined[-1] in MAY_BE_NEGATIVE and re.match(r"-(\.?\d|inf)", argument)
        if negative or (joined and joined[-1] == SORT):  # -taken: from the last to the first
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def make_parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, called `program` in its messages."""
    parser = parser_of(
        COMMANDS, program=program, description="Reverse image search on your own machine."
    )
    parser.add_argument("--version", action="version", version=app.__version__)
    return parser


def parser_of(
    commands: Sequence[AnyCommand], *, program: str, description: str
) -> argparse.ArgumentParser:
    """Return a parser with a subcommand for each module, which is made as those of COMMANDS are."""
    parser = _Parser(prog=program, description=description)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    for command in commands:
        subparser = subparsers.add_parser(
            command.NAME,
            command=command,
            help=command.HELP,
            description=command.HELP,
            epilog=f"Example: {command.EXAMPLE}",
        )
        stopped = getattr(command, "stopped", lambda options: "")
        subparser.set_defaults(run=command.run, stopped=stopped)
    return parser


def run_command(options: argparse.Namespace) -> int:
    """Run the command that such a parser took; return the exit code, an error is one sentence."""
    output.prepare()
    return _report_errors(lambda: options.run(options), stopped=options.stopped(options))


def create_index(arguments: Sequence[str]) -> int:
    """Run `create_index.py`; return the exit code."""
    output.prepare()
    parser = _Parser(
        prog="create_index.py",
        description="Turn a data set, a folder of pictures, a list of URLs, webdataset shards or "
        "embeddings into a gallery that can be searched.",
        epilog=f"Example: {build.EXAMPLE}",
    )
    build.add_arguments(parser)
    options = parser.parse_args(arguments)
    return _report_errors(lambda: build.run(options), stopped=build.stopped(options))


def _report_errors(run: Callable[[], int], *, stopped: str) -> int:
    """Return the exit code of a command; `stopped` is printed after Ctrl-C."""
    try:
        return _exit_code_of(run, stopped=stopped)
    except BrokenPipeError:  # whoever read the answer, as `head`, has seen enough
        _drop_output()
        return _BROKEN_PIPE
    except OSError as exc:
        if exc.errno not in _FULL or exc.filename is not None:  # of a file, and not of the output
            raise
        _drop_output()
        output.print_message(f"The output cannot be written ({exc.strerror}): send it elsewhere.")
        return StorageError.exit_code


def _exit_code_of(run: Callable[[], int], *, stopped: str) -> int:
    try:
        code = run()
        sys.stdout.flush()
    except AppError as exc:
        output.print_message(str(exc))
        return exc.exit_code
    except UnicodeEncodeError as exc:  # of a name that was typed or is on the disk
        output.print_message(
            f"{exc.object[:100]!a} cannot be written in this locale's encoding: set LC_ALL to one "
            "with UTF-8, such as C.UTF-8."
        )
        return UsageError.exit_code
    except KeyboardInterrupt:
        output.print_message("")  # after the ^C that the terminal shows
        output.print_message(f"Stopped.{stopped and ' '}{stopped}")
        return _INTERRUPTED
    return code


def _drop_output() -> None:
    """Let what is left of the output go nowhere: Python would write it, and fail, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
