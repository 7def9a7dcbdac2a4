"""A condition on what is known of an image, as every door takes it: `width>=800`, say."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from app.errors import UsageError
from app.values import MetadataValue

OWN_COLUMNS = ("path", "name", "folder", "label", "key", "width", "height", "bytes")
"""What is known of every image, or can be; all other columns are of its metadata."""
LONGEST = 1000
_SIGN = re.compile(r"!=|!~|>=|<=|=|>|<|~")
_NAME = re.compile(r"[^=<>!~]+")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?)?")
_LEAST_OF_DATE = re.compile(r"\d{4}-\d{2}")
_FORM = (
    "write it as column=value, column!=value, column~part, column>=least, column<=most, "
    "column=least..most, or column alone for those that have one"
)


@dataclass(frozen=True)
class Condition:
    """What an image must be: the value of its column `name` compared by `sign` with a text.

    The signs are = != ~ !~ (holds, or not, the text as a part) and < <= > >=; "" asks that there
    is a value at all. Numbers are compared as numbers where both are; dates as far as the condition
    has them written, so that taken=2021-05 is all of that month; other texts without regard to
    case. `folder=a` holds for what lies below a, too, and `=` takes a range, least..most.
    """

    name: str
    sign: str
    text: str

    @classmethod
    def of(cls, written: str) -> "Condition":
        """Return the condition that is written so; UsageError, which says how to, if it is none.

        >>> Condition.of("width >= 800")
        Condition(name='width', sign='>=', text='800')
        """
        if len(written) > LONGEST:
            raise UsageError(f"A condition has at most {LONGEST} characters, not {len(written)}.")
        found = _SIGN.search(written)
        if found:
            name, sign = written[: found.start()].strip(), found[0]
            text = written[found.end() :].strip()
        else:
            name, sign, text = written.strip(), "", ""
        if not name or (sign and not text) or not _NAME.fullmatch(name):
            raise UsageError(f"The condition {written!r} cannot be understood: {_FORM}.")
        condition = cls(name, sign, text)
        if sign in ("<", "<=", ">", ">=") and not condition._range_of_something:
            raise UsageError(
                f"The condition {written!r} compares with {text!r}, which is neither a number nor "
                "a date such as 2021-05-31: use = or ~ for texts."
            )
        return condition

    def holds(self, value: MetadataValue) -> bool:
        """Return whether it holds for the value of an image that has one there."""
        if self.sign == "":
            return True
        if self.sign in ("~", "!~"):
            return (folded(self.text) in folded(str(value))) == (self.sign == "~")
        if self.sign in ("=", "!="):
            return self._equals(value) == (self.sign == "=")
        order = _order(value, self.text)
        if order is None:
            return False
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[self.sign]

    def interval(self) -> tuple[float, float, bool, bool] | None:
        """Return which numbers it holds for, as far as those go: between two, each included or not.

        None where it is not about numbers alone. A `!=` is the interval of what it does not hold
        for.
        """
        infinite = float("inf")
        if self._ends is not None and self.sign in ("=", "!="):
            least, most = (_number(end) if end else None for end in self._ends)
            if any(end and _number(end) is None for end in self._ends):
                return None
            return (
                -infinite if least is None else least,
                infinite if most is None else most,
                *(True, True),
            )
        number = _number(self.text)
        if number is None or self.name == "folder":
            return None
        return {
            "=": (number, number, True, True),
            "!=": (number, number, True, True),
            "<": (-infinite, number, True, False),
            "<=": (-infinite, number, True, True),
            ">": (number, infinite, False, True),
            ">=": (number, infinite, True, True),
        }.get(self.sign)

    @property
    def is_negative(self) -> bool:
        """Whether it holds for an image that has no value there."""
        return self.sign in ("!=", "!~")

    def _equals(self, value: MetadataValue) -> bool:
        if self._ends is not None:
            least, most = (_order(value, end) if end else 0 for end in self._ends)
            from_least = least is not None and (not self._ends[0] or least >= 0)
            return from_least and most is not None and (not self._ends[1] or most <= 0)
        if self.name == "folder":
            below = folded(str(value)) + "/"
            return below.startswith(folded(self.text).strip("/") + "/") or self.text == "/"
        if isinstance(value, str) and _is_date(value) and _DATE.fullmatch(self.text):
            return _order(value, self.text) == 0
        if isinstance(value, int | float) and (number := _number(self.text)) is not None:
            return value == number
        return folded(str(value)) == folded(self.text)

    @cached_property
    def _ends(self) -> tuple[str, str] | None:
        """The two ends of a range, "" for an open one; None where it is no range."""
        least, dots, most = self.text.partition("..")
        ends = least.strip(), most.strip()
        given = [end for end in ends if end]
        if not dots or not given or not all(_is_comparable(end) for end in given):
            return None
        return ends

    @property
    def _range_of_something(self) -> bool:
        return _is_comparable(self.text)


def folded(text: str) -> str:
    """Return a text as it is compared: in one form of Unicode, without regard to case."""
    return unicodedata.normalize("NFC", text).casefold()


def _is_comparable(text: str) -> bool:
    return _number(text) is not None or _DATE.fullmatch(text) is not None


def _is_date(value: str) -> bool:
    return _LEAST_OF_DATE.match(value) is not None


def _order(value: MetadataValue, bound: str) -> int | None:
    """Return whether a value is before (-1), at (0) or after (1) a bound; None where neither.

    Of a date only as much is compared as the bound has: 2021-05-31 is at 2021-05.
    """
    if isinstance(value, int | float):
        number = _number(bound)
        return None if number is None else (value > number) - (value < number)
    if not _is_date(value) or not _DATE.fullmatch(bound):
        return None
    bound = bound.replace(" ", "T")
    start = value.replace(" ", "T")[: len(bound)]
    return (start > bound) - (start < bound)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != float("inf") else None
