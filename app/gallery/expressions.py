"""What is known of an image → what Milvus keeps of it; a condition → an expression over that.

Only what an expression says exactly as the condition does becomes one; the rest is asked of the
segments. Texts are kept as they are compared, in one form of Unicode and of letters.
"""

import json
from collections.abc import Iterable
from typing import Any

from app.errors import GalleryError
from app.values import ImageRecord
from app.values.columns import folder_of, name_of
from app.values.conditions import Condition, Interval, folded, is_comparable

_LONGEST = 200  # characters of a text that is kept; a longer one cannot be asked for
_MOST_BYTES = 60_000  # of a row's facts; Milvus takes 65,536
_TEXTS = ("name", "label", "key", "path", "folder")
_NUMBERS = ("width", "height", "bytes")


def facts_of(record: ImageRecord) -> dict[str, Any]:
    """Return what Milvus keeps of an image: texts and numbers by column.

    GalleryError if it is more than a row of Milvus takes.
    """
    folder = folded(folder_of(record.path)).strip("/")
    parts = folder.split("/")
    texts = {
        "path": [record.path],
        "name": [name_of(record.path)],
        "label": list(record.labels),
        "key": [record.key] if record.key else [],
        "folder": ["/".join(parts[:end]) for end in range(1, len(parts) + 1)],
    }
    numbers = {name: float(getattr(record, name)) for name in _NUMBERS}
    for name, value in record.metadata.items():
        if isinstance(value, str):
            texts.setdefault(f"+{name}", [value])
        else:
            numbers[f"+{name}"] = float(value)
    short = {
        name: [folded(each) for each in values if len(each) <= _LONGEST]
        for name, values in texts.items()
    }
    facts = {"texts": {name: kept for name, kept in short.items() if kept}, "numbers": numbers}
    if len(json.dumps(facts).encode()) > _MOST_BYTES:
        raise GalleryError(
            f"More is known of {record.path} than a row of Milvus takes, {_MOST_BYTES} bytes: join "
            "a table with fewer columns."
        )
    return facts


def expression_of(conditions: Iterable[Condition]) -> tuple[str, list[Condition]]:
    """Return the expression for those conditions that have one, '' for none, and the others.

    The conditions' names are the columns' own.
    """
    said, others = [], []
    for condition in conditions:
        one = _of_one(condition)
        if one:
            said.append(one)
        else:
            others.append(condition)
    return " and ".join(said), others


def _of_one(condition: Condition) -> str:
    positive = _positive(condition)
    return f"(not {positive})" if positive and condition.is_negative else positive


def _positive(condition: Condition) -> str:
    """Return what is true of the images that a condition holds for, or of a negative one does not.

    '' where an expression would say something else.
    """
    name, own = condition.name, condition.name in (*_TEXTS, *_NUMBERS)
    if not _is_plain(name) or not _is_plain(condition.text):
        return ""
    if name in _NUMBERS:
        return _between(name, condition.numbers) if condition.numbers else ""
    if condition.sign not in ("=", "!=") or len(condition.text) > _LONGEST:
        return ""
    # A year is a number too, and a month a date: what such a text equals depends on the column.
    if is_comparable(condition.text) or ".." in condition.text:
        return ""
    text = folded(condition.text)
    if name == "folder":
        text = text.strip("/")
        if not text:
            return ""
    column = name if own else f"+{name}"
    return f'(json_contains(facts["texts"][{_quoted(column)}], {_quoted(text)}))'


def _between(name: str, numbers: Interval) -> str:
    column = f'facts["numbers"]["{name}"]'
    parts = []
    if numbers.least != -float("inf"):
        parts.append(f"{column} {'>=' if numbers.with_least else '>'} {numbers.least!r}")
    if numbers.most != float("inf"):
        parts.append(f"{column} {'<=' if numbers.with_most else '<'} {numbers.most!r}")
    return f"({' and '.join(parts)})" if parts else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    """Whether a text stands in an expression as it is."""
    return text.isprintable() and not set(text) & set("\\\"'")
