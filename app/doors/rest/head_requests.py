"""HEAD requests → the answers of GET without their bodies; proxies and monitors send them."""

from typing import Any


class AnsweringHead:
    """Answers HEAD wherever GET is answered (RFC 9110, 9.1); it is counted as GET."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._application(scope, receive, send)
            return

        async def send_head(message: Any) -> None:
            await send({**message, "body": b""} if "body" in message else message)

        await self._application({**scope, "method": "GET"}, receive, send_head)
