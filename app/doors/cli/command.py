"""A command of the command line: a module, or one of several that a module holds.

Each has NAME, HELP (one line), EXAMPLE (shown under its --help), `add_arguments` and `run`;
`stopped` returns the sentence after "Stopped.", where Ctrl-C needs one.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TypeAlias


@dataclass(frozen=True)
class Command:
    """One of several commands in a module."""

    NAME: str
    HELP: str
    EXAMPLE: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    stopped: Callable[[Namespace], str] = lambda options: ""


AnyCommand: TypeAlias = ModuleType | Command
