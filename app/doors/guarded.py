"""Every request, of whatever door → within limits; every answer → with headers that protect it.

What a door checks by itself, with a better sentence, comes before the limits here.
"""

import errno
from typing import Any

from app.errors import AppError, NotAllowedError, StorageError, TooLargeError

# The browser itself may load nothing from elsewhere: no font, script or beacon of another host.
# Gradio needs inline scripts and styles, and compiles the page's small scripts.
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'"
)
_ROOM = 100_000  # what a form or JSON adds to the picture in it
_MOST_BYTES_OF_JSON = 16_000_000  # of the page's functions: the names of a new gallery's files
_MOST_BYTES = 201_000_000  # a batch of pictures over REST, which has narrower limits of its own
_OF_GRADIO = "/gradio_api/"
_UPLOAD = f"{_OF_GRADIO}upload"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Guarded:
    """Adds the headers, refuses bodies that are too large, and what `is_refused` says of a path.

    A form of uploads may have `most_bytes_of_a_form`, every other body what the largest of its door
    needs. `frame_ancestors` are the sites, besides this one, whose pages may show the page in a
    frame.
    """

    def __init__(
        self,
        application: Any,
        *,
        most_bytes_of_a_form: int,
        frame_ancestors: str = "",
        is_refused: Any = lambda path: False,
    ) -> None:
        self._application = application
        self._most_bytes_of_a_form = most_bytes_of_a_form
        self._is_refused = is_refused
        ancestors = f"'self' {frame_ancestors}".strip()
        policy = f"{_CONTENT_POLICY}; frame-ancestors {ancestors}"
        self._headers = {
            b"content-security-policy": policy.encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"same-origin",  # with no-referrer, forms would send Origin: null
        }
        if not frame_ancestors:  # it knows no lists; browsers that know both read the policy
            self._headers[b"x-frame-options"] = b"SAMEORIGIN"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        answer = _Answer(send, self._headers)
        try:
            if self._is_refused(_path_of(scope)):
                raise NotAllowedError(
                    "This server hands nothing on from other hosts: search with the address itself."
                )
            limited = _Limited(receive, scope, self._most_bytes(_path_of(scope)))
            await self._application(scope, limited, answer)
        except (AppError, OSError) as exc:
            failure = exc if isinstance(exc, AppError) else _as_storage_error(exc)
            if failure is None or answer.begun:
                raise
            from app.doors import rest

            await rest.refusal(failure, scope)(scope, receive, answer.now)
            return
        await answer.flush()

    def _most_bytes(self, path: str) -> int:
        if path.rstrip("/") == _UPLOAD:
            return self._most_bytes_of_a_form + _ROOM
        return _MOST_BYTES_OF_JSON if path.startswith(_OF_GRADIO) else _MOST_BYTES


class _Limited:
    """A request's messages; TooLargeError once they are larger than the limit, declared or not."""

    def __init__(self, receive: Any, scope: Any, most_bytes: int) -> None:
        self._receive, self._most_bytes = receive, most_bytes
        self._total = 0
        length = dict(scope["headers"]).get(b"content-length", b"")
        # Told at the first message, which a door that has its own limit does not ask for.
        self._is_declared = length.isdigit() and (len(length) > 18 or int(length) > most_bytes)

    async def __call__(self) -> Any:
        if self._is_declared:
            raise self._too_large()
        message = await self._receive()
        self._total += len(message.get("body", b""))
        if self._total > self._most_bytes:
            raise self._too_large()
        return message

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"The request is larger than {self._most_bytes / 1e6:.0f} MB: send less."
        )


class _Answer:
    """An answer's messages, the headers added.

    One with the status 500 is held back until the application has ended: Starlette raises the
    error behind it only after it has sent one in plain text.
    """

    def __init__(self, send: Any, headers: dict[bytes, bytes]) -> None:
        self._send, self._headers = send, headers
        self._held: list[Any] = []
        self.begun = False

    async def __call__(self, message: Any) -> None:
        if self._held or (message["type"] == "http.response.start" and message["status"] == 500):
            self._held.append(message)
        else:
            await self.now(message)

    async def now(self, message: Any) -> None:
        """Send a message, whatever is held back."""
        if message["type"] == "http.response.start":
            kept = [
                each for each in message.get("headers", ()) if each[0].lower() not in self._headers
            ]
            message = {**message, "headers": [*kept, *self._headers.items()]}
            self.begun = True
        await self._send(message)

    async def flush(self) -> None:
        """Send what was held back."""
        held, self._held = self._held, []
        for message in held:
            await self.now(message)


def _path_of(scope: Any) -> str:
    return "/" + str(scope["path"]).removeprefix(scope.get("root_path", "")).lstrip("/")


def _as_storage_error(exc: OSError) -> StorageError | None:
    """Return what is said of a disk that takes no upload; None for any other error."""
    if exc.errno not in _NO_ROOM and "temporary directory" not in str(exc):
        return None
    return StorageError(
        f"The upload cannot be kept ({exc.strerror or exc}): make room for it on the server, or "
        "start it with another folder in RIS_TEMP_DIR."
    )
