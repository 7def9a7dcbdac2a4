"""Answers → a contact sheet: the query and its results as one PNG, with ranks and scores."""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import UsageError, printable

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_CELL = 180
_PICTURE = 160
_LINE = 18
_ACROSS = 6
_MARGIN = 10
_WIDTH = _ACROSS * _CELL + 2 * _MARGIN
_ROW = _CELL + 2 * _LINE
_HEAD = _LINE + _MARGIN
MAX_HEIGHT = (
    20_000  # pixels, some 500 results: 66 MB while it is drawn; viewers refuse much higher ones
)
_INK, _PAPER, _FAINT = "#1b1b1f", "#ffffff", "#6b6b76"


@dataclass(frozen=True)
class _Section:
    """One query of a sheet: its name, its thumbnail (None if it is not here), what is shown."""

    name: str
    picture: bytes | None
    gallery: str
    results: list[dict[str, Any]]

    @property
    def height(self) -> int:
        """How much of a sheet it takes, in pixels."""
        return _HEAD + -(-(1 + len(self.results)) // _ACROSS) * _ROW

    def cells(
        self, thumbnail: Callable[[dict[str, Any]], bytes]
    ) -> Iterator[tuple[bytes | None, str, str]]:
        """Yield a picture and the two lines under it: the query first, then each result."""
        yield self.picture, "query", ""
        for result in self.results:
            score = f"{result['rank']}   {result['score']:.4f}"
            name = ", ".join(result["labels"]) or result["path"]
            yield thumbnail(result), score, name


def check_name(place: Path) -> None:
    """Raise UsageError unless a contact sheet can be called so: it is a PNG."""
    if place.suffix.lower() != ".png":
        raise UsageError(
            f"A contact sheet is a PNG, so {str(place)!r} cannot be its name: end it in .png."
        )


class ContactSheet:
    """Collects answers as long as there is room for them, then draws them."""

    def __init__(self) -> None:
        self.sections: list[_Section] = []
        self._height = _MARGIN
        self._results = 0
        self._shown = 0

    def __len__(self) -> int:
        """Return the number of queries that it shows."""
        return len(self.sections)

    @property
    def has_room(self) -> bool:
        """Whether it has room for another query."""
        return self._rows_left > 0

    @property
    def left_out(self) -> str:
        """The number of results left out, in one sentence; '' if it shows all."""
        if self._shown == self._results:
            return ""
        return (
            f"The contact sheet shows {self._shown} of {self._results} results, as many as it has "
            "room for: ask for fewer with -k, or with fewer pictures at once."
        )

    def add(self, name: str, picture: bytes | None, answer: dict[str, Any]) -> None:
        """Take the answer to the query `name`, as much as there is room for; keep a thumbnail."""
        self._results += len(answer["results"])
        if not self.has_room:
            return
        shown = answer["results"][: self._rows_left * _ACROSS - 1]  # the query takes one place
        small = None if picture is None else _thumbnail(picture)
        section = _Section(name, small, answer["gallery"], shown)
        self.sections.append(section)
        self._shown += len(shown)
        self._height += section.height

    def to_png(self, thumbnail: Callable[[dict[str, Any]], bytes]) -> bytes:
        """Return the PNG; `thumbnail` gives the picture of a result of a gallery."""
        from PIL import Image, ImageDraw, ImageFont

        sheet = Image.new("RGB", (_WIDTH, self._height), _PAPER)
        draw = ImageDraw.Draw(sheet)
        draw.font = ImageFont.load_default(13)
        top = _MARGIN
        for section in self.sections:
            heading = f"{section.name}, in {section.gallery}"
            draw.text((_MARGIN, top), _fitting(draw, heading, _WIDTH - 2 * _MARGIN), _INK)
            for number, cell in enumerate(section.cells(thumbnail)):
                left = _MARGIN + number % _ACROSS * _CELL
                _draw_cell(sheet, draw, (left, top + _HEAD + number // _ACROSS * _ROW), cell)
            top += section.height
        file = io.BytesIO()
        sheet.save(file, "PNG", compress_level=6)
        return file.getvalue()

    @property
    def _rows_left(self) -> int:
        return (MAX_HEIGHT - self._height - _HEAD) // _ROW


def _thumbnail(data: bytes) -> bytes:
    """Return a picture's file as a small PNG."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_PICTURE, _PICTURE))
    file = io.BytesIO()
    small.save(file, "PNG")
    return file.getvalue()


def _draw_cell(
    sheet: "Image.Image",
    draw: "ImageDraw.ImageDraw",
    place: tuple[int, int],
    cell: tuple[bytes | None, str, str],
) -> None:
    picture, score, name = cell
    _paste(sheet, draw, place, picture)
    left, top = place
    draw.text((left, top + _PICTURE + 2), score, _INK)
    draw.text((left, top + _PICTURE + _LINE), _fitting(draw, name, _PICTURE), _FAINT)


def _paste(
    sheet: "Image.Image", draw: "ImageDraw.ImageDraw", place: tuple[int, int], data: bytes | None
) -> None:
    from PIL import Image

    if data is None:
        left, top = place
        draw.rectangle((left, top, left + _PICTURE, top + _PICTURE), outline=_FAINT)
        return
    with Image.open(io.BytesIO(data)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_PICTURE, _PICTURE))
    spare = [(_PICTURE - side) // 2 for side in small.size]
    sheet.paste(small, (place[0] + spare[0], place[1] + spare[1]))


def _fitting(draw: "ImageDraw.ImageDraw", text: str, width: int) -> str:
    """Return as much of a text, without line breaks and the like, as there is room for."""
    text = printable(text[:width])  # few letters are narrower than a pixel
    if draw.textlength(text) <= width:
        return text
    lengths = range(len(text))
    fitting = bisect_right(
        lengths, width, key=lambda kept: ceil(draw.textlength(text[:kept] + "…"))
    )
    return text[: fitting - 1] + "…" if fitting else ""
