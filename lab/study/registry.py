"""Names → methods: those of `lab.methods`, this application's own search, and other modules."""

import importlib
from collections.abc import Mapping, Sequence

from app.errors import UsageError
from lab.methods import METHODS, methods_of
from lab.methods.method import Method
from lab.study.application import APPLICATION


def known_methods(own: Sequence[str] = ()) -> Mapping[str, Method]:
    """Return every method by its name, those of the modules `own` included.

    Such a module defines `METHOD` or `METHODS`, as the files of `lab/methods` do. UsageError if it
    cannot be imported or defines neither.
    """
    known = {APPLICATION.name: APPLICATION, **METHODS}
    for module in own:
        known |= {method.name: method for method in _methods_of(module)}
    return known


def chosen(names: Sequence[str], known: Mapping[str, Method]) -> list[Method]:
    """Return the methods of these names, all without any; UsageError names those there are."""
    for name in names:
        if name not in known:
            raise UsageError(f"There is no method {name!r}: use {', '.join(known)}.")
    return [known[name] for name in names or known]


def _methods_of(module: str) -> list[Method]:
    try:
        imported = importlib.import_module(module)
    except ImportError as exc:
        raise UsageError(f"The module {module!r} cannot be imported: {exc}.") from exc
    methods = list(methods_of(imported))
    if not methods or not all(isinstance(each, Method) for each in methods):
        raise UsageError(
            f"The module {module!r} defines no method: let it define METHOD or METHODS, as "
            "lab/methods/method.py describes."
        )
    return methods
