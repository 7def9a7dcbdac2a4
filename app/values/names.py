"""A file's name as Python has it ↔ as galleries keep it: UTF-8 text, whatever the locale says.

Python decodes names by the locale. Under ``LC_ALL=C`` that is ASCII, and every other byte becomes a
lone surrogate (PEP 383). The same file must have the same name in a gallery wherever that is built
or opened, so its bytes are read as UTF-8; only a byte that is not stays a lone surrogate.
"""

import os
from pathlib import Path


def text_of(path: str | os.PathLike[str]) -> str:
    """Return a path of this system, absolute or relative, as the text that galleries keep.

    A byte that is not UTF-8 is a lone surrogate in it, so that ``str.encode`` refuses it.
    """
    text = os.fspath(path)
    if text.isascii():
        return text
    try:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # typed in the page, say, and never a name of this system
        return text


def path_of(text: str) -> Path:
    """Return the path that a text of a gallery names on this system; the inverse of `text_of`.

    UnicodeEncodeError (a ValueError) for a text that no file can have as its name.
    """
    return Path(text if text.isascii() else os.fsdecode(text.encode("utf-8", "surrogateescape")))
