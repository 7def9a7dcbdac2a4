"""A picture as a client gives it (base64, path or address) → its bytes, or its address."""

import base64
import binascii
import os
import re
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shortened
from urllib.parse import urlsplit
from urllib.request import url2pathname

from app.errors import NotFoundError, TooLargeError, UsageError
from app.images.formats import HEAD_BYTES, recognise
from app.search.picture import File, Url, is_address
from app.values import MAX_PICTURE_BYTES

_PATH = re.compile(r"[/~.]|[a-z]:[\\/]|\\\\", re.IGNORECASE)


def picture(text: str, folders: Sequence[Path] | None) -> File | Url:
    """Return the picture that was given as base64, as a path or as an address.

    A path must lie in one of `folders`, links resolved; None takes no paths at all. Raises an
    AppError in one sentence.
    """
    if text.lower().startswith("data:"):
        head, _, data = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise UsageError(f"image is a data: URL that is not base64: {shortened(head)}.")
        return File(_decoded(data))
    if text.lower().startswith("file://"):
        return File(_file(url2pathname(urlsplit(text).path), folders))
    if is_address(text):
        return Url(text)
    if _PATH.match(text) and not _begins_a_picture(text):
        return File(_file(text, folders))
    return File(_decoded(text))


def _begins_a_picture(text: str) -> bool:
    """Return whether text that looks like a path is base64 of a picture: a JPEG's begins with /."""
    start = "".join(text[: 2 * HEAD_BYTES].split())
    try:
        data = base64.b64decode(start[: len(start) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return False
    return recognise(data) is not None


def _file(path: str, folders: Sequence[Path] | None) -> bytes:
    """Return the bytes of a file that may be read; the error never shows whether others exist."""
    if folders is None:
        raise UsageError(
            "A path cannot be used over HTTP: give the picture's address or its file as base64."
        )
    if not folders:
        raise UsageError(
            "No picture may be named by its path here: start the server with RIS_MCP_FOLDERS "
            "set to the folders that hold such pictures."
        )
    try:
        file = Path(path).expanduser().resolve()
        if not any(file.is_relative_to(folder) for folder in folders):
            raise UsageError(
                f"{shortened(path)} is not in a folder that RIS_MCP_FOLDERS names: "
                f"{os.pathsep.join(map(str, folders))}."
            )
        if not file.is_file():
            raise NotFoundError(f"There is no file {path}.")
        if file.stat().st_size > MAX_PICTURE_BYTES:
            raise TooLargeError(_too_large())
        return file.read_bytes()
    except (OSError, ValueError, RuntimeError) as exc:  # too long a name, a ring of links
        reason = getattr(exc, "strerror", None) or str(exc)
        raise NotFoundError(f"{shortened(path)} cannot be read: {reason}.") from exc


def _decoded(text: str) -> bytes:
    text = "".join(text.split())
    if len(text) * 3 // 4 > MAX_PICTURE_BYTES:
        raise TooLargeError(_too_large())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise UsageError(
            "image must be an address (http://…), the absolute path of a file or the base64 of "
            f"one, not {shortened(text)}."
        ) from exc


def _too_large() -> str:
    return f"The picture is larger than {MAX_PICTURE_BYTES / 1e6:.0f} MB: choose a smaller one."
