"""What the server answers is what its OpenAPI document says, whatever it is asked."""

import subprocess
import sys
from pathlib import Path

from tests.doors.rest.conftest import TOKEN, Served

SETTINGS = Path(__file__).with_name("schemathesis.toml")


def test_every_answer_is_as_the_document_says(guarded: Served, tmp_path: Path) -> None:
    """Asked with examples, edge cases, random and forbidden values, with and without the token."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)),
            *("run", f"{guarded.address}/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}"),
            *("--seed", "1", "--warnings", "off"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 13" in done.stdout
