"""Errors → HTTP answers: problem details with one sentence for people."""

from collections.abc import Sequence
from http import HTTPStatus
from reprlib import repr as shortened
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.doors import problems
from app.doors.access import CHALLENGE
from app.doors.rest.schemas import EXAMPLES
from app.errors import (
    AddressError,
    AppError,
    BusyError,
    FetchError,
    GalleryError,
    MediaTypeError,
    NotFoundError,
    PasswordError,
    SlowBodyError,
    StorageError,
    TokenError,
    TooLargeError,
    TooManyError,
    UsageError,
)

_METHODS = ("GET", "POST", "PATCH", "DELETE")
_ERRORS: dict[int, AppError] = {
    error.http_status: error
    for error in (
        TokenError("The token is missing: send the header Authorization: Bearer TOKEN."),
        AddressError("http://10.0.0.1/cat.jpg leads to no public address."),
        NotFoundError("There is no gallery 'shop': choose one of album, birds."),
        SlowBodyError("The body of the request did not come in time: send it once more."),
        TooLargeError("The picture is larger than 50 MB: send a smaller one."),
        MediaTypeError("The body is text/plain: send a form or JSON."),
        UsageError("k must be from 1 to 200, not 0."),
        FetchError("https://example.org/cat.jpg answers 404: check the address."),
        GalleryError("The index of birds does not belong to its database: build it anew."),
        BusyError("birds is being updated just now: wait until it is done."),
        TooManyError("64 requests wait already: ask again in 3 seconds.", retry_after_seconds=3),
        StorageError("indexes/birds cannot be written (No space left on device): make room."),
    )
}


def problem_response(error: AppError, *, root: str = "") -> Response:
    """Return an error as an HTTP answer; `root` is the path that the server is mounted at."""
    headers = {}
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, PasswordError):
        headers["WWW-Authenticate"] = CHALLENGE
    return _answer(problems.problem(error, root=root), headers)


def refusal(error: AppError, scope: Any) -> Response:
    """Return the answer to a request, of its ASGI scope, that is refused before any route."""
    return problem_response(error, root=scope.get("root_path", ""))


def status_response(status: int, detail: str) -> Response:
    """Return an HTTP answer for a problem that its status describes well enough."""
    return _answer(problems.problem_of_status(status, detail))


def handle_errors(application: FastAPI) -> None:
    """Let `application` answer every error with problem details."""

    @application.exception_handler(AppError)
    def of_ours(request: Request, error: AppError) -> Response:
        return problem_response(error, root=_root_of(request))

    @application.exception_handler(RequestValidationError)
    def of_parameters(request: Request, error: RequestValidationError) -> Response:
        return of_ours(request, UsageError(_sentence(error.errors()[0], _root_of(request))))

    @application.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's, of bytes that are no text
            wrong = f"The body cannot be read: {_root_of(request)}/docs says what it must be."
            return of_ours(request, UsageError(wrong))
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods_of(request))
        problem = problems.problem_of_status(error.status_code, _reason(request, error))
        return _answer(problem, headers)


def documented(statuses: Sequence[int]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI document's description of answers with these statuses."""
    return {status: _documented(status) for status in statuses}


def example(name: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI document's example of a successful answer."""
    return {200: {"content": {"application/json": {"example": EXAMPLES[name]}}}}


def _answer(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    status = body["status"]
    return JSONResponse(
        body,
        status,
        headers=problems.headers(status) | (headers or {}),
        media_type=problems.MEDIA_TYPE,
    )


def _methods_of(request: Request) -> list[str]:
    """Return the methods that an address takes; Starlette names those of one route alone."""
    asked = {"type": "http", "path": request.scope["path"], "root_path": _root_of(request)}
    taken = [
        method
        for method in _METHODS
        if any(
            route.matches({**asked, "method": method, "headers": []})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return ["GET", "HEAD", *taken[1:]] if taken[:1] == ["GET"] else taken


def _root_of(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _sentence(error: dict[str, Any], root: str) -> str:
    """Return the fault of a parameter in one sentence."""
    name = error["loc"][-1]
    if error["type"] == "extra_forbidden":
        return (
            f"There is no parameter {shortened(name)} here: {root}/docs lists those that there are."
        )
    if error["type"] == "missing":
        return f"{name} is missing: {root}/docs says what it must be."
    return problems.wrong_value(name, [error])


def _reason(request: Request, error: HTTPException) -> str:
    """Return why no route answers, in one sentence."""
    where, root = shortened(request.url.path), _root_of(request)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"There is nothing at {where}: {root}/docs lists every address that there is."
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{where} does not take {request.method}: {root}/docs says which methods it takes."
    return f"{where} cannot answer: {error.detail}."


def _documented(status: int) -> dict[str, Any]:
    """Return the OpenAPI document's description of answers with this status."""
    example = problems.problem(_ERRORS[status])
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": example["title"],
        "content": {problems.MEDIA_TYPE: {"schema": schema, "example": example}},
    }
