"""Answers → a contact sheet: the query and its results as one PNG, with ranks and scores."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_CELL = 180
_PICTURE = 160
_LINE = 18
_ACROSS = 6
_MARGIN = 10
_INK, _PAPER, _FAINT = "#1b1b1f", "#ffffff", "#6b6b76"


@dataclass(frozen=True)
class Section:
    """One query of a sheet: its name, its picture's file (None if it is not here), its answer."""

    name: str
    picture: bytes | None
    answer: dict[str, Any]


def sheet_of(
    sections: Sequence[Section], thumbnail: Callable[[str, dict[str, Any]], bytes]
) -> bytes:
    """Return the PNG; `thumbnail` gives the picture of a result of a gallery."""
    from PIL import Image, ImageDraw, ImageFont

    heights = [_height(section) for section in sections]
    sheet = Image.new("RGB", (_ACROSS * _CELL + 2 * _MARGIN, sum(heights) + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.font = ImageFont.load_default(13)
    top = _MARGIN
    for section, height in zip(sections, heights, strict=True):
        answer = section.answer
        draw.text((_MARGIN, top), f"{section.name}, in {answer['gallery']}", _INK)
        cells: list[tuple[bytes | None, str, str]] = [(section.picture, "query", "")]
        for result in answer["results"]:
            small = thumbnail(answer["gallery"], result)
            said = f"{result['rank']}   {result['score']:.4f}"
            cells.append((small, said, ", ".join(result["labels"]) or result["path"]))
        for number, (picture, said, name) in enumerate(cells):
            place = (
                _MARGIN + number % _ACROSS * _CELL,
                top + _LINE + _MARGIN + number // _ACROSS * (_CELL + 2 * _LINE),
            )
            _paste(sheet, draw, place, picture)
            draw.text((place[0], place[1] + _PICTURE + 2), said, _INK)
            draw.text((place[0], place[1] + _PICTURE + _LINE), _fitting(draw, name), _FAINT)
        top += height
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _height(section: Section) -> int:
    rows = -(-(1 + len(section.answer["results"])) // _ACROSS)
    return _LINE + _MARGIN + rows * (_CELL + 2 * _LINE)


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


def _fitting(draw: "ImageDraw.ImageDraw", text: str) -> str:
    """Return as much of a text as a cell has room for."""
    while text and draw.textlength(text) > _PICTURE:
        text = text.rstrip("…")[:-1] + "…" if len(text) > 1 else ""
    return text
