"""Requests → those that this server's own pages and programs make; others are refused."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from app.errors import SenderError
from app.settings import is_loopback

_CHANGE_NOTHING = {"GET", "HEAD", "OPTIONS"}


class OwnPagesOnly:
    """Refuses requests that another site's page may have made through its visitor's browser.

    Such a page can post to any address. Under a name of its own that it lets lead to this machine
    (DNS rebinding) it could read the answers too, so a server that listens at a loopback address
    answers to the names of those alone, and any server to `hosts` alone where there are any.
    """

    def __init__(self, application: Any, *, host: str, hosts: Collection[str]) -> None:
        self._application = application
        self._any_name = not is_loopback(host) and not hosts
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or refuse it with 403."""
        answer = self._application
        if scope["type"] != "lifespan":
            try:
                self._check_sender(scope.get("method"), dict(scope["headers"]))
            except SenderError as exc:
                from app.doors import rest

                answer = rest.refusal(exc, scope)
        await answer(scope, receive, send)

    def _check_sender(self, method: str | None, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        name = _without_port(host)
        if not (self._any_name or is_loopback(name) or name in self._hosts):
            raise SenderError(
                f"This server is not asked as {host!r}, but at this machine's own address alone: "
                "open the one that it printed, or start it with that name in RIS_HOSTS."
            )
        if b"origin" not in headers or method in _CHANGE_NOTHING:
            return
        # Not X-Forwarded-Host: the page of another site can send that as it likes.
        place = origin.partition("://")[2]
        if not place or place.lower() != host.lower():
            raise SenderError(
                f"The page that asks is of {origin!r}, not of this server at {host!r}: "
                "ask from the page of the address that the server printed."
            )


def _without_port(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # a bracket that is not closed
        return ""
