"""The page's scripts: their logic, by tests in JavaScript that node runs, and their types."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conftest import ROOT

FILES = sorted((Path(__file__).parent / "scripts").glob("*.test.js"))


@pytest.fixture(scope="module")
def node() -> str:
    """The path of node; without it the tests are skipped, or fail where a browser is required."""
    path = shutil.which("node")
    if path:
        return path
    return _without("node was not found: install Node.js 20 or newer.")


@pytest.fixture(scope="module")
def tsc(node: str) -> list[str]:
    """The command that checks types; without it as without node."""
    script = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
    if not script.is_file():
        _without("TypeScript was not found: run `npm ci`.")
    return [node, str(script)]


def _without(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_scripts_do_what_their_tests_say(node: str, file: Path) -> None:
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout


def test_what_the_scripts_hand_one_another_is_of_the_types_that_they_say(tsc: list[str]) -> None:
    done = subprocess.run(
        [*tsc, "--project", str(ROOT), "--pretty", "false"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
