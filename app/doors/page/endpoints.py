"""Calls of gradio_client, /search and /galleries → searches and galleries' facts."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from reprlib import repr as shortened
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from gradio.data_classes import FileData

from app.doors.access import Access
from app.doors.answers import gallery_answer, search_answer
from app.doors.page.references import Uploads
from app.doors.parameters import JSON_TYPES, with_parameters
from app.errors import AppError, UsageError
from app.search.picture import File, Url, check_only_one, one_query
from app.search.question import BY_NAME, SearchRequest
from app.search.service import SearchService

_URLS = ("http://", "https://")
_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def name_endpoints(service: SearchService, uploads: Uploads, access: Access) -> None:
    """Add the endpoints to the page under construction; programs send the token, if there is one.

    The functions' arguments and docstrings are what gradio_client's `view_api` shows.
    """

    def search(
        request: gr.Request, image: FileData | str | None = None, *values: Any
    ) -> dict[str, Any]:
        """Find the images of a gallery most similar to a picture: a file, or its URL as text.

        Or, with `id` and no image, to one of the gallery's own.
        """
        _check(access, request)
        given = dict(zip((*BY_NAME, "id"), values, strict=True))  # Gradio gives all, in order
        public_id = given.pop("id")
        check_only_one(("image", image), ("id", public_id))
        query = _query(image, uploads) if public_id is None else one_query(id=public_id)
        result = service.answer(SearchRequest.of(query, **given))
        return _without_paths(search_answer(result))

    def galleries(request: gr.Request) -> list[dict[str, Any]]:
        """List every gallery, those that cannot be searched with the reason."""
        _check(access, request)
        return [gallery_answer(info) for info in service.galleries()]

    _describe(search)
    for function in (search, galleries):
        gr.api(_raising_gradio_errors(function), api_name=function.__name__, queue=False)


def _describe(search: Any) -> None:
    """Give a search with `*values` the names, types and defaults that Gradio shows."""
    described = with_parameters(search, lambda each: JSON_TYPES[each.kind])
    public_id = Parameter(
        "id", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=str | int | None
    )
    described = described.replace(parameters=[*described.parameters.values(), public_id])
    search.__signature__ = described
    search.__annotations__ = {
        name: each.annotation for name, each in described.parameters.items()
    } | {"return": dict[str, Any]}


def _check(access: Access, request: gr.Request) -> None:
    access.check(request.headers.get("authorization", ""))


def _query(image: Any, uploads: Uploads) -> File | Url:
    """Return the bytes of an uploaded file, or a URL; UsageError for anything else."""
    place = image.get("path") if isinstance(image, dict) else image
    if not isinstance(place, str):
        raise UsageError(
            f"image must be handle_file(…) or the address of a picture, not {shortened(image)}."
        )
    return Url(place) if place.startswith(_URLS) else File(uploads.read({"path": place}))


def _without_paths(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with each `path` named `file`.

    gradio_client takes every object with a `path` for a file of the server, and downloads it.
    """
    results = [
        _without_path(hit) | {"places": [_without_path(place) for place in hit["places"]]}
        for hit in answer["results"]
    ]
    return answer | {"results": results}


def _without_path(image: dict[str, Any]) -> dict[str, Any]:
    return {"file" if key == "path" else key: value for key, value in image.items()}


def _raising_gradio_errors(
    function: Callable[_Arguments, _Answer],
) -> Callable[_Arguments, _Answer]:
    """Return the function with an AppError turned into the error that gradio_client raises."""

    @wraps(function)
    def answer(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Answer:
        try:
            return function(*arguments, **options)
        except AppError as exc:
            raise gr.Error(str(exc), print_exception=False) from exc

    return answer
