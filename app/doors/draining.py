"""SIGTERM → a server that says it is not ready, goes on answering for a while, and then stops.

A balancer hears at /readyz that it is to ask another process, while requests that it has sent, or
sends before it asks there again, are answered as before.
"""

import time
from typing import Any

SECONDS_IN_FLIGHT = 3
"""So long a server that was stopped waits for answers that have begun, unless it drained longer."""


class Draining:
    """Whether a server is about to stop; it then goes on answering for `seconds`."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self._ends: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the server has been asked to stop."""
        return self._ends is not None

    @property
    def is_over(self) -> bool:
        """Whether the time to go on answering has passed."""
        return self._ends is not None and time.monotonic() >= self._ends

    def begin(self) -> bool:
        """Begin; return whether there is time left: not where it has begun before, or has none."""
        if self.has_begun or not self.seconds:
            return False
        self._ends = time.monotonic() + self.seconds
        return True


class ClosingConnections:
    """Ends the connection of each answer while the server drains.

    Whoever keeps connections open and asks nobody for readiness makes the next one elsewhere.
    """

    def __init__(self, application: Any, draining: Draining) -> None:
        self._application = application
        self._draining = draining

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def send_and_close(message: Any) -> None:
            if message["type"] == "http.response.start" and self._draining.has_begun:
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._application(scope, receive, send_and_close)
