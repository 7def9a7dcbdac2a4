"""The search parameters → a function's signature, for libraries that read a schema from it."""

from collections.abc import Callable, Mapping
from inspect import Parameter as Argument
from inspect import Signature
from typing import Any

from app.search.parameter import LISTS, Parameter
from app.search.question import PARAMETERS

JSON_TYPES: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "box": list[float] | None,
    "examples": list[str | int],
    "texts": list[str],
}
"""What a parameter of each kind is in JSON."""


def with_parameters(function: Any, annotate: Callable[[Parameter], Any]) -> Signature:
    """Return a function's signature with the search parameters in place of its `*` or `**` one.

    `annotate` gives the type that a library reads, with its description of the parameter.
    """
    own = Signature.from_callable(function, eval_str=True)
    starred = (Argument.VAR_POSITIONAL, Argument.VAR_KEYWORD)
    kept = [each for each in own.parameters.values() if each.kind not in starred]
    more = [
        Argument(
            each.name,
            Argument.POSITIONAL_OR_KEYWORD,
            default=default_of(each),
            annotation=annotate(each),
        )
        for each in PARAMETERS
    ]
    return own.replace(parameters=[*kept, *more])


def default_of(parameter: Parameter) -> Any:
    """Return a parameter's default as JSON has it."""
    return list(parameter.default) if parameter.kind in LISTS else parameter.default


def limits_of(parameter: Parameter) -> dict[str, Any]:
    """Return the range of a number, as a JSON schema has it; the request checks it."""
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    return {key: limit for key, limit in limits.items() if limit is not None}
