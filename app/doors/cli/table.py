"""An answer → lines for people, in columns."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.errors import printable

_MOST_OF_TEXT = 80  # characters


def lines_of(answer: dict[str, Any]) -> Iterator[str]:
    """Yield an answer's lines: where the picture is from, notes, then a line a result."""
    if answer["verdict"]:
        yield printable(answer["verdict"])
    yield from (f"Note: {printable(note)}" for note in answer["notes"])
    if not answer["results"]:
        nothing = f"No image of {answer['gallery']} is like it."
        filtered = f"The filters leave no image of {answer['gallery']}."
        yield filtered if answer["similar_enough"] else nothing
        return
    if not answer["similar_enough"] and not answer["verdict"]:
        yield f"Nothing in {answer['gallery']} is really like it. The nearest:"
    several = "," in answer["gallery"]  # which no name of a gallery has
    headings = ("rank", "score", *(["gallery"] if several else []), "labels", "path", "kind")
    rows = [
        (
            str(result["rank"]),
            f"{result['score']:.4f}",
            *([result["gallery"]] if several else []),
            ", ".join(result["labels"]),
            _name_of(result),
            ", ".join(_said_of(result)),
        )
        for result in answer["results"]
    ]
    yield from columns(headings, rows)


def _name_of(result: dict[str, Any]) -> str:
    """Return a picture's path, or the beginning of a text."""
    text = result.get("metadata", {}).get("text")
    if text is None or result["width"]:
        return str(result["path"])
    return f"{text[:_MOST_OF_TEXT]}…" if len(text) > _MOST_OF_TEXT else str(text)


def _said_of(result: dict[str, Any]) -> list[str]:
    """Return a result's kind, what was done to the picture, and its remarks, each once."""
    match = result["match"]
    reason = match["reason"] if match else ""
    said = (result["kind"], *([reason] if reason else ()), *result["remarks"])
    return list(dict.fromkeys(said))


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, every column as wide as its widest cell.

    >>> list(columns(("name", "n"), [("cats", "3"), ("dogs", "12")]))
    ['name  n', 'cats  3', 'dogs  12']
    """
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield line.rstrip()
