"""`completion`: the script by which a shell completes commands, options and galleries."""

import argparse

NAME = "completion"
HELP = "print the script that lets a shell complete what you type after ris"
EXAMPLE = "ris completion bash > ~/.local/share/bash-completion/completions/ris"
_SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=", ".join(_SHELLS))


def run(options: argparse.Namespace) -> int:
    """Print the shell's script."""
    import shtab

    from app.cli.main import make_parser

    print(shtab.complete(make_parser("ris"), shell=options.shell))
    return 0
