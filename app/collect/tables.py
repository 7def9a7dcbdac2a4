"""A CSV or Parquet file with a column of URLs → its rows, checked as a whole.

An id is text, taken as it stands: "007" stays "007". Rows are numbered as spreadsheets show them:
the names of the columns are row 1.
"""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DatasetError, UsageError
from app.results import FITS_NO_ADDRESS, fits_no_address

_MOST_KEY_CHARACTERS = 200
_SHOWN_ROWS = 5
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read; every label column gives a row's labels."""

    key: str = "id"
    url: str = "url"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One picture of a list: `url` is '' where the list has none."""

    number: int
    key: str
    url: str
    labels: tuple[str, ...] = ()


def read_csv(
    file: Path, columns: Columns, *, delimiter: str | None = None, encoding: str = "utf-8"
) -> list[Row]:
    """Return the rows of a CSV file with a header; lines without anything in them are left out.

    Without a `delimiter` it is found in the header: comma, semicolon, tab or bar. A byte order mark
    is no part of the first name. DatasetError for a file that cannot be read as such and for bad
    ids; UsageError for a `delimiter` or an `encoding` that there is not.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"The delimiter must be one character, not {delimiter!r}.")
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        with file.open(encoding=encoding, newline="") as opened:
            found = delimiter or _delimiter_of(opened.readline())
            opened.seek(0)
            rows = list(_csv_rows(csv.reader(opened, delimiter=found, strict=True), columns, file))
    except OSError as exc:
        raise DatasetError(f"{file} cannot be read ({exc.strerror}).") from exc
    except LookupError as exc:
        raise UsageError(
            f"There is no encoding {encoding!r}: use one such as utf-8, cp1252 or utf-16."
        ) from exc
    except UnicodeError as exc:
        raise DatasetError(
            f"{file} is not in {encoding.removesuffix('-sig')}: say what it is in, for example "
            "with --encoding cp1252 (spreadsheets of Western Europe) or --encoding utf-16."
        ) from exc
    except csv.Error as exc:
        raise DatasetError(f"{file} is not a CSV file that can be read ({exc}).") from exc
    return _checked(rows, file)


def read_parquet(file: Path, columns: Columns) -> list[Row]:
    """Return the rows of a Parquet file; a label column may hold texts or lists of texts.

    DatasetError for a file that cannot be read as such and for bad ids.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            _check_columns(opened.schema_arrow.names, columns, file)
            table = opened.read([columns.key, columns.url, *columns.labels])
            keys = table[columns.key].cast(pyarrow.string()).to_pylist()
            urls = table[columns.url].cast(pyarrow.string()).to_pylist()
            labels = [table[name].to_pylist() for name in columns.labels]
    except OSError as exc:
        reason = exc.strerror or "it is damaged, or no Parquet file"
        raise DatasetError(f"{file} cannot be read ({reason}).") from exc
    except pyarrow.ArrowException as exc:
        raise DatasetError(
            f"{file} is not a Parquet file whose columns {columns.key!r} and {columns.url!r} "
            "hold texts or numbers: write it anew."
        ) from exc
    rows = [
        Row(number, key or "", (url or "").strip(), _labels(cells))
        for number, key, url, *cells in zip(
            range(2, len(keys) + 2), keys, urls, *labels, strict=True
        )
    ]
    return _checked(rows, file)


def _delimiter_of(header: str) -> str:
    try:
        return csv.Sniffer().sniff(header, _DELIMITERS).delimiter
    except csv.Error:  # a header of one column
        return ","


def _csv_rows(lines: Iterator[list[str]], columns: Columns, file: Path) -> Iterator[Row]:
    header = next(lines, [])
    if not header:
        raise DatasetError(f"{file} is empty: its first line must name the columns.")
    _check_columns(header, columns, file)
    key, url = header.index(columns.key), header.index(columns.url)
    labels = [header.index(name) for name in columns.labels]
    for number, line in enumerate(lines, 2):
        if len(line) > len(header):
            raise DatasetError(
                f"Row {number} of {file} has {len(line)} fields and the header {len(header)}: "
                'put a field that holds the delimiter in "quotes".'
            )
        if line:
            cells = line + [""] * (len(header) - len(line))
            yield Row(
                number, cells[key], cells[url].strip(), _labels(cells[place] for place in labels)
            )


def _check_columns(names: Sequence[str], columns: Columns, file: Path) -> None:
    for option, name in (
        ("--id-column", columns.key),
        ("--url-column", columns.url),
        *(("--label-column", name) for name in columns.labels),
    ):
        if names.count(name) != 1:
            has = "no column" if name not in names else "more than one column"
            raise DatasetError(
                f"{file} has {has} {name!r}, but {', '.join(map(repr, names))}: "
                f"say which to take with {option}."
            )


def _labels(cells: Iterable[Any]) -> tuple[str, ...]:
    """Return the texts in some cells (a text, a list of texts, nothing), sorted, each once."""
    texts = (
        str(text).strip()
        for cell in cells
        for text in (cell if isinstance(cell, list) else [cell])
        if text is not None
    )
    return tuple(sorted(set(texts) - {""}))


def _checked(rows: list[Row], file: Path) -> list[Row]:
    """Return the rows if every id can be one, and none is there twice."""
    if not rows:
        raise DatasetError(f"{file} lists no picture: it needs a row below the names of columns.")
    reasons: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("no id", lambda key: not key.strip()),
        (f"an id that {FITS_NO_ADDRESS}", fits_no_address),
        (
            "an id with a control character, such as a line's end in it",
            lambda key: any(unicodedata.category(letter) == "Cc" for letter in key),
        ),
        (
            f"an id of more than {_MOST_KEY_CHARACTERS} characters",
            lambda key: len(key) > _MOST_KEY_CHARACTERS,
        ),
    )
    for why_not, bad in reasons:
        numbers = [row.number for row in rows if bad(row.key)]
        if numbers:
            has = "have" if len(numbers) > 1 else "has"
            raise DatasetError(
                f"{_named(numbers)} of {file} {has} {why_not}: give each another id."
            )
    places = defaultdict(list)
    for row in rows:
        places[row.key].append(row.number)
    for key, numbers in places.items():
        if len(numbers) > 1:
            raise DatasetError(
                f"{_named(numbers)} of {file} have the same id {key!r}: give each its own id."
            )
    return rows


def _named(numbers: Sequence[int]) -> str:
    """Return "Rows 3, 9 and 12 more"."""
    shown = [str(number) for number in numbers[:_SHOWN_ROWS]]
    more = len(numbers) - len(shown)
    last = f"{more} more" if more else shown.pop() if len(shown) > 1 else ""
    names = ", ".join(shown) + (f" and {last}" if last else "")
    return f"Row{'s' if len(numbers) > 1 else ''} {names}"
