"""The body of a request → a checked query: a picture's file, its URL or an image's id."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from reprlib import repr as shortened
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message as Event

from app.errors import DecodeError, MediaTypeError, TooLargeError, UsageError
from app.search.question import Query, check_id, is_unicode, one_query
from app.values import MAX_PICTURE_BYTES

MOST_FILES = 32
MOST_BYTES_OF_A_BATCH = 200_000_000
_ROOM_FOR_THE_FORM = 100_000  # what a form adds to the file in it
_MOST_BYTES_OF_JSON = 100_000
_LONGEST_NAME = 100
_MOST_FIELDS = 10
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_LEFT = "The connection was closed before the whole body had come."


async def read_query(request: Request) -> Query:
    """Return the query of a request: the bytes of its `file`, its `url` or its `id`.

    UsageError unless there is exactly one; TooLargeError before more than `MAX_PICTURE_BYTES` are
    read; MediaTypeError for a body that is neither a form nor JSON.
    """
    kind = _media_type(request)
    if kind == "application/json":
        return _only(_json(await _body(request)))
    if kind not in _FORMS:
        raise MediaTypeError(
            f"The body is {kind or 'of no kind'}: send a form (multipart/form-data) with file, url "
            "or id, or JSON (application/json) with url or id."
        )
    async with _form(request, MAX_PICTURE_BYTES, 1) as form:
        given: dict[str, Any] = {name: _one(form, name) for name in form}
        file = given.pop("file", None)
        if file and isinstance(file, str):
            raise UsageError("file must be a file, as curl sends it with -F file=@picture.jpg.")
        if isinstance(file, UploadFile) and (file.filename or file.size):  # else an empty field
            given["file"] = await run_in_threadpool(contents, file)
        if kind == "multipart/form-data":  # a page's form sends the fields that were left empty too
            given = {name: value for name, value in given.items() if value != ""}
        return _only(given)


async def read_files(request: Request) -> AsyncIterator[list[UploadFile]]:
    """Give each file in `files`, in order; they lie on the disk until the answer has gone."""
    if _media_type(request) != "multipart/form-data":
        raise MediaTypeError("The body is no form of files: send multipart/form-data with files.")
    async with _form(request, MOST_BYTES_OF_A_BATCH, MOST_FILES) as form:
        _check_names(set(form), {"files"})
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files or len(files) < len(form.multi_items()):
            raise UsageError(
                f"files must be one to {MOST_FILES} files, as curl sends them with "
                "-F files=@one.jpg -F files=@two.jpg."
            )
        yield files


def contents(file: UploadFile) -> bytes:
    """Return an uploaded picture; DecodeError if empty, TooLargeError above `MAX_PICTURE_BYTES`."""
    name = (file.filename or "The picture")[:_LONGEST_NAME]
    if not file.size:
        raise DecodeError(f"{name} is empty: send a picture.")
    if file.size > MAX_PICTURE_BYTES:
        raise _too_large(name, MAX_PICTURE_BYTES)
    return file.file.read()


def _only(given: dict[str, Any]) -> Query:
    """Return the query from the named values of a form or JSON; UsageError unless it is one."""
    _check_names(set(given), {"file", "url", "id"})
    for name, value in given.items():
        if name == "url" and (not value or not isinstance(value, str)):
            shown = json.dumps(value)[:50]
            raise UsageError(f"url must be the address of a picture, as text, not {shown}.")
        if isinstance(value, str) and not is_unicode(value):
            raise UsageError(f"{name} holds half a character (a lone surrogate): send it as UTF-8.")
        if name == "id":
            check_id(value)
    return one_query(**given)


def _check_names(given: set[str], known: set[str]) -> None:
    unknown = min(given - known, default=None)
    if unknown is not None:
        raise UsageError(
            f"The body holds {unknown[:50]!r}, which is none of {', '.join(sorted(known))}: "
            "search parameters belong in the address, as in ?k=20."
        )


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as exc:
        raise UsageError(
            'The body is no JSON: send an object as {"url": "https://…"} or {"id": 17}.'
        ) from exc
    if not isinstance(value, dict):
        raise UsageError(
            'The body is no JSON object: send one as {"url": "https://…"} or {"id": 17}.'
        )
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; UsageError if a name comes twice: which is meant is not known."""
    values = dict(pairs)
    if len(values) < len(pairs):
        name = next(name for name, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise UsageError(f"The body holds {shortened(name)} more than once: give it once.")
    return values


async def _body(request: Request) -> bytes:
    try:
        return await _limited(request, _MOST_BYTES_OF_JSON, "The body").body()
    except ClientDisconnect as exc:
        raise UsageError(_LEFT) from exc


@asynccontextmanager
async def _form(request: Request, most_bytes: int, most_files: int) -> AsyncIterator[FormData]:
    """Read a form, within limits; its files go when the block ends."""
    what = "The picture" if most_files == 1 else "The form"
    limited = _limited(request, most_bytes, what, room=_ROOM_FOR_THE_FORM)
    try:
        form = await limited.form(max_files=most_files, max_fields=_MOST_FIELDS)
    except HTTPException as exc:
        reason, files = exc.detail.partition(".")[0], "file" if most_files == 1 else "files"
        raise UsageError(
            f"The form cannot be read ({reason}): send at most {most_files} {files} and "
            f"{_MOST_FIELDS} other fields."
        ) from exc
    except ClientDisconnect as exc:
        raise UsageError(_LEFT) from exc
    try:
        yield form
    finally:
        await form.close()


def _one(form: FormData, name: str) -> UploadFile | str:
    values = form.getlist(name)
    if len(values) > 1:
        raise UsageError(f"{name[:50]} is given {len(values)} times: give it once.")
    return values[0]


def _limited(request: Request, most_bytes: int, what: str, *, room: int = 0) -> Request:
    """Return the request, whose body cannot be read to more than `most_bytes` and `room`.

    Starlette's own limit answers in plain text, not with a problem.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most_bytes + room:
        raise _too_large(what, most_bytes)
    total = 0

    async def receive() -> Event:
        nonlocal total
        event = await request.receive()
        total += len(event.get("body", b""))
        if total > most_bytes + room:
            raise _too_large(what, most_bytes)
        return event

    return Request(request.scope, receive)


def _too_large(what: str, most_bytes: int) -> TooLargeError:
    size = f"{most_bytes / 1e6:.0f} MB" if most_bytes >= 1e6 else f"{most_bytes / 1e3:.0f} kB"
    return TooLargeError(f"{what} is larger than {size}: send less.")


def _media_type(request: Request) -> str:
    """Return the kind of the body without its parameters, in small letters; '' if none is given."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message.get_content_type() if message["content-type"] else ""
