"""A process that begins others, which change galleries: they need not import anything."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT


class Changers:
    """Asks `tests.build.lives.child`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *words: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().rstrip()


@pytest.fixture(scope="module")
def changers() -> Iterator[Changers]:
    command = [sys.executable, "-m", "tests.build.lives.child"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Changers(process)
        assert process.stdin
        process.stdin.close()
