"""Errors → problem details in JSON, as RFC 9457 has them."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from reprlib import repr as shortened
from typing import Any

from app.errors import AppError

MEDIA_TYPE = "application/problem+json"
_KINDS_OF_VALUES = {  # by how the names of pydantic's errors begin
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
}


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
    """Return the problem details of an error that HTTP's own status describes well enough."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }


def wrong_value(name: object, errors: Sequence[Mapping[str, Any]]) -> str:
    """Return in one sentence why a value is not taken; `errors` are what pydantic has against it.

    >>> wrong_value("k", [{"type": "int_parsing", "input": "NaN"}])
    "k must be a whole number, not 'NaN'."
    """
    kind, value = errors[0]["type"], shortened(errors[0]["input"])
    if kind == "string_too_long":
        most = errors[0]["ctx"]["max_length"]
        return f"{name} cannot be {value}: it may have {most} characters at most."
    if kind == "int_parsing_size":
        return f"{name} cannot be {value}: it has too many digits."
    accepted = [_KINDS_OF_VALUES.get(each["type"].partition("_")[0]) for each in errors]
    if None in accepted:
        return f"{name} cannot be {value}."
    return f"{name} must be {' or '.join(map(str, accepted))}, not {value}."


def headers(status: int) -> dict[str, str]:
    """Return the headers that belong to a problem of this status."""
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return {"Connection": "close"}  # else the server takes the rest, to throw it away
    return {}


def kinds(root: type[AppError] = AppError) -> dict[str, type[AppError]]:
    """Return every kind of error by the name that a problem's `type` ends with."""
    by_name = {kind(root): root}
    for sub in root.__subclasses__():
        by_name |= kinds(sub)
    return by_name


def kind(error: type[AppError]) -> str:
    """Return the name of a kind of error, as `not-found` for NotFoundError."""
    words = re.findall("[A-Z][a-z]+", error.__name__.removesuffix("Error"))
    return "-".join(words).lower()


def title(error: type[AppError]) -> str:
    """Return the meaning of a kind of error: the first sentence of its class's docstring."""
    return " ".join((error.__doc__ or "").split()).partition(". ")[0].removesuffix(".")
