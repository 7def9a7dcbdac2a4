"""Pictures of queries that come at the same time → one batch of a network.

A network that takes several pictures at once takes less time for each. Nobody waits for company: a
picture that comes to an idle network is run at once, and those that come meanwhile are the next
batch.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.embed.embedder import Runtime
from app.errors import AppError

TOGETHER = 4
"""Pictures of a shared batch: it is filled up with zeros, so that more would be run in vain."""
_WORTH = 3  # of them; for fewer one after the other is as fast


@dataclass(eq=False)
class _Picture:
    """A (H, W, 3) picture that waits for its features, or to run those `together` with it."""

    pixels: NDArray[np.uint8]
    woken: threading.Event = field(default_factory=threading.Event)
    together: "list[_Picture]" = field(default_factory=list)
    features: NDArray[np.float32] | None = None
    error: BaseException | None = None


class SharedBatches:
    """A runtime of one picture, which runs those that come meanwhile together; thread-safe.

    `load_more` gives the same network for batches of `TOGETHER`, of which it runs `at_once` side by
    side; it is called in the background once so many queries come at the same time, since it takes
    memory.
    """

    batch = 1

    def __init__(self, one: Runtime, load_more: Callable[[], Runtime], *, at_once: int = 1) -> None:
        self.precision = one.precision
        self._one = one
        self._load_more = load_more
        self._more: Runtime | None = None
        self._is_loading = False
        self._at_once = at_once
        self._waiting: deque[_Picture] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (1, dim) float32 features of a (1, H, W, 3) uint8 picture."""
        mine = _Picture(batch[0])
        with self._lock:
            self._waiting.append(mine)
            most = self._at_once if self._more is not None else 1
            if self._running < most:
                self._running += 1
                self._call_next()
        mine.woken.wait()
        if mine.together:
            self._run(mine.together)
        if mine.error is not None:
            raise mine.error
        assert mine.features is not None
        return mine.features[np.newaxis]

    def _call_next(self) -> None:
        """Wake the first who waits, to run those that wait with it; under the lock."""
        if not self._waiting:
            self._running -= 1
            return
        together = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        together[0].together = together
        together[0].woken.set()

    def _run(self, together: "list[_Picture]") -> None:
        try:
            for each, features in zip(together, self._features(together), strict=True):
                each.features = features
        except BaseException as exc:  # noqa: BLE001 - each of them raises it
            for each in together:
                each.error = exc
        with self._lock:
            self._call_next()
        for each in together[1:]:
            each.woken.set()

    def _features(self, together: list[_Picture]) -> NDArray[np.float32]:
        pixels = np.stack([each.pixels for each in together])
        if len(together) >= _WORTH:
            self._load_in_background()
            if self._more is not None:
                filled = np.zeros((TOGETHER, *pixels.shape[1:]), np.uint8)
                filled[: len(pixels)] = pixels
                return self._more.run(filled)[: len(pixels)]
        return np.concatenate([self._one.run(each[np.newaxis]) for each in pixels])

    def _load_in_background(self) -> None:
        if not self._is_loading:
            self._is_loading = True
            threading.Thread(target=self._load, name="shared batches", daemon=True).start()

    def _load(self) -> None:
        try:
            self._more = self._load_more()
        except AppError:
            return  # one after the other, as before
