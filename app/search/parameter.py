"""A parameter of a search: its kind and limits, what it means, and whether a value can be one."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from reprlib import repr as shortened
from typing import Any, Literal

from app.errors import UsageError
from app.search.picture import File, is_example, is_unicode
from app.values import Box

Kind = Literal["text", "integer", "number", "boolean", "box", "examples", "texts"]
LISTS = ("examples", "texts")
"""The kinds of which several are given."""


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
            parts = self.kind if self.kind in LISTS else "characters"
            return f"at most {self.max_length} {parts}, not {len(value)}"
        return ""

    def as_text(self, value: Any) -> str | list[str]:
        """Return a value as it is written in a URL; for lists, which may repeat, a list.

        Without the pictures' bytes, which no URL holds.
        """
        if self.kind in LISTS:
            return [str(each) for each in value if not isinstance(each, File)]
        if self.kind == "box":
            return ",".join(map(str, value.sides))
        return str(value).lower() if self.kind == "boolean" else str(value)

    def _is_of_kind(self, value: Any) -> bool:
        if self.kind in ("integer", "number"):
            number = Integral if self.kind == "integer" else Real
            return isinstance(value, number) and not isinstance(value, bool)
        if self.kind == "examples":
            return isinstance(value, tuple) and all(map(is_example, value))
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
    "examples": "a list of ids, which are whole numbers or texts, or of pictures",
    "texts": "a list of texts in UTF-8",
    "integer": "a whole number",
    "number": "a number",
}
