"""A report's parts → the same report as Markdown and as one HTML page, readable on a phone.

The page is what markdown-it-py makes of the Markdown, part by part, so that both say the same;
plots and what is folded have no Markdown of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --soft: #f2f2f2; --line: #d5d5d5;
  --link: #1f5c9e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --paper: #16181a; --soft: #23272b; --line: #3d4247; --link: #8ab8ec; }
}
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 68rem; margin: 0 auto; padding: 1rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { margin-top: 2.5rem; }
h1, h2, h3 { overflow-wrap: anywhere; }
blockquote { border-left: 4px solid var(--link); background: var(--soft); margin: 0;
  padding: .6rem 1rem; }
blockquote p { margin: .5rem 0; }
code, pre { font: .92em ui-monospace, monospace; background: var(--soft); border-radius: 3px; }
code { padding: .05em .25em; overflow-wrap: anywhere; }
pre { padding: .7rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { padding: 0; font-size: 1em; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; } td[style] { white-space: nowrap; } /* numbers, to the right */
@media (min-width: 50rem) { td:first-child { white-space: nowrap; } }
td:first-child, th:first-child { position: sticky; left: 0; background: var(--paper); }
figure { margin: 1.5rem 0; } figure svg { width: 100%; max-width: 40rem; height: auto; }
figcaption { font-size: .9rem; } summary { cursor: pointer; margin: 1rem 0; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; `code` and **strong** words in it are marked as in Markdown."""

    text: str


@dataclass(frozen=True)
class Advice:
    """Sentences that a reader should see first."""

    sentences: Sequence[str]


@dataclass(frozen=True)
class Command:
    """What was typed."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of texts; but for the columns of `words`, they are numbers and stand to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A plot: the SVG for this page, and the name of the file that holds it for Markdown."""

    svg: str
    file: str
    caption: str


@dataclass(frozen=True)
class Folded:
    """Parts that are long, shown on request."""

    summary: str
    parts: Sequence["Part"]


Part: TypeAlias = Heading | Text | Advice | Command | Table | Figure | Folded


def as_markdown(parts: Sequence[Part]) -> str:
    """Return the report as Markdown; plots are links to their files."""
    return "\n\n".join(_markdown(part) for part in parts) + "\n"


def as_html(title: str, parts: Sequence[Part]) -> str:
    """Return the report as an HTML page that asks for no other file."""
    body = "\n".join(_html(part) for part in parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _markdown(part: Part) -> str:
    match part:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Advice(sentences):
            return "\n>\n".join(f"> {sentence}" for sentence in sentences)
        case Command(text):
            return f"```sh\n{text}\n```"
        case Table(columns, rows, words):
            return _markdown_table(columns, rows, words)
        case Figure(_, file, caption):
            return f"![{caption}]({file})\n\n{caption}"
        case Folded(summary, parts):
            inside = "\n\n".join(_markdown(each) for each in parts)
            return f"<details><summary>{escape(summary)}</summary>\n\n{inside}\n\n</details>"


def _markdown_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], words: frozenset[str]
) -> str:
    lines = [columns, ["---" if name in words else "---:" for name in columns], *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _html(part: Part) -> str:
    match part:
        case Table():
            return f'<div class="wide">{_MARKDOWN.render(_markdown(part))}</div>'
        case Figure(svg, _, caption):
            caption = _MARKDOWN.renderInline(caption)
            return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>"
        case Folded(summary, parts):
            inside = "\n".join(_html(each) for each in parts)
            return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"
        case _:
            return str(_MARKDOWN.render(_markdown(part)))
