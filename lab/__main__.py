"""`python -m lab`: the laboratory's command line."""

import sys
from collections.abc import Sequence

from app.doors.cli.main import parser_of, run_command
from lab.commands import formats, hdf5, ivfpq, market1501, plot, report, study
from lab.finetune import command as finetune

COMMANDS = (study, report, plot, hdf5, finetune, market1501, ivfpq, formats)


def main(arguments: Sequence[str]) -> int:
    """Run one of the laboratory's commands; return the exit code."""
    parser = parser_of(
        COMMANDS,
        program="python -m lab",
        description="Which model, which index, which parameters: measured on your own vectors.",
    )
    return run_command(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
