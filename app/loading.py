"""Models by name, each loaded once; one that could not be loaded is tried again after a while."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.embed import Embedder
from app.errors import AppError, ModelError

_TRY_AGAIN_SECONDS = 10


@dataclass(frozen=True)
class _Failure:
    """A model that could not be loaded: why, and when that was tried, in monotonic seconds."""

    message: str
    tried: float


class Models:
    """The models that were asked for. For many threads: each model is loaded by one of them."""

    def __init__(self, load: Callable[[str], Embedder]) -> None:
        self._load = load
        self._found: dict[str, Embedder | _Failure] = {}
        self._loading = threading.Lock()

    def __contains__(self, name: str) -> bool:
        """Whether the model was loaded already, or cannot be."""
        return name in self._found

    def get(self, name: str) -> Embedder:
        """Return the model, loaded if need be; ModelError if it cannot run here."""
        # A model that is there already must not wait for another that is being loaded.
        found = self._found.get(name)
        if found is None or _to_try_again(found):
            with self._loading:
                found = self._found.get(name)
                if found is None or _to_try_again(found):
                    try:
                        found = self._load(name)
                    except AppError as exc:
                        found = _Failure(str(exc), time.monotonic())
                    self._found[name] = found
        if isinstance(found, _Failure):
            raise ModelError(found.message)
        return found


def _to_try_again(found: Embedder | _Failure) -> bool:
    """Return whether a model could not be loaded, and weights may have come since."""
    return isinstance(found, _Failure) and time.monotonic() - found.tried > _TRY_AGAIN_SECONDS
