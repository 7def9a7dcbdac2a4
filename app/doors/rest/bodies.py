"""The body of a request → a checked query: a file, its URL or an image's id; or named values."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
from app.search.picture import File, Query, check_id, is_unicode, one_query
from app.search.question import MAX_PICTURES
from app.values import MAX_PICTURE_BYTES

MOST_FILES = 32
MOST_BYTES_OF_A_BATCH = 200_000_000
_ROOM_FOR_THE_FORM = 100_000  # what a form adds to the file in it
_MOST_BYTES_OF_JSON = 100_000
_LONGEST_NAME = 100
_MOST_FIELDS = 10
_FORM = "multipart/form-data"
_FORMS = (_FORM, "application/x-www-form-urlencoded")
_JSON = "application/json"
EXAMPLES = ("more", "less")
_QUERY_EXAMPLE = '{"url": "https://…"} or {"id": 17}'
_IN_THE_ADDRESS = "search parameters belong in the address, as in ?k=20"
_LEFT = "The connection was closed before the whole body had come."


@dataclass(frozen=True)
class Asked:
    """What a request's body asks for: a query, or none, and the files of `more` and `less`."""

    query: Query | None = None
    examples: Mapping[str, Sequence[File]] = field(default_factory=dict)


async def read_query(request: Request) -> Asked:
    """Return the query of a request: the bytes of its `file`, its `url` or its `id`; or none.

    UsageError if there are several; TooLargeError before more is read than its files may have;
    MediaTypeError for a body that is neither a form nor JSON.
    """
    kind = media_type(request)
    if not kind and not await _body(request):
        return Asked()
    if kind == _JSON:
        return Asked(_only(_json(await _body(request), _QUERY_EXAMPLE)))
    if kind not in _FORMS:
        raise MediaTypeError(
            f"The body is {kind or 'of no kind'}: send a form (multipart/form-data) with file, url "
            "or id, or JSON (application/json) with url or id."
        )
    async with _form(request, MAX_PICTURE_BYTES, 1 + MAX_PICTURES, what="The picture") as form:
        examples = {name: await _files(form, name) for name in EXAMPLES if name in form}
        given: dict[str, Any] = {name: _one(form, name) for name in form if name not in EXAMPLES}
        file = given.pop("file", None)
        if file and isinstance(file, str):
            raise UsageError("file must be a file, as curl sends it with -F file=@picture.jpg.")
        if isinstance(file, UploadFile) and (file.filename or file.size):  # else an empty field
            given["file"] = await run_in_threadpool(contents, file)
        if kind == _FORM:  # a page's form sends the fields that were left empty too
            given = {name: value for name, value in given.items() if value != ""}
        return Asked(_only(given), examples)


async def read_files(request: Request) -> AsyncIterator[list[UploadFile]]:
    """Give each file in `files`, in order; they lie on the disk until the answer has gone."""
    if media_type(request) != _FORM:
        raise MediaTypeError("The body is no form of files: send multipart/form-data with files.")
    async with _form(request, MOST_BYTES_OF_A_BATCH, MOST_FILES) as form:
        check_names(set(form), {"files"}, mend=_IN_THE_ADDRESS)
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files or len(files) < len(form.multi_items()):
            raise UsageError(
                f"files must be one to {MOST_FILES} files, as curl sends them with "
                "-F files=@one.jpg -F files=@two.jpg."
            )
        yield files


async def read_object(
    request: Request,
    known: Collection[str],
    *,
    example: str,
    most_bytes: int = _MOST_BYTES_OF_JSON,
) -> dict[str, Any]:
    """Return the JSON object of a request, with names among `known` alone.

    `example` is shown to whoever sends something else.
    """
    kind = media_type(request)
    if kind != _JSON:
        raise MediaTypeError(
            f"The body is {kind or 'of no kind'}: send JSON (application/json), as {example}."
        )
    given = _json(await _body(request, most_bytes), example)
    check_names(set(given), set(known))
    return given


@asynccontextmanager
async def read_form(
    request: Request, names: Collection[str], *, most_fields: int
) -> AsyncIterator[FormData]:
    """Give a form of files and fields with these names alone, for as long as the block lasts."""
    async with _form(request, MOST_BYTES_OF_A_BATCH, MOST_FILES, most_fields) as form:
        check_names(set(form), set(names))
        yield form


def contents(file: UploadFile) -> bytes:
    """Return an uploaded picture; DecodeError if empty, TooLargeError above `MAX_PICTURE_BYTES`."""
    name = (file.filename or "The picture")[:_LONGEST_NAME]
    if not file.size:
        raise DecodeError(f"{name} is empty: send a picture.")
    if file.size > MAX_PICTURE_BYTES:
        raise _too_large(name, MAX_PICTURE_BYTES)
    return file.file.read()


def _only(given: dict[str, Any]) -> Query | None:
    """Return the query from the named values of a form or JSON; None of none, else one alone."""
    check_names(set(given), {"file", "url", "id"}, mend=_IN_THE_ADDRESS)
    for name, value in given.items():
        if name == "url" and (not value or not isinstance(value, str)):
            shown = json.dumps(value)[:50]
            raise UsageError(f"url must be the address of a picture, as text, not {shown}.")
        if isinstance(value, str) and not is_unicode(value):
            raise UsageError(f"{name} holds half a character (a lone surrogate): send it as UTF-8.")
        if name == "id":
            check_id(value)
    return one_query(**given) if given else None


def check_names(given: set[str], known: set[str], *, mend: str = "leave it out") -> None:
    """Raise UsageError for a name in a body that is none of those `known`."""
    unknown = min(given - known, default=None)
    if unknown is not None:
        raise UsageError(
            f"The body holds {unknown[:50]!r}, which is none of {', '.join(sorted(known))}: {mend}."
        )


def _json(body: bytes, example: str) -> dict[str, Any]:
    try:
        value = json.loads(body, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"The body is no JSON: send an object as {example}.") from exc
    if not isinstance(value, dict):
        raise UsageError(f"The body is no JSON object: send one as {example}.")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; UsageError if a name comes twice: which is meant is not known."""
    values = dict(pairs)
    if len(values) < len(pairs):
        name = next(name for name, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise UsageError(f"The body holds {shortened(name)} more than once: give it once.")
    return values


async def _body(request: Request, most_bytes: int = _MOST_BYTES_OF_JSON) -> bytes:
    try:
        return await _limited(request, most_bytes, "The body").body()
    except ClientDisconnect as exc:
        raise UsageError(_LEFT) from exc


@asynccontextmanager
async def _form(
    request: Request,
    most_bytes: int,
    most_files: int,
    most_fields: int = _MOST_FIELDS,
    *,
    what: str = "The form",
) -> AsyncIterator[FormData]:
    """Read a form, within limits; its files go when the block ends."""
    limited = _limited(request, most_bytes, what, room=_ROOM_FOR_THE_FORM)
    try:
        form = await limited.form(max_files=most_files, max_fields=most_fields)
    except HTTPException as exc:
        reason = exc.detail.partition(".")[0]
        raise UsageError(
            f"The form cannot be read ({reason}): send at most {most_files} files and "
            f"{most_fields} other fields."
        ) from exc
    except ClientDisconnect as exc:
        raise UsageError(_LEFT) from exc
    try:
        yield form
    finally:
        await form.close()


async def _files(form: FormData, name: str) -> list[File]:
    """Return the pictures of a field that may be given again, but for those left empty."""
    files = [each for each in form.getlist(name) if each != ""]  # a page's form sends empty ones
    if not all(isinstance(each, UploadFile) for each in files):
        raise UsageError(
            f"{name} in the body must be files, as curl sends them with -F {name}=@picture.jpg; "
            "ids and addresses belong in the address."
        )
    chosen = [each for each in files if isinstance(each, UploadFile)]
    return [
        File(await run_in_threadpool(contents, each))
        for each in chosen
        if each.filename or each.size
    ]


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


def media_type(request: Request) -> str:
    """Return the kind of the body without its parameters, in small letters; '' if none is given."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    return message.get_content_type() if message["content-type"] else ""
