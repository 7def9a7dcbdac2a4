"""What a person typed for a picture → whether it is an address, or the bytes of a file."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from app.errors import NotFoundError, TooLargeError, UsageError
from app.values import MAX_PICTURE_BYTES


def name_of(kind: str, data: bytes) -> str:
    """Return a name for what has none, the same for the same content: it may become a key.

    >>> name_of("picture", b"...")
    'picture-ab5df625bc76'
    """
    return f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}"


def bytes_of_file(path: str | os.PathLike[str]) -> bytes:
    """Return a picture's file; ~ is the user's home. UsageError, in one sentence, if there is none.

    NotFoundError where nothing is at that path, TooLargeError above `MAX_PICTURE_BYTES`.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            return bytes_of(file, repr(os.fspath(path)))
    except FileNotFoundError as exc:
        raise NotFoundError(
            f"There is no file {os.fspath(path)!r}: name a picture that is there, or its URL."
        ) from exc
    except IsADirectoryError as exc:
        raise UsageError(
            f"{os.fspath(path)!r} is a folder: name the pictures inside, one by one."
        ) from exc
    except (OSError, ValueError, RuntimeError) as exc:  # a zero byte; ~ of a user who is not
        reason = getattr(exc, "strerror", None) or str(exc)
        raise UsageError(f"{os.fspath(path)!r} cannot be read ({reason}).") from exc


def bytes_of(file: BinaryIO, name: str) -> bytes:
    """Return all bytes of an open file, called `name`; TooLargeError above `MAX_PICTURE_BYTES`."""
    data = file.read(MAX_PICTURE_BYTES + 1)
    if len(data) > MAX_PICTURE_BYTES:
        raise TooLargeError(
            f"{name} has more than {MAX_PICTURE_BYTES // 1_000_000} MB, which is the most that "
            "a picture may have: make it smaller."
        )
    return data
