"""Methods that do what methods do at their worst; a study takes them with `--own`."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lab.methods.method import Method, Metric, Parameters, Rows, Searcher, Vectors


class FirstRows(Searcher):
    """Finds the first rows, whatever is asked."""

    def search(self, queries: Vectors, k: int, effort: Parameters) -> Rows:
        if effort.get("dies"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return np.tile(np.arange(k), (len(queries), 1))

    def memory_bytes(self) -> int:
        return 1


def _first_rows(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    os.write(1, b"a library that prints what is no JSON\n")
    return FirstRows()


def _killed(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    tempfile.mkdtemp()
    os.kill(os.getpid(), signal.SIGKILL)
    return FirstRows()


def _raising(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    raise ValueError("it cannot take these vectors")


def _out_of_memory(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    raise MemoryError


def _greedy(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    held = np.ones(40_000_000)
    threading.Event().wait()
    held.sum()
    return FirstRows()


def _endless(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    threading.Event().wait()
    return FirstRows()


def _leaving(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    os.write(2, b"no licence found\n")
    os._exit(3)


def _waiting(vectors: Vectors, metric: Metric, build: Parameters) -> Searcher:
    """Wait for ever where a test says so by naming a file, in which the process is named then."""
    file = os.environ.get("LAB_TEST_WAITS", "")
    if file:
        part = Path(file + ".part")
        part.write_text(str(os.getpid()))
        part.replace(file)
        threading.Event().wait()
    return FirstRows()


def _method(name: str, build: Callable[[Vectors, Metric, Parameters], Searcher]) -> Method:
    efforts: list[Parameters] = [{}, {"dies": 1}] if name == "crashing" else [{}]
    return Method(
        name=name,
        what=f"a method that is {name}",
        library="numpy",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=lambda rows, dim: [{}],
        efforts=lambda rows, build: efforts,
        build=build,
    )


METHODS = (
    _method("first-rows", _first_rows),
    _method("killed", _killed),
    _method("raising", _raising),
    _method("forgetful", _out_of_memory),
    _method("greedy", _greedy),
    _method("endless", _endless),
    _method("leaving", _leaving),
    _method("crashing", _first_rows),
    _method("waiting", _waiting),
    Method(
        name="absent",
        what="a method whose library is not here",
        library="no_such_library",
        metrics=frozenset({"l2", "ip"}),
        exact=False,
        builds=lambda rows, dim: [{}],
        efforts=lambda rows, build: [{}],
        build=_first_rows,
    ),
)
