"""A condition on what is known of an image, as every door takes it: `width>=800`, say."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from app.errors import UsageError
from app.values import MetadataValue

LONGEST = 1000
_INFINITE = float("inf")
_SIGN = re.compile(r"!=|!~|>=|<=|=|>|<|~")
_NAME = re.compile(r"[^=<>!~]+")
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2})?)?)?)?)?")
_LEAST_OF_DATE = re.compile(r"\d{4}-\d{2}")
_FORM = (
    "write it as column=value, column!=value, column~part, column>=least, column<=most, "
    "column=least..most, or column alone for those that have one"
)


class Interval(NamedTuple):
    """The numbers between two, each of which is one of them or not."""

    least: float = -_INFINITE
    most: float = _INFINITE
    with_least: bool = True
    with_most: bool = True

    def has(self, numbers: Any) -> Any:
        """Return whether a number, or each of an array, is one of them."""
        above = numbers >= self.least if self.with_least else numbers > self.least
        return above & (numbers <= self.most if self.with_most else numbers < self.most)


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
        if sign in ("<", "<=", ">", ">=") and not is_comparable(text):
            raise UsageError(
                f"The condition {written!r} compares with {text!r}, which is neither a number nor "
                "a date such as 2021-05-31: use = or ~ for texts."
            )
        return condition

    def holds(self, value: MetadataValue) -> bool:
        """Return whether it holds for the value of an image that has one there."""
        if self.sign == "":
            return True
        if not isinstance(value, str) and self.numbers is not None:
            return bool(self.numbers.has(value)) != self.is_negative
        if self.sign in ("~", "!~"):
            return (folded(self.text) in folded(str(value))) == (self.sign == "~")
        if self.sign in ("=", "!="):
            return self._equals(value) == (self.sign == "=")
        order = _order(value, self.text)
        if order is None:
            return False
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[self.sign]

    @cached_property
    def numbers(self) -> Interval | None:
        """Which numbers it holds for, of a `!=` which it does not; None where it asks for others.

        A column of numbers is compared with it as a whole.
        """
        if self._ends is not None and self.sign in ("=", "!="):
            if not all(_number(end) is not None for end in self._ends if end):
                return None
            least, most = (_number(end) if end else None for end in self._ends)
            return Interval(
                -_INFINITE if least is None else least, _INFINITE if most is None else most
            )
        number = _number(self.text)
        if number is None or self.name == "folder":
            return None
        return {
            "=": Interval(number, number),
            "!=": Interval(number, number),
            "<": Interval(most=number, with_most=False),
            "<=": Interval(most=number),
            ">": Interval(least=number, with_least=False),
            ">=": Interval(least=number),
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
        if (order := _order(value, self.text)) is not None:
            return order == 0
        return folded(str(value)) == folded(self.text)

    @cached_property
    def _ends(self) -> tuple[str, str] | None:
        """The two ends of a range, "" for an open one; None where it is no range."""
        least, dots, most = self.text.partition("..")
        ends = least.strip(), most.strip()
        given = [end for end in ends if end]
        if not dots or not given or not all(is_comparable(end) for end in given):
            return None
        return ends


def folded(text: str) -> str:
    """Return a text as it is compared: in one form of Unicode, without regard to case."""
    return unicodedata.normalize("NFC", text).casefold()


def is_comparable(text: str) -> bool:
    """Return whether a text is a number or a date, and so compared as one."""
    return _number(text) is not None or _DATE.fullmatch(text) is not None


def _order(value: MetadataValue, bound: str) -> int | None:
    """Return whether a date is before (-1), at (0) or after (1) another; None where one is none.

    Only as much is compared as the bound has: 2021-05-31 is at 2021-05.
    """
    is_date = isinstance(value, str) and _LEAST_OF_DATE.match(value)
    if not is_date or not _DATE.fullmatch(bound):
        return None
    bound = bound.replace(" ", "T")
    start = str(value).replace(" ", "T")[: len(bound)]
    return (start > bound) - (start < bound)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number and abs(number) != _INFINITE else None
