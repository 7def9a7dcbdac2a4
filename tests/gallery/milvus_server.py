"""A Milvus server for the tests: started, killed and started again."""

import contextlib
import socket
import subprocess
import time
import urllib.request
import warnings
from pathlib import Path
from typing import Any

_STARTS = 5


def _bound(port: int) -> socket.socket | None:
    """Return a socket at a port that is free; so is one that was left a moment ago."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        bound.listen()
    except OSError:
        bound.close()
        return None
    return bound


class Server:
    """A standalone server of the package `milvus`, with its data in a folder of the tests."""

    def __init__(self, folder: Path) -> None:
        from milvus import MilvusServer

        self.folder = folder
        self._server: Any = MilvusServer(wait_for_started=False)
        self._server.set_base_dir(str(folder))
        self._server.config.try_bind_port = _bound

    def start(self) -> None:
        """Start it, and wait until it says that it is well; again at the same address.

        It ends at once where a port that it wants is still another's: then it is started anew.
        """
        for _ in range(_STARTS):
            with warnings.catch_warnings():  # the package leaves the sockets that found a port open
                warnings.simplefilter("ignore")
                self._server.start()
            self._server.config.set("proxy_port", self._server.listen_port)
            while self.process.poll() is None:
                if self._is_well():
                    return
                time.sleep(0.1)
        raise RuntimeError(f"Milvus does not start: its log is in {self.folder / 'logs'}.")

    def _is_well(self) -> bool:
        address = f"http://127.0.0.1:{self._server.webservice_port}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            return b"OK" in answer.read()
        return False

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.listen_port}"

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self._server.server_proc

    def kill(self) -> None:
        """Kill it at once, as a machine that loses its power would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.stop()
