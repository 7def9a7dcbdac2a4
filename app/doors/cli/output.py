"""A command's output → standard output and standard error, whatever those can carry.

People get lines without control characters, programs get JSON that any stream can carry, and file
names byte by byte. Nothing else of the command line writes to the streams.
"""

import codecs
import io
import json
import os
import sys
from typing import Any

from app.errors import printable

_PLAINER = {"…": "...", "×": "x", "≈": "~", "→": "->", "\N{REPLACEMENT CHARACTER}": "?"}
_HANDLER = "plainer"


def prepare() -> None:
    """Let standard output and standard error take any text; a closed one takes it to nowhere.

    What their encoding lacks is written in ASCII: … as ..., other characters as backslash escapes.
    """
    codecs.register_error(_HANDLER, _plainer)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def print_line(text: str) -> None:
    """Print one line for people, without what a terminal would obey."""
    print(printable(text))


def print_script(text: str) -> None:
    """Print lines of the program's own, as they are."""
    print(text)


def print_message(text: str) -> None:
    """Print one line for people on standard error, after what went to standard output before."""
    sys.stdout.flush()
    print(printable(text), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print a value as one line of JSON, in ASCII where not all of it can be printed as it is."""
    text = json.dumps(value, ensure_ascii=False)
    print(text if text.isprintable() and can_carry(text) else json.dumps(value))


def print_path(path: str, *, end: str = "\n") -> None:
    r"""Print a file's name and `end`, for programs byte by byte as it is on the disk.

    On a terminal, what it would obey is replaced: a name may hold anything but "\0".
    """
    if sys.stdout.isatty():
        print(printable(path), end=end)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(path_in_bytes(path) + end.encode())


def path_in_bytes(path: str) -> bytes:
    """Return a file's name as the disk has it."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:  # the gallery was built under UTF-8, this process runs under ASCII
        return path.encode("utf-8", "surrogateescape")


def can_carry(text: str) -> bool:
    """Return whether standard output's encoding has every character of a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return a replacement for characters that an encoding lacks, as Python's codecs want it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    plain = "".join(
        _PLAINER.get(letter) or letter.encode("ascii", "backslashreplace").decode()
        for letter in lacking
    )
    return plain, error.end
