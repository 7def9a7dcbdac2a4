"""Without a browser these tests say so: they are skipped, or fail where a browser is required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("required", "exit_code", "word"), [("0", 0, "1 skipped"), ("1", 1, "1 error")]
)
def test_a_missing_chromium_is_reported(tmp_path: Path, required: str, exit_code: int, word: str):
    test = "tests/doors/page/browser/test_page.py::test_the_page_asks_nobody_but_its_own_server"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=os.environ | {"CHROMIUM": str(tmp_path / "none"), "REQUIRE_BROWSER": required},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == exit_code, done.stdout
    assert word in done.stdout
    assert "No Chromium was found: install it, or name its program with CHROMIUM." in done.stdout
