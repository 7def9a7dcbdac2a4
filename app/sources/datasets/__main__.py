"""`bash data_download.sh`: arguments and environment → data sets that are fetched, with messages.

It must run in a fresh clone: what it imports is the standard library, and this package.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import AppError, UsageError
from app.sources.datasets.fetch import Fetching, fetch_data_sets
from app.sources.datasets.published import PublishedDataSet
from app.sources.datasets.register import ALIASES, DATA_SETS

_PROGRAM = Path(__file__).resolve().parents[3]
_NAMES = "|".join([*(each.short_name() for each in DATA_SETS.values()), "all"])
_USAGE = f"usage: bash data_download.sh {_NAMES}"
_INTERRUPTED = 130
_BROKEN_PIPE = 141  # what a shell says of a program that SIGPIPE ended


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch what the one argument names; return the exit code."""
    bar = _Bar()
    try:
        if list(arguments) in (["-h"], ["--help"]):
            _say(_help())
            return 0
        data_sets = _data_sets_of(arguments)
        again = f'"bash data_download.sh {arguments[0]}"'
        fetch_data_sets(
            data_sets,
            _datasets_dir(environ),
            environ=environ,
            fetching=Fetching(again, say=bar.say, show=bar.show),
        )
    except AppError as exc:
        return bar.fail(str(exc), exc.exit_code)
    except KeyboardInterrupt:
        return bar.fail("stopped: the same command goes on from there.", _INTERRUPTED)
    except BrokenPipeError:  # whoever read the messages, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def _data_sets_of(arguments: Sequence[str]) -> list[type[PublishedDataSet]]:
    """Return the data sets that the arguments name; UsageError unless they are one name."""
    name = arguments[0] if arguments else ""
    full_name = ALIASES.get(name, name)
    if not name:
        raise UsageError(f"no data set named; {_USAGE}.")
    if name != "all" and full_name not in DATA_SETS:
        raise UsageError(f'unknown data set "{name}"; {_USAGE}.')
    if len(arguments) > 1:
        raise UsageError(f"one data set at a time; {_USAGE}.")
    return list(DATA_SETS.values()) if name == "all" else [DATA_SETS[full_name]]


def _datasets_dir(environ: Mapping[str, str]) -> Path:
    folder = environ.get("RIS_DATASETS_DIR")
    return Path(folder) if folder else Path(environ.get("RIS_HOME") or _PROGRAM) / "datasets"


def _help() -> str:
    lines = [f"{_USAGE}\n"]
    for each in DATA_SETS.values():
        megabytes = sum(archive.expected_bytes for archive in each.archives) / 1e6
        about = "about " if None in [archive.size_bytes for archive in each.archives] else ""
        lines.append(f"{each.short_name():8} {about}{megabytes:,.0f} MB, {each.page}")
    return "\n".join(lines)


def _say(text: str) -> None:
    """Write a line; names of folders as the system has them, whatever the terminal's encoding."""
    sys.stdout.buffer.write(_encoded(f"{text}\n"))
    sys.stdout.buffer.flush()


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:  # what stands for a character that the locale lacks
        return text.encode("ascii", "backslashreplace")


class _Bar:
    """Messages, and on a terminal a bar below them that shows how far a download is."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, here_bytes: int, whole_bytes: int | None) -> None:
        """Draw the bar again where it has changed."""
        if not sys.stderr.isatty():
            return
        line = f"{here_bytes / 1e6:,.0f} MB"
        if whole_bytes:
            part = min(here_bytes / whole_bytes, 1)
            width = max(shutil.get_terminal_size().columns - 8, 10)
            line = f"{'#' * int(part * width):{width}} {part:6.1%}"
        if line != self._shown:
            sys.stderr.write(f"\r{line}")
            sys.stderr.flush()
            self._shown = line

    def say(self, text: str) -> None:
        """Write a line below the bar."""
        self._end()
        _say(text)

    def fail(self, sentence: str, code: int) -> int:
        """Write why it ended; return the exit code."""
        self._end()
        sys.stderr.buffer.write(_encoded(f"data_download.sh: {sentence}\n"))
        return code

    def _end(self) -> None:
        if self._shown:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._shown = ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
