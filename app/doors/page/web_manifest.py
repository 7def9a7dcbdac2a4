"""Gradio's web manifest and the link to it → the same with addresses relative to the page.

Gradio writes both from the root of the host, where nothing is if the page lies below a path. By the
manifest browsers install the page.
"""

from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

_FROM_THE_ROOT = {
    "text/html": (b'href="/manifest.json"', b'href="manifest.json"'),
    "application/manifest+json": (b'"src":"/', b'"src":"'),
}


def make_relative(gradio_app: FastAPI) -> None:
    """Let Gradio's application, which has answered nothing yet, give relative addresses."""
    # The last is the innermost: inside of what compresses answers.
    gradio_app.user_middleware.append(Middleware(_RelativeManifest))


class _RelativeManifest:
    """Replaces addresses in the page and in its manifest, which come as one piece each."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] = {}
        replaced: tuple[bytes, bytes] | None = None

        async def send_relative(message: Any) -> None:
            nonlocal start, replaced
            if message["type"] == "http.response.start":
                replaced = _replaced_in(message)
                if replaced is not None:
                    start = message  # its content-length is known with the body
                    return
            elif replaced is not None:
                body = message.get("body", b"").replace(*replaced)
                await send({**start, "headers": _with_length(start["headers"], len(body))})
                message, replaced = {**message, "body": body}, None
            await send(message)

        await self._app(scope, receive, send_relative)


def _replaced_in(start: Any) -> tuple[bytes, bytes] | None:
    """Return the bytes to replace in an answer of this media type, and by which; or None."""
    media_type = dict(start["headers"]).get(b"content-type", b"").decode("latin-1")
    return _FROM_THE_ROOT.get(media_type.partition(";")[0])


def _with_length(headers: Any, length: int) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]
