"""A response's body as it came → the picture's bytes, unpacked within a limit (RFC 9110, 8.4)."""

import zlib

from app.images.formats import recognise

_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOWS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _BARE)}
"""How each coding may be packed: "deflate" is zlib's format, and some servers send it bare."""

_MOST_CODINGS = 3  # nobody means more


class UnpackingError(Exception):
    """A body cannot be unpacked; the message is a part of a sentence."""


class LargerError(Exception):
    """A body becomes larger than the limit when it is unpacked."""


class CutOffError(Exception):
    """A body ends before it is whole."""


def unpacked(body: bytes, codings: str, *, max_bytes: int) -> bytes:
    """Return a body without its codings: the value of Content-Encoding, those applied last at last.

    No more than `max_bytes` are ever unpacked. A coding that is not known is passed over where the
    body is a picture all the same. UnpackingError, LargerError or CutOffError if there is no whole
    body within the limit.
    """
    names = [name for name in codings.lower().replace(" ", "").split(",") if name]
    names = [name for name in names if name != "identity"]
    if len(names) > _MOST_CODINGS:
        raise UnpackingError(f"{len(names)} times over")
    for name in reversed(names):
        if name in _WINDOWS:
            body = _inflated(body, name, max_bytes)
        elif not recognise(body):
            raise UnpackingError(f"as {name[:20]!r}, and only gzip and deflate are read")
    return body


def _inflated(body: bytes, coding: str, max_bytes: int) -> bytes:
    for window in _WINDOWS[coding]:
        try:
            return _members(body, window, max_bytes)
        except zlib.error as exc:
            failure = exc
    raise UnpackingError(f"as {coding!r}, and it is damaged") from failure


def _members(body: bytes, window: int, max_bytes: int) -> bytes:
    """Return the members of a stream, one after the other; gzip may have several (RFC 1952, 2.2).

    What follows the last one and is none is left out, as curl and browsers do.
    """
    unpacked = bytearray()
    while body:
        unpacker = zlib.decompressobj(window)
        try:
            unpacked += unpacker.decompress(body, max_bytes + 1 - len(unpacked))
        except zlib.error:
            if not unpacked:
                raise
            break
        if len(unpacked) > max_bytes:
            raise LargerError
        if not unpacker.eof:
            raise CutOffError
        body = unpacker.unused_data
    return bytes(unpacked)
