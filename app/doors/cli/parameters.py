"""The search parameters ↔ the command line's options."""

import argparse
from typing import Any

from app.search.parameter import LISTS, Parameter
from app.search.question import DEFAULT_K, PARAMETERS

_METAVARS = {
    "integer": "N",
    "number": "S",
    "box": "X0,Y0,X1,Y1",
    "ids": "ID",
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
    """Return the options' values by the parameters' names."""
    return {each.name: getattr(options, each.name) for each in PARAMETERS}


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
    if parameter.minimum is not None:
        text += f"; from {parameter.minimum} to {parameter.maximum}"
    if parameter.name == "k":
        text += f" (default: {DEFAULT_K})"
    return text + ("; may be given again" if parameter.kind in LISTS else "")
