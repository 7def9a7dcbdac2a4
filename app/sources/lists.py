"""A CSV file with a column of URLs → its rows; the rows of any list, checked as a whole.

An id is text and stays unchanged: "007" is not "7". Rows are numbered as spreadsheets number them:
the header is row 1, unless empty lines come before it.
"""

import contextlib
import csv
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from app.errors import DatasetError, UsageError
from app.sources.cells import is_data_url
from app.sources.ids import fault_of, is_text
from app.sources.picture import labels_of

_SHOWN_ROWS = 5
_DELIMITERS = ",;\t|"
_PARQUET = b"PAR1"  # a Parquet file's first bytes
_BYTE_ORDER_MARK = "\ufeff"
# Excel's own line before the header: sep=; with a tab as it is or as \t. Programs that save such a
# file again put quotes around it, and the delimiters of the columns beside it; people put spaces.
_SEP = re.compile(r""" *(["']?) *sep *= *(\\t|.) *\1[,;|\t ]*""", re.IGNORECASE)
# Python's limit is 128 KiB, in every thread of the process; a picture in a cell is larger. The
# largest number that a C long has everywhere: what is too large fails in its own row.
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class Columns:
    """The names of the columns to read; every label column adds to a row's labels."""

    key: str = "id"
    url: str = "url"
    labels: tuple[str, ...] = ()

    def options(self) -> list[tuple[str, str]]:
        """Return the columns, each with the option of the command line that names it."""
        labels = [("--label-column", name) for name in self.labels]
        return [("--id-column", self.key), ("--url-column", self.url), *labels]


@dataclass(frozen=True)
class Row:
    """One picture of a list; `url` is '' if its cell is empty.

    `content` is the SHA-256, in hex, of a picture that is in the list itself; `fault` says why
    there is neither such a picture nor a URL, if it is known.
    """

    number: int
    key: str
    url: str
    labels: tuple[str, ...] = ()
    content: str = ""
    fault: str = ""


def read_csv(
    file: Path, columns: Columns, *, delimiter: str | None = None, encoding: str = "utf-8"
) -> list[Row]:
    """Return the rows of a CSV file with a header; empty lines and rows of empty cells are skipped.

    Without a `delimiter` it is the one that a first line such as `sep=;` names, or is detected in
    the header: comma, semicolon, tab or bar. Neither that line, which spreadsheets do not count
    either, nor a byte order mark is part of the table.

    Raises
    ------
    DatasetError
        The file is not such a CSV file, or an id is not valid.
    UsageError
        There is no such `delimiter` or `encoding`.
    """
    with opened_csv(file, delimiter=delimiter, encoding=encoding) as (lines, delimiter):
        rows = list(_csv_rows(lines, columns, file, delimiter))
    return checked(rows, file)


@contextlib.contextmanager
def opened_csv(
    file: Path, *, delimiter: str | None = None, encoding: str = "utf-8"
) -> Iterator[tuple[Iterator[tuple[int, list[str]]], str]]:
    """Give the numbered lines of a CSV file as cells, the header first, and its delimiter.

    The delimiter and what is no part of the table are those of `read_csv`. A file that cannot be
    read raises `read_csv`'s errors while it is open.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"The delimiter must be one character, not {delimiter!r}.")
    with opened_text(file, encoding, mend="name a CSV file") as text:
        if is_parquet(file):
            raise UsageError(f"{file} is a Parquet file: name it with --parquet.")
        first, empty = _first_line(text)
        separator = _SEP.fullmatch(first.rstrip("\r\n"))
        if separator:
            delimiter = delimiter or separator[2].replace("\\t", "\t")
            first, more = _first_line(text)
            empty += more
        delimiter = delimiter or _delimiter_of(first)
        csv.field_size_limit(_LONGEST_CELL)
        try:
            lines = csv.reader(itertools.chain([first], text), delimiter=delimiter, strict=True)
        except (TypeError, ValueError) as exc:
            raise UsageError(
                f"A list cannot be delimited by {delimiter!r}: use another sign."
            ) from exc
        yield _readable(lines, file, 1 + empty), delimiter


@contextlib.contextmanager
def opened_text(file: Path, encoding: str, *, mend: str) -> Iterator[TextIO]:
    """Give an open file of text, its line ends as they are, without a byte order mark in UTF-8.

    What goes wrong while it is open is a DatasetError, which ends with what to do (`mend`) where it
    cannot be read; UsageError for an encoding that there is not.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        with file.open(encoding=encoding, newline="") as text:
            yield text
    except OSError as exc:
        raise DatasetError(f"{file} cannot be read ({exc.strerror}): {mend}.") from exc
    except LookupError as exc:
        raise UsageError(
            f"There is no encoding {encoding!r}: use one such as utf-8, cp1252 or utf-16."
        ) from exc
    except UnicodeError as exc:
        raise _not_in(encoding, file) from exc


def _not_in(encoding: str, file: Path) -> DatasetError:
    return DatasetError(
        f"{file} is not in {encoding.removesuffix('-sig')}: give its encoding, for example "
        "with --encoding cp1252 (spreadsheets of Western Europe) or --encoding utf-16."
    )


def is_parquet(file: Path) -> bool:
    """Return whether a file begins as a Parquet file does; OSError if it cannot be read."""
    with file.open("rb") as data:
        return data.read(len(_PARQUET)) == _PARQUET


def _first_line(text: TextIO) -> tuple[str, int]:
    """Return the next line that holds more than delimiters, and how many come before it."""
    empty = 0
    for line in text:
        line = line.removeprefix(_BYTE_ORDER_MARK)
        if line.strip(_DELIMITERS + " \r\n"):
            return line, empty
        empty += 1
    return "", empty


def _delimiter_of(header: str) -> str:
    try:
        return csv.Sniffer().sniff(header, _DELIMITERS).delimiter
    except csv.Error:  # a header of one column
        return ","


def _csv_rows(
    lines: Iterator[tuple[int, list[str]]], columns: Columns, file: Path, delimiter: str
) -> Iterator[Row]:
    _, names = next(lines, (0, []))
    header = [name.strip() for name in names]
    if not header:
        raise DatasetError(f"{file} is empty: its first line must name the columns.")
    check_columns(header, columns.options(), file)
    key, url = header.index(columns.key), header.index(columns.url)
    labels = [header.index(name) for name in columns.labels]
    for number, line in lines:
        if len(line) > len(header) and is_data_url(line[url].strip()):
            line = _rejoined(line, url, len(line) - len(header), delimiter)
        if len(line) > len(header):
            raise DatasetError(
                f"Row {number} of {file} has {len(line)} fields and the header {len(header)}: "
                'put a field that holds the delimiter in "quotes".'
            )
        cells = line + [""] * (len(header) - len(line))
        yield Row(
            number,
            cells[key],
            cells[url].strip(),
            labels_of_cells(cells[place] for place in labels),
        )


def _rejoined(line: list[str], place: int, extra: int, delimiter: str) -> list[str]:
    """Return a line whose data URL, which holds a comma and mostly a semicolon, was not quoted."""
    end = place + extra + 1
    return [*line[:place], delimiter.join(line[place:end]), *line[end:]]


def _readable(
    lines: Iterator[list[str]], file: Path, first: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, numbered; DatasetError for one that is not CSV."""
    for number in itertools.count(first):
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as exc:
            raise DatasetError(
                f"{file} is not a CSV file: row {number} cannot be read ({exc})."
            ) from exc
        if any(map(str.strip, line)):
            yield number, line


def check_columns(names: Sequence[str], wanted: Iterable[tuple[str, str]], file: Path) -> None:
    """Raise DatasetError, with the names that there are, unless each wanted one is there once.

    `wanted` are pairs of an option and the column that it names.
    """
    for option, name in wanted:
        if names.count(name) != 1:
            has = "no column" if name not in names else "more than one column"
            raise DatasetError(
                f"{file} has {has} {name!r}, but {', '.join(map(repr, names))}: "
                f"choose one with {option}."
            )


def labels_of_cells(cells: Iterable[Any]) -> tuple[str, ...]:
    """Return the distinct texts of some cells (a text, a list of texts or None), sorted."""
    return labels_of(
        str(text)
        for cell in cells
        for text in (cell if isinstance(cell, list) else [cell])
        if text is not None
    )


def checked(rows: list[Row], file: Path) -> list[Row]:
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
