"""Errors → the JSON that tells programs of them, as RFC 9457 has it."""

import re
from http import HTTPStatus
from typing import Any

from app.errors import AppError

MEDIA_TYPE = "application/problem+json"


def problem(error: AppError, *, root: str = "") -> dict[str, Any]:
    """Return the problem details of an error; `root` is the path that the server is mounted at.

    >>> from app.errors import NotFoundError
    >>> problem(NotFoundError("There is no gallery 'x'."))["type"]
    '/problems/not-found'
    """
    return problem_of_status(error.http_status, str(error)) | {
        "type": f"{root}/problems/{kind(type(error))}",
        "title": title(type(error)),
    }


def problem_of_status(status: int, detail: str) -> dict[str, Any]:
    """Return the problem details of what HTTP's own status says enough of."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }


def headers(status: int) -> dict[str, str]:
    """Return the headers that belong to a problem of this status."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return {"Connection": "close"}  # else the server takes the rest, to throw it away
    return {}


def kinds(root: type[AppError] = AppError) -> dict[str, type[AppError]]:
    """Return every kind of error by the name that a problem's `type` ends with."""
    found = {kind(root): root}
    for sub in root.__subclasses__():
        found |= kinds(sub)
    return found


def kind(error: type[AppError]) -> str:
    """Return the name of a kind of error, as `not-found` for NotFoundError."""
    words = re.findall("[A-Z][a-z]+", error.__name__.removesuffix("Error"))
    return "-".join(words).lower()


def title(error: type[AppError]) -> str:
    """Return what a kind of error means: the first sentence of its class's docstring."""
    return " ".join((error.__doc__ or "").split()).partition(". ")[0].removesuffix(".")
