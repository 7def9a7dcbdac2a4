"""Reverse image search on your own machine: folders → galleries, a picture → its neighbours.

From Python: ``from app import open_gallery, load_embedder, VectorStore``. They are loaded when they
are first used, so that ``import app`` stays light.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.doors.python import VectorStore, load_embedder, open_gallery

__version__ = "0.1.0"

__all__ = ["VectorStore", "load_embedder", "open_gallery"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'app' has no attribute {name!r}")
    from app.doors import python

    return getattr(python, name)
