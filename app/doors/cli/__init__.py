"""The command line: one file a command, found by its name in `COMMANDS`."""

from app.doors.cli.main import create_index, main, ris

__all__ = ["create_index", "main", "ris"]
