"""The search parameters ↔ the command line's options."""

import argparse
import os
from typing import Any

from app.doors.inputs import bytes_of_file
from app.search.parameter import LISTS, Parameter
from app.search.picture import Example, File, is_address
from app.search.question import DEFAULT_K, PARAMETERS

_METAVARS = {
    "integer": "N",
    "number": "S",
    "box": "X0,Y0,X1,Y1",
    "examples": "ID-FILE-OR-URL",
    "texts": "COLUMN=VALUE",
}
_WITHOUT = {"copies": "do not look for the picture itself, but only for what is like it"}
"""What is said of an option that switches off what is on by default."""
_OWN = {"gallery": "G", "label": "L", "words": "WORDS", "without": "WORDS", "sort": "COLUMN"}
SORT = "--sort"
MAY_BE_NEGATIVE = tuple(
    f"--{each.name.replace('_', '-')}" for each in PARAMETERS if each.kind in ("box", "number")
)


def add_search_parameters(parser: argparse.ArgumentParser) -> None:
    """Add an option for each search parameter."""
    for each in PARAMETERS:
        parser.add_argument(_option(each), **_form(each), help=_help(each))


def search_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options' values by the parameters' names, further pictures' files read.

    AppError for a file that cannot be read.
    """
    given = {each.name: getattr(options, each.name) for each in PARAMETERS}
    return {
        each.name: [_example(typed) for typed in given[each.name]]
        if each.kind == "examples"
        else given[each.name]
        for each in PARAMETERS
    }


def _example(typed: str) -> Example:
    """Return the picture of a file that is here; else what was typed, an id or an address."""
    may_be_a_file = not (typed.isdecimal() or is_address(typed))
    here = may_be_a_file and os.path.exists(typed)  # noqa: PTH110 - takes too long a name, too
    return File(bytes_of_file(typed)) if here else typed


def _option(parameter: Parameter) -> str:
    name = parameter.name.replace("_", "-")
    if parameter.default is True:
        return f"--no-{name}"
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _form(parameter: Parameter) -> dict[str, Any]:
    if parameter.kind == "boolean" and parameter.default:
        return {"action": "store_false", "dest": parameter.name}
    if parameter.kind == "boolean":
        return {"action": "store_true"}
    metavar = _OWN.get(parameter.name) or _METAVARS.get(parameter.kind)
    form: dict[str, Any] = {"metavar": metavar, "default": parameter.default}
    if parameter.kind in LISTS:
        form |= {"action": "append", "default": []}
    if parameter.kind in ("integer", "number"):
        form |= {"type": int if parameter.kind == "integer" else float}
    return form


def _help(parameter: Parameter) -> str:
    """Return the parameter's sentence with its range and default."""
    if parameter.default is True:
        return _WITHOUT[parameter.name]
    text = parameter.description[0].lower() + parameter.description[1:].removesuffix(".")
    if parameter.kind == "examples":
        text = text.replace("addresses", "files or addresses")
    if parameter.minimum is not None:
        text += f"; from {parameter.minimum} to {parameter.maximum}"
    if parameter.name == "k":
        text += f" (default: {DEFAULT_K})"
    return text + ("; may be given again" if parameter.kind in LISTS else "")
