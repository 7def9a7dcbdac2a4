"""The Authorization header of a request → whether a program may ask; the page needs none."""

import hmac

from app.errors import TokenError


class Access:
    """Who may ask as a program: everybody, or whoever sends the token (RFC 6750)."""

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()

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


EVERYBODY = Access()
