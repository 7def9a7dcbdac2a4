"""The files of this folder → the methods that a study compares, by name: `METHODS`.

Every file that defines METHOD or METHODS adds to it; the libraries that they need are imported when
an index is built.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from lab.methods.method import Method


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


def methods_of(module: ModuleType) -> Iterator[Method]:
    """Yield the methods that a module defines as METHODS or METHOD."""
    yield from getattr(module, "METHODS", ())
    if hasattr(module, "METHOD"):
        yield module.METHOD


def _found() -> Iterator[Method]:
    for entry in pkgutil.iter_modules(__path__, f"{__name__}."):
        yield from methods_of(importlib.import_module(entry.name))


METHODS: Mapping[str, Method] = MappingProxyType(
    {m.name: m for m in sorted(_found(), key=lambda method: (not method.exact, method.name))}
)
