"""A table of any kind → rows of facts about images, each with what it is joined to its image by.

A fact is a text or a number. A column holds numbers if all its cells do, else texts; so a column of
numbers can be compared and sorted.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.errors import DatasetError, UsageError
from app.sources.cells import is_data_url
from app.sources.ids import is_text
from app.sources.tables import Record, Table, named, read_table

Fact = str | int | float

JOINS = ("path", "file", "filename", "file_name", "image", "id", "key")
"""The columns that rows are joined by where none is named: the first of these that there is."""

MOST_COLUMNS = 200
"""How many columns of facts a table has at most."""

MOST_CHARACTERS = 10_000
"""How long a cell is at most; what is longer is cut, with a note."""

KNOWN = frozenset(("path", "folder", "width", "height", "bytes", "id", "key", "sha256"))
"""What a gallery knows of each image itself: such a column is left out, with a note."""

TAKEN_NAMES = frozenset(("name", "label", "score", "source"))
"""What the program means something else by: a table with such a column is refused."""

_MOST_DIGITS = 15  # of a number: a float keeps them all
_MOST_FRACTION_DIGITS = 17  # as many as programs write of a float
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class MetadataRow:
    """A row of facts, by column; `join` says which image they are about."""

    join: str
    facts: Mapping[str, Fact]


@dataclass(frozen=True)
class Metadata:
    """Rows of facts.

    Attributes
    ----------
    column
        The name of the column that they are joined by.
    columns
        The names of the others, in the table's order.
    rows
        Those that name an image; a cell that is empty is not in a row's facts.
    notes
        What was left out or cut, in one sentence each.
    """

    column: str
    columns: tuple[str, ...]
    rows: tuple[MetadataRow, ...]
    notes: tuple[str, ...] = ()


def read_metadata(
    file: Path,
    *,
    join: str = "",
    without: Collection[str] = (),
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> Metadata:
    """Return the facts in a CSV, TSV, JSON, JSON Lines or Parquet file.

    `join` names the column that says which image a row is about; without it, it is the first of
    `JOINS`, in upper or lower case. `without` are columns to leave out.

    Whole numbers of up to 15 digits and decimal fractions with a point are numbers, unless they
    begin with a 0 as 007 does. JSON and Parquet say themselves what is a number and what a text.
    True is the text "true"; a list is its texts with commas between them; dates are texts as in
    ISO 8601.

    Raises
    ------
    DatasetError
        The file is no such table, or holds what no fact can be, such as a list of objects.
    UsageError
        There is no column to join by, or one that the program means something else by.
    """
    table = read_table(file, delimiter=delimiter, encoding=encoding)
    column = _join_column(table.columns, join, file)
    columns, notes = _fact_columns(table, column, without, file)
    if table.unread:
        notes.append(f"Left out, because they hold bytes: {named(table.unread)}.")
    joins = [_join_value(record.cells.get(column), record, file) for record in table.records]
    facts: list[dict[str, Fact]] = [{} for _ in joins]
    cells = _Cells(file)
    for name in columns:
        values = [cells.value(record, name) for record in table.records]
        for fact, value in zip(facts, _of_one_type(values, typed=table.typed), strict=True):
            if value is not None:
                fact[name] = value
    rows = tuple(
        MetadataRow(value, fact) for value, fact in zip(joins, facts, strict=True) if value
    )
    if not rows:
        raise DatasetError(f"{file} has no row with a {column!r}: name another column to join by.")
    if len(rows) < len(joins):
        notes.append(
            f"{len(joins) - len(rows)} of {len(joins)} rows have no {column!r} and were left out."
        )
    return Metadata(column, columns, rows, (*notes, *cells.notes()))


def _join_column(columns: Sequence[str], join: str, file: Path) -> str:
    """Return the column to join by; UsageError if there is none of that name."""
    for wanted in (join,) if join else JOINS:
        if wanted in columns:
            return wanted
        for name in columns:
            if name.casefold() == wanted.casefold():
                return name
    has = f"no column {join!r}" if join else f"none of the columns {named(JOINS)}"
    raise UsageError(
        f"{file} has {has}, but {named(tuple(filter(None, columns)))}: name the column with the "
        "images' paths or ids."
    )


def _fact_columns(
    table: Table, join: str, without: Collection[str], file: Path
) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns that hold facts, and notes on those that are left out unasked."""
    if unknown := tuple(set(without).difference(table.columns, table.unread)):
        raise UsageError(
            f"{file} has no column {unknown[0]!r} to leave out, but "
            f"{named(tuple(filter(None, table.columns)))}."
        )
    others = [name for name in table.columns if name != join and name not in without]
    clashing = tuple(name for name in others if name.casefold() in TAKEN_NAMES)
    if clashing:
        raise UsageError(
            f"{file} has columns whose names mean something else in a gallery, {named(clashing)}: "
            "rename them, or leave them out."
        )
    known = tuple(name for name in others if name.casefold() in KNOWN)
    columns = tuple(name for name in others if name and name not in known)
    if len(columns) > MOST_COLUMNS:
        raise UsageError(
            f"{file} has {len(columns)} columns, and at most {MOST_COLUMNS} can be used: leave "
            "some out."
        )
    notes = []
    if known:
        notes.append(f"Left out, because a gallery knows them itself: {named(known)}.")
    if "" in others and any(record.cells.get("") for record in table.records):
        notes.append("A column without a name was left out.")
    return columns, notes


def _join_value(cell: Any, record: Record, file: Path) -> str:
    """Return a cell as the text that rows are joined by; '' where it is empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # as pandas writes whole numbers where one is missing
    text = _scalar(cell)
    if text is None:
        return ""
    return _checked(str(text), record, file)


def _checked(text: str, record: Record, file: Path) -> str:
    if not is_text(text):
        raise DatasetError(f"{record.place} of {file} has text that is not valid UTF-8.")
    return text


class _Cells:
    """The cells of a table as facts, and how many of them were not taken whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._cut = self._pictures = 0

    def value(self, record: Record, name: str) -> Fact | None:
        """Return the fact in a column of a row; None where there is none."""
        value = self._fact(record, name)
        if not isinstance(value, str):
            return value
        value = _checked(value, record, self._file).strip()
        if is_data_url(value):
            self._pictures += 1
            return None
        self._cut += len(value) > MOST_CHARACTERS
        return value[:MOST_CHARACTERS] or None

    def _fact(self, record: Record, name: str) -> Fact | None:
        cell = record.cells.get(name)
        if not isinstance(cell, list):
            return _scalar(cell)
        if any(isinstance(each, list | dict | tuple) for each in cell):
            raise DatasetError(
                f"{record.place} of {self._file} has a list in {name!r} whose items are no texts "
                "or numbers: leave that column out."
            )
        return ", ".join(str(each) for each in map(_scalar, cell) if each not in (None, ""))

    def notes(self) -> Iterable[str]:
        """Yield a sentence about each way in which cells were not taken whole."""
        if self._cut:
            yield f"Cells cut after {MOST_CHARACTERS:,} characters: {self._cut}."
        if self._pictures:
            yield f"Cells left out, because they hold a picture: {self._pictures}."


def _scalar(cell: Any) -> Fact | None:
    """Return a cell that is no list as a text or a number; None where it says nothing.

    >>> _scalar(True), _scalar(date(1969, 7, 20)), _scalar(float("nan")), _scalar(10**15)
    ('true', '1969-07-20', None, '1000000000000000')
    """
    match cell:
        case None:
            return None
        case bool():
            return "true" if cell else "false"
        case Decimal() | float() if not math.isfinite(cell):
            return None
        case Decimal():
            return _number(str(cell))
        case int():
            return cell if abs(cell) < 10**_MOST_DIGITS else str(cell)
        case float():
            return float(cell)
        case date() | time():
            return cell.isoformat()
    return str(cell) if str(cell).strip() else None


def _number(text: str) -> Fact:
    """Return the number that a text is, where no digit is lost; or else the text."""
    if _WHOLE.fullmatch(text):
        return int(text) if len(text.lstrip("-")) <= _MOST_DIGITS else text
    if not _NUMBER.fullmatch(text):
        return text
    digits = len(text.lower().partition("e")[0].lstrip("-").replace(".", "").lstrip("0"))
    most = _MOST_FRACTION_DIGITS if "." in text else _MOST_DIGITS
    number = float(text)
    return number if digits <= most and math.isfinite(number) else text


def _of_one_type(values: Sequence[Fact | None], *, typed: bool) -> Sequence[Fact | None]:
    """Return a column's facts as whole numbers if all are, or as numbers, or else as texts."""
    numbers: list[int | float | None] = []
    for value in values:
        number = _number(value) if isinstance(value, str) and not typed else value
        if isinstance(number, str):
            return [each if each is None else str(each) for each in values]
        numbers.append(number)
    if any(isinstance(number, float) for number in numbers):
        return [number if number is None else float(number) for number in numbers]
    return numbers
