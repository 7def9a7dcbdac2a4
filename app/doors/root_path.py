"""Requests below the path of a reverse proxy → requests of an application with that root path."""

from collections.abc import Collection
from typing import Any

from app.errors import SettingsError


class UnderRootPath:
    """Answers at `root_path` (ASGI's), whether the proxy takes it off the address or leaves it.

    Applications read it from the scope and write it into their addresses. Who asks past the proxy
    needs not write it.
    """

    def __init__(self, application: Any, root_path: str, *, own_parts: Collection[str]) -> None:
        """Take a path without a slash at its end.

        SettingsError where it begins like an address of the application, the first parts of which
        are `own_parts`: it could not be seen then whether the proxy took the path off.
        """
        first = root_path.split("/")[1]
        if first in own_parts:
            raise SettingsError(
                f"RIS_ROOT_PATH cannot be {root_path!r}, as the server has addresses of its own "
                f"below /{first}: choose another path."
            )
        self._application = application
        self._root_path = root_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        application = self._application
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            if path == self._root_path:
                application = _to_the_page(scope)
            if not (path + "/").startswith(self._root_path + "/"):
                path = self._root_path + path
            scope = {**scope, "root_path": self._root_path, "path": path}
        await application(scope, receive, send)


def _to_the_page(scope: Any) -> Any:
    """Return the redirect to the page, whose own addresses are relative to a slash at the end."""
    from starlette.responses import RedirectResponse

    query = scope.get("query_string", b"").decode("latin-1")
    return RedirectResponse(f"{scope['path']}/{query and '?'}{query}")
