"""Several servers over one home, restarted one after the other → requests that failed meanwhile.

Run by `make bench-rolling`. Clients ask without pause through a balancer, in every way that there
is: files over REST, pictures and facts, the page's uploads and searches, MCP. Every other one keeps
its connections, as browsers do; the others make a new one for each request. A request fails with
any status but 200 and with any error below HTTP, and none is sent twice.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.balancer import balancing, free_port
from benchmarks.report import Report, arguments, at_most

_PROGRAM = Path(__file__).resolve().parents[1]
_CONFIGURATION = _PROGRAM / "deploy" / "haproxy.cfg"
_START_SECONDS = 180
_END_SECONDS = 120
_ANSWER_SECONDS = 120
DRAIN_SECONDS = 3
TOKEN = "rolling"


class Server:
    """One server process at a port of its own, that can be stopped and started again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | environment | {"PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start; `wait` waits until it is ready."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            cwd=_PROGRAM,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        """Wait until it is ready."""
        ends = time.monotonic() + _START_SECONDS
        while not is_ready(self.url):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"The server at {self.url} did not become ready.")
            time.sleep(0.05)

    def terminate(self) -> int:
        """Ask it to stop, as a rolling restart does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_END_SECONDS)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def is_ready(url: str) -> bool:
    """Return whether a server says that it is ready."""
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def servers(count: int, environment: Mapping[str, str]) -> Iterator[list[Server]]:
    """Run so many servers with one environment while the block runs."""
    running = [Server(environment) for _ in range(count)]
    try:
        for each in running:
            each.start()
        for each in running:
            each.wait()
        yield running
    finally:
        for each in running:
            each.kill()


@dataclass
class Asked:
    """How many requests of each kind were answered, and what was wrong with the others."""

    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many requests were made."""
        return self.answered.total() + len(self.failures)


class Client:
    """Asks a server, or a balancer in front of some, in every way.

    With `keeps_connections` it asks again over one that is open.
    """

    def __init__(
        self,
        url: str,
        gallery: str,
        picture: bytes,
        asked: Asked,
        *,
        keeps_connections: bool = False,
    ) -> None:
        self._asked = asked
        self._gallery, self._picture = gallery, picture
        self._http = httpx.Client(
            base_url=url,
            trust_env=False,
            timeout=_ANSWER_SECONDS,
            headers={"Authorization": f"Bearer {TOKEN}"}
            | ({} if keeps_connections else {"Connection": "close"}),
            limits=httpx.Limits(max_keepalive_connections=int(keeps_connections)),
        )
        config = self._http.get("/config").raise_for_status().json()
        self._session = next(
            each["id"] for each in config["components"] if each["props"].get("elem_id") == "session"
        )
        (self._load,) = (
            each["id"]
            for each in config["dependencies"]
            if any(event == "load" for _, event in each["targets"])
        )

    def ask_all(self) -> None:
        """Ask once in each way."""
        self.rest_upload()
        image = f"/galleries/{self._gallery}/images/0"
        self._get("REST: facts", "/galleries")
        self._get("REST: thumbnail", f"{image}/thumbnail")
        self._get("page: itself", "/")
        self.page_list()
        self.page_upload()
        self.mcp()

    def close(self) -> None:
        """Let go of what is open."""
        self._http.close()

    def rest_upload(self) -> None:
        """Search with a file."""
        answer = self._ask(
            "REST: file",
            "POST",
            f"/similarity-search?gallery={self._gallery}&k=3",
            files={"file": ("query.jpg", self._picture)},
        )
        self._expect("REST: file", answer is None or len(answer.json()["results"]) == 3)

    def page_upload(self) -> None:
        """Upload as the page does, search with it, and look at it: three requests."""
        sent = self._ask(
            "page: upload", "POST", "/gradio_api/upload", files={"files": ("a.jpg", self._picture)}
        )
        if sent is None:
            return
        query = {"kind": "upload", "path": sent.json()[0], "name": "a.jpg"}
        answer = self.page_function("ask", {"gallery": self._gallery, "query": query, "k": 3})
        if answer is not None:
            found = answer.json()
            self._expect("page: ask", "results" in found, found)
            if "results" in found:
                self._get("page: picture", f"/{found['query']['src']}")

    def page_function(self, name: str, request: object) -> httpx.Response | None:
        """Call one of the page's functions as its scripts do."""
        body = {
            "session_hash": "anybody",
            "component_id": self._session,
            "fn_name": name,
            "data": request,
        }
        return self._ask(f"page: {name}", "POST", "/gradio_api/component_server", json=body)

    def page_list(self) -> None:
        """Get the list of galleries, as a page does that was just opened."""
        body = {"data": [], "fn_index": self._load, "session_hash": "anybody"}
        self._ask("page: list", "POST", "/gradio_api/run/predict", json=body)

    def mcp(self) -> None:
        """Call a tool."""
        call = {"name": "describe_image", "arguments": {"gallery": self._gallery, "id": 0}}
        answer = self._ask(
            "MCP: tool",
            "POST",
            "/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
            headers={"Accept": "application/json, text/event-stream"},
        )
        wrong = answer is not None and answer.json().get("result", {}).get("isError", True)
        self._expect("MCP: tool", not wrong)

    def _get(self, kind: str, path: str) -> None:
        self._ask(kind, "GET", path)

    def _ask(self, kind: str, method: str, path: str, **sent: Any) -> httpx.Response | None:
        """Return the answer; None, and a failure, for any but 200."""
        try:
            answer = self._http.request(method, path, **sent)
        except httpx.HTTPError as exc:
            self._asked.failures.append(f"{kind}: {exc!r}")
            return None
        if answer.status_code != 200:
            self._asked.failures.append(f"{kind}: {answer.status_code} {answer.text[:200]}")
            return None
        self._asked.answered[kind] += 1
        return answer

    def _expect(self, kind: str, right: bool, what: object = "") -> None:
        if not right:
            self._asked.failures.append(f"{kind}: a wrong answer {what}")


@contextmanager
def asking(url: str, gallery: str, picture: bytes, clients: int) -> Iterator[Asked]:
    """Ask without pause from so many clients while the block runs."""
    asked, stopped = Asked(), threading.Event()

    def ask(keeps_connections: bool) -> None:
        made = Client(url, gallery, picture, asked, keeps_connections=keeps_connections)
        with contextlib.closing(made) as client:
            while not stopped.is_set():
                client.ask_all()

    threads = [
        threading.Thread(target=ask, args=[bool(number % 2)], name="client")
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def roll(
    running: list[Server], *, gallery: str, picture: bytes, clients: int, front: Callable[..., Any]
) -> Asked:
    """Restart each server in turn behind a balancer, `front(ports)`, under load; return it."""
    with ExitStack() as stack:
        balancer = stack.enter_context(front([each.port for each in running]))
        url = f"http://127.0.0.1:{balancer.port}"
        while not is_ready(url):
            time.sleep(0.05)
        asked = stack.enter_context(asking(url, gallery, picture, clients))
        for each in running:
            before = asked.total
            if code := each.terminate():
                asked.failures.append(f"a server ended with {code}")
            each.start()
            each.wait()
            while asked.total < before + 10 * clients:  # the new one is asked too
                time.sleep(0.05)
    return asked


@dataclass(frozen=True)
class _Front:
    port: int


@contextmanager
def haproxy(ports: list[int]) -> Iterator[_Front]:
    """Run HAProxy with deploy/haproxy.cfg, the addresses replaced, while the block runs."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="haproxy-") as folder:
        text = with_addresses(_CONFIGURATION.read_text(encoding="utf-8"), port, ports)
        configuration = Path(folder) / "haproxy.cfg"
        configuration.write_text(text, encoding="utf-8")
        process = subprocess.Popen(["haproxy", "-q", "-f", str(configuration)])
        try:
            yield _Front(port)
        finally:
            process.kill()
            process.wait()


def with_addresses(configuration: str, port: int, ports: list[int]) -> str:
    """Return a configuration that listens at `port` for the servers at `ports` of loopback."""
    servers_there = "".join(f"    server s{n} 127.0.0.1:{each}\n" for n, each in enumerate(ports))
    text = re.sub(r"^resolvers .*\n(    .*\n)*", "", configuration, flags=re.MULTILINE)
    text = re.sub(r"^    bind .*$", f"    bind 127.0.0.1:{port}", text, flags=re.MULTILINE)
    return re.sub(r"(^    server .*\n)+", servers_there, text, flags=re.MULTILINE)


def main() -> int:
    """Measure, print, and return 1 if a request failed."""
    parser = arguments("Restart servers one after the other while clients ask them.")
    parser.add_argument("--servers", type=int, default=3, metavar="N")
    parser.add_argument("--clients", type=int, default=4, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="restarts of each")
    parser.add_argument(
        "--haproxy", action="store_true", help="behind HAProxy, as deploy/haproxy.cfg configures it"
    )
    return _measure(parser.parse_args())


def _measure(options: argparse.Namespace) -> int:
    command = "make bench-rolling HAPROXY=1" if options.haproxy else "make bench-rolling"
    report = Report("Rolling restart", command)
    examples = _PROGRAM / "app" / "doors" / "page" / "examples"
    picture = min(examples.glob("*.jpg")).read_bytes()
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder:
        environment = {
            "RIS_SHARED_DIR": folder,
            "RIS_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "RIS_API_TOKEN": TOKEN,
        }
        started = time.monotonic()
        with servers(options.servers, environment) as running:
            asked = roll(
                running * options.rounds,
                gallery="caltech101-efficientnet_lite0",
                picture=picture,
                clients=options.clients,
                front=haproxy if options.haproxy else balancing,
            )
        seconds = time.monotonic() - started
    report.add("servers, restarts of each, clients, balancer", _how(options))
    for kind, count in sorted(asked.answered.items()):
        report.add(f"answered, {kind}", f"{count:,}")
    for failure in asked.failures[:20]:
        print(failure)
    failed = len(asked.failures)
    report.add(
        f"requests, and failed ones, in {seconds:.0f} s",
        f"{asked.total:,}, {failed}",
        at_most(failed, 0, "0 failed"),
    )
    return report.finish(options.save)


def _how(options: argparse.Namespace) -> str:
    balancer = "HAProxy" if options.haproxy else "of connections, without retries"
    return f"{options.servers}, {options.rounds}, {options.clients}, {balancer}"


if __name__ == "__main__":
    sys.exit(main())
