"""Results → small pictures in the terminal, where it can show them (kitty's protocol, or sixel)."""

import io
import os
import sys
from collections.abc import Callable
from typing import Any

from app.doors.cli import output

_COLUMNS = 10  # of text, about 100 pixels
_ROWS = 5


def can_be_shown() -> bool:
    """Return whether this terminal shows pictures: the terminal itself has to answer."""
    if not all(side and side.isatty() for side in (sys.stdout, sys.stdin)):  # None: closed
        return False
    if os.get_terminal_size(sys.stdout.fileno()).columns == 0:  # a terminal that has no window
        return False
    # They ask the terminal when they are imported.
    from textual_image.renderable import Image, SixelImage, TGPImage

    # Kitty's protocol puts characters where a picture is, which only Unicode has.
    return Image is SixelImage or (Image is TGPImage and output.can_carry("\U0010eeee"))


def show(results: list[dict[str, Any]], thumbnail: Callable[[dict[str, Any]], bytes]) -> None:
    """Print the results' pictures side by side, each under its rank and score."""
    from rich.console import Console
    from rich.table import Table
    from textual_image.renderable import Image

    console = Console()
    across = max(1, console.width // (_COLUMNS + 2))
    for start in range(0, len(results), across):
        part = results[start : start + across]
        strip = Table.grid(padding=(0, 2, 0, 0))
        strip.add_row(*(f"{result['rank']}  {result['score']:.4f}" for result in part))
        pictures = [io.BytesIO(thumbnail(result)) for result in part]
        strip.add_row(*(Image(picture, width=_COLUMNS, height=_ROWS) for picture in pictures))
        console.print(strip)
