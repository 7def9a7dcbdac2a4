"""What calls the page's functions that make, change and compare galleries."""

import json
from collections.abc import Callable
from typing import Any

import orjson

from app.doors.page.functions import Answer
from tests.conftest import is_one_sentence


class Caller:
    """Calls functions of the page as a browser does, over JSON."""

    functions: dict[str, Callable[..., Answer]]

    def call(self, name: str, request: Any) -> Any:
        """Return what a function answers."""
        return json.loads(orjson.dumps(self.functions[name](json.loads(json.dumps(request)))))

    def message(self, name: str, request: Any) -> str:
        """Return the one sentence that a request is refused with."""
        got = self.call(name, request)
        assert set(got) == {"message"}
        assert is_one_sentence(got["message"])
        return str(got["message"])
