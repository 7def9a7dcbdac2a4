"""Requests → those that the server can work on now; the others hear when to come again.

Counted are requests that ask for work: searches, by GET too, uploads and changes.
"""

import asyncio
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app.errors import AppError, SlowBodyError, TooManyError

MOST_BODY_SECONDS = 300.0
"""How long the body of a request may take to come, in seconds: 50 MB at 1.4 Mbit/s."""

MOST_SILENT_SECONDS = 30.0
"""How long it may stay away in between."""

_LONGEST_WAIT = 60
_NETWORK_OF_ONE = 64  # bits of an IPv6 address that a provider gives to one customer, or more

Send = Callable[[Any], Awaitable[None]]


class Limits:
    """Bounds how many requests are worked on at once, and how many an address may send.

    A body that does not come ends its request, so that slow senders keep nobody's place.
    """

    def __init__(
        self,
        application: Any,
        *,
        most_at_once: int,
        rate: str = "",
        costs_little: Callable[[Any], bool],
        refused: Callable[[AppError, Any], Any],
    ) -> None:
        """Take both limits, `rate` as in "60/minute" and '' for none.

        `costs_little` says by the scope that a request does not count; `refused` makes an ASGI
        application that answers with an error, of the error and the scope.
        """
        self._application = application
        self._most_at_once = most_at_once
        self._rate = _Rate(rate) if rate else None
        self._costs_little = costs_little
        self._refused = refused
        self._at_once = 0
        self._last_seconds = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or self._costs_little(scope):
            await self._application(scope, receive, send)
            return
        error = self._too_many(scope)
        if error is not None:
            await self._refused(error, scope)(scope, receive, send)
            return
        self._at_once += 1
        started = time.monotonic()
        try:
            await self._answer(scope, receive, send)
        finally:
            self._at_once -= 1
            self._last_seconds = time.monotonic() - started

    def _too_many(self, scope: Any) -> TooManyError | None:
        """Return why a request is not taken now; None where it is."""
        wait = self._rate.seconds_until_free(scope) if self._rate else 0
        if wait:
            return TooManyError(
                f"This server takes {self._rate} from an address: ask again in {wait} seconds.",
                retry_after_seconds=wait,
            )
        if self._at_once < self._most_at_once:
            return None
        wait = max(1, min(_LONGEST_WAIT, math.ceil(self._last_seconds)))
        return TooManyError(
            f"{self._at_once} requests wait for an answer already: ask again in {wait} seconds.",
            retry_after_seconds=wait,
        )

    async def _answer(self, scope: Any, receive: Any, send: Send) -> None:
        """Let the application answer; where the body does not come, end it with a 408."""
        body = _Body(receive)
        begun = False

        async def send_unless_late(message: Any) -> None:
            nonlocal begun
            if body.is_late and not begun:
                return  # what the application says of a body that broke off
            begun = True
            await send(message)

        try:
            await self._application(scope, body.receive, send_unless_late)
        except Exception:
            if not body.is_late:
                raise
        if body.is_late and not begun:
            error = SlowBodyError(
                "The body of the request did not come in time: send it once more, or less of it."
            )
            await self._refused(error, scope)(scope, receive, send)


class _Body:
    """The parts of a request's body, as long as they come."""

    def __init__(self, receive: Any) -> None:
        self._receive = receive
        self._ends = time.monotonic() + MOST_BODY_SECONDS
        self._is_complete = False
        self.is_late = False

    async def receive(self) -> Any:
        """Return the next part; as if the sender had left where it is late."""
        if self._is_complete:
            return await self._receive()  # that the sender leaves: the answer may take its time
        if self.is_late:
            return {"type": "http.disconnect"}
        left = min(MOST_SILENT_SECONDS, self._ends - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            self.is_late = True
            return {"type": "http.disconnect"}
        self._is_complete = not message.get("more_body", False)
        return message


class _Rate:
    """How much each address may ask."""

    def __init__(self, rate: str) -> None:
        import limits  # here: most servers have no such limit

        self._rate = limits.parse(rate)
        self._asked = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())

    def __str__(self) -> str:
        several = self._rate.multiples if self._rate.multiples > 1 else ""
        return f"{self._rate.amount} requests per {several} {self._rate.GRANULARITY.name}".replace(
            "  ", " "
        )

    def seconds_until_free(self, scope: Any) -> int:
        """Count a request of its sender; return 0, or after how many seconds it may ask again."""
        sender = _sender(scope)
        if self._asked.hit(self._rate, sender):
            return 0
        reset = self._asked.get_window_stats(self._rate, sender).reset_time
        return max(1, math.ceil(reset - time.time()))


def _sender(scope: Any) -> str:
    """Return the address of who asks; of IPv6 the network, whose addresses one customer has all.

    A socket of both versions has IPv4 addresses inside one network of IPv6 (RFC 4291, 2.5.5.2).
    """
    address = str((scope.get("client") or ("",))[0])
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket's has none
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _NETWORK_OF_ONE), strict=False))
