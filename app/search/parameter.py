"""A parameter of a search: its kind and limits, what it means, and whether a value can be one."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from reprlib import repr as shortened
from typing import Any, Literal

from app.errors import UsageError
from app.values import Box

PublicId = int | str
Kind = Literal["text", "integer", "number", "boolean", "box", "ids", "texts"]
LISTS = ("ids", "texts")
"""The kinds of which several are given."""


def is_id(value: object) -> bool:
    """Return whether a value can be an image's id: a whole number, or a text that is not empty."""
    if isinstance(value, str):
        return bool(value) and is_unicode(value)
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_id(value: object) -> None:
    """Raise UsageError for what cannot be an image's id."""
    if not is_id(value):
        raise UsageError(f"An image's id is a whole number or a text, not {shortened(value)}.")


@dataclass(frozen=True)
class Parameter:
    """A search parameter: its name, kind and limits, and its meaning in one sentence.

    `prepares_query` says that it changes the query's vector, and not only which results are kept.
    """

    name: str
    kind: Kind
    default: Any
    description: str
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    prepares_query: bool = False

    def check(self, value: Any) -> None:
        """Raise UsageError, which says what the value must be, unless it can be one."""
        wrong = self._fault(value)
        if wrong:
            raise UsageError(f"{self.name} must be {wrong}.")

    def _fault(self, value: Any) -> str:
        """Return the end of the sentence on a wrong value; '' if it can be one."""
        if not self._is_of_kind(value):
            return f"{_KINDS[self.kind]}, not {shortened(value)}"
        if self.maximum is not None and not (self.minimum or 0) <= value <= self.maximum:
            return f"from {self.minimum} to {self.maximum}, not {value}"  # nor is NaN
        if self.max_length is not None and len(value) > self.max_length:
            parts = {"ids": "ids", "texts": "texts"}.get(self.kind, "characters")
            return f"at most {self.max_length} {parts}, not {len(value)}"
        return ""

    def as_text(self, value: Any) -> str | list[str]:
        """Return a value as it is written in a URL; for lists, which may repeat, a list."""
        if self.kind in LISTS:
            return [str(each) for each in value]
        if self.kind == "box":
            return ",".join(map(str, value.sides))
        return str(value).lower() if self.kind == "boolean" else str(value)

    def _is_of_kind(self, value: Any) -> bool:
        if self.kind in ("integer", "number"):
            number = Integral if self.kind == "integer" else Real
            return isinstance(value, number) and not isinstance(value, bool)
        if self.kind == "ids":
            return isinstance(value, tuple) and all(map(is_id, value))
        if self.kind == "texts":
            each_is_text = (isinstance(each, str) and is_unicode(each) for each in value)
            return isinstance(value, tuple) and all(each_is_text)
        if self.kind == "text":
            return isinstance(value, str) and is_unicode(value)
        return isinstance(value, bool if self.kind == "boolean" else Box | None)


_KINDS: Mapping[Kind, str] = {
    "boolean": "true or false",
    "box": "a box of four fractions",
    "text": "a text in UTF-8",
    "ids": "a list of ids, which are whole numbers or texts",
    "texts": "a list of texts in UTF-8",
    "integer": "a whole number",
    "number": "a number",
}
