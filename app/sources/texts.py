"""A file of texts, a line each, or a table with a column of them → the texts of a gallery."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import DatasetError, UsageError
from app.sources.ids import fault_of
from app.sources.lists import opened_text
from app.sources.metadata import MOST_CHARACTERS, Fact, read_metadata
from app.sources.picture import labels_of
from app.sources.tables import named, read_table

_LINES = frozenset((".txt", ".text", ".lines"))
_TEXT_COLUMNS = ("text", "texts", "sentence", "tweet", "message", "content")
_KEY_COLUMNS = ("id", "key")
_LABEL_COLUMNS = ("label", "labels", "category")


@dataclass(frozen=True)
class Text:
    """A text, its id in its table ('' where it has none), its labels and its other columns."""

    text: str
    key: str = ""
    labels: tuple[str, ...] = ()
    facts: Mapping[str, Fact] | None = None

    @property
    def sha256(self) -> str:
        """The hash of the text, in hex: equal texts are embedded once."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Texts:
    """Texts in the order of their file, and sentences on what was left out or cut."""

    texts: tuple[Text, ...]
    notes: tuple[str, ...] = ()


def read_texts(
    file: Path,
    *,
    text_column: str = "",
    id_column: str = "",
    label_column: Sequence[str] = (),
    delimiter: str | None = None,
    encoding: str = "utf-8",
) -> Texts:
    """Return the texts of a file; empty ones are left out.

    A file that ends in .txt has one in each line. Any other is a table as `read_metadata` reads it,
    with the texts in `text_column`, or else in a column such as text; ids and labels likewise.
    What else it has is known of each text besides.

    Raises DatasetError for a file that is no such table, has no text at all, or an id twice;
    UsageError for a column that it does not have.
    """
    if file.suffix.lower() in _LINES and not text_column:
        return _of_lines(file, encoding)
    table = read_table(file, delimiter=delimiter, encoding=encoding)
    text = _column(table.columns, text_column, _TEXT_COLUMNS, file)
    if not text:
        raise UsageError(
            f"{file} has no column of texts, but {named(table.columns)}: name it with "
            "--text-column."
        )
    key = _column(table.columns, id_column, _KEY_COLUMNS, file)
    known = _column(table.columns, "", _LABEL_COLUMNS, file)
    labels = label_column or ((known,) if known else ())
    for name in labels:
        _column(table.columns, name, (), file)
    rows = [each for each in table.records if str(each.cells.get(text) or "").strip()]
    if not rows:
        raise DatasetError(f"There is no text in the column {text!r} of {file}.")
    without = {name for name in (key, *labels) if name}
    told = read_metadata(file, join=text, without=without, delimiter=delimiter, encoding=encoding)
    texts = []
    cut = 0
    for row, facts in zip(rows, told.rows, strict=True):
        whole = str(row.cells[text]).strip()
        cut += len(whole) > MOST_CHARACTERS
        names = labels_of(str(row.cells.get(name) or "") for name in labels)
        own = str(row.cells.get(key) or "").strip() if key else ""
        texts.append(Text(whole[:MOST_CHARACTERS], own, names, facts.facts))
    return _checked(texts, file, [*told.notes, *_cut_note(cut)])


def _of_lines(file: Path, encoding: str) -> Texts:
    with opened_text(file, encoding, mend="name a file of texts") as text:
        lines = [line.strip() for line in text.read().splitlines()]
    cut = sum(len(line) > MOST_CHARACTERS for line in lines)
    texts = [Text(line[:MOST_CHARACTERS]) for line in lines if line]
    return _checked(texts, file, list(_cut_note(cut)))


def _cut_note(cut: int) -> Sequence[str]:
    if not cut:
        return ()
    are = "1 text was" if cut == 1 else f"{cut} texts were"
    return (f"{are} cut after {MOST_CHARACTERS:,} characters.",)


def _column(columns: Sequence[str], asked: str, usual: Sequence[str], file: Path) -> str:
    """Return a column's name, '' if none is asked for and none has a usual name."""
    if asked and asked not in columns:
        raise UsageError(f"{file} has no column {asked!r}, but {named(tuple(columns))}.")
    if asked:
        return asked
    by_name = {name.casefold(): name for name in reversed(columns)}
    return next((by_name[name] for name in usual if name in by_name), "")


def _checked(texts: list[Text], file: Path, notes: list[str]) -> Texts:
    if not texts:
        raise DatasetError(f"There is no text in {file}.")
    keys: set[str] = set()
    for number, each in enumerate(texts, 1):
        if bool(each.key) != bool(texts[0].key):
            raise DatasetError(f"Text {number} of {file} has an id or lacks one, as the first not.")
        if each.key in keys:
            raise DatasetError(f"{file} has the id {each.key!r} twice: ids must differ.")
        if each.key and (fault := fault_of(each.key)):
            raise DatasetError(f"Text {number} of {file} has {fault}: mend its id.")
        if each.key:
            keys.add(each.key)
    return Texts(tuple(texts), tuple(notes))
