"""Sizes, times and parameters → the few words that a report shows of them."""

from collections.abc import Mapping
from typing import Any


def megabytes(size_bytes: float) -> str:
    """Return a size in words.

    >>> megabytes(1_969_000), megabytes(23_408_721), megabytes(1.2e9)
    ('2.0 MB', '23 MB', '1,200 MB')
    """
    digits = 1 if size_bytes < 1e7 else 0
    return f"{size_bytes / 1e6:,.{digits}f} MB"


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(0.004), duration(3.21), duration(75), duration(600)
    ('4 ms', '3.2 s', '75 s', '10.0 min')
    """
    if seconds < 1:
        return f"{1_000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def milliseconds(value: float) -> str:
    """Return milliseconds with about two digits that count.

    >>> milliseconds(0.0312), milliseconds(0.241), milliseconds(3.42), milliseconds(118.2)
    ('0.031 ms', '0.24 ms', '3.4 ms', '118 ms')
    """
    digits = 3 if value < 0.1 else 2 if value < 1 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"


def parameters_in_words(parameters: Mapping[str, Any], *, none: str = "") -> str:
    """Return the parameters of a build or a search in words, `none` where there are none.

    >>> parameters_in_words({"M": 16, "ef": 64}), parameters_in_words({}, none="–")
    ('M=16 ef=64', '–')
    """
    return " ".join(f"{key}={value}" for key, value in parameters.items()) or none
