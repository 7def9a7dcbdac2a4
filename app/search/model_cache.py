"""Models by name, each loaded once; again where that failed a while ago, or gave another model."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.embed import Embedder
from app.errors import AppError, ModelError, UsageError

_TRY_AGAIN_SECONDS = 10

Fits = Callable[[Embedder], bool]


@dataclass(frozen=True)
class _Loaded:
    """What loading a model gave, or why it gave none; begun and ended in monotonic seconds."""

    model: Embedder | None
    failure: str
    began: float
    ended: float

    def is_outdated(self, fits: Fits, since: float) -> bool:
        """Return whether it is a model that does not fit and was read before `since`."""
        return self.model is not None and self.began < since and not fits(self.model)

    def is_to_be_tried_again(self) -> bool:
        """Return whether it could not be loaded, and weights may have come since."""
        return self.model is None and time.monotonic() - self.ended > _TRY_AGAIN_SECONDS


class Models:
    """The models that galleries ask for. For many threads: each model is loaded by one of them.

    `fits` says whether a model is the one that is meant by its name. One that does not fit is
    loaded once more if it was read before `since`, in monotonic seconds: its file may have been
    replaced. So give the time when it became known what fits, and nothing is loaded twice for it.
    """

    def __init__(self, load: Callable[[str], Embedder]) -> None:
        self._load = load
        self._found: dict[str, _Loaded] = {}
        self._loading = threading.Lock()

    def is_known(self, name: str, *, fits: Fits, since: float) -> bool:
        """Return whether the model was loaded already, or cannot be."""
        found = self._found.get(name)
        return found is not None and not found.is_outdated(fits, since)

    def get(self, name: str, *, fits: Fits, since: float) -> Embedder:
        """Return the model, loaded if need be; it may not fit. ModelError if it cannot run here."""
        # A model that is there already must not wait for another that is being loaded.
        found = self._usable(name, fits, since)
        if found is None:
            with self._loading:
                found = self._usable(name, fits, since)
                if found is None:
                    found = self._found[name] = self._try(name)
        if found.model is None:
            raise ModelError(found.failure)
        return found.model

    def _usable(self, name: str, fits: Fits, since: float) -> _Loaded | None:
        found = self._found.get(name)
        if found is None or found.is_to_be_tried_again() or found.is_outdated(fits, since):
            return None
        return found

    def _try(self, name: str) -> _Loaded:
        began, model, failure = time.monotonic(), None, ""
        try:
            model = self._load(name)
        except UsageError:  # a gallery cannot choose another of those that there are
            failure = (
                f"There is no model {name!r} here: if it is one of your own, copy its file "
                f"models/{name}.safetensors from the RIS_HOME where the gallery was made to this "
                "one."
            )
        except AppError as exc:
            failure = str(exc)
        return _Loaded(model, failure, began, time.monotonic())
