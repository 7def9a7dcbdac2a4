"""What a network calculates in, and which of these make vectors that can be compared.

32-bit and bfloat16 calculations are of the same network and go together: on all of Caltech101
EfficientNet-Lite0's mean average precision in bfloat16 is within .0003 of that in 32 bits, and nine
in ten of the ten nearest images are the same (docs/performance.md). An INT8 network has other
weights, fitted to a gallery's own pictures, and goes with itself alone.
"""

from typing import Literal, get_args

from app.errors import UsageError

Precision = Literal["f32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
AUTO = "auto"
ASKED = (AUTO, *PRECISIONS)
"""What can be asked for: `auto` is the fastest here of those that need no calibration."""

_OF_THE_SAME_NETWORK = frozenset({"f32", "bf16"})


def check_precision(asked: str) -> None:
    """Raise UsageError unless a precision can be asked for."""
    if asked not in ASKED:
        raise UsageError(f"There is no precision {asked!r}: choose one of {', '.join(ASKED)}.")


def go_together(one: str, other: str) -> bool:
    """Return whether vectors of one model, made in these two precisions, can be compared.

    >>> go_together("f32", "bf16"), go_together("f32", "int8")
    (True, False)
    """
    return one == other or {one, other} <= _OF_THE_SAME_NETWORK
