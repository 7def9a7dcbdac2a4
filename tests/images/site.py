"""A web server on loopback that answers as a test says, and names that lie."""

import io
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from app.images.fetch import FetchLimits

LOCAL = FetchLimits(timeout_seconds=10, allow_loopback=True)
PUBLIC, OTHER_PUBLIC = "93.184.215.14", "8.8.8.8"


def picture(kind: str = "PNG") -> bytes:
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(file)
    else:
        image.save(file, kind)
    return file.getvalue()


PICTURE = picture()


class Site:
    """A web server on loopback; ``pages`` maps a path to the function that answers it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.requests: list[BaseHTTPRequestHandler] = []
        self.over = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self)
                site.pages[self.path](self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:  # clients hang up on purpose here
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def drip(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        """Send a byte every 20 ms: each comes soon, all of them together take long."""
        for byte in data:
            if self.over.wait(0.02):
                return
            handler.wfile.write(bytes([byte]))


def answer(
    body: bytes = PICTURE, status: int = 200, *, length: int | None = -1, **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a page; ``length`` is its Content-Length (−1: the right one, None: no header)."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(len(body) if length == -1 else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return page


def resolver(*answers: list[str], asked: list[str] | None = None) -> Callable[..., Any]:
    """Return a getaddrinfo whose first call gives the first answer, and so on; the last stays.

    The names that it is asked for are added to `asked`.
    """
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if asked is not None:
            asked.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, port))
            for address in addresses
        ]

    return getaddrinfo
