"""A Ray cluster on this machine's loopback, of as many nodes as are asked for."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_START_SECONDS = 60
_MEMORY = 80_000_000  # bytes of each node's object store
_JOINED = """
import logging, sys, time, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.FATAL)
while sum(each["Alive"] for each in ray.nodes()) != int(sys.argv[2]):
    time.sleep(0.1)
"""


class Node:
    """A machine of the cluster: Ray's processes, which run as many tasks as it has processors."""

    def __init__(self, log: Path, *role: str, processors: int) -> None:
        command = [str(Path(sys.executable).parent / "ray"), "start", *role, "--block"]
        command += [f"--num-cpus={processors}", f"--object-store-memory={_MEMORY}"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*command, "--disable-usage-stats"],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End all of its processes at once, as a power cut would."""
        if self._process.poll() is not None:
            return
        family = psutil.Process(self._process.pid)
        for each in [*family.children(recursive=True), family]:
            each.kill()
        self._process.wait()


class Cluster:
    """A cluster whose head hands out work and does none; `address` is for `--ray`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._nodes: list[Node] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            # Ray takes 127.0.0.1 for this machine's address in its network; not so the others of
            # loopback.
            self.address = f"127.0.0.2:{free.getsockname()[1]}"
        port = self.address.partition(":")[2]
        self._start(
            *("--head", f"--port={port}", "--node-ip-address=127.0.0.2"),
            *("--include-dashboard=false", f"--temp-dir={folder}/r"),
            processors=0,
        )

    def add(self, processors: int) -> Node:
        """Start one more node, and wait until it has joined."""
        number = len(self._nodes)
        node = self._start(
            f"--address={self.address}",
            f"--node-ip-address=127.0.0.{number + 2}",
            processors=processors,
        )
        alive = sum(each._process.poll() is None for each in self._nodes)
        subprocess.run(
            [sys.executable, "-c", _JOINED, self.address, str(alive)],
            check=True,
            timeout=_START_SECONDS,
        )
        return node

    def _start(self, *role: str, processors: int) -> Node:
        node = Node(self._folder / f"{len(self._nodes)}.log", *role, processors=processors)
        self._nodes.append(node)
        if len(self._nodes) == 1:
            self._wait_for_head()
        return node

    def _wait_for_head(self) -> None:
        host, _, port = self.address.partition(":")
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self._nodes):
            node.kill()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a cluster; its nodes end with it."""
    # Short: the names of sockets in it must not be longer than 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def embedding_processes() -> list[psutil.Process]:
    """Return the processes on this machine that are embedding for a cluster."""
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if "ray::embed_batch" in " ".join(each.info["cmdline"] or ())
    ]
