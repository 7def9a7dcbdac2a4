"""Every error is in the tree that is drawn first, and is answered with its status."""

import inspect
from typing import Any

import pytest

from app import errors
from app.doors.access import CHALLENGE
from app.doors.problems import problem
from app.errors import AppError, PasswordError, TokenError
from tests.doors.conftest import asgi


def error_classes(kind: type[AppError] = AppError) -> list[type[AppError]]:
    return [kind, *(one for sub in kind.__subclasses__() for one in error_classes(sub))]


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_answered_with_its_status(
    failing: Any, kind: type[AppError]
) -> None:
    path = f"/galleries/{kind.__name__}/images/7/thumbnail"
    answer = asgi(failing, "GET", path)
    assert answer.status_code == kind.http_status
    assert answer.json() == problem(kind(f"{kind.__name__} of 7."))
    asked_for: dict[type[AppError], str] = {TokenError: "Bearer", PasswordError: CHALLENGE}
    assert answer.headers.get("www-authenticate") == asked_for.get(kind)
    assert "content-security-policy" in answer.headers


def test_every_error_is_in_the_tree_that_is_drawn_first() -> None:
    defined = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    assert set(error_classes()) == set(defined)
    assert errors.__doc__
    for kind in defined:
        assert f"{kind.__name__}\n" in errors.__doc__ or f"{kind.__name__} " in errors.__doc__
