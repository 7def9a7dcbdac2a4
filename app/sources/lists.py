"""A CSV or Parquet file with a column of URLs → its rows, checked as a whole.

An id is text and stays unchanged: "007" is not "7". Rows are numbered as spreadsheets number them:
the header is row 1.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DatasetError, UsageError
from app.sources.ids import fault_of, is_text
from app.sources.picture import labels_of

_SHOWN_ROWS = 5
_DELIMITERS = ",;\t|"
_PARQUET = b"PAR1"  # a Parquet file's first bytes


@dataclass(frozen=True)
class Columns:
    """The names of the columns to read; every label column adds to a row's labels."""

    key: str = "id"
    url: str = "url"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One picture of a list; `url` is '' if its cell is empty."""

    number: int
    key: str
    url: str
    labels: tuple[str, ...] = ()


def read_csv(
    file: Path, columns: Columns, *, delimiter: str | None = None, encoding: str = "utf-8"
) -> list[Row]:
    """Return the rows of a CSV file with a header; empty lines are skipped.

    Without a `delimiter` it is detected in the header: comma, semicolon, tab or bar. A byte order
    mark is not part of the first name.

    Raises
    ------
    DatasetError
        The file is not such a CSV file, or an id is not valid.
    UsageError
        There is no such `delimiter` or `encoding`.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"The delimiter must be one character, not {delimiter!r}.")
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        if _is_parquet(file):
            raise UsageError(f"{file} is a Parquet file: name it with --parquet.")
        with file.open(encoding=encoding, newline="") as text:
            delimiter = delimiter or _delimiter_of(text.readline())
            text.seek(0)
            lines = csv.reader(text, delimiter=delimiter, strict=True)
            rows = list(_csv_rows(lines, columns, file))
    except OSError as exc:
        raise DatasetError(f"{file} cannot be read ({exc.strerror}): name a CSV file.") from exc
    except LookupError as exc:
        raise UsageError(
            f"There is no encoding {encoding!r}: use one such as utf-8, cp1252 or utf-16."
        ) from exc
    except UnicodeError as exc:
        raise DatasetError(
            f"{file} is not in {encoding.removesuffix('-sig')}: give its encoding, for example "
            "with --encoding cp1252 (spreadsheets of Western Europe) or --encoding utf-16."
        ) from exc
    return _checked(rows, file)


def read_parquet(file: Path, columns: Columns) -> list[Row]:
    """Return the rows of a Parquet file; a label column may hold texts or lists of texts.

    Raises
    ------
    DatasetError
        The file is not such a Parquet file, or an id is not valid.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            _check_columns(parquet.schema_arrow.names, columns, file)
            table = parquet.read([columns.key, columns.url, *columns.labels])
            keys = table[columns.key].cast(pyarrow.string()).to_pylist()
            urls = table[columns.url].cast(pyarrow.string()).to_pylist()
            labels = [table[name].to_pylist() for name in columns.labels]
    except OSError as exc:
        reason = exc.strerror or "it is damaged, or no Parquet file"
        raise DatasetError(f"{file} cannot be read ({reason}).") from exc
    except UnicodeError as exc:
        raise DatasetError(f"{file} holds text that is not valid UTF-8: write it again.") from exc
    except pyarrow.ArrowException as exc:
        raise DatasetError(
            f"{file} is not a Parquet file whose columns {columns.key!r} and {columns.url!r} "
            "hold texts or numbers: write it again."
        ) from exc
    rows = [
        Row(number, key or "", (url or "").strip(), _labels(cells))
        for number, key, url, *cells in zip(
            range(2, len(keys) + 2), keys, urls, *labels, strict=True
        )
    ]
    return _checked(rows, file)


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as data:
        return data.read(len(_PARQUET)) == _PARQUET


def _delimiter_of(header: str) -> str:
    try:
        return csv.Sniffer().sniff(header, _DELIMITERS).delimiter
    except csv.Error:  # a header of one column
        return ","


def _csv_rows(lines: Iterator[list[str]], columns: Columns, file: Path) -> Iterator[Row]:
    lines = _readable(lines, file)
    header = [name.strip() for name in next(lines, [])]
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


def _readable(lines: Iterator[list[str]], file: Path) -> Iterator[list[str]]:
    """Yield the lines; DatasetError for one that is not CSV."""
    number = 0
    while True:
        number += 1
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as exc:
            raise DatasetError(
                f"{file} is not a CSV file: row {number} cannot be read ({exc})."
            ) from exc
        yield line


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
                f"choose one with {option}."
            )


def _labels(cells: Iterable[Any]) -> tuple[str, ...]:
    """Return the distinct texts of some cells (a text, a list of texts or None), sorted."""
    return labels_of(
        str(text)
        for cell in cells
        for text in (cell if isinstance(cell, list) else [cell])
        if text is not None
    )


def _checked(rows: list[Row], file: Path) -> list[Row]:
    """Return the rows if every id is valid and none occurs twice; DatasetError otherwise."""
    if not rows:
        raise DatasetError(f"{file} lists no picture: it needs a row below its header.")
    faults = defaultdict(list)
    for row in rows:
        faults[fault_of(row.key)].append(row.number)
    for fault, numbers in faults.items():
        if fault:
            raise DatasetError(f"{_rows_have(numbers, file, fault)}: give each its own id.")
    garbled = [row.number for row in rows if not all(map(is_text, (row.url, *row.labels)))]
    if garbled:
        have = _rows_have(garbled, file, "text that is not valid UTF-8")
        raise DatasetError(f"{have}: correct it, or give another --encoding.")
    places = defaultdict(list)
    for row in rows:
        places[row.key].append(row.number)
    for key, numbers in places.items():
        if len(numbers) > 1:
            have = _rows_have(numbers, file, f"the same id {key!r}")
            raise DatasetError(f"{have}: give each its own id.")
    return rows


def _rows_have(numbers: Sequence[int], file: Path, fault: str) -> str:
    """Return "Rows 3, 9 and 12 more of items.csv have no id"."""
    shown = [str(number) for number in numbers[:_SHOWN_ROWS]]
    more = len(numbers) - len(shown)
    last = f"{more} more" if more else shown.pop() if len(shown) > 1 else ""
    names = ", ".join(shown) + (f" and {last}" if last else "")
    if len(numbers) == 1:
        return f"Row {names} of {file} has {fault}"
    return f"Rows {names} of {file} have {fault}"
