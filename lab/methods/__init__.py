"""The methods that a study compares, a file each: `METHODS` has them by name.

Every file here that defines METHOD or METHODS adds to it; the libraries that they need are imported
when an index is built.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from lab.methods.method import Method, Metric, Parameters, Searcher

__all__ = ["METHODS", "Method", "Metric", "Parameters", "Searcher", "available"]


def available(method: Method) -> str:
    """Return "" if the library that a method needs can be imported, else the sentence why not."""
    try:
        importlib.import_module(method.library)
    except ImportError as exc:
        package = method.library.partition(".")[0]
        if getattr(exc, "name", None) in (package, method.library):
            return f"{method.name} is left out: {package} is not installed (make install)."
        return f"{method.name} is left out: {package} cannot be loaded here ({exc})."
    return ""


def _found() -> Iterator[Method]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        held = importlib.import_module(module.name)
        yield from getattr(held, "METHODS", ())
        if hasattr(held, "METHOD"):
            yield held.METHOD


METHODS: Mapping[str, Method] = MappingProxyType(
    {m.name: m for m in sorted(_found(), key=lambda method: (not method.exact, method.name))}
)
