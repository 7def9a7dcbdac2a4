"""The body of a request → new images for a gallery: files, or URLs and vectors as JSON."""

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any

import numpy as np
from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from app.build.additions import NewImage
from app.doors.inputs import name_of
from app.doors.rest import bodies
from app.errors import AppError, UsageError
from app.search.picture import is_unicode

MOST_IMAGES = 1_000
MOST_URLS = bodies.MOST_FILES
_MOST_LABELS = 100
_MOST_CHARACTERS = 1_000
_MOST_BYTES_OF_JSON = 50_000_000
_FETCHED_AT_ONCE = 8
_EXAMPLE = '{"url": "https://…"} or {"images": [{"vector": […], "key": "a"}]}'


@dataclass(frozen=True)
class _Given:
    """An image as it was sent: an uploaded file, or a URL, or a vector."""

    file: UploadFile | None = None
    url: str = ""
    vector: tuple[float, ...] = ()
    key: str = ""
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in the answer."""
        return self.url or (self.file.filename if self.file else "") or self.key or "image"

    def read(self, fetch: Callable[[str], bytes]) -> NewImage:
        """Return the image to add; AppError if it cannot be had."""
        facts: dict[str, Any] = {"key": self.key, "labels": self.labels}
        if self.vector:
            vector = np.array(self.vector, np.float32)
            name = self.key or name_of("vector", vector.tobytes())
            return NewImage(name, vector=vector, **facts)
        data = fetch(self.url) if self.file is None else bodies.contents(self.file)
        if not data:
            raise UsageError(f"There is nothing at {self.url}: name a picture.")
        name = self.url or (self.file.filename if self.file else "") or name_of("picture", data)
        return NewImage(name, data, **facts)


@dataclass(frozen=True)
class Additions:
    """The images of a request; `alone` if it was made for one, whose problem is then its own."""

    given: Sequence[_Given]
    alone: bool

    @property
    def names(self) -> list[str]:
        """What the images are called, in their order."""
        return [each.name for each in self.given]

    def read(self, fetch: Callable[[str], bytes]) -> list[NewImage | AppError]:
        """Return each image, or why it cannot be had; several addresses are fetched at once."""

        def read(each: _Given) -> NewImage | AppError:
            try:
                return each.read(fetch)
            except AppError as exc:
                return exc

        if sum(bool(each.url) for each in self.given) < 2:
            return [read(each) for each in self.given]
        with ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="fetch") as pool:
            return list(pool.map(read, self.given))


async def read_additions(request: Request) -> AsyncIterator[Additions]:
    """Give the images of a request; its files lie on the disk until the answer has gone.

    UsageError for what cannot be an image, TooLargeError and MediaTypeError as for queries.
    """
    if bodies.media_type(request) == "multipart/form-data":
        async with _of_form(request) as additions:
            yield additions
    else:
        known = {"url", "vector", "key", "labels", "images"}
        given = await bodies.read_object(
            request, known, example=_EXAMPLE, most_bytes=_MOST_BYTES_OF_JSON
        )
        yield _of_json(given)


@asynccontextmanager
async def _of_form(request: Request) -> AsyncIterator[Additions]:
    names = ("files", "keys", "labels")
    most_fields = bodies.MOST_FILES + _MOST_LABELS
    async with bodies.read_form(request, names, most_fields=most_fields) as form:
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files or len(files) < len(form.getlist("files")):
            raise UsageError(
                f"files must be one to {bodies.MOST_FILES} files, as curl sends them with "
                "-F files=@one.jpg -F files=@two.jpg."
            )
        keys = _texts(form, "keys") or [""] * len(files)
        if len(keys) != len(files):
            raise UsageError(
                f"There are {len(files)} files and {len(keys)} keys: send one for each file."
            )
        labels = tuple(_texts(form, "labels"))
        yield Additions(
            [
                _Given(file=file, key=key, labels=labels)
                for file, key in zip(files, keys, strict=True)
            ],
            alone=len(files) == 1,
        )


def _texts(form: FormData, name: str) -> list[str]:
    values = [_text(name, value) for value in form.getlist(name)]
    return values if any(values) else []  # a page's form sends the fields that were left empty too


def _of_json(given: dict[str, Any]) -> Additions:
    if "images" not in given:
        return Additions([_image(given)], alone=True)
    images = given["images"]
    if len(given) > 1 or not isinstance(images, list) or not 0 < len(images) <= MOST_IMAGES:
        raise UsageError(f"images must be a list of one to {MOST_IMAGES}, and stand alone.")
    additions = Additions([_image(each) for each in images], alone=False)
    if sum(bool(each.url) for each in additions.given) > MOST_URLS:
        raise UsageError(f"At most {MOST_URLS} URLs are fetched at once: send fewer.")
    return additions


def _image(given: object) -> _Given:
    if not isinstance(given, dict):
        raise UsageError(f"An image is an object as {_EXAMPLE}, not {shortened(given)}.")
    bodies.check_names(set(given), {"url", "vector", "key", "labels"})
    if ("url" in given) == ("vector" in given):
        raise UsageError("Give a url or a vector for each image, one of them.")
    key, labels = given.get("key"), given.get("labels")
    if not isinstance(labels or [], list) or len(labels or ()) > _MOST_LABELS:
        raise UsageError(f"labels must be a list of at most {_MOST_LABELS} texts.")
    facts: dict[str, Any] = {
        "key": "" if key is None else _text("key", key),
        "labels": tuple(_text("labels", each) for each in labels or ()),
    }
    if "vector" in given:
        return _Given(vector=_vector(given["vector"]), **facts)
    url = _text("url", given["url"])
    if not url:
        raise UsageError("url must be the address of a picture, not empty.")
    return _Given(url=url, **facts)


def _vector(value: object) -> tuple[float, ...]:
    numbers = isinstance(value, list) and all(type(each) in (int, float) for each in value)
    if not isinstance(value, list) or not numbers or not value:
        raise UsageError(f"vector must be a list of numbers, not {shortened(value)}.")
    try:
        return tuple(map(float, value))
    except OverflowError as exc:
        raise UsageError("vector holds a number that is too large: divide by its length.") from exc


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS or not is_unicode(value):
        raise UsageError(
            f"{name} must be text of at most {_MOST_CHARACTERS} characters, not {shortened(value)}."
        )
    return value
