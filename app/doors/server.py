"""The service → one web application: routes for programs, tools, the page; and a server for it."""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from app.build.jobs import GalleryMaker
from app.build.keeper import GalleryKeeper
from app.doors.access import EVERYBODY, Access, BehindPassword
from app.doors.draining import ClosingConnections, Draining
from app.doors.file_manager import show_file
from app.doors.forgetting import forgetting
from app.doors.guarded import Guarded
from app.doors.limits import Limits
from app.doors.own_pages import OwnPagesOnly
from app.doors.root_path import UnderRootPath
from app.doors.running import announced
from app.doors.upload_folder import folder_for_uploads
from app.errors import UsageError
from app.search.service import SearchService
from app.settings import MOST_REQUESTS, Settings
from app.wiring import make_keeper, make_maker, make_service

_OPENING = "The galleries are still being opened: ask again in a moment."


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until stopped; `announce` gets the address when the page can be opened.

    UsageError if the address is taken or cannot be used.
    """
    listening = listen(settings.host, settings.port)
    draining = Draining(settings.drain_seconds)
    with contextlib.ExitStack() as closing:
        uploads = closing.enter_context(folder_for_uploads(settings))
        closing.enter_context(forgetting(uploads))
        announcing = contextlib.ExitStack()  # to the command line, as long as it listens
        closing.enter_context(announcing)
        with _stopping_later():
            _keep_gradio_to_itself(uploads)
            from app.doors.web_server import WebServer

            address = address_of(settings.host, settings.port)

            def on_start() -> None:
                home = settings.indexes_dir.parent
                announcing.enter_context(
                    announced(address, home=home, cache_dir=settings.cache_dir)
                )
                announce(address)

            service = closing.enter_context(contextlib.closing(make_service(settings)))
            keeper = make_keeper(settings, off=settings.changing_off, in_background=True)
            closing.enter_context(contextlib.closing(keeper))
            maker = make_maker(settings)
            closing.enter_context(contextlib.closing(maker))  # stops before the uploads go
            application = make_application(
                service,
                uploads,
                maker,
                keeper,
                host=settings.host,
                hosts=settings.hosts,
                access=Access(settings.api_token),
                root_path=settings.root_path,
                most_at_once=settings.most_requests,
                rate=settings.rate_limit,
                password=settings.password,
                frame_ancestors=settings.frame_ancestors,
                show_file=show_file if settings.for_this_machine else None,
                draining=draining,
            )
            server = WebServer(
                application, draining=draining, on_start=on_start, on_stop=announcing.close
            )
        server.run(sockets=[listening])


@contextlib.contextmanager
def _stopping_later() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM until the block has ended.

    What is imported in it would swallow the exception in places, and end in others half begun.
    Signals come to the main thread alone: in another there is nothing to keep.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def address_of(host: str, port: int) -> str:
    """Return the address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (nothing is bound)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def make_application(
    service: SearchService,
    uploads: Path,
    maker: GalleryMaker,
    keeper: GalleryKeeper,
    *,
    host: str,
    hosts: Collection[str] = (),
    access: Access = EVERYBODY,
    root_path: str = "",
    most_at_once: int = MOST_REQUESTS,
    rate: str = "",
    password: str = "",
    frame_ancestors: str = "",
    show_file: Callable[[Path], None] | None = None,
    draining: Draining | None = None,
) -> Any:
    """Return the ASGI application: routes first, the page at /; `host` is where it will listen.

    With `hosts` it answers to these names, and to this machine's own, alone. `root_path` is the
    path of another site that a proxy serves it under; SettingsError where that begins like an
    address of the application itself. `frame_ancestors` are the sites that may show the page in a
    frame, besides this one. `show_file` is what the page shows a file in this machine's file
    manager with, where it may. `most_at_once` and `rate` are those of `Limits`. With a `password`
    nobody is answered without it, or without the token. Once `draining` has begun it is not ready
    any more, and ends the connection of each answer.

    The models are loaded in a thread, so that the page does not wait for them; the program ends
    after it, since an interpreter that goes away under a network being compiled aborts.
    """
    from fastapi import FastAPI
    from starlette.routing import Route

    from app.doors import rest
    from app.doors.mcp import OverHttp

    ready = threading.Event()
    draining = draining or Draining()

    def warm_up() -> None:
        service.warm_up()
        ready.set()

    def not_ready() -> str:
        if draining.has_begun:
            return "The server is about to stop: ask another, or ask again in a while."
        return service.unreadable() if ready.is_set() else _OPENING

    tools = OverHttp(service, access=access)
    application = FastAPI(openapi_url=None, lifespan=tools.running)
    application.router.routes.append(Route(tools.path, tools))
    programs = rest.make_rest(service, keeper=keeper, access=access, not_ready=not_ready)
    application.router.routes.append(rest.RestRoutes(programs))

    from app.doors import page

    page.mount_page(
        application, service, uploads, maker, access, root_path=root_path, show_file=show_file
    )
    # Not before: importing Gradio and loading a model would take turns with the interpreter.
    threading.Thread(target=warm_up, name="warm-up").start()
    counted = rest.CountingDoors(application, programs.state.measured)

    answering: Any = Limits(
        counted,
        most_at_once=most_at_once,
        rate=rate,
        costs_little=rest.costs_little,
        refused=rest.refusal,
    )
    if password:
        answering = BehindPassword(answering, password, access.token, refused=rest.refusal)
    answering = OwnPagesOnly(answering, host=host, hosts=hosts)
    if root_path:
        own_parts = rest.FIRST_PARTS | page.FIRST_PARTS | {tools.path.strip("/")}
        answering = UnderRootPath(answering, root_path, own_parts=own_parts)
    guarded = Guarded(
        answering,
        most_bytes_of_a_form=page.most_bytes_of_a_form(maker),
        frame_ancestors=frame_ancestors,
        is_refused=page.is_forwarded,
    )
    return ClosingConnections(guarded, draining)


def _keep_gradio_to_itself(uploads: Path) -> None:
    """Set what Gradio reads when it is imported: no telemetry, no hub, uploads in our folder."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; UsageError if the address is taken or cannot be used."""
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
