"""The logic of the page's scripts, held by tests in JavaScript that node runs without a browser."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

FILES = sorted((Path(__file__).parent / "scripts").glob("*.test.js"))


@pytest.fixture(scope="module")
def node() -> str:
    """The path of node; without it the tests are skipped, or fail where a browser is required."""
    path = shutil.which("node")
    if path:
        return path
    reason = "node was not found: install Node.js 20 or newer."
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
