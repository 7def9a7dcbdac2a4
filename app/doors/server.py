"""One web application: routes, error handler, the page mounted on it, and who may ask it."""

import contextlib
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.build.jobs import GalleryMaker
from app.doors.access import EVERYBODY, Access
from app.doors.running import announced
from app.errors import AppError, SenderError, UsageError
from app.search.service import SearchService
from app.settings import Settings, is_loopback
from app.wiring import make_maker, make_service

# The browser itself is told to ask nobody else: no font, script or beacon from another host.
# Gradio needs inline scripts and styles, and compiles the page's small scripts.
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'"
)
_CHANGE_NOTHING = {"GET", "HEAD", "OPTIONS"}


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until stopped; `announce` gets the address when the page can be opened.

    UsageError if the address is taken or cannot be used.
    """
    listening = _listen(settings.host, settings.port)
    with tempfile.TemporaryDirectory(prefix="reverse-image-search-") as uploads:
        _keep_gradio_to_itself(Path(uploads))
        import uvicorn

        address = address_of(settings.host, settings.port)
        found = contextlib.ExitStack()  # by the command line, as long as it listens

        class AnnouncingServer(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                home = settings.indexes_dir.parent
                found.enter_context(announced(address, home=home, cache_dir=settings.cache_dir))
                announce(address)

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                found.close()
                await super().shutdown(sockets)

        maker = make_maker(settings)
        application = make_application(
            make_service(settings),
            Path(uploads),
            maker,
            host=settings.host,
            hosts=settings.hosts,
            access=Access(settings.api_token),
        )
        config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=3)
        with found, contextlib.closing(maker):  # a gallery being made stops before the uploads go
            AnnouncingServer(config).run(sockets=[listening])


def address_of(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def make_application(
    service: SearchService,
    uploads: Path,
    maker: GalleryMaker,
    *,
    host: str,
    hosts: Collection[str] = (),
    access: Access = EVERYBODY,
) -> Any:
    """Return the ASGI application: routes first, the page at /; `host` is where it will listen.

    With `hosts` it answers to these names, and to this machine's own, alone.

    The models are loaded beside, so that the page does not wait for them.
    """
    from fastapi import FastAPI
    from starlette.routing import Route

    from app.doors import rest
    from app.doors.mcp import OverHttp

    ready = threading.Event()

    def warm_up() -> None:
        service.warm_up()
        ready.set()

    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    tools = OverHttp(service, access=access)
    application = FastAPI(openapi_url=None, lifespan=tools.running)
    application.router.routes.append(Route(tools.path, tools))
    programs = rest.make_rest(service, access=access, is_ready=ready.is_set)
    application.router.routes.append(rest.RestRoutes(programs))

    from app.doors.page import mount_page

    mounted = mount_page(application, service, uploads, maker, access)
    counted = rest.CountingDoors(mounted, programs.state.measured)
    return _WithContentPolicy(_ForOwnPages(counted, host=host, hosts=hosts))


class _ForOwnPages:
    """Refuses what the page of another site may have asked for, through its visitor's browser.

    Such a page can post to any address. Under a name of its own that it lets lead to this machine
    (DNS rebinding) it could read the answers too, so a server that listens at a loopback address
    answers to the names of those alone, and any server to `hosts` alone where there are any.
    """

    def __init__(self, application: Any, *, host: str, hosts: Collection[str]) -> None:
        self._application = application
        self._any_name = not is_loopback(host) and not hosts
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        answer = self._application
        if scope["type"] != "lifespan":
            try:
                self._check_sender(scope.get("method"), dict(scope["headers"]))
            except SenderError as exc:
                answer = _told(exc, scope)
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


def _told(error: AppError, scope: Any) -> Any:
    """Return the answer that tells an error."""
    from app.doors import rest

    return rest.told(error, root=scope.get("root_path", ""))


class _WithContentPolicy:
    """Adds the content policy to every answer."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _CONTENT_POLICY.encode())
                message = {**message, "headers": [*message.get("headers", ()), policy]}
            await send(message)

        await self._application(scope, receive, send_with_policy)


def _keep_gradio_to_itself(uploads: Path) -> None:
    """Set what Gradio reads when it is imported: no telemetry, no hub, uploads in our folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server(
            (host, port), family=family, reuse_port=False, backlog=2048
        )
        # Else an answer's body waits 40 ms for its head to be acknowledged: asyncio sees to that
        # only for sockets that it makes itself. What is accepted inherits it.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, UnicodeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise UsageError(
            f"Cannot listen on {host}:{port} ({reason}): choose another with HOST and PORT."
        ) from exc
