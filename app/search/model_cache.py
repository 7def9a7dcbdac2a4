"""Models by name, each loaded once; again where that failed a while ago, or gave another model."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.embed import Embedder, LoadEmbedder
from app.errors import AppError, ModelError, UsageError
from app.gallery import Store

TRY_AGAIN_SECONDS = 10

Fits = Callable[[Embedder], bool]


class Wanted(NamedTuple):
    """A model, what it is to calculate in, and a gallery's own INT8 network if it has one."""

    name: str
    precision: str = "f32"
    network: Path | None = None


def wanted_by(gallery: Store) -> Wanted:
    """Return the model that makes a gallery's queries, as it made the gallery."""
    manifest = gallery.manifest
    return Wanted(manifest.model, manifest.precision, gallery.network_path)


@dataclass(frozen=True)
class _LoadAttempt:
    """An attempt to load a model: the model or the failure; times in monotonic seconds."""

    model: Embedder | None
    failure: str
    began: float
    ended: float

    def is_outdated(self, fits: Fits, since: float) -> bool:
        """Return whether it is a model that does not fit and was read before `since`."""
        return self.model is not None and self.began < since and not fits(self.model)

    def is_to_be_tried_again(self, after_seconds: float) -> bool:
        """Return whether it could not be loaded, and weights may have come since."""
        return self.model is None and time.monotonic() - self.ended >= after_seconds


class Models:
    """The models of the galleries. For many threads: each model is loaded by one of them.

    `fits` says whether a model is the one that a gallery was built with. One that does not fit is
    loaded once more if it was loaded before `since`, in monotonic seconds: its file may have been
    replaced. With the time when the gallery was opened as `since`, nothing is loaded twice for it.
    """

    def __init__(self, load: LoadEmbedder, *, try_again_seconds: float = TRY_AGAIN_SECONDS) -> None:
        self._load = load
        self._try_again_seconds = try_again_seconds
        self._attempts: dict[Wanted, _LoadAttempt] = {}
        self._loading = threading.Lock()

    def is_known(self, wanted: Wanted, *, fits: Fits, since: float) -> bool:
        """Return whether loading the model was tried, and did not give an outdated one."""
        attempt = self._attempts.get(wanted)
        return attempt is not None and not attempt.is_outdated(fits, since)

    def get(self, wanted: Wanted, *, fits: Fits, since: float) -> Embedder:
        """Return the model, loaded if need be; it may not fit. ModelError if it cannot run here."""
        # A model that is there already must not wait for another that is being loaded.
        attempt = self._usable(wanted, fits, since)
        if attempt is None:
            with self._loading:
                attempt = self._usable(wanted, fits, since)
                if attempt is None:
                    self._forget_gone()
                    attempt = self._attempts[wanted] = self._try(wanted)
        if attempt.model is None:
            raise ModelError(attempt.failure)
        return attempt.model

    def _forget_gone(self) -> None:
        """Let go of the INT8 networks of galleries that have another one by now, or are gone."""
        self._attempts = {
            each: attempt
            for each, attempt in self._attempts.items()
            if each.network is None or each.network.is_file()
        }

    def _usable(self, wanted: Wanted, fits: Fits, since: float) -> _LoadAttempt | None:
        attempt = self._attempts.get(wanted)
        if attempt is None or attempt.is_to_be_tried_again(self._try_again_seconds):
            return None
        return None if attempt.is_outdated(fits, since) else attempt

    def _try(self, wanted: Wanted) -> _LoadAttempt:
        began, model, failure = time.monotonic(), None, ""
        try:
            model = self._load(wanted.name, precision=wanted.precision, network=wanted.network)
        except UsageError:  # a gallery cannot choose another of those that there are
            failure = (
                f"There is no model {wanted.name!r} here: if it is one of your own, copy its file "
                f"models/{wanted.name}.safetensors from the RIS_HOME where the gallery was made to "
                "this one."
            )
        except AppError as exc:
            failure = str(exc)
        return _LoadAttempt(model, failure, began, time.monotonic())
