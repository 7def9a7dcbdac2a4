"""A cell of a list → the bytes of its picture: in the cell itself, in a file, or at an address.

A data URL (RFC 2397) holds the picture, whatever media type it says; a path or a file URL names a
file of this machine; everything else is an address, for whoever fetches those.
"""

import base64
import binascii
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortened
from urllib.parse import unquote, unquote_to_bytes, urlsplit
from urllib.request import url2pathname

from app.errors import FetchError
from app.values import MAX_PICTURE_BYTES

_DATA_URL = re.compile(r"data:([^,]*),(.*)", re.IGNORECASE | re.DOTALL)
_BASE64 = re.compile(r";\s*base64\s*\Z", re.IGNORECASE)
_WHITESPACE = re.compile(rb"[\t\n\f\r ]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters: C: is a drive of Windows
# A host's name or IPv4 address before a slash, as addresses are copied from a browser.
_HOST = re.compile(
    r"www\.[^/\\\s]+|(?:(?:[\w-]+\.)+[^\W\d_]{2,}|\d+(?:\.\d+){3})(?=/)", re.IGNORECASE
)
_BEGINNING = "begin an address with http:// or https://"
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class LocalFiles:
    """Which files of this machine a list may name.

    `off` says why none, in one sentence; '' if it may. With `roots` they must lie in one of these
    folders, links resolved.
    """

    off: str = ""
    roots: tuple[Path, ...] = ()


ANY_FILE = LocalFiles()


def is_data_url(cell: str) -> bool:
    """Return whether a cell holds, or was to hold, the picture itself."""
    return cell[:5].lower() == "data:"


def shown(cell: str) -> str:
    """Return a cell for messages and reports: a data URL's beginning alone.

    >>> shown("data:image/png;base64," + "A" * 1000)
    'data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…'
    """
    if not is_data_url(cell) or len(cell) <= _SHOWN_CHARACTERS:
        return cell
    return cell[:_SHOWN_CHARACTERS] + "…"


def reader(
    fetch: Callable[[str], bytes], folder: Path, files: LocalFiles = ANY_FILE
) -> Callable[[str], bytes]:
    """Return what gives the bytes of a cell; `folder`, the list's own, is where paths start.

    It raises FetchError where a cell gives no bytes. Whether they are a picture is checked for
    addresses alone, by `fetch`.
    """

    def read(cell: str) -> bytes:
        if is_data_url(cell):
            return read_data_url(cell)
        if cell[:5].lower() == "file:":
            return _read_file(_path_of_file_url(cell), folder, files)
        if _SCHEME.match(cell) or cell.startswith(("//", "\\\\")):
            return fetch(cell)
        return _read_file(cell, folder, files)

    return read


def read_data_url(cell: str) -> bytes:
    """Return the bytes in a data URL, base64 or percent-encoded.

    As browsers do (the URL and Infra standards of WHATWG), base64 may hold white space, be
    percent-encoded and lack its padding; the alphabet of addresses (-_ for +/) is taken too.
    FetchError if that is no data URL, or one of more than `MAX_PICTURE_BYTES`.
    """
    parts = _DATA_URL.fullmatch(cell)
    if parts is None:
        raise FetchError(
            f"{shown(cell)!r} has no comma before its data: write data:image/png;base64,…"
        )
    head, text = parts[1], parts[2].partition("#")[0]
    data = unquote_to_bytes(text)
    if _BASE64.search(head):
        data = _from_base64(data, cell)
    if not data:
        raise FetchError(f"{shown(cell)!r} holds no data: write the picture into it.")
    if len(data) > MAX_PICTURE_BYTES:
        raise FetchError(
            f"The picture in the cell has more than {MAX_PICTURE_BYTES // 1_000_000} MB: "
            "make it smaller."
        )
    return data


def _from_base64(data: bytes, cell: str) -> bytes:
    data = _WHITESPACE.sub(b"", data).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error as exc:
        raise FetchError(
            f"{shown(cell)!r} is not base64, or was cut off: write the picture again."
        ) from exc


def _path_of_file_url(cell: str) -> str:
    """Return the path of a file URL (RFC 8089); FetchError for one of another machine."""
    try:
        parts = urlsplit(cell)
        host = parts.hostname or ""
    except ValueError as exc:
        raise FetchError(f"{shortened(cell)} is not an address: write its path.") from exc
    if host not in ("", "localhost", "127.0.0.1") or parts.path.startswith("//"):
        raise FetchError(
            f"{shortened(cell)} is a file of another machine: copy it here, and write its path."
        )
    path = parts.path
    if path.startswith("/"):
        return url2pathname(path)
    return unquote(path)  # file:pictures/a.jpg


def _read_file(name: str, folder: Path, files: LocalFiles) -> bytes:
    """Return the bytes of a file that a list names; FetchError if it may not or cannot be."""
    if files.off:
        if _HOST.match(name):
            raise FetchError(f"{shortened(name)} is no address: {_BEGINNING}.")
        raise FetchError(f"{shortened(name)} is a file of the server's machine: {files.off}")
    try:
        path = folder / Path(name).expanduser()
        if files.roots:
            path = path.resolve(strict=True)
            if not any(path.is_relative_to(root) for root in files.roots):
                roots = ", ".join(map(str, files.roots))
                raise FetchError(
                    f"{shortened(name)} lies outside {roots}: name a file in there, or add its "
                    "folder to RIS_LIST_FOLDERS."
                )
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep its reader waiting
            raise FetchError(f"{shortened(name)} is no file: name a picture.")
        with path.open("rb") as file:
            data = file.read(MAX_PICTURE_BYTES + 1)
    except FileNotFoundError as exc:
        if _HOST.match(name):
            raise FetchError(
                f"{shortened(name)} is neither an address nor a file in the list's folder: "
                f"{_BEGINNING}."
            ) from exc
        raise FetchError(
            f"There is no file {shortened(name)} in the list's folder: correct its path, or "
            f"{_BEGINNING}."
        ) from exc
    except (OSError, ValueError, RuntimeError) as exc:  # a zero byte; ~ of a user who is not
        reason = getattr(exc, "strerror", None) or str(exc)
        raise FetchError(f"The file {shortened(name)} cannot be read ({reason}).") from exc
    if not data:
        raise FetchError(f"The file {shortened(name)} is empty: name a picture.")
    if len(data) > MAX_PICTURE_BYTES:
        raise FetchError(
            f"The file {shortened(name)} has more than {MAX_PICTURE_BYTES // 1_000_000} MB: "
            "make it smaller."
        )
    return data
