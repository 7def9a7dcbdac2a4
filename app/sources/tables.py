"""A CSV, TSV, JSON, JSON Lines or Parquet file → the names of its columns, and its rows.

Which it is, its first bytes say, not its name. In JSON and Parquet, a column of objects is as many
columns, with dots in their names: {"camera": {"make": "Leica"}} is the column camera.make.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, NamedTuple

from app.errors import DatasetError
from app.sources.lists import is_parquet, opened_csv
from app.sources.parquet import read_columns

MOST_NAME_CHARACTERS = 64
"""How long a column's name is at most."""

_TABS = frozenset((".tsv", ".tab"))
_HEAD_BYTES = 4096
_MANY_NAMED = 20


class Record(NamedTuple):
    """A row: what it is called in messages, such as "Row 3", and its cells by column."""

    place: str
    cells: dict[str, Any]


class Table(NamedTuple):
    """A file's columns, in its order, and its rows.

    A cell is None, a text, a number, a bool, a date or time, or a list; all of a CSV's are texts,
    and it is not `typed`. `unread` are the columns that hold bytes, as pictures.
    """

    columns: tuple[str, ...]
    records: list[Record]
    typed: bool
    unread: tuple[str, ...] = ()


def read_table(file: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> Table:
    """Return the columns and rows of a file; names are without spaces around them.

    `delimiter` and `encoding` are a CSV file's, as in `app.sources.lists.read_csv`.

    Raises
    ------
    DatasetError
        The file cannot be read, or is not such a table.
    UsageError
        There is no such `delimiter` or `encoding`.
    """
    try:
        if is_parquet(file):
            return _of_parquet(file)
        with file.open("rb") as opened:
            head = opened.read(_HEAD_BYTES)
        encoded = json.detect_encoding(head)
        start = head.decode(encoded, "ignore").lstrip("\ufeff \t\r\n")[:1]
        if start == "[":
            return _of_objects(file, _items(file, file.read_bytes()))
        if start == "{":
            return _of_objects(file, _lines(file, encoded))
    except OSError as exc:
        raise DatasetError(f"{file} cannot be read ({exc.strerror}).") from exc
    if delimiter is None and file.suffix.lower() in _TABS:
        delimiter = "\t"
    return _of_csv(file, delimiter, encoding)


def named(columns: tuple[str, ...]) -> str:
    """Return the names of columns, as a part of a sentence."""
    more = len(columns) - _MANY_NAMED
    names = ", ".join(shortened(name) for name in columns[:_MANY_NAMED])
    return f"{names} and {more} more" if more > 0 else names


def _of_csv(file: Path, delimiter: str | None, encoding: str) -> Table:
    with opened_csv(file, delimiter=delimiter, encoding=encoding) as (lines, _):
        _, names = next(lines, (0, []))
        header = [_name(name, file) for name in names]
        if not header:
            raise DatasetError(f"{file} is empty: its first line must name the columns.")
        if twice := [name for name in header if name and header.count(name) > 1]:
            raise DatasetError(f"{file} has more than one column {twice[0]!r}: rename one.")
        records = []
        for number, line in lines:
            if any(line[len(header) :]):
                raise DatasetError(
                    f"Row {number} of {file} has {len(line)} fields and the header {len(header)}: "
                    'put a field that holds the delimiter in "quotes".'
                )
            records.append(Record(f"Row {number}", dict(zip(header, line, strict=False))))
    return Table(tuple(header), records, typed=False)


def _of_parquet(file: Path) -> Table:
    rows, unread = read_columns(file)
    return _of_objects(file, ((f"Row {number}", row) for number, row in enumerate(rows, 2)), unread)


def _of_objects(
    file: Path, objects: Iterator[tuple[str, Any]], unread: tuple[str, ...] = ()
) -> Table:
    columns: dict[str, None] = {}
    records = []
    for place, content in objects:
        if not isinstance(content, dict):
            raise DatasetError(
                f"{place} of {file} is not an object, such as "
                '{"path": "a.jpg", "year": 1969}: write each row as one.'
            )
        cells: dict[str, Any] = {}
        for name, cell in _flat(content, "", place, file):
            if name in cells:
                raise DatasetError(f"{place} of {file} has {name!r} twice: rename one.")
            cells[name] = cell
            if cell is not None:  # which may stand for an object
                columns[name] = None
        records.append(Record(place, cells))
    return Table(tuple(columns), records, typed=True, unread=unread)


def _flat(
    content: dict[str, Any], before: str, place: str, file: Path
) -> Iterator[tuple[str, Any]]:
    """Yield an object's names and values; those of an object in it have its name before theirs."""
    for key, value in content.items():
        name = _name(f"{before}{key}", file)
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.", place, file)
        else:
            yield name, value


def _name(text: str, file: Path) -> str:
    """Return a column's name on one line; DatasetError if it is too long."""
    name = " ".join(text.split())
    if len(name) > MOST_NAME_CHARACTERS:
        raise DatasetError(
            f"{file} has a column {shortened(name)} whose name has more than "
            f"{MOST_NAME_CHARACTERS} characters: rename it."
        )
    return name


def _items(file: Path, data: bytes) -> Iterator[tuple[str, Any]]:
    items = _parsed(data, file, "")
    return ((f"Item {number}", item) for number, item in enumerate(items, 1))


def _lines(file: Path, encoding: str) -> Iterator[tuple[str, Any]]:
    try:
        with file.open(encoding=encoding) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    place = f"Line {number}"
                    yield place, _parsed(line.strip(), file, f", from {place.lower()} on")
    except UnicodeError as exc:
        raise DatasetError(f"{file} is not in {encoding}: write it in UTF-8.") from exc


def _parsed(text: str | bytes, file: Path, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        line = where or f", in line {exc.lineno}"
        raise DatasetError(
            f"{file} is not JSON{line}: it must be a list of objects, or an object in each line "
            f"({exc.msg})."
        ) from exc
    except (ValueError, RecursionError) as exc:  # not UTF-8; a number of 5,000 digits
        raise DatasetError(
            f"{file} is not JSON that can be read{where}: write it in UTF-8, with values that are "
            "texts and numbers."
        ) from exc
