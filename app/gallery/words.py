"""What is written of images (labels, names, metadata) → an index of its words, in SQLite's FTS5."""

import re
import sqlite3
import unicodedata
from collections.abc import Iterable

from app.values import ImageRecord

TABLE = """
CREATE VIRTUAL TABLE words USING fts5(
    written, content = '', detail = full, tokenize = "unicode61 remove_diacritics 2"
);
"""
_MOST_WORDS = 50
# Chinese and Japanese are written without spaces: each character is a word of its own.
_ONE_BY_ONE = re.compile("[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_IN_A_WORD = re.compile(r"[^\W_]+")


def written_of(record: ImageRecord) -> str:
    """Return all that is written of an image: its path without the suffix, labels, key, metadata.

    >>> written_of(ImageRecord(1, "north/oak_3.jpg", "", 1, 1, 1, labels=("tree",)))
    'north/oak_3 tree'
    """
    path = _SUFFIX.sub("", record.path)
    texts = (value for value in record.metadata.values() if isinstance(value, str))
    return _spaced(" ".join(filter(None, [path, *record.labels, record.key, *texts])))


def index(database: sqlite3.Connection, records: Iterable[ImageRecord]) -> None:
    """Put records into a database's index of words, which `TABLE` has made."""
    database.executemany(
        "INSERT INTO words (rowid, written) VALUES (?, ?)",
        ((record.id, written_of(record)) for record in records),
    )


def words_of(text: str) -> list[str]:
    """Return the words that a text asks for, each once, the first 50; none of a text of signs.

    >>> words_of("Red, red car!")
    ['red', 'car']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    found = dict.fromkeys(re.sub(r"[\W_]+", " ", folded).split())
    return list(found)[:_MOST_WORDS]


def matching(word: str, *, begun: bool) -> str:
    """Return FTS5's query for a word of `words_of`; with `begun` also for words that begin so."""
    parts = " ".join(_IN_A_WORD.findall(_spaced(word)))
    return f'"{parts}"' + (" *" if begun else "")


def _spaced(text: str) -> str:
    return _ONE_BY_ONE.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))
