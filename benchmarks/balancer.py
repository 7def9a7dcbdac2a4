"""Connections to one port → to the next of several servers that say at /readyz that they are ready.

It hands bytes on as a balancer of the transport layer does, such as a Service of Kubernetes: it
tries no request twice, so that a server which closes its door too early shows.
"""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence

CHECK_SECONDS = 0.2
_CHECK = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Balancer:
    """Listens on a free port of loopback; `ready` are the ports of servers that may be asked."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = itertools.count()
        self.ready: frozenset[int] = frozenset()
        self.port = 0
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, listening: threading.Event) -> None:
        """Balance until stopped."""
        self._loop, stopping = asyncio.get_running_loop(), self._stopping
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        async with server:
            while not stopping.is_set():
                answers = await asyncio.gather(*map(_is_ready, self._ports))
                self.ready = frozenset(itertools.compress(self._ports, answers))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), CHECK_SECONDS)

    def stop(self) -> None:
        """Let `run` end; from another thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stopping.set)

    def _accept(self, asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._hand_on(asking, answering))
        self._tasks.add(task)  # asyncio itself keeps weak references alone
        task.add_done_callback(self._tasks.discard)

    async def _hand_on(self, asking: asyncio.StreamReader, answering: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(answering):
            ready = sorted(self.ready)
            if not ready:
                return  # the one who asks sees a connection that ends without an answer
            port = ready[next(self._turn) % len(ready)]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                sending = asyncio.create_task(_copy(asking, writer))
                try:
                    await _copy(reader, answering)  # until the server has no more to say
                finally:
                    sending.cancel()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hand bytes on until their sender has no more."""
    with contextlib.suppress(OSError):
        while part := await source.read(65536):
            target.write(part)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


async def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                writer.write(_CHECK)
                return b" 200 " in await reader.readline()
    return False


@contextlib.contextmanager
def balancing(ports: Sequence[int]) -> Iterator[Balancer]:
    """Balance in a thread while the block runs."""
    balancer, listening = Balancer(ports), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(balancer.run(listening)), name="balancer")
    thread.start()
    try:
        listening.wait()
        yield balancer
    finally:
        balancer.stop()
        thread.join()


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
