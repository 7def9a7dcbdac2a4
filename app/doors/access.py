"""The Authorization header of a request → whether a program may ask, or anybody at all."""

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from app.errors import AppError, PasswordError, TokenError

CHALLENGE = 'Basic realm="Reverse image search", charset="UTF-8"'
"""How a browser hears that it has to ask for the password (RFC 7617)."""

WRONG_SECONDS = 1.0
"""After so long a wrong password is refused, so that few can be tried."""

_OPEN_TO_ALL = {"healthz", "readyz"}  # for what starts and watches the server


class Access:
    """Who may ask as a program: everybody, or whoever sends the token (RFC 6750)."""

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()

    @property
    def token(self) -> str:
        """The token, '' if there is none."""
        return self._token.decode()

    @property
    def needs_token(self) -> bool:
        """Whether programs must send a token."""
        return bool(self._token)

    def check(self, authorization: str) -> None:
        """Raise TokenError unless the header's value is `Bearer` and the token, if one is set."""
        if not self._token:
            return
        scheme, _, given = authorization.partition(" ")
        # In constant time: how long it takes must not show how much of a guess is right.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        if scheme.lower() != "bearer" or not same:
            given_any = "is not the one of this server" if authorization else "is missing"
            raise TokenError(
                f"The token {given_any}: send the header Authorization: Bearer TOKEN, with the "
                "value of RIS_API_TOKEN that the server was started with."
            )


class BehindPassword:
    """Answers those alone who send the password (HTTP Basic, any name), or a program's token."""

    def __init__(
        self,
        application: Any,
        password: str,
        token: str = "",
        *,
        refused: Callable[[AppError, Any], Any],
    ) -> None:
        """Take the password; `refused` makes an application that answers with an error."""
        self._application = application
        self._password = password.encode()
        self._access = Access(token)
        self._refused = refused

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or refuse it with 401."""
        answer = self._application
        if scope["type"] != "lifespan" and not _is_open(scope):
            headers = dict(scope["headers"])
            given = headers.get(b"authorization", b"").decode("latin-1")
            if not self._may(given):
                if given:
                    await asyncio.sleep(WRONG_SECONDS)
                error = PasswordError(
                    f"The password {'is not the one of this server' if given else 'is missing'}: "
                    "give the value of RIS_PASSWORD that it was started with, or, as a program, "
                    "that of RIS_API_TOKEN as a bearer token."
                )
                answer = self._refused(error, scope)
        await answer(scope, receive, send)

    def _may(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "bearer" and self._access.needs_token:
            try:
                self._access.check(authorization)
            except TokenError:
                return False
            return True
        try:
            _, _, password = b64decode(given.strip(), validate=True).partition(b":")
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(password, self._password)


def _is_open(scope: Any) -> bool:
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return path.strip("/") in _OPEN_TO_ALL


EVERYBODY = Access()
