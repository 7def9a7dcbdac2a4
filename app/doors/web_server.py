"""The application → uvicorn's server for it, which drains before it stops."""

import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from app.doors.draining import SECONDS_IN_FLIGHT, Draining

KEPT_OPEN_SECONDS = 75
"""So long a connection without requests stays: longer than balancers keep theirs (60 in nginx and
its ingress), or one may send a request just as it is closed."""


class WebServer(uvicorn.Server):
    """Calls `on_start` when it listens, and `on_stop` before it stops listening.

    SIGTERM begins to drain, where there is time for that; a second one, and Ctrl-C at any time,
    stops at once. What is being answered then may take as long again as draining took.
    """

    def __init__(
        self,
        application: Any,
        *,
        draining: Draining,
        on_start: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                log_level="warning",
                timeout_keep_alive=KEPT_OPEN_SECONDS,
                timeout_graceful_shutdown=SECONDS_IN_FLIGHT,
            )
        )
        self._draining = draining
        self._on_start, self._on_stop = on_start, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self._on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the next tick, or drain first."""
        super().handle_exit(sig, frame)
        if sig == signal.SIGTERM and self._draining.begin():
            self.should_exit = False
            seconds = max(SECONDS_IN_FLIGHT, round(self._draining.seconds))
            self.config.timeout_graceful_shutdown = seconds

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; asked ten times a second."""
        self.should_exit = self.should_exit or self._draining.is_over
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and wait for what is being answered."""
        self._on_stop()
        await super().shutdown(sockets)
