"""`python -m lab`: the laboratory's command line."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from app.cli.main import parser_of, run_command
from lab.commands import formats, ivfpq, plot, report, study

_OTHERS = ("lab.finetune.command",)


def main(arguments: Sequence[str]) -> int:
    """Run one of the laboratory's commands; return the exit code."""
    parser = parser_of(
        _commands(),
        program="python -m lab",
        description="Which model, which index, which parameters: measured on your own vectors.",
    )
    return run_command(parser.parse_args(arguments))


def _commands() -> list[ModuleType]:
    others = (import_module(name) for name in _OTHERS if _is_there(name))
    return [study, report, plot, formats, ivfpq, *others]


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
