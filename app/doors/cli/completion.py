"""`completion`: the script by which a shell completes commands, options, files and galleries."""

import argparse
from typing import TYPE_CHECKING

from app.doors.cli import output

if TYPE_CHECKING:
    from app.doors.cli.main import CommandParser

NAME = "completion"
HELP = "print the script that lets a shell complete what you type after ris"
EXAMPLE = "ris completion bash > ~/.local/share/bash-completion/completions/ris"
_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument(
        "shell", choices=_SHELLS, metavar="SHELL", help=f"one of {', '.join(_SHELLS)}"
    )


def run(options: argparse.Namespace) -> int:
    """Print the shell's script."""
    import shtab

    from app.doors.cli.main import make_parser

    completed = {
        "gallery": shtab.cmd("ris galleries --names 2>/dev/null"),
        "image": shtab.FILE,
        "sheet": shtab.FILE,
        "images": shtab.DIRECTORY,
        "folder": shtab.DIRECTORY,
        "other": shtab.cmd("ris galleries --names 2>/dev/null"),
    }
    parser = make_parser("ris")
    for command in _commands(parser):
        command.complete()
        for action in command._actions:
            if action.dest in completed:
                action.complete = completed[action.dest]  # type: ignore[attr-defined]
    output.print_script(shtab.complete(parser, shell=options.shell))
    return 0


def _commands(parser: argparse.ArgumentParser) -> "list[CommandParser]":
    """Return the parsers of the commands; argparse has no public way to them."""
    return [
        command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
    ]
